"""An agent as far as leave is concerned: who is in, what each was told, and an office that is really there."""

from __future__ import annotations

import logging
from socket import AF_UNIX, socket
from typing import TYPE_CHECKING, Any

from agent import ipc
from agent.asked import ObjectionTold, Order
from agent.doors import Connection, Door
from agent.exchange.catalogue import catalogue
from agent.exchange.fingerprint import book
from agent.inventory import Inventory
from agent.ipc import Type
from agent.leave import Grant
from agent.model import Endpoint, Observation
from agent.permission import Permission
from agent.sections import Config
from tests.agent import leaving
from tests.agent.leaving import HOST, LEAF, Clock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.office import Office

LOG = logging.getLogger("agent")
GREETING = "ex01.example.org Microsoft ESMTP MAIL Service ready at Mon, 2 Nov 2026 09:00:00 +0100"
SENT = frozenset(
    {Type.SECTION, Type.GRANT, Type.CANCEL, Type.WITHDRAWN, Type.NOTED, Type.REPLY, Type.END}
)  # fmt: skip


class Doors:
    """Who is in, and what each was told; ``order`` is of what was said to whom, whatever it was."""

    def __init__(self) -> None:
        self.peers: list[Connection] = []
        self.told: dict[Connection, list[tuple[Type, dict[str, Any]]]] = {}
        self.order: list[tuple[str, Type]] = []

    def come(self, name: str) -> Connection:
        door = Door(name, frozenset(), frozenset({0}), 4)
        peer = Connection(door, socket(AF_UNIX), ipc.Credentials(42, 1000, 1000), ipc.Reader(frozenset()))
        peer.socket.close()
        self.peers.append(peer)
        self.told[peer] = []
        return peer

    def inside(self, name: str) -> list[Connection]:
        return [peer for peer in self.peers if peer.door.name == name]

    def tell(self, connection: Connection, frames: Iterator[bytes]) -> None:
        reader = ipc.Reader(SENT)
        for frame in frames:
            for kind, body in reader.feed(frame):
                self.told[connection].append((kind, body))
                self.order.append((connection.door.name, kind))


class World:
    """An agent as far as leave is concerned. ``shown`` is how many changes a look at it has seen."""

    def __init__(self, office: Office | None, clock: Clock) -> None:
        self.office, self.clock = office, clock
        self.doors = Doors()
        self.inventory = Inventory(book(), catalogue())
        self.learnt: list[Observation] = []
        self.permission = Permission(
            office, self.inventory, self.doors, observe=self.learnt.append, log=LOG,  # type: ignore[arg-type]
            now=clock.now, monotonic=clock.monotonic,
        )  # fmt: skip

    @property
    def kept(self) -> Office:
        assert self.office is not None
        return self.office

    def come(self, name: str) -> Connection:
        peer = self.doors.come(name)
        self.permission.opened(peer, self.office.config if self.office else Config())
        return peer

    def go(self, peer: Connection) -> None:
        self.doors.peers.remove(peer)
        self.permission.closed(peer)

    def heard(self, peer: Connection, kind: Type) -> list[dict[str, Any]]:
        return [body for said, body in self.doors.told[peer] if said is kind]

    def sees(self, address: str, port: int = 443) -> None:
        """An Exchange server, without its build."""
        for at, kind, value in (
            (25, "smtp.greeting", GREETING),
            (port, "tls.sni", "mail.example.nl"),
            (port, "tls.certificate", f"subject: CN=mail.example.nl\nissuer: CN=CA\nsha256: {LEAF}"),
        ):  # fmt: skip
            seen = Observation(Endpoint(address, at), kind, value, self.clock.wall, "passive", kind[:4].rstrip("."))
            self.inventory.observe(seen)

    def runs(self, address: str = HOST) -> Grant:
        """A probe that is under way."""
        knock = self.kept.knock
        assert knock is not None
        answer = knock(leaving.request(address, seen_at=self.clock.wall))
        assert isinstance(answer, Grant), answer
        return answer

    def object(self, prefix: str, peer: Connection, *, headers: bool = False, token: str | None = None) -> None:
        told = ObjectionTold(number=1, prefix=prefix, token=token, headers=headers)
        self.permission.took(peer, Type.OBJECTION, told)

    def order(self, peer: Connection, verb: str, **words: Any) -> list[dict[str, Any]]:
        before = len(self.doors.told[peer])
        self.permission.took(peer, Type.ORDER, Order(verb=verb, words=words))
        return [body for _, body in self.doors.told[peer][before:]]

    def passes(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.25)):
            self.clock.on(0.25)
            self.permission.tend()

    def delays(self) -> dict[str, Any]:
        body = self.permission.body()
        assert body is not None
        return {"pending": body["effects_pending"], "count": body["effect_seconds"]["count"], **body["effect_seconds"]}

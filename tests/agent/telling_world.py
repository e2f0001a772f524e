"""An agent as far as telling customers goes: an office and a store that are really there, and a notifier by hand."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from agent import ipc
from agent.exchange.catalogue import catalogue
from agent.exchange.fingerprint import book
from agent.inventory import Inventory
from agent.ipc import Type
from agent.lab import leave
from agent.notice import About, AnswerTold, Bounced, Due, Sent, Taken
from agent.telling import Telling
from tests.agent import leaving, permission_world
from tests.agent.cases.servers import OLD, observed
from tests.agent.leaving import HOST, NET, Clock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.audit.entry import Item
    from agent.cases.case import Case, Step
    from agent.doors import Connection
    from agent.office import Office

CUSTOMER = "agreed"
NOTICES = {"relay": "mail.isp.example:587", "sender": "notices@isp.example", "route": "abuse@isp.example"}
MAIL, OWNER = f"security@{CUSTOMER}.example", f"owner@{CUSTOMER}.example"


def contacts(customer: str, now: float) -> list[dict[str, Any]]:
    """Security and owner by mail, and one to phone; and one that nobody has verified."""
    verified = {"verified_at": leave.ago(now, 35)}
    return [
        {"role": "security", "channel": "mail", "address": f"security@{customer}.example", **verified},
        {"role": "security", "channel": "phone", "address": "+31 20 555 0100", **verified},
        {"role": "owner", "channel": "mail", "address": f"owner@{customer}.example", "lang": "en", **verified},
        {"role": "owner", "channel": "letter", "address": "Kade 1, Delft", **verified},
        {"role": "abuse", "channel": "mail", "address": f"anybody@{customer}.example"},
    ]


def agreed(customer: str, prefix: str, now: float) -> list[Item]:
    return [
        leave.mapped(customer, [prefix], now), leave.announced(customer, now),
        leave.given(customer, [prefix], now, contacts=contacts(customer, now)),
    ]  # fmt: skip


def text_of(due: Due) -> str:
    """What the notifier makes of it, as far as this world goes."""
    return f"About your mail server\n\nThis {due.facts.message} is about {due.facts.address}.\n"


SENT = frozenset({Type.DUE, Type.GO, Type.HEARD, Type.ANSWERED, Type.EVENT})


class Doors(permission_world.Doors):
    def tell(self, connection: Connection, frames: Iterator[bytes]) -> None:
        reader = ipc.Reader(SENT)
        for frame in frames:
            self.told[connection].extend(reader.feed(frame))


class World:
    """``told``: what the notifier was told; what it says back is said by hand."""

    def __init__(self, office: Office, clock: Clock, inventory: Inventory | None = None) -> None:
        self.office, self.clock = office, clock
        self.inventory = inventory or Inventory(book(), catalogue())
        self.doors = Doors()
        self.forgotten: list[str] = []
        self.telling = Telling(
            office, self.inventory, self.doors, ready=lambda: True, forget=self._forget,  # type: ignore[arg-type]
            log=logging.getLogger("agent"), now=clock.now, monotonic=clock.monotonic,
        )  # fmt: skip
        self.notifier: Connection | None = None

    def _forget(self, address: str) -> None:
        self.forgotten.append(address)

    def sees(self, build: str = OLD, address: str = HOST, **how: Any) -> None:
        for observation in observed(build, address=address, at=self.clock.wall, **how):
            self.inventory.observe(observation)

    def comes(self) -> Connection:
        self.notifier = self.doors.come("notifier")
        self.telling.opened(self.notifier)
        return self.notifier

    def goes(self) -> None:
        assert self.notifier is not None
        self.doors.peers.remove(self.notifier)
        self.telling.closed(self.notifier)
        self.notifier = None

    def passes(self, seconds: float, step: float = 60.0) -> None:
        """Time goes on; the sources of mappings are read anew each day."""
        for _ in range(max(1, round(seconds / step))):
            before = self.clock.wall
            self.clock.on(step)
            if before // 40_000 != self.clock.wall // 40_000:
                self.office.record([leave.synced(self.clock.wall)])
            self.telling.tend()

    def heard(self, kind: Type) -> list[dict[str, Any]]:
        assert self.notifier is not None
        return [body for said, body in self.doors.told[self.notifier] if said is kind]

    def dues(self) -> list[Due]:
        return [Due.model_validate(body) for body in self.heard(Type.DUE)]

    def says(self, message: Any) -> None:
        kinds = {About: Type.ABOUT, Sent: Type.SENT, Bounced: Type.BOUNCED, AnswerTold: Type.ANSWER, Taken: Type.TAKEN}
        assert self.notifier is not None
        assert self.telling.took(self.notifier, kinds[type(message)], message)

    def about(self, due: Due) -> bool:
        self.says(About(id=due.id, text=text_of(due)))
        return bool(self.heard(Type.GO)[-1]["go"])

    def sends(self, due: Due, outcome: Any = "sent", code: int = 250) -> None:
        """What the notifier does with one, and how it ends."""
        went = self.about(due)
        self.says(Sent(id=due.id, outcome=outcome if went else "cancelled", code=code))

    def case(self, address: str = HOST) -> Case:
        (case,) = self.office.book.at(address)
        return case

    def steps(self) -> list[tuple[str, str]]:
        return [(step.kind, step.outcome) for step in self.case().steps]

    def step(self, kind: str) -> Step:
        return next(step for step in self.case().steps if step.kind == kind)

    def answers(self, action: str, token: str = "") -> dict[str, Any]:
        self.says(AnswerTold(number=1, token=token or self.office.book.token(self.case().id), action=action))
        return self.heard(Type.ANSWERED)[-1]

    def logged(self, kind: str) -> list[Any]:
        return list(self.office.log.read([kind]))


@contextmanager
def world(directory: Path, *items: Item, **notices: Any) -> Iterator[World]:
    """With one customer who agreed, a server of his that is known, and a notifier."""
    clock = Clock()
    things = items or agreed(CUSTOMER, NET, clock.wall)
    with leaving.opened(directory, clock, *things, notices=NOTICES | notices) as office:
        made = World(office, clock)
        made.comes()
        yield made

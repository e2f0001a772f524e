"""The agent's part in knocking as a process of its own, that may be killed at any moment: the office, its permission,
and three doors. Its wall clock is a number in a file, which the test sets; its other clock is the machine's.

    python -m tests.live.knocking.part DIRECTORY control=FD exporter=FD prober=FD

In DIRECTORY are ``config.json``, ``clock``, ``fingerprint`` (of the servers' certificate) and ``state``.
"""

from __future__ import annotations

import json
import mmap
import os
import sys
import time
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING, Any

from agent import desk, ipc, permission
from agent.audit.entry import Item
from agent.config import check
from agent.doors import Connection, Door, Doors
from agent.exchange.catalogue import catalogue
from agent.exchange.fingerprint import book
from agent.inventory import Inventory
from agent.ipc import Type
from agent.lab import fronts
from agent.leave import Refusal, Request, Sighting
from agent.logfmt import begin
from agent.messages import validated
from agent.office import Office
from agent.permission import Permission
from agent.schema import lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agent.office import Who
    from agent.sections import Config

CLOCK = Struct("d")
VERBS = {"lab.record": "recorded", "lab.ask": "asked", "lab.standing": "standing"}
_DOORS = {
    "control": frozenset({Type.ORDER}),
    "exporter": frozenset({Type.OBJECTION}),
    "prober": frozenset({Type.OUTCOME, Type.CANCELLED, Type.USAGE}),
}


def clock(path: Path) -> Callable[[], float]:
    """The time that the file says it is, in seconds since the epoch."""
    with path.open("r+b") as file:
        shared = mmap.mmap(file.fileno(), CLOCK.size)
    return lambda: float(CLOCK.unpack_from(shared)[0])


def recorded(office: Office, words: dict[str, Any], who: Who) -> Iterator[dict[str, Any]]:
    """Put items on record, as an import or a command does that has read them somewhere."""
    entries = office.record([Item(*item) for item in words["items"]])
    yield {"entries": [entry.number for entry in entries]}


def asked(office: Office, words: dict[str, Any], who: Who) -> Iterator[dict[str, Any]]:
    """Knock, if there is leave. ``held``: grants that have not come to their end."""
    assert office.knock is not None
    address, port = words["address"], words["port"]
    request = Request(address, port, "exchange-http", words["why"], office.sighting(address, port))
    answer = office.knock(request)
    reason = answer.reason if isinstance(answer, Refusal) else ""
    yield {"reason": reason, "held": len(office.gate.held)}


def standing(office: Office, words: dict[str, Any], who: Who) -> Iterator[dict[str, Any]]:
    """The ids of a customer's objections that stand; ``held`` as above."""
    customer = office.register.customer(words["customer"])
    stands = [each.id for each in customer.objections if each.lifted is None] if customer else []
    yield {"objections": stands, "held": len(office.gate.held)}


class Part:
    """The doors' house: what comes in is permission's."""

    def __init__(self, config: Config, directory: Path) -> None:
        now = clock(directory / "clock")
        log = begin("agent", "error", "logfmt")
        self._config = config
        self._doors = Doors(self)
        office = Office(config, directory / "state", log=log, now=now, monotonic=time.monotonic)
        office.open()
        self.permission = Permission(
            office, Inventory(book(), catalogue()), self._doors, observe=lambda _: None, log=log, now=now,
            monotonic=time.monotonic,
        )  # fmt: skip
        shown = (directory / "fingerprint").read_text()

        def sighting(address: str, port: int) -> Sighting:
            return Sighting(fronts.NAME, (shown,), ("exchange",), build_known=False, last_seen=now() - 60)

        office.sighting = sighting

    def serve(self, listeners: dict[str, Any]) -> None:
        for name, listener in listeners.items():
            self._doors.open(Door(name, _DOORS[name], frozenset({os.geteuid()})), listener)
        while True:
            self._doors.turn(min(1.0, self.permission.until_due()))
            self.permission.tend()

    def opened(self, connection: Connection) -> None:
        self.permission.opened(connection, self._config)

    def took(self, connection: Connection, kind: Type, body: dict[str, Any]) -> None:
        self.permission.took(connection, kind, validated(kind, body))

    def closed(self, connection: Connection) -> None:
        self.permission.closed(connection)

    def rejected(self, door: Door, fault: ipc.Unexpected) -> None:
        raise AssertionError(f"{door.name}: {fault}")


def hurried() -> None:
    """The prober's own pace goes by the machine's clock, which here is slower than ours by a few thousand times."""
    told = permission.prober_section

    def section(config: Config, office: Office) -> dict[str, Any]:
        return told(config, office) | {"per_minute": 1_000_000}

    permission.prober_section = section


def main(words: list[str]) -> None:
    directory = Path(words[0])
    config = check(json.loads((directory / "config.json").read_text()), "scenario")
    listeners = ipc.inherited(words[1:])
    lock(directory / "state")
    desk.VERBS.update({verb: f"tests.live.knocking.part:{function}" for verb, function in VERBS.items()})
    hurried()
    Part(config, directory).serve(listeners)


if __name__ == "__main__":
    main(sys.argv[1:])

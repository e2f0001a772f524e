"""An office in which every piece is in its place, over a log on disk, with clocks that go on when they are told to."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from agent.asked import OutcomeOf
from agent.consent import probing_txt
from agent.lab import leave
from agent.leave import Budget, Request, Sighting
from agent.office import Office
from tests import asking

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.audit.entry import Item
    from agent.sections import Config

LOG = logging.getLogger("office")
NET, HOST = "192.0.2.0/24", "192.0.2.1"
OTHER_NET, OTHER_HOST = "198.51.100.0/24", "198.51.100.1"
START = 1_795_000_000.0  # 2026-11-18
LEAF = "f" * 64
BUDGET = Budget(seconds=7.0)


class Clock:
    """Seconds, of the wall and of a clock that only rises."""

    def __init__(self) -> None:
        self.wall, self.steady = START, 10_000.0

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.steady

    def on(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


def made(of: Config, directory: Path, clock: Clock) -> Office:
    """An office that is not open yet."""
    (directory / "state").mkdir(mode=0o700, exist_ok=True)
    return Office(of, directory / "state", log=LOG, now=clock.now, monotonic=clock.monotonic)


def enrol(office: Office, clock: Clock, *items: Item) -> None:
    """Put on record that everything is in order, and these; and let a checkpoint reach its sink."""
    describes = probing_txt.describes(probing_txt.facts(office.config))
    now = clock.wall
    office.record([*leave.published(now), leave.checked(now, describes), leave.synced(now), *items])
    office.tend()
    reached(office, clock)


def reached(office: Office, clock: Clock) -> None:
    """Wait for the thread that writes checkpoints."""
    deadline = time.monotonic() + 60
    while office.sinks.age(clock.steady) is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)


@contextmanager
def opened(directory: Path, clock: Clock, *items: Item, **sections: dict[str, Any]) -> Iterator[Office]:
    """Open until the end; without items, one customer has agreed."""
    office = made(asking.config(directory, **sections), directory, clock)
    office.open()
    try:
        enrol(office, clock, *(items or leave.agreed("agreed", [NET], clock.wall)))
        yield office
    finally:
        office.close()


def request(address: str = HOST, port: int = 443, why: Any = "schedule", seen_at: float = START) -> Request:
    """For a server that looking knows."""
    return Request(address, port, "exchange-http", why, sighting(seen_at))


def sighting(seen_at: float = START) -> Sighting:
    return Sighting("mail.example.nl", (LEAF,), ("exchange",), build_known=False, last_seen=seen_at)


def outcome(ident: str, became: str = "confirmed", address: str = HOST, **more: Any) -> OutcomeOf:
    """What a prober says of a grant."""
    knock = {"source": "127.0.0.1", "source_port": 40_000, "address": address, "port": 443, "time": 10_000.5}
    written: dict[str, Any] = {
        "id": ident, "outcome": became, "detail": "a few words", "knocks": [knock], "statuses": [401], "bytes": 700,
        "milliseconds": 80, "certificate": LEAF,
        "told": [{"kind": "http.header", "value": "X-OWA-Version: 15.2.1748.36"}],
    }  # fmt: skip
    return OutcomeOf.model_validate(written | more)

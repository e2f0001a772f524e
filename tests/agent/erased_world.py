"""A state directory with two customers of whom everything there is is kept, and a search of its bytes for one."""

from __future__ import annotations

import base64
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from agent.keeping import Keeping
from agent.lab import leave
from agent.leave import Budget, Grant
from agent.model import Endpoint, Observation
from agent.store import Store
from tests.agent import leaving
from tests.agent.cases.servers import OLD, observed
from tests.agent.leaving import Clock
from tests.agent.telling_world import NOTICES, World, contacts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.audit.entry import Item
    from agent.office import Office

GONE, STAYS = "crm-7041/praktijk", "crm-5/bakkerij"
GONE_NET, GONE_HOST = "203.0.113.192/26", "203.0.113.241"
STAYS_NET, STAYS_HOST = "198.51.100.0/25", "198.51.100.17"
GREETING = "mx7.praktijk.example Microsoft ESMTP MAIL Service ready at Mon, 2 Nov 2026 09:00:00 +0100"
TOKEN = "5f" * 32  # the hash of what he may answer with
WORDS = (
    GONE, "praktijk", GONE_NET, GONE_HOST, "security@crm-7041", "owner@crm-7041", TOKEN,
    *(f"praktijk{number}" for number in range(3)),
)  # fmt: skip


def things(customer: str, net: str, now: float) -> list[Item]:
    return [
        leave.mapped(customer, [net], now), leave.announced(customer, now),
        leave.given(customer, [net], now, contacts=contacts(customer, now),
                    withdrawal={"phone": "112", "token_sha256": TOKEN if customer == GONE else "ab" * 32}),
    ]  # fmt: skip


class Agent:
    """Everything of an agent that keeps something: office, store, cases. What is seen is kept on disk, too."""

    def __init__(self, office: Office, clock: Clock, directory: Path) -> None:
        self.world = World(office, clock)
        self.office, self.clock = office, clock
        self.store = Store(directory, 1_000_000, 65_536)
        self.keeping = Keeping(
            self.world.inventory, self.store, retention_days=30, log=logging.getLogger("agent"), now=clock.now,
            monotonic=clock.monotonic,
        )  # fmt: skip
        self.store.open()
        self.keeping.begin()
        while self.keeping.loading:
            self.keeping.tend()
        office.observed = self.keeping

    def sees(self, address: str, greeting: str = "") -> None:
        for observation in observed(OLD, address=address, at=self.clock.wall):
            value = greeting if greeting and observation.kind == "smtp.greeting" else observation.value
            self.keeping.observe(observation._replace(value=value))

    def crowd(self, number: int) -> list[str]:
        """Others, whose rows come around his, so that pages are divided."""
        there = [f"203.0.{each * 7919 % 113}.{each * 101 % 256}" for each in range(number)]
        for address in there:
            told = f"mx.{address}.example"
            self.keeping.observe(
                Observation(Endpoint(address, 25), "smtp.greeting", told, self.clock.wall, "passive", "smtp")
            )
        return there

    def writes(self) -> None:
        while self.store.due:
            self.store.commit()

    def probes(self, address: str) -> Grant:
        self.office.tend()
        leaving.reached(self.office, self.clock)
        request = leaving.request(address, seen_at=self.clock.wall)
        grant = self.office.gate.admit(request, self.office.conditions(), Budget(seconds=20.0))
        assert isinstance(grant, Grant), grant
        return grant

    def lives(self) -> None:
        """Both are seen, knocked at, and told."""
        self.crowd(150)
        self.writes()
        for address, greeting in ((GONE_HOST, GREETING), (STAYS_HOST, "")):
            grant = self.probes(address)
            self.office.gate.finish(leaving.outcome(grant.id, address=address))
            self.sees(address, greeting)
            self.writes()
            self.clock.on(60)
        others = self.crowd(400)
        self.writes()
        # And they go again, so that what is left is moved together.
        for address in others[::3] + others[1::3]:
            self.keeping.forget(address)
        self.writes()
        self.world.comes()
        self.world.passes(10, 1.0)
        for due in self.world.dues():
            self.world.sends(due)
        self.world.passes(60)
        self.writes()

    def close(self) -> None:
        self.keeping.end()


@contextmanager
def agent(directory: Path, clock: Clock, *items: Item) -> Iterator[Agent]:
    """One over ``directory``/state; with ``items``, those are put on record in a new log."""
    from tests import asking

    office = leaving.made(asking.config(directory, notices=NOTICES), directory, clock)
    office.open()
    if items:
        leaving.enrol(office, clock, *items)
    made = Agent(office, clock, directory / "state")
    try:
        yield made
    finally:
        made.close()
        office.close()


@contextmanager
def lived(directory: Path) -> Iterator[Agent]:
    """With both customers, whom it has seen, knocked at and told."""
    clock = Clock()
    now = clock.wall
    with agent(directory, clock, *things(GONE, GONE_NET, now), *things(STAYS, STAYS_NET, now)) as made:
        made.lives()
        yield made


def forms(word: str) -> list[bytes]:
    """As it is, in hex, and in base64 wherever it may begin there."""
    plain = word.encode()
    coded = []
    for shift in range(3):
        text = base64.b64encode(bytes(shift) + plain).rstrip(b"=")
        coded.append(text[(8 * shift + 5) // 6 : (8 * (shift + len(plain))) // 6])
    return [plain, plain.hex().encode(), plain.hex().upper().encode(), *coded]


def found(directory: Path, *words: str) -> set[tuple[str, str]]:
    """In which files which of these words are, byte by byte."""
    return {
        (path.name, word)
        for path in sorted(directory.rglob("*"))
        if path.is_file()
        for data in [path.read_bytes()]
        for word in words or WORDS
        if any(form in data for form in forms(word))
    }

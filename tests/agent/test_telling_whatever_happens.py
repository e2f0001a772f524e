"""Telling customers while everything happens at random: what must never be, never is; and nothing is in clear."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from agent.lab import leave
from agent.notice import Bounced, Due, Sent
from agent.schema import FINDINGS
from tests.agent.cases.servers import CURRENT, OLD
from tests.agent.telling_world import World, agreed, world

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DAY, HOUR = 86_400.0, 3600.0
CUSTOMERS = ("c-1", "c-2", "c-3", "c-4")
PREFIX = {name: f"192.0.2.{16 * n}/28" for n, name in enumerate(CUSTOMERS)}
SERVER = {name: f"192.0.2.{16 * n + 1}" for n, name in enumerate(CUSTOMERS)}


class Play:
    """One run. ``wire``: what went out, by step; ``holder``: whose each address is."""

    def __init__(self, made: World, chance: random.Random) -> None:
        self.made, self.chance = made, chance
        self.holder = dict(zip(SERVER.values(), CUSTOMERS, strict=True))
        self.objected: dict[str, float] = {}
        self.wire: defaultdict[str, list[str]] = defaultdict(list)
        self.told = 0
        self.open: list[Due] = []
        self.twice = 0

    def delivers(self) -> None:
        """The notifier does what it has before it; now and then it, or the agent, is killed at the worst time."""
        fresh = self.made.dues()[self.told :]
        self.told += len(fresh)
        self.open += fresh
        slow, self.open = self.open, []
        while slow:
            due = slow.pop(0)
            if self.chance.random() < 0.5:
                self.open.append(due)  # the relay takes its time
            elif self._deliver(due):
                self.open, slow = [], []  # what it had before it has gone with it

    def _deliver(self, due: Due) -> bool:
        """Whether everybody begins anew after it."""
        holder = self.holder[str(due.facts.address)]
        if not self.made.about(due):
            self.made.says(Sent(id=due.id, outcome="cancelled"))
            return False
        # A yes is a yes: from here on it may be in somebody's mailbox.
        assert due.facts.customer == holder, "to a next holder"
        assert holder not in self.objected, "after an objection"
        assert due.to in {f"{role}@{holder}.example" for role in ("security", "owner")}, "to somebody else"
        self.wire[due.id].append(due.message_id)
        fate = self.chance.random()
        if fate < 0.15:
            self.made.goes()
            self.made.comes()
            self.told = 0
            return True
        if fate < 0.25:
            self.agent_restarts()
            return True
        outcome = self.chance.choice(["sent"] * 6 + ["later", "refused", "uncertain"])
        self.made.says(Sent(id=due.id, outcome=outcome, code=250))
        if outcome == "sent" and self.chance.random() < 0.3:
            self.made.says(Bounced(message_id=due.message_id, action="failed", status="5.1.1"))
        return False

    def agent_restarts(self) -> None:
        self.made.office.book.close()
        self.made.office._book = None
        self.open = []
        self.made = World(self.made.office, self.made.clock, self.made.inventory)
        self.made.comes()
        self.told = 0

    def objects(self) -> None:
        name = self.chance.choice(CUSTOMERS)
        self.made.office.record([leave.objected(name, None, self.made.clock.wall)])
        self.objected[name] = self.made.clock.wall

    def hands_over(self) -> None:
        prefix = self.chance.choice(list(PREFIX.values()))
        address = f"{prefix.rpartition('.')[0]}.{int(prefix.rpartition('.')[2].partition('/')[0]) + 1}"
        now, before = self.made.clock.wall, self.holder[address]
        after = self.chance.choice([name for name in CUSTOMERS if name != before])
        self.made.office.record([leave.unmapped(before, [prefix], now), leave.mapped(after, [prefix], now, days=0)])
        self.holder[address] = after

    def sees(self) -> None:
        self.made.sees(self.chance.choice([OLD, OLD, CURRENT]), self.chance.choice(list(SERVER.values())))

    def answers(self) -> None:
        cases = list(self.made.office.book.cases.values())
        if cases:
            case = self.chance.choice(cases)
            action = self.chance.choice(("fixed", "recheck", "wrong_contact", "not_ours", "wont_fix", "show"))
            self.made.answers(action, self.made.office.book.token(case.id))

    def passes(self) -> None:
        self.made.passes(*self.chance.choice(((120.0, 60.0), (6 * HOUR, 2 * HOUR), (2 * DAY, 8 * HOUR))))

    def turn(self) -> None:
        rare: list[Callable[[], None]] = [self.objects, self.hands_over, self.agent_restarts]
        often: list[Callable[[], None]] = [self.sees, self.answers, self.passes, self.passes, self.passes]
        self.chance.choice(rare if self.chance.random() < 0.12 else often)()
        self.delivers()

    def ends(self) -> None:
        ids = [ident for those in self.wire.values() for ident in those]
        assert all(len(set(those)) == 1 for those in self.wire.values()), "two Message-IDs for a step"
        assert len(set(ids)) == len(self.wire), "one Message-ID for two steps"


@pytest.mark.parametrize("turn", range(3))
def test_what_must_never_be_never_is(tmp_path: Path, turn: int) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    now = 1_795_000_000.0
    items = [item for name in CUSTOMERS for item in agreed(name, PREFIX[name], now)]
    with world(tmp_path, *items) as made:
        for address in SERVER.values():
            made.sees(address=address)
        made.passes(120)
        play = Play(made, random.Random(seed))
        try:
            for _ in range(60):
                play.turn()
            play.ends()
        except AssertionError as error:
            error.add_note(f"seed {seed}, turn {turn}")
            raise
        assert play.wire, f"seed {seed}: nothing was ever sent"
        on_disk = b"".join(path.read_bytes() for path in (tmp_path / "state").glob(f"{FINDINGS}*"))
        for name in CUSTOMERS:
            for canary in (f"@{name}.example", SERVER[name], "+31 20 555"):
                assert canary.encode() not in on_disk
        assert b"Proxy" not in on_disk and b"ex01" not in on_disk

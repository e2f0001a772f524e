"""What happens to some dozens of customers in some months: requests, objections, hand-overs, ends, and crashes of ours.

All of it is drawn from one seed. Time goes by the story: each request takes some minutes of it, whatever the machine's
own clock says, so that rates, cool-downs, hours and days pass.
"""

from __future__ import annotations

import mmap
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agent import ipc
from agent.audit.entry import Item
from agent.consent import probing_txt
from agent.consent.written import body
from agent.ipc import Type
from agent.lab import leave
from tests.live.knocking import far
from tests.live.knocking.part import CLOCK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.sections import Config
    from tests.live.knocking.processes import Part

HOUR, DAY = 3600.0, 86_400.0
BEGINS = 1_795_000_000.0
_LIFTED = "record.objection_lifted"
_AT_ONCE = 13  # grants that may be out: more would wait for a thread of the prober until they are too old


@dataclass
class Place:
    """Prefixes that are one customer's at a time. ``sick``: when somebody sees to it that he may be asked again."""

    prefix: str
    hosts: list[str]
    hours: list[str]
    number: int
    holders: int = 0
    records: int = 0
    sick: float = float("inf")

    @property
    def customer(self) -> str:
        return f"c-{self.number}-{self.holders}"


@dataclass
class Told:
    """What was done, in numbers."""

    requests: int = 0
    granted: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)


class Story:
    """``requests`` of them, with ``config`` in force, over ``places``."""

    def __init__(self, config: Config, part: Part, directory: Path, places: list[Place], seed: int) -> None:
        self._config = config
        self._part = part
        self._drop = directory / "drop"
        self._chance = random.Random(seed)
        with (directory / "clock").open("r+b") as file:
            self._clock = mmap.mmap(file.fileno(), CLOCK.size)
        self._places = places
        self._synced = self._checked = 0.0
        self._stale = BEGINS + 9 * DAY
        self._busy: list[tuple[float, Place, str]] = []
        self._files = 0
        self._numbers = 0
        self._due = 0.0  # of the next kill: how long after what is being said
        self.answered: dict[int, float] = {}
        self.told = Told()
        self.now = BEGINS

    def begin(self) -> None:
        """Everybody has been told, and has agreed."""
        self._pass(0)
        self._record([*leave.published(self.now), self._look(), leave.synced(self.now)])
        for place in self._places:
            self._record(self._agreed(place))

    def go(self, requests: int) -> None:
        self.told.requests = 0
        while self.told.requests < requests:
            self._pass(self._chance.expovariate(1 / 600.0))
            self._seen_to()
            if self._chance.random() < 0.045:
                self._event()
            if self._chance.random() < 0.0045:
                self._due = self._chance.uniform(0.0002, 0.006)
            if self._chance.random() < 0.0016:
                self._part.kill("prober")
            self._request()
            self._part.mend()

    def asked(self, host: str) -> str:
        """The reason against knocking at a host, once a checkpoint of this agent's has got out; "" for a grant."""
        end = time.monotonic() + 30
        while True:
            answers = self._ordered("lab.ask", {"address": host, "port": far.PORT, "why": "schedule"})
            reason = str(answers[0]["reason"])
            if reason not in ("checkpoint_stale", "not_armed") or time.monotonic() > end:
                return reason
            time.sleep(0.05)

    def finish(self) -> None:
        """Until nothing is under way any more; the last thing is one of which nothing comes, while nobody is killed."""
        self._part.mend()
        for host in [host for place in self._places for host in place.hosts if far.way(host) in ("hanging", "silent")]:
            self._pass(600.0)
            self._seen_to()
            if not self.asked(host):
                break
        end = time.monotonic() + 60
        while self._ordered("lab.standing", {"customer": ""})[0]["held"] and time.monotonic() < end:
            time.sleep(0.05)

    def _pass(self, seconds: float) -> None:
        self.now += seconds
        CLOCK.pack_into(self._clock, 0, self.now)

    def _seen_to(self) -> None:
        """What the operator does day by day; now and then nobody sees to the mapping for two days."""
        if self.now >= self._stale + 2 * DAY:
            self._stale = self.now + self._chance.uniform(8, 14) * DAY
        if self.now - self._synced > 9 * HOUR and self.now < self._stale and self._record([leave.synced(self.now)]):
            self._synced = self.now
        if self.now - self._checked > 9 * DAY and self._record([self._look()]):
            self._checked = self.now
        for place in self._places:
            if place.sick <= self.now:
                self._heal(place)

    def _look(self) -> Item:
        return leave.checked(self.now, probing_txt.describes(probing_txt.facts(self._config)))

    def _agreed(self, place: Place) -> list[Item]:
        ports = [far.PORT, far.CLOSED]
        scope = leave.record(place.customer, [place.prefix], self.now)["scope"]
        scope |= {"ports": ports, "window": {"hours": place.hours, "tz": "Europe/Amsterdam"}}
        place.records += 1
        given = leave.given(
            place.customer, [place.prefix], self.now, scope=scope, created_at=leave.ago(self.now, 0),
            valid_from=leave.ago(self.now, 1), valid_until=leave.ago(self.now, -300),
            record_id=leave.ident(f"{place.customer} {place.records}"),
        )  # fmt: skip
        told = leave.announced(place.customer, self.now)
        return [leave.mapped(place.customer, [place.prefix], self.now, days=0), told, given]

    # What is asked.

    def _request(self) -> None:
        place = self._chance.choice(self._places)
        host = self._chance.choice(place.hosts)
        port = far.CLOSED if far.way(host) == "refusing" else far.PORT
        if self._chance.random() < 0.02:
            host = self._chance.choice(("198.51.100.200", "2001:db8:1ff::1", "203.0.113.255", "192.0.2.77"))
        why = self._chance.choice(("schedule", "schedule", "command"))
        answers = self._ordered("lab.ask", {"address": host, "port": port, "why": why})
        self.told.requests += 1
        if not answers:
            self.told.answers["killed"] += 1
            return
        self.told.answers[answers[0]["reason"]] += 1
        if not answers[0]["reason"]:
            self.told.granted += 1
            if far.way(host) in ("slow", "late", "hanging"):
                self._busy.append((time.monotonic(), place, host))
        time.sleep(max(0, answers[0]["held"] - _AT_ONCE) * 0.02)

    # What happens.

    def _event(self) -> None:
        kind = self._chance.choice(
            ("command", "command", "web", "web", "prefix", "file", "moved", "moved", "gone", "ended", "withdrawn")
        )
        place = self._some()
        if place is None:
            return
        self.told.events[kind] += 1
        place.sick = self.now + self._chance.uniform(0.3, 4) * DAY
        getattr(self, f"_{kind}")(place)

    def _some(self) -> Place | None:
        """Mostly one who is being knocked at just now: that is when it matters."""
        since = time.monotonic() - 0.8 * far.LATE
        self._busy = [each for each in self._busy if each[0] > since]
        places = [place for _, place, _ in self._busy if place.sick == float("inf")]
        if not places or self._chance.random() < 0.2:
            places = [place for place in self._places if place.sick == float("inf")]
        return self._chance.choice(places) if places else None

    def _command(self, place: Place) -> None:
        words = [{"customer": place.customer}, {"prefix": place.prefix}, {"prefix": f"{place.hosts[0]}"}]
        self._ordered("consent.object", self._chance.choice(words))

    def _web(self, place: Place) -> None:
        self._say(token=leave.token(place.customer), prefix="")

    def _prefix(self, place: Place) -> None:
        self._say(token="", prefix=place.prefix)

    def _say(self, **what: str) -> None:
        self._numbers += 1
        assert self._part.exporter
        try:
            self._part.exporter.send(Type.OBJECTION, {"number": self._numbers, "headers": False, **what})
            self._die()
            while (received := self._part.exporter.receive()) and received[0] is not Type.NOTED:
                pass
            if received:
                self.told.events[f"web {received[1]['status']}"] += 1
        except (OSError, ipc.Unexpected):
            received = None
        if received is None:
            self._part.again()

    def _file(self, place: Place) -> None:
        self._files += 1
        unfinished = self._drop / f"{self._files}.tmp"
        unfinished.write_text(f"{place.prefix}\n")
        unfinished.rename(self._drop / f"{self._files}.txt")

    def _moved(self, place: Place) -> None:
        """The next customer has it: known as his alone, or he has agreed before."""
        before = leave.unmapped(place.customer, [place.prefix], self.now)
        place.holders += 1
        place.records = 0
        after = self._agreed(place) if self._chance.random() < 0.5 else [
            leave.mapped(place.customer, [place.prefix], self.now, days=0)
        ]  # fmt: skip
        self._record([before, *after])

    def _gone(self, place: Place) -> None:
        self._record([leave.unmapped(place.customer, [place.prefix], self.now)])

    def _ended(self, place: Place) -> None:
        self._ordered("consent.end", {"customer": place.customer}, refused=True)

    def _withdrawn(self, place: Place) -> None:
        self._ordered("consent.withdraw", {"customer": place.customer}, refused=True)

    def _heal(self, place: Place) -> None:
        """Whoever has the place agrees, anew where he had said no; some never do, and one day somebody else has it."""
        found = self._ordered("lab.standing", {"customer": place.customer})
        if not found:
            return
        items = self._agreed(place)
        record = leave.ident(f"{place.customer} {place.records}")
        for name in found[0]["objections"]:
            said = {"at": leave.ago(self.now, 0), "objection_id": name, "record_id": record}
            items.append(Item(_LIFTED, {}, place.customer, body(_LIFTED, said)))
        if self._record(items):
            place.sick = float("inf")

    # How it is said.

    def _record(self, items: list[Item]) -> bool:
        return bool(self._ordered("lab.record", {"items": items}))

    def _ordered(self, verb: str, words: dict[str, Any], *, refused: bool = False) -> list[dict[str, Any]]:
        """What the order comes to; nothing where the agent was killed in the middle of it: then there is another."""
        try:
            items = list(self._taken(verb, words, refused))
        except (OSError, ipc.Unexpected):
            self._part.again()
            return []
        for item in items:
            numbers = item.get("entries", [item["entry"]] if "entry" in item else [])
            self.answered.update(dict.fromkeys(numbers, time.monotonic()))
        return items

    def _taken(self, verb: str, words: dict[str, Any], refused: bool) -> Iterator[dict[str, Any]]:
        link = self._part.control
        assert link
        link.send(Type.ORDER, {"verb": verb, "words": words})
        self._die()
        while (received := link.receive()) is not None:
            kind, body = received
            if kind is Type.END:
                return
            assert refused or "error" not in body, body
            yield body.get("item", {})
        raise ConnectionResetError

    def _die(self) -> None:
        if self._due:
            due, self._due = self._due, 0.0
            self._part.kill("agent", due)

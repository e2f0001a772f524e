"""What the log says held against what was seen on the wire: by a reading of its own, that shares no code with the gate.

The log is read from the disk when all is over. ``mono`` of an entry is CLOCK_MONOTONIC of before it was written; so is
the time of a segment, and no clock of the story's bears on them.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from agent.asked import Knocks, OutcomeOf
from agent.audit.verify import exported
from agent.leave import Budget, Grant
from agent.selfaudit import LATE, SelfAudit
from tests.live.knocking.capture import ACK, FIN, RST, SYN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from agent.audit.entry import Opened
    from agent.audit.log import Log
    from tests.live.knocking.capture import Flow, Segment

DAY = 86_400.0
SOON = 1.0  # seconds in which what is taken away has to be in force
AT_ONCE = 0.25  # seconds in which a prober that is told so stops, on a machine that is busy
_LATE = 6.0  # seconds that an outcome may come after its connections: twice what a probe may take
_CLOCKS = 0.002  # seconds: times in the log are whole milliseconds
_ZONE = ZoneInfo("Europe/Amsterdam")


class Written(NamedTuple):
    """An entry. ``mono``: seconds of CLOCK_MONOTONIC."""

    mono: float
    entry: Opened


@dataclass
class Intent:
    """``seconds`` from ``mono`` on, ``connections`` at the most may go to ``address``."""

    number: int
    mono: float
    time: float
    id: str
    customer: str
    address: str
    port: int
    seconds: float
    connections: int
    outcomes: list[Written] = field(default_factory=list)
    seen: list[Connection] = field(default_factory=list)

    @property
    def outcome(self) -> str:
        return str(self.outcomes[0].entry.public["outcome"]) if self.outcomes else ""


@dataclass
class Connection:
    """One that was begun: its SYN, whatever of it had payload, and how this side ended it."""

    flow: Flow
    began: float
    said: list[float] = field(default_factory=list)
    answered: bool = False
    ends: list[tuple[float, str]] = field(default_factory=list)


def read(directory: Path, log: Log) -> list[Written]:
    """Every entry, with its other time."""
    leaves = (json.loads(text) for text in exported(directory, 0))
    return [Written(leaf["mono"] / 1000, entry) for leaf, entry in zip(leaves, log.read(), strict=True)]


def connections(segments: Iterable[Segment], sources: tuple[str, ...]) -> list[Connection]:
    """Those from our own addresses. A SYN that is sent again begins nothing."""
    found: list[Connection] = []
    open_: dict[Flow, tuple[int, Connection]] = {}
    for segment in segments:
        flow, flags = segment.flow, segment.flags
        if flow[0] in sources:
            if flags & SYN and not flags & ACK:
                if flow not in open_ or open_[flow][0] != segment.sequence:
                    open_[flow] = segment.sequence, Connection(flow, segment.time)
                    found.append(open_[flow][1])
                continue
            if flow not in open_:
                found.append(Connection(flow, segment.time))  # nothing that comes from nowhere goes by unseen
                open_[flow] = -1, found[-1]
            mine = open_[flow][1]
            if segment.payload > 0:
                mine.said.append(segment.time)
            if flags & (RST | FIN):
                mine.ends.append((segment.time, "RST" if flags & RST else "FIN"))
        elif (back := (flow[2], flow[3], flow[0], flow[1])) in open_:
            open_[back][1].answered |= flags & (SYN | ACK) == SYN | ACK
            if flags & RST:
                open_[back][1].ends.append((segment.time, "his RST"))
    return found


class Away(NamedTuple):
    """Leave that was taken away from a prefix at ``since``, until ``until``: "objection" or "handed".

    ``known``: when whoever gave the order had his answer, where he got one.
    """

    why: str
    prefix: Any
    since: float
    until: float
    customer: str
    known: float | None = None


class Ledger:
    """``entries``: all of the log; ``begun``: all connections that were seen; ``answered``: number of an entry -> when
    the order that made it was answered.
    """

    def __init__(
        self, entries: list[Written], begun: list[Connection], answered: Mapping[int, float] | None = None
    ) -> None:
        self.entries = entries
        self.begun = begun
        self._answered = answered or {}
        self.intents: dict[int, Intent] = {}
        self.away: list[Away] = []
        self.faults: Counter[str] = Counter()
        self.words: list[str] = []  # more of what was found, for whoever has to find out why
        self.delays: dict[str, float] = defaultdict(float)
        self.counts: Counter[str] = Counter()
        self._holders: dict[Any, str] = {}
        self._since: dict[Any, float] = {}  # in the story's time, since the prefix has had its holder
        self._former: dict[Any, str] = {}
        self._open: dict[str, list[int]] = {}  # objection -> places in ``away``
        self._synced = float("-inf")
        self._last: dict[str, float] = {}
        self._ways: dict[str, Counter[str]] = {}
        for written in entries:
            self._take(written)
        self._deal()

    def _take(self, written: Written) -> None:
        entry, private = written.entry, written.entry.private or {}
        kind = entry.kind
        if kind == "probe.intent":
            self._intent(written, private)
        elif kind == "probe.outcome":
            self.intents[entry.public["intent"]].outcomes.append(written)
        elif kind == "mapping.synced":
            self._synced = _seconds(entry.public["at"])
        elif kind == "mapping.asserted":
            for text in private["prefixes"]:
                prefix = ip_network(text)
                if self._former.get(prefix, entry.customer) != entry.customer and prefix not in self._holders:
                    self._since[prefix] = entry.time
                self._holders[prefix] = entry.customer
        elif kind == "mapping.withdrawn":
            for text in private["prefixes"]:
                prefix = ip_network(text)
                self._former[prefix] = entry.customer
                self._end(self._holders.pop(prefix, ""), prefix, written)
        elif kind == "record.objected":
            self._object(written, private)
        elif kind == "record.objection_lifted":
            for place in self._open.pop(private["objection_id"], ()):
                self.away[place] = self.away[place]._replace(until=written.mono)
        self.counts[kind] += 1

    def _known(self, written: Written) -> float | None:
        return self._answered.get(written.entry.number)

    def _end(self, customer: str, prefix: Any, written: Written) -> None:
        self.away.append(Away("handed", prefix, written.mono, float("inf"), customer, self._known(written)))
        for places in self._open.values():
            for place in places:
                each = self.away[place]
                if each.customer == customer and each.prefix == prefix and each.why == "objection":
                    self.away[place] = each._replace(until=written.mono)

    def _object(self, written: Written, private: dict[str, Any]) -> None:
        named = private.get("prefixes")
        his = [prefix for prefix, holder in self._holders.items() if holder == written.entry.customer]
        prefixes = his if named is None else [ip_network(text) for text in named]
        customer = written.entry.customer if named is None else ""  # what he names goes on wherever it lies
        for prefix in prefixes:
            self._open.setdefault(private["objection_id"], []).append(len(self.away))
            self.away.append(Away("objection", prefix, written.mono, float("inf"), customer, self._known(written)))

    def _intent(self, written: Written, private: dict[str, Any]) -> None:
        entry = written.entry
        made = Intent(
            entry.number, written.mono, entry.time, entry.public["id"], entry.customer, private["address"],
            private["port"], private["deadline_ms"] / 1000, private["connections"],
        )  # fmt: skip
        self.intents[entry.number] = made
        holder = next((p for p in self._holders if ip_address(made.address) in p), None)
        at = datetime.fromtimestamp(entry.time, _ZONE)
        wrong = {
            "intents for who does not hold the address": holder is None or self._holders[holder] != made.customer,
            "intents while the mapping was stale": not 0 <= entry.time - self._synced <= DAY,
            "intents in quarantine": holder in self._since and entry.time - self._since[holder] < 7 * DAY,
            "intents twice a day": entry.time - self._last.get(made.address, float("-inf")) < DAY,
            "intents against an objection": any(
                ip_address(made.address) in each.prefix and each.since <= made.mono < each.until
                for each in self.away
                if each.why == "objection"
            ),
            "intents outside hours": not _within(made.customer, at),
        }
        self.faults.update([name for name, is_so in wrong.items() if is_so])
        self._last[made.address] = entry.time

    def _deal(self) -> None:
        """To each connection the intent that it came of: the last one before it to its server."""
        to: dict[tuple[str, int], list[Intent]] = defaultdict(list)
        for intent in self.intents.values():
            to[intent.address, intent.port].append(intent)
        for one in self.begun:
            before = to[one.flow[2], one.flow[3]]
            place = bisect_right([intent.mono for intent in before], one.began + _CLOCKS) - 1
            if place < 0:
                self.faults["connections without an intent before them"] += 1
                continue
            intent = before[place]
            intent.seen.append(one)
            if one.began > intent.mono + intent.seconds + SOON:
                self.faults["connections after the deadline of their intent"] += 1
        for intent in self.intents.values():
            self.faults["connections beyond their intent's budget"] += len(intent.seen) > intent.connections
            self.faults["intents without exactly one outcome"] += len(intent.outcomes) != 1
            if not _tells_all(intent):
                self.faults["outcomes that do not tell of a connection"] += 1
                self.words.append(f"{intent.outcomes[0].mono} {intent}")

    def away_counts(self) -> None:
        """What went to whom leave was taken away from."""
        addresses = {ip_address(intent.address): intent for intent in self.intents.values()}
        of: dict[Any, list[tuple[Intent, Connection]]] = defaultdict(list)
        for intent in self.intents.values():
            for one in intent.seen:
                of[ip_address(intent.address)].append((intent, one))
        for each in self.away:
            for address in [a for a in addresses if a in each.prefix]:
                for intent, one in of[address]:
                    if intent.mono <= each.since:
                        self._after(each, intent, one)
                    elif each.why == "objection" and one.began < each.until:
                        self.faults["connections to an objector"] += 1

    def _after(self, each: Away, intent: Intent, one: Connection) -> None:
        """A connection of an intent that was there when leave was taken away."""
        late = [t for t in (one.began, *one.said) if each.since < t < each.until]
        if late:
            self.delays[each.why] = max(self.delays[each.why], max(late) - each.since)
            self.counts[f"sent within {SOON:.0f} s: {each.why}"] += sum(t <= each.since + SOON for t in late)
            if each.known is not None:
                which = f"{each.why}, from the answer"
                self.delays[which] = max(self.delays[which], max(late) - each.known)
                self.faults[f"connections or payload after the answer, {each.why}"] += max(late) > each.known + AT_ONCE
        self.faults[f"connections or payload, {each.why}"] += sum(t > each.since + SOON for t in late)
        ends = [(t, how) for t, how in one.ends if t > each.since]
        if one.answered and one.began <= each.since and not any(t <= each.since for t, _ in one.ends):
            first = min(ends, default=(float("inf"), ""))
            self.faults[f"connections left open, {each.why}"] += first[0] > each.since + SOON
            self.ways(each.why)[first[1]] += 1
            self.delays[f"{each.why}, end"] = max(self.delays[f"{each.why}, end"], first[0] - each.since)

    def ways(self, why: str) -> Counter[str]:
        """How those connections ended that were open when leave was taken away: "RST", "FIN", "his RST", "" for not."""
        return self._ways.setdefault(why, Counter())

    def cancelled(self) -> Counter[str]:
        """How the last connections of those probes ended that were broken off, where they had come about."""
        found: Counter[str] = Counter()
        for intent in self.intents.values():
            last = max(intent.seen, key=lambda one: one.began, default=None)
            if intent.outcome == "cancelled" and last is not None and last.answered:
                found[min(last.ends, default=(0.0, "nothing"))[1]] += 1
        return found

    def unseen(self) -> list[str]:
        """What outcomes tell of and nobody saw, in words: for whoever has to find out why."""
        seen = {one.flow for one in self.begun}
        told = []
        for intent in self.intents.values():
            for written in intent.outcomes:
                private = written.entry.private or {}
                for place, knock in enumerate(private.get("knocks", ())):
                    if (knock["source"], knock["source_port"], knock["address"], knock["port"]) not in seen:
                        detail = private.get("detail", "")
                        told.append(f"{intent.outcome} {detail} {place + 1} of {len(private['knocks'])}: {knock}")
        return told

    def audited(self) -> dict[str, int]:
        """What the daemon's own audit of itself says of log and capture.

        ``reused``: connections of the same four numbers as one shortly before, which it may take for that one. Days of
        the story are seconds here: it is told that what is late is so after seconds.
        """
        now = [-10 * LATE]
        audit = SelfAudit(lambda: now[0], late=_LATE)
        audit.watch(tuple({one.flow[0] for one in self.begun}))
        began = min(written.mono for written in self.entries)
        now[0] = began - 1
        audit.opened("capture")
        audit.applied("capture")
        happened: list[tuple[float, int, Any]] = [(i.mono, 0, i) for i in self.intents.values()]
        happened += [(one.began, 1, one) for one in self.begun]
        happened += [(w.mono, 2, w) for i in self.intents.values() for w in i.outcomes]
        for at, what, each in sorted(happened, key=lambda one: one[:2]):
            now[0] = at
            if what == 0:
                deadline = each.mono + each.seconds
                audit.granted(
                    Grant(each.id, each.address, each.port, None, "", "", deadline, Budget(), each.number, "")
                )
            elif what == 1:
                audit.seen(Knocks.model_validate({"knocks": [_knock(each.flow, at)]}))
            elif each.entry.public["outcome"] != "unknown":
                audit.logged(_told(each.entry))
        now[0] += 3 * LATE
        return audit.body() | {"reused": self._reused()}

    def _reused(self) -> int:
        last: dict[Flow, float] = {}
        reused = 0
        for one in self.begun:
            reused += one.began - last.get(one.flow, float("-inf")) < 2 * _LATE
            last[one.flow] = one.began
        return reused


def _knock(flow: Flow, at: float) -> dict[str, Any]:
    source, source_port, address, port = flow
    return {"source": source, "source_port": source_port, "address": address, "port": port, "time": at}


def _told(entry: Opened) -> OutcomeOf:
    private = entry.private or {}
    knocks = [{key: value for key, value in knock.items() if key != "ms"} | {"time": knock["ms"] / 1000}
              for knock in private["knocks"]]  # fmt: skip
    # What the prober had said is not kept of a server that changed hands: it was broken off for that, as a rule.
    outcome = {"holder_changed": "cancelled"}.get(entry.public["outcome"], entry.public["outcome"])
    return OutcomeOf.model_validate({
        "id": entry.public["id"], "outcome": outcome, "detail": "", "knocks": knocks, "statuses": [],
        "bytes": 0, "milliseconds": entry.public["ms"], "certificate": "", "told": [],
    })  # fmt: skip


def _tells_all(intent: Intent) -> bool:
    """Whether an outcome tells of every connection that was seen, where anything is known of them."""
    private = intent.outcomes[0].entry.private if intent.outcomes else None
    if private is None or "knocks" not in private or intent.outcome == "unknown":
        return True
    return {one.flow[1] for one in intent.seen} <= {knock["source_port"] for knock in private["knocks"]}


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _within(customer: str, at: datetime) -> bool:
    """The hours that the story gave to this customer, by his number."""
    number = int(customer.split("-")[1])
    if number % 7 == 1:
        return at.weekday() < 5 and 9 <= at.hour < 17
    if number % 7 == 2:
        return at.hour >= 22 or at.hour < 6
    return True

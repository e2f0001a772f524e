"""How consent, the log and the arming stand, as counts: what the exporter shows of them. Nobody can be told from it."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any, get_args

from agent.consent.state import Basis
from agent.coverage import CUSTOMERS, SERVERS, of_customer, of_server
from agent.leave import PIECES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from agent.consent.state import Customer, Record
    from agent.office import Office

__all__ = ["BASES", "CUSTOMERS", "SERVERS", "STATES", "Counting", "Standing", "counted", "state"]

BASES: tuple[str, ...] = get_args(Basis)
STATES = ("in_force", "not_yet", "expired", "ended")
_SECONDS = 60.0  # for which the counts over all customers and servers are good, while nothing changes
_SHARE = 20  # making them takes at most one part in this many of the agent's time
_SLICE = 1000  # customers, or servers, that are counted at a time: whoever objects meanwhile waits for no more


class Standing:
    """The counts over an office. Those over all customers are made anew when the register has changed, or by time.

    They are made in slices, and until the last one the counts before them are told. ``servers`` gives the addresses
    that may be worth knocking at, ``worth`` whether one is.
    """

    def __init__(
        self,
        office: Office,
        servers: Callable[[], list[str]] = list,
        worth: Callable[[str], bool] = bool,
    ) -> None:
        self._office = office
        self._servers = servers
        self._worth = worth
        self._known: tuple[int, int] | None = None
        self._not_before = float("-inf")
        self._left: list[str] = []  # customers, and then
        self._left_servers: list[str] = []
        self._counting = Counting(0.0, 0.0)
        self._covered = Counter(dict.fromkeys(SERVERS, 0))
        self._conflicts = 0
        self._spent = 0.0
        self._counts = self._counted()
        self._checkpoint: tuple[float, float] | None = None  # by the steady clock, and by the other

    def tend(self, now: float, monotonic: float) -> None:
        """Count on. ``now``: seconds since the epoch; ``monotonic``: of CLOCK_MONOTONIC."""
        known = self._office.register.version, int(now // _SECONDS)
        counting = bool(self._left or self._left_servers)
        if not counting and (known == self._known or monotonic < self._not_before):
            return
        began = time.perf_counter()
        if not counting:
            self._known = known
            self._begin(now)
        if self._left:
            self._count_customers(now)
        if not self._left:
            self._count_servers(now)
        self._spent += time.perf_counter() - began
        if not self._left and not self._left_servers:
            self._counts = self._counted()
            self._not_before, self._spent = monotonic + self._spent * _SHARE, 0.0

    def _begin(self, now: float) -> None:
        self._left, self._left_servers = self._office.register.refs(), self._servers()
        self._counting = Counting(now, self._office.limits().announce)
        self._covered = Counter(dict.fromkeys(SERVERS, 0))
        self._conflicts = 0

    def _count_customers(self, now: float) -> None:
        register = self._office.register
        part, self._left = self._left[:_SLICE], self._left[_SLICE:]
        for ref in part:
            folded = register.folded(ref)
            if folded is not None:
                self._counting.take(folded.made())  # not kept: that would be all of them
                self._conflicts += register.disputed(ref, now)

    def _count_servers(self, now: float) -> None:
        part, self._left_servers = self._left_servers[:_SLICE], self._left_servers[_SLICE:]
        self._covered.update(of_server(self._office.register, each, now) for each in part if self._worth(each))

    def _counted(self) -> dict[str, Any]:
        return {**self._counting.body(), "covered": dict(self._covered), "mapping_conflicts": self._conflicts}

    def _made(self, now: float, monotonic: float, age: float | None) -> float | None:
        """When the checkpoint was made that is ``age`` old: the same at each look, though two clocks are read."""
        if age is None:
            return None
        if self._checkpoint is None or abs(self._checkpoint[0] - (monotonic - age)) > 0.001:
            self._checkpoint = monotonic - age, max(0.0, now - age)
        return self._checkpoint[1]

    def body(self, now: float, monotonic: float) -> dict[str, Any]:
        """Its part of a snapshot: agent.messages.Permitted. ``now``: seconds since the epoch."""
        office = self._office
        self.tend(now, monotonic)
        conditions = office.conditions()
        missing = conditions.missing or ()
        age = office.sinks.age(monotonic)
        return {
            **self._counts,
            "missing": {piece: piece in missing for piece in PIECES},
            "killed": conditions.killed is not False,
            "clock_synced": conditions.clock_synced is True,
            "mapping_ages": {source: max(0.0, now - at) for source, at in office.register.sources().items()},
            "breakers": office.history.open_breakers(now),
            "log_entries": office.log.size,
            "log_failures": office.failures,
            "synced": office.register.sources(),
            "checkpoint_age": age,
            "checkpoint_made": self._made(now, monotonic, age),
            "checkpoint_failures": office.sinks.failures,
            "unended": len(office.history.flights.keys() - {held.grant.number for held in office.gate.held.values()}),
        }


class Counting:
    """Customers, records by basis and state, objections that stand, and who was told less than ``announce`` s ago."""

    def __init__(self, now: float, announce: float) -> None:
        self._now, self._announce = now, announce
        self._records: Counter[tuple[str, str]] = Counter({(basis, state): 0 for basis in BASES for state in STATES})
        self._leave = Counter(dict.fromkeys(CUSTOMERS, 0))
        self._counts: Counter[str] = Counter()

    def take(self, customer: Customer) -> None:
        counts = self._counts
        counts["customers"] += 1
        self._leave[of_customer(customer, self._now)] += 1
        counts["objections"] += sum(objection.lifted is None for objection in customer.objections)
        told = [announcement.sent for announcement in customer.announcements if announcement.delivered == "yes"]
        counts["waiting"] += bool(told) and self._now - min(told) < self._announce
        self._records.update((record.basis, state(record, self._now)) for record in customer.records)

    def body(self) -> dict[str, Any]:
        """Those that were taken."""
        rows = [{"basis": basis, "state": one, "count": count} for (basis, one), count in sorted(self._records.items())]
        return {
            "customers": self._counts["customers"],
            "standing_objections": self._counts["objections"],
            "waiting": self._counts["waiting"],
            "by_leave": dict(self._leave),
            "records": rows,
        }


def counted(customers: Iterable[Customer], now: float, announce: float) -> dict[str, Any]:
    """All of them, as ``Counting`` counts."""
    counting = Counting(now, announce)
    for customer in customers:
        counting.take(customer)
    return counting.body()


def state(record: Record, now: float) -> str:
    """Which of STATES a record is in."""
    if record.ended is not None:
        return "ended"
    if now >= record.valid_until:
        return "expired"
    return "not_yet" if now < record.valid_from else "in_force"

"""How consent, the log and the arming stand, as counts: what the exporter shows of them. Nobody can be told from it."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any, get_args

from agent.consent.state import Basis
from agent.leave import PIECES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.consent.state import Customer, Record
    from agent.office import Office

BASES: tuple[str, ...] = get_args(Basis)
STATES = ("in_force", "not_yet", "expired", "ended")
_SECONDS = 60.0  # for which the counts over all customers are good, while nothing changes
_SHARE = 20  # making them takes at most one part in this many of the agent's time


class Standing:
    """The counts over an office. Those over all customers are made anew when the register has changed, or by time."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._known: tuple[int, int] | None = None
        self._not_before = float("-inf")
        self._counts: dict[str, Any] = {}

    def body(self, now: float, monotonic: float) -> dict[str, Any]:
        """Its part of a snapshot: agent.messages.Permitted. ``now``: seconds since the epoch."""
        office = self._office
        conditions = office.conditions()
        missing = conditions.missing or ()
        return {
            **self._of_customers(now, monotonic),
            "missing": {piece: piece in missing for piece in PIECES},
            "killed": conditions.killed is not False,
            "clock_synced": conditions.clock_synced is True,
            "mapping_ages": {source: max(0.0, now - at) for source, at in office.register.sources().items()},
            "breakers": office.history.open_breakers(now),
            "log_entries": office.log.size,
            "log_failures": office.failures,
            "checkpoint_age": office.sinks.age(monotonic),
            "checkpoint_failures": office.sinks.failures,
        }

    def _of_customers(self, now: float, monotonic: float) -> dict[str, Any]:
        known = self._office.register.version, int(now // _SECONDS)
        if known != self._known and monotonic >= self._not_before:
            self._known = known
            began = time.perf_counter()
            self._counts = counted(self._office.register.customers(), now, self._office.limits().announce)
            self._not_before = monotonic + (time.perf_counter() - began) * _SHARE
        return self._counts


def counted(customers: Iterable[Customer], now: float, announce: float) -> dict[str, Any]:
    """Customers, records by basis and state, objections that stand, and who was told less than ``announce`` s ago."""
    records: Counter[tuple[str, str]] = Counter({(basis, state): 0 for basis in BASES for state in STATES})
    counts: Counter[str] = Counter()
    for customer in customers:
        counts["customers"] += 1
        counts["objections"] += sum(objection.lifted is None for objection in customer.objections)
        told = [announcement.sent for announcement in customer.announcements if announcement.delivered == "yes"]
        counts["waiting"] += bool(told) and now - min(told) < announce
        records.update((record.basis, state(record, now)) for record in customer.records)
    rows = [{"basis": basis, "state": one, "count": count} for (basis, one), count in sorted(records.items())]
    return {
        "customers": counts["customers"],
        "standing_objections": counts["objections"],
        "waiting": counts["waiting"],
        "records": rows,
    }


def state(record: Record, now: float) -> str:
    """Which of STATES a record is in."""
    if record.ended is not None:
        return "ended"
    if now >= record.valid_until:
        return "expired"
    return "not_yet" if now < record.valid_from else "in_force"

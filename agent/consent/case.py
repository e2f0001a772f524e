"""One question of who may be knocked at, and what the register knows that bears on it."""

from __future__ import annotations

from bisect import bisect_right
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import TYPE_CHECKING, Protocol

from agent.consent.state import Customer
from agent.privacy import one

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from agent.consent.history import History
    from agent.consent.state import Mapped, Objection, Record
    from agent.leave import Conditions, Request
    from agent.privacy import Ranges

_IPV4 = one("0.0.0.0/0")[0]
_FAR = 1 << 130


class Reads(Protocol):
    """What a decision asks of the register (agent/consent/register.py)."""

    @property
    def documents(self) -> Mapping[str, str]: ...
    def holders(self, address: int) -> tuple[Mapped, ...]: ...
    def objections(self, address: int) -> tuple[Objection, ...]: ...
    def customer(self, ref: str) -> Customer | None: ...
    def synced(self, source: str) -> float | None: ...


class Case:
    """One question, with what the register knows of its address. ``records``: those that are still in question.

    ``address`` is None where there is none; ``holder`` where not exactly one customer is said to hold it.
    """

    __slots__ = (
        "address", "asserted", "conditions", "customer", "history", "holder", "now", "objections", "records",
        "register", "request", "standing",
    )  # fmt: skip

    def __init__(self, register: Reads, history: History, request: Request, conditions: Conditions) -> None:
        self.register, self.history, self.request, self.conditions = register, history, request, conditions
        self.now = conditions.time
        self.address = number(request.address)
        self.asserted: tuple[Mapped, ...] = ()
        self.objections: tuple[Objection, ...] = ()
        if self.address is not None:
            self.asserted = register.holders(self.address)
            self.objections = register.objections(self.address)
        self.standing = tuple([each for each in self.asserted if each.until is None or each.until > self.now])
        refs = {each.customer for each in self.standing}
        self.holder = refs.pop() if len(refs) == 1 else None
        known = None if self.holder is None else register.customer(self.holder)
        # Of whom nothing was ever written but that a prefix is his, nothing is known, and that is not enough.
        self.customer = known or Customer(self.holder or "")
        self.records = self.customer.records

    def leave_those(self, fit: Callable[[Record], bool]) -> bool:
        """Whether some record in question fits; the others no longer are in question."""
        records = self.records
        if len(records) == 1:
            return fit(records[0])
        fitting = tuple([record for record in records if fit(record)])
        if fitting:
            self.records = fitting
        return bool(fitting)


def number(text: str) -> int | None:
    """The number of an address in its one canonical form (RFC 5952), on the line of agent.privacy; else None.

    A name is none, nor is a form in which IPv4 hides in IPv6, a zone, a length, or a spelling that others read
    otherwise (010.1.1.1).
    """
    six = ":" in text
    if six and "." in text:
        return None
    family = AF_INET6 if six else AF_INET
    try:
        packed = inet_pton(family, text)
    except (OSError, ValueError):
        return None
    if inet_ntop(family, packed) != text:
        return None
    return int.from_bytes(packed, "big") + (0 if six else _IPV4)


def holds(ranges: Ranges, address: int) -> bool:
    """Whether an address is in a set, in time that grows with the logarithm of the set."""
    at = bisect_right(ranges, (address, _FAR)) - 1
    return at >= 0 and ranges[at][1] >= address


def in_any(prefixes: Iterable[tuple[int, int]], address: int | None) -> bool:
    """Whether an address is in one of some prefixes, in any order."""
    if address is not None:
        for first, last in prefixes:
            if first <= address <= last:
                return True
    return False


def lifted(objection: Objection, now: float) -> bool:
    """Whether an objection was taken back; of one that will have been, it was not."""
    return objection.lifted is not None and objection.lifted <= now


def objecting(case: Case) -> list[Objection]:
    """The objections that stand in the way: of whoever covers the address, and of each who is said to hold it."""
    found = [each for each in case.objections if not lifted(each, case.now)]
    for held in case.asserted:
        customer = case.customer if held.customer == case.holder else case.register.customer(held.customer)
        for each in customer.objections if customer else ():
            covers = each.prefixes is None or in_any(each.prefixes, case.address)
            if covers and not lifted(each, case.now) and each not in found:
                found.append(each)
    return found


def synced_age(case: Case) -> float | None:
    """Seconds since the source that was synchronised longest ago was; None where one of them never was."""
    oldest: float | None = None
    for each in case.standing:
        synced = case.register.synced(each.source)
        # A synchronisation that is still to come is one of a clock that was set back: nobody knows how old it is.
        if synced is None or synced > case.now:
            return None
        if oldest is None or synced < oldest:
            oldest = synced
    return None if oldest is None else case.now - oldest


def handed_over(case: Case) -> float | None:
    """When the address last went from one customer to another, as far as is known; None for never."""
    last: float | None = None
    for each in case.asserted:
        until, before = each.until, each.before
        if until is not None and until <= case.now:
            # What ran out by itself was a customer's, too.
            over = until if each.customer != case.holder else None
        else:
            over = None if before is None else max(before, each.since)
        if over is not None and (last is None or over > last):
            last = over
    return last


def announced(case: Case) -> float | None:
    """When the first announcement was sent of those that were delivered, and are not known only from later on."""
    told = case.customer.announcements
    return min([each.sent for each in told if each.delivered == "yes" and each.received <= case.now], default=None)


def in_force(record: Record, now: float) -> bool:
    """Whether a record was given, has begun and has not ended."""
    return record.ended is None and record.received <= now and record.valid_from <= now < record.valid_until

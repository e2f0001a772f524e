"""The one table of what is looked at before anybody is knocked at, in the order of ``agent.leave.REASONS``.

A check says whether its part is in order, and says so only of what is known: None, nothing and a clock that runs
backwards are never in order. ``decide`` stops at the first that is not; ``inputs`` goes on to the end, so every check
stands on its own. Of a customer's records each check about records leaves those that pass it; where none does, those
that there were stay, for the checks that follow.
"""

from __future__ import annotations

from bisect import bisect_right
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import TYPE_CHECKING, NamedTuple, Protocol

from agent.consent import hours
from agent.consent.history import DAY
from agent.consent.special import askable
from agent.consent.state import Customer
from agent.leave import BUILD, PROBES
from agent.privacy import one

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from agent.consent.history import History
    from agent.consent.state import Mapped, Objection, Record
    from agent.leave import Conditions, Reason, Request
    from agent.privacy import Ranges

_IPV4 = one("0.0.0.0/0")[0]
_BASES = ("explicit", "service_contract")
CHANNELS = 2  # of verified contacts, at the least
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
        self.standing = self.asserted
        if any(each.until is not None for each in self.asserted):
            self.standing = tuple(each for each in self.asserted if each.until is None or each.until > self.now)
        refs = {each.customer for each in self.standing}
        self.holder = refs.pop() if len(refs) == 1 else None
        known = None if self.holder is None else register.customer(self.holder)
        # Of whom nothing was ever written but that a prefix is his, nothing is known, and that is not enough.
        self.customer = known or Customer(self.holder or "")
        self.records = self.customer.records

    def leave_those(self, fit: Callable[[Record], bool]) -> bool:
        """Whether some record in question fits; the others no longer are in question."""
        fitting = tuple(record for record in self.records if fit(record))
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
    return address is not None and any(first <= address <= last for first, last in prefixes)


def lifted(objection: Objection, now: float) -> bool:
    """Whether an objection was taken back; of one that will have been, it was not."""
    return objection.lifted is not None and objection.lifted <= now


def _address(case: Case) -> bool:
    return case.address is not None


def _kill_switch(case: Case) -> bool:
    return case.conditions.killed is False


def _armed(case: Case) -> bool:
    return case.conditions.missing == ()


def _special(case: Case) -> bool:
    return case.address is not None and askable(case.address, case.conditions.laboratory)


def _denied(case: Case) -> bool:
    denied = case.conditions.denied
    return denied is not None and case.address is not None and not holds(denied, case.address)


def objecting(case: Case) -> list[Objection]:
    """The objections that stand in the way: of whoever covers the address, and of each who is said to hold it."""
    found = [each for each in case.objections if not lifted(each, case.now)]
    for ref in {each.customer for each in case.asserted}:
        customer = case.customer if ref == case.holder else case.register.customer(ref)
        for each in customer.objections if customer else ():
            covers = each.prefixes is None or in_any(each.prefixes, case.address)
            if covers and not lifted(each, case.now) and each not in found:
                found.append(each)
    return found


def _objection(case: Case) -> bool:
    return not objecting(case) if case.address is not None else False


def _clock(case: Case) -> bool:
    return case.conditions.clock_synced is True


def _writable(case: Case) -> bool:
    return case.conditions.audit_writable is True


def _checkpoint(case: Case) -> bool:
    age = case.conditions.checkpoint_age
    return age is not None and 0 <= age <= case.conditions.limits.checkpoint


def _mapped(case: Case) -> bool:
    return bool(case.asserted)


def _agreed(case: Case) -> bool:
    """Whether the sources agree. One that says nothing of the address has nothing to disagree with."""
    if len(case.standing) == 1:
        return True
    by_source: dict[str, set[str]] = {}
    for each in case.standing:
        by_source.setdefault(each.source, set()).add(each.customer)
    answers = list(by_source.values())
    return bool(case.asserted) and all(answer == answers[0] for answer in answers)


def _unshared(case: Case) -> bool:
    customers = {each.customer for each in case.standing}
    return bool(case.asserted) and len(customers) <= 1 and all(each.kind != "shared" for each in case.standing)


def _static(case: Case) -> bool:
    return bool(case.asserted) and all(each.kind in ("static", "shared") for each in case.standing)


def synced_age(case: Case) -> float | None:
    """Seconds since the source that was synchronised longest ago was; None where one of them never was."""
    ages = [_age(case, each.source) for each in case.standing]
    return None if not ages or None in ages else max(age for age in ages if age is not None)


def _age(case: Case, source: str) -> float | None:
    synced = case.register.synced(source)
    # A synchronisation that is still to come is one of a clock that was set back: nobody knows how old it is.
    return None if synced is None or synced > case.now else case.now - synced


def _fresh(case: Case) -> bool:
    age = synced_age(case)
    return age is not None and age <= case.conditions.limits.mapping


def handed_over(case: Case) -> float | None:
    """When the address last went from one customer to another, as far as is known; None for never."""
    times = [max(each.before, each.since) for each in case.standing if each.before is not None]
    # One that ran out by itself was a customer's, too.
    times += [
        e.until for e in case.asserted if e.until is not None and e.until <= case.now and e.customer != case.holder
    ]
    return max(times, default=None)


def _settled(case: Case) -> bool:
    over = handed_over(case)
    begun = all(each.since <= case.now for each in case.standing)
    return bool(case.standing) and begun and (over is None or case.now - over >= case.conditions.limits.quarantine)


def _routed(case: Case) -> bool:
    if not case.conditions.route_check:
        return True
    routed = case.conditions.routed
    return routed is not None and case.address is not None and holds(routed, case.address)


def _contract(case: Case) -> bool:
    return case.holder is not None and case.customer.ended is None


def _going_on(case: Case) -> bool:
    return case.holder is not None and case.customer.suspended is False


def _contact(case: Case) -> bool:
    return len(set(case.customer.channels)) >= CHANNELS


def announced(case: Case) -> float | None:
    """When the first announcement was sent of those that were delivered."""
    return min((each.sent for each in case.customer.announcements if each.delivered == "yes"), default=None)


def _announced(case: Case) -> bool:
    return announced(case) is not None


def _waited(case: Case) -> bool:
    first = announced(case)
    return first is not None and case.now - first >= case.conditions.limits.announce


def _record(case: Case) -> bool:
    return bool(case.records)


def _in_force(case: Case) -> bool:
    return case.leave_those(lambda record: in_force(record, case.now))


def in_force(record: Record, now: float) -> bool:
    """Whether a record was given, has begun and has not ended."""
    return record.ended is None and record.received <= now and record.valid_from <= now < record.valid_until


def _basis(case: Case) -> bool:
    subject = case.customer.subject
    terms = case.conditions.limits.terms_objection and subject == "legal_person"

    def enough(record: Record) -> bool:
        if record.basis in _BASES:
            return bool(record.verified)
        return record.basis == "terms_objection" and terms

    return subject is not None and case.leave_those(enough)


def _documents(case: Case) -> bool:
    known = case.register.documents

    def published(record: Record) -> bool:
        kinds = {kind for kind, _ in record.documents}
        whole = "terms" in kinds and "objection_page" in kinds and ("sla" in kinds or "faq" in kinds)
        return whole and all(known.get(sha256) == kind for kind, sha256 in record.documents)

    return case.leave_those(published)


def _scope_address(case: Case) -> bool:
    return case.leave_those(lambda record: in_any(record.scope.prefixes, case.address))


def _not_excluded(case: Case) -> bool:
    """An exclusion wins, in whichever of the customer's records that have not ended it stands."""
    return case.address is not None and not any(
        in_any(record.scope.excluded, case.address)
        for record in case.customer.records
        if record.ended is None and record.valid_until > case.now
    )


def _port(case: Case) -> bool:
    return case.leave_those(lambda record: case.request.port in record.scope.ports)


def _tier(case: Case) -> bool:
    return case.leave_those(lambda record: BUILD in record.scope.tiers)


def _probe(case: Case) -> bool:
    return case.request.probe in PROBES and case.leave_those(lambda record: case.request.probe in record.scope.probes)


def _hours(case: Case) -> bool:
    return case.leave_those(lambda record: hours.is_open(record.scope, case.now))


def _seen(case: Case) -> bool:
    """Only what looking has found is knocked at, and only if the answer can be told from somebody else's."""
    seen = case.request.sighting
    return seen is not None and seen.last_seen is not None and bool(seen.certificates or seen.products)


def _needed(case: Case) -> bool:
    seen = case.request.sighting
    return seen is not None and seen.build_known is False


def _rate(case: Case) -> bool:
    """A record may allow less than one a day, and that is none; it cannot allow more."""
    apart = max(case.conditions.limits.recheck, DAY)
    rested = case.address is not None and case.now - case.history.used(case.address) >= apart
    return rested and case.leave_those(lambda record: record.scope.per_day >= 1)


def _cooled(case: Case) -> bool:
    if case.address is None:
        return False
    until, opens = case.history.host(case.address)
    return opens > 1 or until <= case.now


def _breaker_host(case: Case) -> bool:
    """After two in a row it takes time, and a person who asks."""
    if case.address is None:
        return False
    until, opens = case.history.host(case.address)
    return opens < 2 or (until <= case.now and case.request.why == "command")


def _breaker_customer(case: Case) -> bool:
    return case.holder is not None and case.history.customer(case.holder) <= case.now


def _breaker_whole(case: Case) -> bool:
    return case.history.whole() <= case.now


def _not_in_flight(case: Case) -> bool:
    return case.address is not None and not case.history.flying(case.address)


def _pace(case: Case) -> bool:
    return case.history.starts(case.now) < case.conditions.limits.per_minute


class Check(NamedTuple):
    """``passes``: whether this part is in order; if it is not, ``reason`` is the refusal."""

    reason: Reason
    passes: Callable[[Case], bool]


CHECKS = (
    Check("not_an_address", _address),
    Check("kill_switch", _kill_switch),
    Check("not_armed", _armed),
    Check("special_address", _special),
    Check("deny_list", _denied),
    Check("objection", _objection),
    Check("clock_not_synced", _clock),
    Check("audit_not_writable", _writable),
    Check("checkpoint_stale", _checkpoint),
    Check("unmapped", _mapped),
    Check("mapping_conflict", _agreed),
    Check("shared", _unshared),
    Check("dynamic", _static),
    Check("mapping_stale", _fresh),
    Check("quarantine", _settled),
    Check("not_routed", _routed),
    Check("contract_ended", _contract),
    Check("suspended", _going_on),
    Check("no_contact", _contact),
    Check("not_announced", _announced),
    Check("announcement_period", _waited),
    Check("no_record", _record),
    Check("record_not_in_force", _in_force),
    Check("basis_not_enough", _basis),
    Check("document_unknown", _documents),
    Check("scope_address", _scope_address),
    Check("scope_excluded", _not_excluded),
    Check("scope_port", _port),
    Check("scope_tier", _tier),
    Check("scope_probe", _probe),
    Check("outside_hours", _hours),
    Check("not_seen", _seen),
    Check("not_needed", _needed),
    Check("rate", _rate),
    Check("cool_down_host", _cooled),
    Check("breaker_host", _breaker_host),
    Check("breaker_customer", _breaker_customer),
    Check("breaker_whole", _breaker_whole),
    Check("in_flight", _not_in_flight),
    Check("pace", _pace),
)

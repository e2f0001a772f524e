"""The one table of what is looked at before anybody is knocked at, in the order of ``agent.leave.REASONS``.

A check says whether its part is in order, and says so only of what is known: None, nothing and a clock that runs
backwards are never in order. ``decide`` stops at the first that is not; ``inputs`` goes on to the end, so every check
stands on its own. Of a customer's records each check about records leaves those that pass it; where none does, those
that there were stay, for the checks that follow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.consent import hours
from agent.consent.case import announced, handed_over, holds, in_any, in_force, objecting, synced_age
from agent.consent.history import DAY
from agent.consent.special import askable
from agent.leave import BUILD, PROBES

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.consent.case import Case
    from agent.consent.state import Record
    from agent.leave import Reason

_BASES = ("explicit", "service_contract")
CHANNELS = 2  # of verified contacts, at the least
RECHECK = 3600.0  # seconds from one probe to the next that the customer himself asks for


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
    several = len(case.standing) > 1 and len({each.customer for each in case.standing}) > 1
    return bool(case.asserted) and not several and "shared" not in [each.kind for each in case.standing]


def _static(case: Case) -> bool:
    """What is shared has its own reason."""
    return bool(case.asserted) and not [each for each in case.standing if each.kind not in ("static", "shared")]


def _fresh(case: Case) -> bool:
    age = synced_age(case)
    return age is not None and age <= case.conditions.limits.mapping


def _settled(case: Case) -> bool:
    over = handed_over(case)
    if over is not None and not case.now - over >= case.conditions.limits.quarantine:
        return False
    return bool(case.standing) and max([each.since for each in case.standing]) <= case.now


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


def _announced(case: Case) -> bool:
    return announced(case) is not None


def _waited(case: Case) -> bool:
    first = announced(case)
    return first is not None and case.now - first >= case.conditions.limits.announce


def _record(case: Case) -> bool:
    return bool(case.records)


def _in_force(case: Case) -> bool:
    return case.leave_those(lambda record: in_force(record, case.now))


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
        kinds = set()
        for kind, sha256 in record.documents:
            if known.get(sha256) != kind:
                return False
            kinds.add(kind)
        return "terms" in kinds and "objection_page" in kinds and ("sla" in kinds or "faq" in kinds)

    return case.leave_those(published)


def _scope_address(case: Case) -> bool:
    return case.leave_those(lambda record: in_any(record.scope.prefixes, case.address))


def _not_excluded(case: Case) -> bool:
    """An exclusion wins, in whichever of the customer's records that have not ended it stands."""
    for record in case.customer.records:
        excluded = record.scope.excluded
        if excluded and record.ended is None and record.valid_until > case.now and in_any(excluded, case.address):
            return False
    return case.address is not None


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
    """A record may allow less than one a day, and that is none; it cannot allow more.

    A customer who says "I fixed it" asks for one himself, an hour after the last at the earliest.
    """
    apart = RECHECK if case.request.why == "recheck" else max(case.conditions.limits.recheck, DAY)
    rested = case.address is not None and case.now - case.history.used(case.address) >= apart
    return rested and (not case.records or case.leave_those(lambda record: record.scope.per_day >= 1))


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

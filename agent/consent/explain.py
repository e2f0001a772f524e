"""Every input of a decision in words, and the first thing that would have to change, and who can change it.

This walks the same table as ``decide``, to its end. What it says is of one customer: personal data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.consent import phrases
from agent.consent.case import Case
from agent.consent.checks import CHANNELS, CHECKS
from agent.leave import BUILD, PROBES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from agent.consent.case import Reads
    from agent.consent.history import History
    from agent.leave import Conditions, Reason, Request

# What has something to be about only if somebody is said to hold the address, if he is one, and if he gave a record.
_OF_HOLDERS = frozenset({"mapping_conflict", "shared", "dynamic", "mapping_stale", "quarantine"})
_OF_CUSTOMER = frozenset({
    "contract_ended", "suspended", "no_contact", "not_announced", "announcement_period", "no_record",
    "breaker_customer",
})  # fmt: skip
_OF_RECORDS = frozenset({
    "record_not_in_force", "basis_not_enough", "document_unknown", "scope_address", "scope_excluded", "scope_port",
    "scope_tier", "scope_probe", "outside_hours",
})  # fmt: skip


class Input(NamedTuple):
    """One input. ``reason``: the refusal that it would be, None where it is in order; ``change``: what would help."""

    name: str
    value: str
    reason: Reason | None
    change: str
    who: str


class Words(NamedTuple):
    """How a check is spoken of; ``change`` is looked at only where it does not pass."""

    name: str
    value: Callable[[Case], str]
    change: Callable[[Case], str]
    who: str


def _scope(name: str, value: Callable[[Case], str], what: str) -> Words:
    return Words(name, value, lambda case: f"a new record whose scope has {what}", CUSTOMER)


def _fixed(text: str) -> Callable[[Case], str]:
    return lambda case: text


OPERATOR, CUSTOMER, TIME = "the operator", "the customer", "nobody; it passes"

WORDS: dict[Reason, Words] = {
    "not_an_address": Words(
        "address",
        lambda case: case.request.address if case.address is not None else "none in canonical form",
        _fixed("ask for an IP address, written like 192.0.2.1 or 2001:db8::1; names are never looked up"),
        "whoever asks",
    ),
    "kill_switch": Words(
        "kill switch",
        lambda case: phrases.is_known(case.conditions.killed, "on", "off"),
        lambda case: (
            "knockfirst kill-switch off" if case.conditions.killed else "make it possible to see the file of it"
        ),
        OPERATOR,
    ),
    "not_armed": Words(
        "pieces missing",
        lambda c: "not known" if c.conditions.missing is None else ", ".join(c.conditions.missing) or "none",
        _fixed("put the missing pieces in place; knockfirst probe list says how"),
        OPERATOR,
    ),
    "special_address": Words(
        "special range",
        phrases.block,
        _fixed("nothing can: nobody is knocked at there with this configuration"),
        "nobody",
    ),
    "deny_list": Words("deny file", phrases.denied, phrases.denied_change, OPERATOR),
    "objection": Words(
        "objections",
        phrases.objections,
        _fixed("a new and verified record, with which the objection is taken back"),
        CUSTOMER,
    ),
    "clock_not_synced": Words(
        "clock",
        lambda case: phrases.is_known(case.conditions.clock_synced, "synchronised", "not synchronised"),
        _fixed("synchronise the clock of this machine (NTP)"),
        OPERATOR,
    ),
    "audit_not_writable": Words(
        "audit log",
        lambda case: phrases.is_known(case.conditions.audit_writable, "writable", "not writable"),
        _fixed("make room on the disk of agent.state, or mend it"),
        OPERATOR,
    ),
    "checkpoint_stale": Words(
        "last checkpoint",
        phrases.checkpoint,
        _fixed("see that the daemon runs and that audit.file or audit.syslog can be written"),
        OPERATOR,
    ),
    "unmapped": Words(
        "holder", phrases.holder, _fixed("import whose address it is: knockfirst import"), "the operator's books"
    ),
    "mapping_conflict": Words(
        "sources", phrases.sources, _fixed("make the sources agree on whose address it is"), "the operator's books"
    ),
    "shared": Words(
        "shared",
        phrases.kinds,
        _fixed("nothing: who shares an address cannot be knocked at without the others"),
        "nobody",
    ),
    "dynamic": Words("kind", phrases.kinds, _fixed("give the customer a static address, and import that"), OPERATOR),
    "mapping_stale": Words("synchronised", phrases.synced, phrases.stale, OPERATOR),
    "quarantine": Words("hand-over", phrases.over, phrases.over_until, TIME),
    "not_routed": Words(
        "routed here",
        phrases.routed,
        _fixed("route it at this edge, and have it in the file of consent.routed"),
        OPERATOR,
    ),
    "contract_ended": Words("contract", phrases.contract, _fixed("a new contract, under a new reference"), CUSTOMER),
    "suspended": Words(
        "suspended",
        lambda case: "not known" if case.holder is None else phrases.is_known(case.customer.suspended, "yes", "no"),
        _fixed("resume this customer"),
        OPERATOR,
    ),
    "no_contact": Words(
        "contacts",
        phrases.contacts,
        _fixed(f"verified contacts on at least {CHANNELS} channels"),
        "the operator and the customer",
    ),
    "not_announced": Words(
        "announcement",
        phrases.announcement,
        _fixed("tell the customer, and put on record that it arrived: knockfirst consent announce record"),
        OPERATOR,
    ),
    "announcement_period": Words("time to object", phrases.period, phrases.announced_until, TIME),
    "no_record": Words("records", phrases.records, _fixed("a consent record"), CUSTOMER),
    "record_not_in_force": Words("in force", phrases.in_force, _fixed("a record that is in force"), CUSTOMER),
    "basis_not_enough": Words(
        "basis", phrases.basis, _fixed("a record on an explicit basis, given by somebody who was verified"), CUSTOMER
    ),
    "document_unknown": Words(
        "texts shown",
        phrases.texts,
        _fixed("publish terms, sla or faq, and objection page, and have a record that names them"),
        OPERATOR,
    ),
    "scope_address": _scope("scope: address", phrases.covered, "the address in it"),
    "scope_excluded": _scope("excluded", phrases.excluded, "no exclusion of it"),
    "scope_port": _scope(
        "scope: ports",
        lambda case: phrases.several(", ".join(map(str, each.scope.ports)) or "none" for each in case.records),
        "the port in it",
    ),
    "scope_tier": _scope(
        "scope: tiers",
        lambda case: phrases.several(", ".join(each.scope.tiers) or "none" for each in case.records),
        f"{BUILD} in it",
    ),
    "scope_probe": _scope(
        "scope: probes",
        lambda case: phrases.several(", ".join(each.scope.probes) or "none" for each in case.records),
        f"the probe in it; there is {', '.join(PROBES)}",
    ),
    "outside_hours": Words("hours", phrases.windows, phrases.hours_until, TIME),
    "not_seen": Words(
        "last seen", phrases.seen, _fixed("traffic of the server, while the daemon looks"), "nobody; it is seen"
    ),
    "not_needed": Words("needed", phrases.needed, _fixed("nothing has to: there is no need to knock"), "nobody"),
    "rate": Words("last probe", phrases.used, phrases.used_until, TIME),
    "cool_down_host": Words("outcomes", phrases.bad, lambda case: phrases.wait(phrases.host(case)[0]), TIME),
    "breaker_host": Words(
        "breaker of the host",
        lambda case: phrases.breaker(phrases.host(case)[0] if phrases.host(case)[1] > 1 else phrases.NEVER, case.now),
        phrases.breaker_host_until,
        OPERATOR,
    ),
    "breaker_customer": Words(
        "of the customer",
        lambda case: phrases.breaker(phrases.customer_open(case), case.now),
        lambda case: phrases.wait(phrases.customer_open(case)),
        TIME,
    ),
    "breaker_whole": Words(
        "of everybody",
        lambda case: phrases.breaker(case.history.whole(), case.now),
        lambda case: phrases.wait(case.history.whole()),
        TIME,
    ),
    "in_flight": Words(
        "under way",
        lambda case: "yes" if case.address is not None and case.history.flying(case.address) else "no",
        _fixed("wait for the end of it, which is seconds"),
        TIME,
    ),
    "pace": Words(
        "begun in a minute",
        lambda case: f"{case.history.starts(case.now)} of {case.conditions.limits.per_minute}",
        _fixed("wait a minute"),
        TIME,
    ),
}


def inputs(register: Reads, history: History, request: Request, conditions: Conditions) -> list[Input]:
    """All of them, in the order of the checks; of what is no address, there is nothing more to be said than that.

    The first that has a reason is the refusal that ``decide`` gives; where none has, it gives leave.
    """
    case = Case(register, history, request, conditions)
    made = []
    for reason, passes in CHECKS:
        if not _applies(reason, case):
            continue
        fine, words = passes(case), WORDS[reason]
        change = "" if fine else words.change(case)
        made.append(Input(words.name, words.value(case), None if fine else reason, change, "" if fine else words.who))
        if case.address is None:
            break
    return made


def _applies(reason: Reason, case: Case) -> bool:
    """Whether there is anything to be said: where nobody holds the address, there is nobody's record to speak of."""
    if reason in _OF_HOLDERS:
        return bool(case.asserted)
    if reason in _OF_CUSTOMER:
        return case.holder is not None
    return reason not in _OF_RECORDS or bool(case.customer.records)


def first(told: Iterable[Input]) -> Input | None:
    """What would have to change before anything else; None where there is leave."""
    return next((each for each in told if each.reason is not None), None)

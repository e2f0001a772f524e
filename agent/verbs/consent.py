"""``consent.list`` and ``consent.show``: what is on record of customers. That it was read is put on record first."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from agent.audit.entry import Item
from agent.consent.state import Customer
from agent.consent.written import rfc3339
from agent.errors import InputError
from agent.leave import HANDSHAKE
from agent.privacy import cidrs, common, union
from agent.standing import BASES
from agent.standing import state as by_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.consent.state import Mapped, Objection, Range, Record
    from agent.office import Office, Who
    from agent.privacy import Ranges

# What a customer is counted as: the first that is true of him.
STATES = ("contract_ended", "suspended", "objected", "in_force", "not_yet", "lapsed", "announced", "known")
PAGE = 5000  # customers looked at in one order
_ROWS = 500  # customers in one answer
_SHOWN = 1000  # prefixes of one kind in one answer

Answer = dict[str, Any]


def listed(office: Office, words: Answer, who: Who) -> Iterator[Answer]:
    """``basis``, ``state``: of these alone; ``start``: from the how manieth customer on.

    Gives {"customers": rows} and at the end {"next"}: where to go on, None where there are no more. Raises InputError.
    """
    basis, state, start = words.get("basis"), words.get("state"), words.get("start", 0)
    _one_of("basis", basis, BASES)
    _one_of("state", state, STATES)
    if type(start) is not int or start < 0:
        raise InputError("start: is no number")
    office.record([Item("register.read", {"uid": who.uid, "what": "list"})])
    now, page = office.now(), list(islice(office.register.customers(), start, start + PAGE))
    rows = [row for customer in page if (row := _row(office, customer, now, basis, state))]
    for first in range(0, len(rows), _ROWS):
        yield {"customers": rows[first : first + _ROWS]}
    yield {"next": start + PAGE if len(page) == PAGE else None}


def _one_of(key: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value is not None and value not in allowed:
        raise InputError(f"{key}: {value!r:.60} is none of {', '.join(allowed)}")


def _row(office: Office, customer: Customer, now: float, basis: str | None, state: str | None) -> Answer | None:
    his = standing(customer, now)
    bases = sorted({record.basis for record in customer.records if record_state(record, now) == "in_force"})
    if (state and his != state) or (basis and basis not in bases):
        return None
    ends = [record.valid_until for record in customer.records if record_state(record, now) == "in_force"]
    return {
        "customer": customer.ref,
        "state": his,
        "basis": bases,
        "until": text(max(ends)) if ends else None,
        "prefixes": len(office.register.mapped(customer.ref)),
        "objections": sum(one.lifted is None for one in customer.objections),
    }


def standing(customer: Customer, now: float) -> str:
    """Which of STATES a customer is in."""
    records = {record_state(record, now) for record in customer.records}
    holds = {
        "contract_ended": customer.ended is not None,
        "suspended": customer.suspended,
        "objected": any(one.lifted is None for one in customer.objections),
        "in_force": "in_force" in records,
        "not_yet": "not_yet" in records,
        "lapsed": bool(records),
        "announced": any(one.delivered == "yes" for one in customer.announcements),
        "known": True,
    }
    return next(state for state in STATES if holds[state])


def record_state(record: Record, now: float) -> str:
    """in_force, not_yet, expired or ended. An end holds as soon as it is known, whatever its date."""
    return "ended" if record.ended is not None else by_time(record, now)


def shown(office: Office, words: Answer, who: Who) -> Iterator[Answer]:
    """``customer``. One object for each thing that is known of him, named by its one key. Raises InputError.

    customer, opens, then record, announcement, objection, mapped and contact, as often as there are.
    """
    ref = words.get("customer")
    customer = office.register.customer(ref) if isinstance(ref, str) else None
    if customer is None:
        raise InputError(f"{ref!r:.80}: no customer of that reference is known; `consent list` has them all")
    office.record([Item("register.read", {"uid": who.uid, "what": "show"}, customer.ref)])
    now, mapped = office.now(), office.register.mapped(customer.ref)
    yield {
        "customer": {
            "ref": customer.ref,
            "subject": customer.subject,
            "state": standing(customer, now),
            "suspended": customer.suspended,
            "contract_ended": text(customer.ended),
            "channels": list(customer.channels),
        }
    }
    yield {"opens": _opens(office, customer, mapped, now)}
    yield from ({"record": _record(office, record, now)} for record in customer.records)
    for told in sorted(customer.announcements, key=lambda one: one.sent):
        counts = told.sent + office.limits().announce if told.delivered == "yes" else None
        yield {
            "announcement": told._asdict()
            | {"sent": text(told.sent), "received": text(told.received), "counts_from": text(counts)}
        }
    yield from ({"objection": _objection(office, one)} for one in customer.objections)
    yield from ({"mapped": _mapped(one)} for one in mapped[:_SHOWN])
    yield from ({"contact": one} for one in _contacts(office, customer.ref))


def _opens(office: Office, customer: Customer, mapped: tuple[Mapped, ...], now: float) -> Answer:
    """What may be looked at now, and what stands against a probe anywhere of his; `consent explain` has all of it."""
    sets = office.register.sets(now, office.limits())
    his = union([one.prefix for one in mapped])
    told = [one.sent for one in customer.announcements if one.delivered == "yes"]
    against = {
        "the contract has ended": customer.ended is not None,
        "he is suspended": customer.suspended,
        "an objection stands": any(one.lifted is None for one in customer.objections),
        "nothing is mapped to him": not mapped,
        "he has not been told": not told,
        "he has not been told long enough": bool(told) and min(told) + office.limits().announce > now,
        "fewer than two verified ways to reach him": len(customer.channels) < 2,
        "no record is in force": "in_force" not in {record_state(one, now) for one in customer.records},
    }
    return {
        "handshakes": _texts(common(his, sets.consented)),
        "announced": _texts(common(his, sets.announced)),
        "not_even_headers": _texts(common(his, sets.excluded)),
        "against_probes": [reason for reason, holds in against.items() if holds],
    }


def _record(office: Office, record: Record, now: float) -> Answer:
    scope = record.scope
    unknown = [kind for kind, sha256 in record.documents if sha256 not in office.register.documents]
    lacks = {
        "its grantor was not verified": not record.verified,
        f"not published: {', '.join(unknown)}": bool(unknown),
        "by terms alone, handshakes are not looked at": record.basis == "terms_objection" and HANDSHAKE in scope.tiers,
        "it has no hours": not scope.hours,
    }
    return {
        "id": record.id,
        "hash": record.hash,
        "basis": record.basis,
        "state": record_state(record, now),
        "given": text(record.at),
        "from": text(record.valid_from),
        "until": text(record.valid_until),
        "ended": text(record.ended),
        "verified_by": record.verified or "none",
        "prefixes": _texts(union(scope.prefixes)),
        "excluded": _texts(union(scope.excluded)),
        "ports": list(scope.ports),
        "tiers": list(scope.tiers),
        "probes": list(scope.probes),
        "hours": [[sorted(each.days), each.start, each.end] for each in scope.hours],
        "zone": scope.zone,
        "per_day": scope.per_day,
        "documents": [list(each) for each in record.documents],
        "lacks": [what for what, holds in lacks.items() if holds],
    }


def _objection(office: Office, one: Objection) -> Answer:
    return {
        "id": one.id,
        "to": "everything" if one.prefixes is None else _texts(union(one.prefixes)),
        "headers": one.headers,
        "at": text(one.at),
        "received": text(one.received),
        "verified": one.verified,
        "lifted": text(one.lifted),
        "covers": _texts(union(office.register.objected_ranges(one.id))),
    }


def _mapped(one: Mapped) -> Answer:
    return {
        "prefix": prefix(one.prefix),
        "kind": one.kind,
        "source": one.source,
        "since": text(one.since),
        "until": text(one.until),
    }


def _contacts(office: Office, ref: str) -> list[Answer]:
    """As they are in the log, sealed: the register does not have them."""
    number = office.register.contacts_entry(ref)
    entry = None if number is None else next(iter(office.log.read(start=number)), None)
    found: list[Answer] = entry.private["contacts"] if entry is not None and entry.private else []
    return found


def _texts(ranges: Ranges) -> list[str]:
    return cidrs(ranges)[:_SHOWN]


def prefix(one: Range) -> str:
    return cidrs([one])[0]


def text(moment: float | None) -> str | None:
    """A time as it is written; None for none."""
    return None if moment is None else rfc3339(datetime.fromtimestamp(moment, UTC))

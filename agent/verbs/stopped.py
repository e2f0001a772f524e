"""``consent.object``, ``withdraw``, ``suspend``, ``resume``, ``end``: what stops something, and what resumes it."""

from __future__ import annotations

from datetime import UTC, datetime
from math import floor
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from agent.audit.entry import Item
from agent.consent.written import body, rfc3339
from agent.errors import InputError
from agent.objecting import objection
from agent.privacy import cidrs, one, union

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.consent.state import Customer
    from agent.office import Office, Who

Answer = dict[str, Any]


def object_(office: Office, words: Answer, who: Who) -> Iterator[Answer]:
    """``customer`` or ``prefix`` or both (his, there alone), ``headers``. Gives {"objection", "customer", "covers"}.

    A prefix that is nobody's alone counts where it lies all the same: then "customer" is None. Raises InputError.
    """
    ref, prefix, headers = words.get("customer"), words.get("prefix"), words.get("headers", False)
    if not isinstance(headers, bool) or (ref is None) is (prefix is None) is True:
        raise InputError("name a customer or a prefix; whether headers too is true or false")
    owner = _customer(office, ref).ref if ref is not None else None
    ident, prefixes = str(uuid4()), None
    if prefix is not None:
        span = _prefix(prefix)
        prefixes = cidrs([span])
        owner = owner or office.register.sole(span)
    by = f"uid {who.uid}"
    item = objection(owner, prefixes, at=office.now(), ident=ident, headers=headers, channel="command", by=by)
    entry = office.record([item])[0]
    covers = cidrs(union(office.register.objected_ranges(ident)))
    yield {"objection": ident, "customer": owner, "covers": covers, "headers": headers, "entry": entry.number}


def withdraw(office: Office, words: Answer, who: Who) -> Iterator[Answer]:
    """``customer``, ``record``: its id; without one, all of his. Gives {"customer", "records", "entry"}."""
    customer = _customer(office, words.get("customer"))
    named = words.get("record")
    if named is not None and named not in [record.id for record in customer.records]:
        raise InputError(f"{named!r:.80}: is no record of {customer.ref!r}; `consent show` has them")
    running = {record.id for record in customer.records if record.ended is None}
    ended = running & {named} if named is not None else running
    if not ended:
        raise InputError(f"{named or customer.ref}: there is nothing to withdraw that has not ended")
    number = _say(office, "record.withdrawn", customer.ref, who, _now(office), named)
    yield {"customer": customer.ref, "records": sorted(ended), "entry": number}


def suspend(office: Office, words: Answer, who: Who) -> Iterator[Answer]:
    """``customer``: the operator stops everything here. Gives {"customer", "suspended", "entry"}. Raises InputError."""
    customer = _customer(office, words.get("customer"))
    number = _say(office, "record.suspended", customer.ref, who, _now(office))
    yield {"customer": customer.ref, "suspended": True, "entry": number}


def resume(office: Office, words: Answer, who: Who) -> Iterator[Answer]:
    """``customer``: what the operator stopped may go on; no objection and no withdrawal is touched."""
    customer = _customer(office, words.get("customer"))
    if not customer.suspended:
        raise InputError(f"{customer.ref}: is not suspended")
    folded = office.register.folded(customer.ref)
    assert folded is not None
    # Times are written in whole seconds, and what is resumed is resumed after it was stopped.
    after = max(_now(office), *(floor(stop.at) + 1 for stop in folded.suspended))
    number = _say(office, "record.resumed", customer.ref, who, after)
    suspended = _customer(office, customer.ref).suspended
    yield {"customer": customer.ref, "suspended": suspended, "entry": number}


def end(office: Office, words: Answer, who: Who) -> Iterator[Answer]:
    """``customer``: his contract has ended, and with it every record. Gives {"customer", "records", "entry"}."""
    customer = _customer(office, words.get("customer"))
    if customer.ended is not None:
        raise InputError(f"{customer.ref}: his contract has ended already")
    running = sorted(record.id for record in customer.records if record.ended is None)
    number = _say(office, "record.contract_ended", customer.ref, who, _now(office))
    yield {"customer": customer.ref, "records": running, "entry": number}


def _customer(office: Office, ref: Any) -> Customer:
    found = office.register.customer(ref) if isinstance(ref, str) else None
    if found is None:
        raise InputError(f"{ref!r:.80}: no customer of that reference is known; `consent list` has them all")
    return found


def _prefix(text: Any) -> tuple[int, int]:
    try:
        return one(str(text))
    except ValueError as error:
        raise InputError(f"{str(text)[:60]}: {error}") from None


def _now(office: Office) -> int:
    return floor(office.now())


def _say(office: Office, kind: str, ref: str, who: Who, at: int, record: str | None = None) -> int:
    said = {"at": rfc3339(datetime.fromtimestamp(at, UTC)), "by": f"uid {who.uid}", "record_id": record}
    return office.record([Item(kind, {}, ref, body(kind, said))])[0].number

"""``consent.give`` and ``consent.lift``: a record that the operator hands in, checked before it goes on record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.audit.entry import Item
from agent.consent.written import body
from agent.errors import InputError
from agent.giving import GIVEN, checked, known, mapped, previous, read
from agent.privacy import common, union
from agent.verbs.consent import text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.consent.state import Objection, Record
    from agent.office import Office, Who

Answer = dict[str, Any]


def give(office: Office, words: Answer, who: Who) -> Iterator[Answer]:
    """``record``: consent-record/1; ``dry_run``. Gives {"record", "hash", "customer", "entry", "warnings"}.

    Its prefixes have to lie within what is mapped to the customer. Raises InputError; then nothing is on record.
    """
    written, record = checked(office, words.get("record"))
    ref = written["customer_ref"]
    number = None
    if not words.get("dry_run", False):
        number = office.record([Item(GIVEN, {}, ref, written)])[0].number
    yield _answer(ref, record, number) | {"warnings": _warnings(office, written, record)}


def lift(office: Office, words: Answer, who: Who) -> Iterator[Answer]:
    """``objection``: its id; ``record``: consent-record/1, new and verified, or one that is on record since.

    Gives what ``give`` gives, and {"objection", "lifted"}. Raises InputError; then nothing is on record.
    """
    ident = words.get("objection")
    found = office.register.objection(ident) if isinstance(ident, str) else None
    if found is None:
        raise InputError(f"{ident!r:.80}: no objection of that id is known; `consent show` has those of a customer")
    owner, objection = found
    if objection.lifted is not None:
        raise InputError(f"{objection.id}: was lifted at {text(objection.lifted)}")
    written, record = read(office, words.get("record"))
    ref = written["customer_ref"]
    _may_lift(office, owner, objection, ref, record)
    items = []
    if (there := known(office, ref, record)) is None:
        mapped(office, ref, record)
        previous(office, ref, written.get("prev_record"))
        items.append(Item(GIVEN, {}, ref, written))
    elif there.hash != record.hash:
        raise InputError(f"record_id: {record.id} is on record with another text; every record has an id of its own")
    said = {"at": text(office.now()), "objection_id": objection.id, "record_id": record.id, "by": f"uid {who.uid}"}
    items.append(Item("record.objection_lifted", {}, ref, body("record.objection_lifted", said)))
    number = office.record(items)[-1].number
    now = office.register.objection(objection.id)
    yield _answer(ref, record, number) | {
        "objection": objection.id,
        "lifted": now is not None and now[1].lifted is not None,
        "warnings": _warnings(office, written, record),
    }


def _answer(ref: str, record: Record, number: int | None) -> Answer:
    return {"record": record.id, "hash": record.hash, "customer": ref, "entry": number}


def _may_lift(office: Office, owner: str, objection: Objection, ref: str, record: Record) -> None:
    """What the register wants of a record that lifts an objection, in words. Raises InputError."""
    if owner not in (ref, f"objector/{objection.id}"):
        raise InputError("customer_ref: the objection is another customer's, who alone can take it back")
    if owner != ref:
        named = union(objection.prefixes or ())
        if not named or common(named, union(record.scope.prefixes)) != named:
            raise InputError("scope.prefixes: do not hold all that the objection names, whose sender is not known")
    if not record.verified:
        raise InputError("grantor.verified_by: none; an objection is lifted by a verified record alone")
    if record.at <= objection.at:
        raise InputError(f"created_at: is not after the objection, which was made at {text(objection.at)}")
    if office.now() < objection.at + 1:
        raise InputError(f"the objection was made at {text(objection.at)}; it can be lifted later than that")


def _warnings(office: Office, written: Answer, record: Record) -> list[str]:
    """What keeps the record from opening anything, though it may be put on record."""
    unknown = [each for each in written["documents"] if each["sha256"] not in office.register.documents]
    said = [
        f"documents: {each['kind']} {each['version']} ({each['lang']}) was never published here by that hash; "
        "`consent document publish`"
        for each in unknown
    ]
    if not record.verified:
        said.append("grantor.verified_by: none: an objection would not be lifted by it, and no probe allowed")
    if not any(contact.get("verified_at") for contact in written["contacts"]):
        said.append("contacts: none of them is verified")
    if record.valid_until <= office.now():
        said.append("valid_until: has passed")
    customer = office.register.customer(written["customer_ref"])
    if customer is not None and any(one.lifted is None for one in customer.objections):
        said.append("an objection of this customer stands; `consent lift` takes it back")
    if customer is not None and customer.suspended:
        said.append("this customer is suspended; `consent resume`")
    return said

"""Whether a record may be put on record, whoever hands it in: the operator, or a customer who agrees by a link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from agent.consent import reading
from agent.consent.written import body
from agent.errors import InputError
from agent.privacy import cidrs, minus, union

if TYPE_CHECKING:
    from agent.consent.state import Record
    from agent.office import Office

GIVEN = "record.given"

Answer = dict[str, Any]


def checked(office: Office, told: Any) -> tuple[Answer, Record]:
    """A record that may be put on record, in its one form. Raises InputError."""
    written, record = read(office, told)
    ref = written["customer_ref"]
    if known(office, ref, record) is not None:
        raise InputError(f"record_id: {record.id} is on record already; every record has an id of its own")
    mapped(office, ref, record)
    previous(office, ref, written.get("prev_record"))
    return written, record


def read(office: Office, told: Any) -> tuple[Answer, Record]:
    if not isinstance(told, dict):
        raise InputError("record: is no object of JSON; write it like consent-record/1")
    try:
        written = body(GIVEN, told)
    except ValidationError as error:
        raise InputError(faults(error)) from None
    record = reading.record(written, office.now())
    if record.at > office.now() + 1:
        raise InputError(f"created_at: {written['created_at']} has not come yet; is a clock wrong?")
    return written, record


def known(office: Office, ref: str, record: Record) -> Record | None:
    customer = office.register.customer(ref)
    return next((one for one in customer.records if one.id == record.id), None) if customer else None


def mapped(office: Office, ref: str, record: Record) -> None:
    """That the record is about addresses of his, and of nobody else. Raises InputError."""
    his = union([one.prefix for one in office.register.mapped(ref)])
    if not his:
        raise InputError(f"customer_ref: nothing is mapped to {ref!r}; import his prefixes first (knockfirst import)")
    beyond = minus(union(record.scope.prefixes), his)
    if beyond:
        raise InputError(f"scope.prefixes: {cidrs(beyond)[0]} is not mapped to {ref!r}; leave out what is not his")
    others = {
        one.customer
        for prefix in record.scope.prefixes
        for _, _, claims in office.register.segments(prefix)
        for one in claims
    } - {ref}
    if others:
        raise InputError(f"scope.prefixes: some of them are mapped to others than {ref!r} too; leave these out")


def previous(office: Office, ref: str, named: str | None) -> None:
    customer = office.register.customer(ref)
    if named and (customer is None or named not in {one.id for one in customer.records}):
        raise InputError(f"prev_record: {named} is no record of {ref!r}; leave it out, or name the one it replaces")


def faults(error: ValidationError) -> str:
    """A line for each thing that is wrong: where it is, and what would be right."""
    lines = []
    for fault in error.errors(include_url=False, include_input=False)[:20]:
        said = fault["msg"].removeprefix("Value error, ")
        lines.append(f"{'.'.join(map(str, fault['loc'])) or 'record'}: {said[:1].lower()}{said[1:]}")
    return "\n".join(lines)

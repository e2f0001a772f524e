"""Orders about the log: what a customer gets to check by himself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.audit.proof import handed, parts
from agent.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.office import Office, Who


def prove(office: Office, words: dict[str, Any], who: Who) -> Iterator[dict[str, Any]]:
    """The parts of the proof of ``customer``, which reaches back to logs of so many entries as ``sizes`` says.

    That it was handed over is put on record first. Raises InputError, AuditError.
    """
    customer, sizes = words.get("customer"), words.get("sizes", [])
    if not isinstance(customer, str) or not isinstance(sizes, list) or not all(type(n) is int and n > 0 for n in sizes):
        raise InputError("customer: a reference, and sizes: numbers of entries")
    item = handed(office.log, customer, who.uid, sizes)
    assert item.private is not None
    if not item.private["entries"]:
        raise InputError(f"{customer}: no entry is this customer's; is the reference right?")
    office.record([item])
    yield from parts(office.log, customer, item.private["earlier"])

"""What the log is to have of cases: it is written with them, among the findings, and goes on record in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.office import Office


def pay(office: Office) -> None:
    """What is on record among the findings goes on record in the log. Raises AuditError, BookError."""
    if owed := dict(office.book.owed):
        office.record([each.item for each in owed.values()])
        office.book.paid(owed)


def settle(office: Office) -> None:
    """What an agent that ended put into the log, and had no time to note that it had, is not put there again.

    Raises AuditError, BookError.
    """
    owed = office.book.owed
    if paid := [number for number, each in owed.items() if office.log.has(each.item, each.size)]:
        office.book.paid(paid)

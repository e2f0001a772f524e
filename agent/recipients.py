"""Who is told: a customer's own contacts, read from his record in the log at the moment in which they are needed.

Nobody else can be: no message, order or configuration names a recipient. The register keeps only the kinds of ways to
reach a customer; which those are is sealed in the log, and looked up there by the customer alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from agent.cases.facts import Papers
from agent.cases.ladder import Contact, way

if TYPE_CHECKING:
    from agent.cases.case import Step
    from agent.office import Office

_KEPT = 20_000  # customers whose contacts are remembered, without addresses; a few hundred bytes each


class Recipient(NamedTuple):
    """A contact with its address."""

    contact: Contact
    address: str


class Recipients:
    """``contacts`` is asked often, and remembered until the customer says something else; addresses never are."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._kept: dict[str, tuple[int, tuple[Contact, ...]]] = {}

    def contacts(self, customer: str) -> tuple[Contact, ...]:
        """Verified ways to reach a customer. Raises AuditError."""
        entry = self._office.register.contacts_entry(customer)
        if entry is None:
            return ()
        kept = self._kept.get(customer)
        if kept is None or kept[0] != entry:
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            kept = self._kept[customer] = entry, tuple(each.contact for each in self.of(customer))
        return kept[1]

    def forget(self, customer: str) -> None:
        self._kept.pop(customer, None)

    def of(self, customer: str) -> list[Recipient]:
        """The same with their addresses, as the log has them now. Raises AuditError."""
        number = self._office.register.contacts_entry(customer)
        entry = None if number is None else self._office.log.entry(number)
        # The log says whose it is: what is another's, or was erased, is nobody's here.
        if entry is None or entry.private is None or entry.customer != customer:
            return []
        return [_recipient(each) for each in entry.private["contacts"] if each.get("verified_at")]

    def reached_by(self, customer: str, step: Step) -> Recipient | None:
        """Whom a step of this customer's case is for; None where that is no contact of his any more."""
        return next((each for each in self.of(customer) if each.contact.way == step.way), None)


def _recipient(written: dict[str, Any]) -> Recipient:
    channel, address = written["channel"], written["address"]
    return Recipient(Contact(written["role"], channel, way(channel, address), written.get("lang", "nl")), address)


def papers(office: Office, customer: str, address: str) -> Papers:
    """By which record a server of this customer was last asked, and by how many requests; receipt and intent's entry.

    Raises AuditError.
    """
    from agent.audit.canon import parsed

    asked: dict[int, str] = {}  # intent -> record
    receipts: dict[str, str] = {}
    last: tuple[int, int] | None = None  # intent, requests
    for own in office.log.own(customer):
        entry = parsed(own.canon)
        if entry["kind"] not in ("record.given", "probe.intent", "probe.outcome"):
            continue
        private = parsed(own.private.decode())
        if entry["kind"] == "record.given":
            receipts[private["record_id"]] = (private.get("receipt") or {}).get("id", "")
        elif private.get("address") == address:
            if entry["kind"] == "probe.intent":
                asked[own.number] = private.get("record", "")
            elif entry["public"].get("outcome") == "confirmed" and entry["public"].get("intent") in asked:
                # Each request has a connection of its own, and where it is confirmed, none came to nothing.
                last = entry["public"]["intent"], entry["public"].get("connections") or 0
    if last is None:
        return Papers()
    intent, requests = last
    return Papers(asked[intent], receipts.get(asked[intent], "")[:64], intent, requests)


def zone(office: Office, customer: str) -> str:
    """The customer's time zone, as of the last record that he gave; UTC where he gave none."""
    known = office.register.customer(customer)
    records = known.records if known else ()
    return max(records, key=lambda record: record.received).scope.zone if records else "UTC"

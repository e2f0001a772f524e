"""What an entry of the log is, and every kind there is."""

from __future__ import annotations

from typing import Any, NamedTuple

# A kind never changes its meaning. ``record.*`` and ``mapping.*`` are the events of the register (agent/consent): the
# register is a fold over them, so that what was decided and what it was decided by are in one log, in one order.
KINDS = (
    "log.started", "log.stopped", "config.changed",
    "record.announced", "record.requested", "record.given", "record.refused", "record.confirmed", "record.objected",
    "record.objection_lifted", "record.withdrawn", "record.narrowed", "record.expired", "record.suspended",
    "record.resumed", "record.contract_ended", "record.invalidated", "record.contacts",
    "mapping.asserted", "mapping.withdrawn", "mapping.synced", "mapping.held",
    "document.published", "snapshot.taken", "probing.checked",
    "probe.intent", "probe.outcome", "probe.denied", "kill_switch.on", "kill_switch.off",
    "case.opened", "case.answered", "case.closed", "notice.due", "notice.begun", "notice.sent",
    "notice.bounced",
    "objection.unmatched", "objection.seen", "register.read", "finding.read", "customer.exported", "customer.erased",
)  # fmt: skip


class Item(NamedTuple):
    """Something to be put on record.

    ``public`` is in the leaf and stays for ever: no address, name, contact or finding may be in it. ``private`` is
    sealed under the key of ``customer`` (his reference in the operator's books, itself kept with the key) and only
    committed to by the leaf; without a customer there is nothing private. Values are JSON without floats: text, whole
    numbers, true, false, null, and lists and objects of them; times are RFC 3339 in UTC.
    """

    kind: str
    public: dict[str, Any] = {}  # noqa: RUF012  (never changed)
    customer: str = ""
    private: dict[str, Any] | None = None


class Entry(NamedTuple):
    """What was put on record: its place (0 is the first), its leaf hash of RFC 9162, its time."""

    number: int
    leaf: bytes
    time: float


class Opened(NamedTuple):
    """An entry as it is read back. ``private`` is None where there was nothing, or the customer's key was shredded.

    ``customer`` is "" then too: after an erasure nothing tells any more whose it was. ``sealed``: the private part in
    the canonical JSON of the log, where it was read from there.
    """

    number: int
    kind: str
    time: float
    public: dict[str, Any]
    customer: str
    private: dict[str, Any] | None
    sealed: bytes | None = None

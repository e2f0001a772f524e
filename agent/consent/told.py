"""What the register was told, as an import has to know it: every event by its digest, every mapping by its source.

A fold over the log like the register, kept only for as long as an import takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.consent.rows import digest, undated

if TYPE_CHECKING:
    from agent.audit.entry import Opened

KINDS = (
    "record.announced", "record.requested", "record.given", "record.refused", "record.confirmed", "record.objected",
    "record.objection_lifted", "record.withdrawn", "record.narrowed", "record.expired", "record.suspended",
    "record.resumed", "record.contract_ended", "record.invalidated", "record.contacts",
    "mapping.asserted", "mapping.withdrawn", "mapping.synced", "document.published", "snapshot.taken",
)  # fmt: skip

Pair = tuple[str, str]  # a prefix and a customer


class Held(NamedTuple):
    """How a customer has a prefix: its kind, until when (RFC 3339), in which session."""

    kind: str
    until: str | None
    session: str | None


class Told:
    """``read``: the number of the first entry that was not read yet.

    ``mapped``: source -> what it asserts now. ``lost``: source -> what it no longer asserts, since its last
    synchronisation that counted: a loss that was held stays one, however often the short file is sent. ``gone``: when
    a source last withdrew what it does not assert now; ``spoken``: the latest date that it gave to anything.
    """

    def __init__(self) -> None:
        self.read = 0
        self.said: set[bytes] = set()
        self.objections: dict[str, str] = {}  # id -> customer
        self.undated: set[bytes] = set()  # what these say, but for when
        self.lifted: set[str] = set()
        self.records: dict[str, bytes] = {}  # id -> digest
        self.customers: set[str] = set()
        self.mapped: dict[str, dict[Pair, Held]] = {}
        self.lost: dict[str, set[Pair]] = {}
        self.gone: dict[str, dict[Pair, str]] = {}  # RFC 3339
        self.spoken: dict[str, str] = {}
        self.synced: dict[str, str] = {}  # source -> RFC 3339
        self.taken: dict[str, int] = {}  # origin -> number of the newest snapshot

    def apply(self, entry: Opened) -> None:
        """Take the next entry of the log."""
        self.read = entry.number + 1
        if entry.kind == "mapping.synced":
            source = entry.public["source"]
            self.synced[source] = max(entry.public["at"], self.synced.get(source, ""))
            self.spoken[source] = max(self.synced[source], self.spoken.get(source, ""))
            self.lost.pop(source, None)
        elif entry.kind == "document.published":
            self.said.add(digest(entry.kind, "", entry.public))
        elif entry.kind == "snapshot.taken":
            origin, number = entry.public["origin"], entry.public["number"]
            self.taken[origin] = max(number, self.taken.get(origin, -1))
        elif entry.private is not None and entry.kind.startswith("mapping."):
            self._mapping(entry)
        elif entry.private is not None and entry.kind.startswith("record."):
            self._event(entry)

    def holders(self) -> dict[str, set[str]]:
        """Every prefix that anybody asserts -> the customers it is said to be of."""
        made: dict[str, set[str]] = {}
        for pairs in self.mapped.values():
            for prefix, customer in pairs:
                made.setdefault(prefix, set()).add(customer)
        return made

    def objecting(self) -> set[str]:
        """The customers of whom an objection stands."""
        return {customer for identity, customer in self.objections.items() if identity not in self.lifted}

    def _event(self, entry: Opened) -> None:
        private = entry.private or {}
        made = digest(entry.kind, entry.customer, private)
        self.said.add(made)
        self.customers.add(entry.customer)
        if entry.kind == "record.given":
            self.records[private["record_id"]] = made
        elif entry.kind == "record.objected":
            self.objections[private["objection_id"]] = entry.customer
            self.undated.add(undated(entry.customer, private))
        elif entry.kind == "record.objection_lifted":
            self.lifted.add(private["objection_id"])

    def _mapping(self, entry: Opened) -> None:
        private = entry.private or {}
        source = private["source"]
        mapped, lost = self.mapped.setdefault(source, {}), self.lost.setdefault(source, set())
        gone = self.gone.setdefault(source, {})
        self.spoken[source] = max(private["at"], self.spoken.get(source, ""))
        held = Held(private.get("kind", "static"), private.get("valid_until"), private.get("session_id"))
        for prefix in private["prefixes"]:
            pair = (prefix, entry.customer)
            if entry.kind == "mapping.asserted":
                mapped[pair] = held
                lost.discard(pair)
                gone.pop(pair, None)
            elif mapped.pop(pair, None) is not None:
                lost.add(pair)
                gone[pair] = private["at"]
        self.customers.add(entry.customer)

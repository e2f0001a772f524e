"""The nouns of asking leave: a Request to knock, the Refusal or Leave that it meets, the Grant that is carried out.

Times are seconds since the epoch, as float, but for ``Grant.deadline``. Nothing here reads a clock, a file or a socket.
What is None is not known, and nothing that is not known is ever taken for good.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from agent.privacy import Ranges

# Every reason not to knock, in the order in which they are looked at: the first that holds is told. They are label
# values of a metric, so the list is closed; docs/operating.md says what each means and who can change it.
REASONS = (
    "not_an_address", "kill_switch", "not_armed",
    "special_address", "deny_list", "objection",
    "clock_not_synced", "audit_not_writable", "checkpoint_stale",
    "unmapped", "mapping_conflict", "shared", "dynamic", "mapping_stale", "quarantine", "not_routed",
    "contract_ended", "suspended", "no_contact", "not_announced", "announcement_period",
    "no_record", "record_not_in_force", "basis_not_enough", "document_unknown",
    "scope_address", "scope_excluded", "scope_port", "scope_tier", "scope_probe", "outside_hours",
    "not_seen", "not_needed",
    "rate", "cool_down_host", "breaker_host", "breaker_customer", "breaker_whole", "in_flight", "pace",
    "not_recorded",
)  # fmt: skip
Reason = str

# Each in one sentence, for people; docs/operating.md, "Why nobody knocked", has the same and who can change it.
MEANINGS: dict[Reason, str] = {
    "not_an_address": "what was asked for is not an IP address in its canonical form, and names are never looked up",
    "kill_switch": "the kill switch is on, or nobody knows whether it is",
    "not_armed": "probing is off, or a piece that it needs is missing",
    "special_address": "the address is set apart by a standard and is nobody's server",
    "deny_list": "the address is in the operator's deny file, or the file could not be read",
    "objection": "an objection that stands covers the address",
    "clock_not_synced": "the clock of this machine is not known to be synchronised",
    "audit_not_writable": "the audit log is not known to be writable",
    "checkpoint_stale": "no checkpoint of the audit log reached anybody outside lately",
    "unmapped": "no source says whose address it is",
    "mapping_conflict": "the sources do not agree on whose address it is",
    "shared": "the address is shared, or is said to be of more than one customer",
    "dynamic": "the address is not known to be one customer's for good",
    "mapping_stale": "a source that says whose address it is was not fully synchronised lately",
    "quarantine": "the address went from one customer to another not long ago",
    "not_routed": "the address is not known to be routed at this edge",
    "contract_ended": "the customer's contract has ended",
    "suspended": "the operator has stopped everything for this customer",
    "no_contact": "the customer has no verified contact on at least two channels",
    "not_announced": "no announcement is known to have reached the customer",
    "announcement_period": "the announcement is not old enough yet",
    "no_record": "the customer has no consent record",
    "record_not_in_force": "no consent record of the customer is in force now",
    "basis_not_enough": "the basis of the record does not open this probe to this kind of customer",
    "document_unknown": "a text that the customer must have been shown is missing, or was not published",
    "scope_address": "no record in force covers the address",
    "scope_excluded": "the customer has excluded the address",
    "scope_port": "no record that covers the address covers this port",
    "scope_tier": "the record does not allow probes",
    "scope_probe": "the record does not allow this probe",
    "outside_hours": "it is outside the customer's hours",
    "not_seen": "looking has not found a server there that its answer could be told by",
    "not_needed": "the build is known already, or nobody knows whether it is",
    "rate": "the host was knocked at not long ago",
    "cool_down_host": "the last probe went badly for this host, and it is let be for a day",
    "breaker_host": "two probes in a row went badly for this host: 30 days, and then only by a person's order",
    "breaker_customer": "too many probes of this customer's hosts went badly in a day",
    "breaker_whole": "too many probes went badly in a day",
    "in_flight": "another probe of this host, or of one beside it, is under way",
    "pace": "as many probes as may begin in a minute have begun",
    "not_recorded": "the intent could not be put on record, so nothing was sent",
}

# What became of a probe: the closed list. ``docs/operating.md`` has one line of meaning for each.
OUTCOMES = (
    "confirmed", "contradicted", "inconclusive", "connection_refused", "unreachable", "timeout", "tls_failed",
    "protocol_error", "identity_mismatch", "holder_changed", "cancelled", "unknown", "bug",
)  # fmt: skip
Outcome = str
OUTCOME_MEANINGS: dict[Outcome, str] = {
    "confirmed": "it is an Exchange server, and the answer says so",
    "contradicted": "it answered, and is no Exchange server",
    "inconclusive": "it answered, and the answer does not say what it is",
    "connection_refused": "it refused the connection",
    "unreachable": "there is no way to it, or none from the address that probes come from",
    "timeout": "it did not answer in time",
    "tls_failed": "no TLS connection came about",
    "protocol_error": "what it answered is no HTTP, or it broke off",
    "identity_mismatch": "another server answered than the one that was seen, and nothing of it is believed",
    "holder_changed": "the address went to somebody else meanwhile, and nothing of the answer is kept",
    "cancelled": "it was broken off: an objection, a hand-over or the kill switch",
    "unknown": "nobody knows what became of it",
    "bug": "a fault of ours ended it",
}

# What came of objections, and at which levels probes that go badly stop others. Label values of metrics, too.
OBJECTED = (
    "token", "prefix", "unmatched", "syntax", "rate", "unavailable", "file", "file_line_failed", "file_failed",
)  # fmt: skip
BREAKERS = ("host", "customer", "whole")

# What has to be in place before anybody is knocked at; a missing piece is the detail of ``not_armed``.
PIECES = ("armed", "contact", "source", "announcement", "probing_txt", "audit_sink", "notification_route", "state")

# What a record may permit: the closed vocabulary of ``scope.tiers``.
TIERS = ("passive.handshake", "active.build")
BUILD = "active.build"
HANDSHAKE = "passive.handshake"
PROBES = ("exchange-http",)


class Sighting(NamedTuple):
    """What looking knows of a server: the name its clients ask for, and what its own answer has to agree with.

    ``certificates``: SHA-256 of the leaf certificates seen on that port (hex); ``products``: what it is believed to be;
    ``build_known``: whether the handshakes already tell the exact build, so that there is no need to knock.
    """

    name: str | None
    certificates: tuple[str, ...]
    products: tuple[str, ...]
    build_known: bool | None
    last_seen: float | None


class Request(NamedTuple):
    """Please confirm this server. ``address`` in canonical text form; ``why``: "schedule", "command" or "recheck"."""

    address: str
    port: int
    probe: str
    why: Literal["schedule", "command", "recheck"] = "schedule"
    sighting: Sighting | None = None


class Limits(NamedTuple):
    """What the configuration makes stricter. Seconds, but for ``per_minute`` (probes that may begin in a minute)."""

    announce: float = 30 * 86_400.0
    mapping: float = 86_400.0
    quarantine: float = 7 * 86_400.0
    checkpoint: float = 900.0
    recheck: float = 86_400.0
    per_minute: int = 6
    terms_objection: bool = False


class Conditions(NamedTuple):
    """What holds of this machine now, whoever is asked about. None: not known, and so a refusal.

    ``missing``: the pieces, of PIECES, that arming lacks; ``checkpoint_age``: seconds since a checkpoint last reached a
    sink outside; ``denied``: the operator's deny file; ``routed``: prefixes routed here, an empty set where the
    operator names no file of them (``route_check`` says whether there is one). ``laboratory``: only loopback and
    documentation addresses are knocked at, and no others; without, none of these.
    """

    time: float
    clock_synced: bool | None = None
    killed: bool | None = None
    missing: tuple[str, ...] | None = None
    audit_writable: bool | None = None
    checkpoint_age: float | None = None
    denied: Ranges | None = None
    route_check: bool = False
    routed: Ranges | None = None
    laboratory: bool = False
    limits: Limits = Limits()


class Refusal(NamedTuple):
    """Why not. ``detail`` is a sentence for people, with no personal data in it."""

    reason: Reason
    detail: str


class Refused(NamedTuple):
    """Why a server that it would be worth knocking at is not, and since when."""

    reason: Reason
    detail: str
    time: float


class Leave(NamedTuple):
    """What a decision allows, before it is on record: whose server it is, and by which record (id and hash)."""

    customer: str
    record: str
    record_hash: str
    mapping: str
    mapping_age: float


class Budget(NamedTuple):
    """The most that one probe may use: connections, bytes taken, seconds."""

    connections: int = 3
    bytes: int = 64 << 10
    seconds: float = 20.0


class Grant(NamedTuple):
    """Leave given, and on record: entry ``number`` of the audit log, of hash ``leaf`` (hex), says so.

    ``id`` is random and leads from a request's header to that entry. ``deadline`` is in seconds of CLOCK_MONOTONIC,
    which all processes of a machine share and nobody can set. ``certificates`` and ``products`` are what the answer
    has to agree with before anything of it is believed.
    """

    id: str
    address: str
    port: int
    name: str | None
    probe: str
    record: str
    deadline: float
    budget: Budget
    number: int
    leaf: str
    certificates: tuple[str, ...] = ()
    products: tuple[str, ...] = ()

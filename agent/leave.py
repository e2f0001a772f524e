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

# What became of a probe: the closed list. ``docs/operating.md`` has one line of meaning for each.
OUTCOMES = (
    "confirmed", "contradicted", "inconclusive", "connection_refused", "unreachable", "timeout", "tls_failed",
    "protocol_error", "identity_mismatch", "holder_changed", "cancelled", "unknown", "bug",
)  # fmt: skip
Outcome = str

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

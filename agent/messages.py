"""What each message between the roles may hold. Validated by the receiver; the sender is not believed.

The vocabulary and its size limits are in agent/ipc.py; only what an unprivileged or packet-reading process sends, and
what the exporter shows, needs a model here.
"""

from __future__ import annotations

from functools import lru_cache
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from sys import intern
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from agent.ipc import Type, Unexpected
from agent.leave import OUTCOMES
from agent.model import KINDS, Endpoint, Observation

MAX_VALUE = 16 << 10  # characters of one observation's value
MAX_BATCH = 256  # observations in one message
MAX_COUNTERS = 256
MAX_INTERFACES = 64


def _canonical(text: str) -> str:
    family = AF_INET6 if ":" in text else AF_INET
    try:
        canonical = inet_ntop(family, inet_pton(family, text))
    except OSError:
        raise ValueError("is not an address") from None
    if canonical != text:
        raise ValueError("is not an address in its canonical form")
    return text


def _kind(text: str) -> str:
    if text not in KINDS:
        raise ValueError("is not a kind of observation")
    return text


def _outcome(text: str) -> str:
    if text not in OUTCOMES:
        raise ValueError("is not an outcome of a probe")
    return text


Counter = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.]{0,63}$")]
Count = Annotated[int, Field(ge=0, lt=1 << 63)]
Label = Annotated[str, Field(max_length=64)]
Time = Annotated[float, Field(ge=0, le=1e11, allow_inf_nan=False)]


class Body(BaseModel):
    """A message's object: the keys it has and no others, each of exactly its type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


_endpoint = lru_cache(4096)(Endpoint)


class Told(Body):
    """One observation as the capture role tells it. What was asked for comes by another door, so it is passive."""

    address: Annotated[str, Field(max_length=45), AfterValidator(_canonical)]
    port: Annotated[int, Field(ge=0, le=65_535)]
    transport: Literal["tcp", "udp"]
    kind: Annotated[str, AfterValidator(_kind)]
    value: Annotated[str, Field(max_length=MAX_VALUE)]
    time: Time
    collector: Counter
    frame: Count | None

    def observation(self) -> Observation:
        # Every message brings words and endpoints of its own; what is kept of them shares one of each.
        server = _endpoint(self.address, self.port, self.transport)
        return Observation(
            server, intern(self.kind), self.value, self.time, "passive", intern(self.collector), self.frame
        )


class Observations(Body):
    told: Annotated[list[Told], Field(max_length=MAX_BATCH)]


Gauge = Annotated[float, Field(allow_inf_nan=False)]


class Interface(Body):
    """What the capture role counted on one interface since it started, and how that interface is now."""

    name: Label
    counts: Annotated[dict[Counter, Count], Field(max_length=MAX_COUNTERS)]
    gauges: Annotated[dict[Counter, Gauge], Field(max_length=MAX_COUNTERS)]


class Counters(Body):
    """Every counter of the capture role since it started; they only rise."""

    counts: Annotated[dict[Counter, Count], Field(max_length=MAX_COUNTERS)]
    interfaces: Annotated[list[Interface], Field(max_length=MAX_INTERFACES)] = []


class Applied(Body):
    """The section of this number is in force: every frame from now on is judged by it."""

    number: Count


class Inputs(Body):
    """How many capture files there are, were read to their end, and could not be read."""

    files: Count
    read: Count
    unreadable: Count

    @property
    def finished(self) -> bool:
        return self.read + self.unreadable >= self.files


class Shown(Body):
    number: Count


class Ask(Body):
    """What a control client wants: the status, or the assessments of one address or (None) of all."""

    what: Literal["status", "assessments", "diagnosis"]
    address: Annotated[str, Field(max_length=45), AfterValidator(_canonical)] | None = None


class Reload(Body):
    """Nothing: the configuration is read from where it was read before."""


class Reloaded(Body):
    """What became of a reload: ``error`` names file, key and what would be right, or is None where it is in force."""

    error: Annotated[str, Field(max_length=32 << 10)] | None
    restarted: list[Label] = []


class Servers(Body):
    """How many servers are believed to be this; at least "suspected" is a belief, "none" is not."""

    product: Label
    generation: Label
    verdict: Label
    count: Count


class Exposed(Body):
    """How many servers have this status for this CVE."""

    cve: Label
    status: Label
    kev: bool
    count: Count


class Ended(Body):
    """How many servers of a generation have this status for the end of support."""

    generation: Label
    status: Label
    count: Count


class Rejected(Body):
    door: Label
    reason: Label
    count: Count


class Loaded(Body):
    """What the supervisor knows of the configuration: how the last reload went, and when the last good one was.

    ``time``: of the last success, in seconds since the epoch; ``sha256``: of the configuration in force, shortened;
    ``not_permitted``: whether capture ended for want of the right to look at interfaces.
    """

    successful: bool = True
    time: Time = 0.0
    sha256: Label = ""
    not_permitted: bool = False


class Configuration(Body):
    """A configuration (agent.config checks it once more), and what is known of it."""

    config: dict[str, Any]
    loaded: Loaded


class InForce(Body):
    """The configuration in force: what capture was told of it, and what became of the last reload.

    ``number``: of the last section; ``applied``: of the last that every capture process has applied;
    ``applied_seconds``: from the last look that did not know of a change of the prefix files to its being applied;
    ``prefixes``: how many there are of each tier; ``sha256``: of the configuration, shortened.
    """

    number: Count = 0
    applied: Count = 0
    applied_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    prefixes: dict[Counter, Count] = {}
    prefix_files_failing: Count = 0
    prefix_file_failures: Count = 0
    reload_successful: bool = True
    reload_time: Time = 0.0
    sha256: Label = ""


class Kept(Body):
    """How much the store holds, and how the writing and deleting of it goes."""

    observations: Count
    servers: Count
    bytes: Count
    deleted: dict[Counter, Count]
    write_failures: Count
    retention_last_success: Time


class Decided(Body):
    """How often leave was "granted", or "refused" for this reason."""

    decision: Label
    reason: Label
    count: Count


class Ran(Body):
    """How many probes of a kind have ended so."""

    probe: Label
    outcome: Label
    count: Count


class Recorded(Body):
    """How many consent records of a basis are in a state."""

    basis: Label
    state: Label
    count: Count


class Delay(Body):
    """A histogram of seconds: the upper bound of each bucket, how many are in it and those below, all, their sum."""

    buckets: list[Annotated[list[Gauge], Field(min_length=2, max_length=2)]]
    count: Count
    sum: Gauge


class Permitted(Body):
    """All that is shown of consent, knocking and the log. Counts alone.

    ``refused_now``: servers worth knocking at, by the reason why nobody does; ``missing``: for each piece of arming
    whether it is; ``mapping_ages`` and ``checkpoint_age`` in seconds, the last None where none has reached a sink.
    """

    prober: bool
    running: Count
    decisions: list[Decided]
    refused_now: dict[Label, Count]
    outcomes: list[Ran]
    missing: dict[Label, bool]
    killed: bool
    clock_synced: bool
    customers: Count
    records: list[Recorded]
    standing_objections: Count
    waiting: Count
    mapping_ages: dict[Label, Gauge]
    breakers: dict[Label, Count]
    log_entries: Count
    log_failures: Count
    checkpoint_age: Gauge | None
    checkpoint_failures: Count
    objections: dict[Counter, Count]
    effects_pending: Count
    effect_seconds: Delay
    self_audit: dict[Counter, Count]


class Snapshot(Body):
    """Everything the exporter shows. Aggregates only: no address, name or customer has a place in it."""

    number: Count
    time: Time
    started: Time
    progress: Time
    took: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    not_ready: list[Label]
    config: InForce = InForce()
    inputs: Inputs
    servers: list[Servers]
    exposed: list[Exposed]
    ended: list[Ended]
    kept: Count
    kept_at_most: Count
    counters: dict[Counter, Count]
    interfaces: list[Interface]
    evidence: dict[Label, Count]
    inventory: dict[Counter, Count]
    store: Kept | None = None
    permission: Permitted | None = None
    observations: dict[Label, Count]
    connections: dict[Label, Count]
    rejected: list[Rejected]


Id = Annotated[str, Field(pattern=r"^[0-9a-f-]{8,64}$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Address = Annotated[str, Field(max_length=45), AfterValidator(_canonical)]
Port = Annotated[int, Field(ge=1, le=65_535)]


class Knock(Body):
    """One connection of the prober's: where from, where to, and when it was begun."""

    source: Address
    source_port: Port
    address: Address
    port: Port
    time: Time


class Answered(Body):
    """One fact in the answer to a probe. The server is the grant's; the prober does not say which."""

    kind: Annotated[str, AfterValidator(_kind)]
    value: Annotated[str, Field(max_length=MAX_VALUE)]


class OutcomeOf(Body):
    """What became of the grant ``id``. ``detail``: a few words with no data of the answer in them.

    ``certificate``: SHA-256 of the leaf that was shown, "" without one; ``milliseconds``: from the first connection to
    the end; ``statuses``: of the responses, in order.
    """

    id: Id
    outcome: Annotated[str, AfterValidator(_outcome)]
    detail: Annotated[str, Field(max_length=200)]
    knocks: Annotated[list[Knock], Field(max_length=8)]
    statuses: Annotated[list[Annotated[int, Field(ge=100, le=999)]], Field(max_length=8)]
    bytes: Count
    milliseconds: Count
    certificate: Digest | Literal[""]
    told: Annotated[list[Answered], Field(max_length=64)]


class Cancelled(Body):
    """What was named by the cancellation or withdrawal of this number has ended: not one packet more of it."""

    number: Count


class Knocks(Body):
    """Distinct connections that began at the probe's own addresses, as capture saw their SYNs."""

    knocks: Annotated[list[Knock], Field(max_length=256)]


class Order(Body):
    """A command: its verb, of agent.desk.VERBS, and what it needs, which the verb itself checks."""

    verb: Label
    words: dict[str, Any]


class ObjectionTold(Body):
    """A no that came in by the answers' socket. It can only take permission away."""

    number: Count
    prefix: Annotated[str, Field(max_length=49)] | None
    token: Annotated[str, Field(max_length=128)] | None
    headers: bool


class Noted(Body):
    """What became of the objection of that number. ``receipt``: the id under which it is on record, "" where it is not.

    "noted" says nothing of whose it is or what it stopped; "syntax": it names no prefix and has no token; "rate": there
    were too many without a token; "unavailable": it could not be put on record.
    """

    number: Count
    status: Literal["noted", "syntax", "rate", "unavailable"]
    receipt: Label


class LogSection(Body):
    level: Literal["debug", "info", "warning", "error"]
    format: Literal["logfmt", "json"]


class ExporterSection(Body):
    """``probing_txt``: the text that is served as such, "" for none; ``operator`` and ``contact`` as customers know."""

    log: LogSection
    probing_txt: Annotated[str, Field(max_length=MAX_VALUE)] = ""
    operator: Annotated[str, Field(max_length=200)] = ""
    contact: Annotated[str, Field(max_length=200)] = ""


_BODIES: dict[Type, TypeAdapter[Any]] = {
    Type.CONFIGURATION: TypeAdapter(Configuration),
    Type.OBSERVATIONS: TypeAdapter(Observations),
    Type.COUNTERS: TypeAdapter(Counters),
    Type.INPUTS: TypeAdapter(Inputs),
    Type.SHOWN: TypeAdapter(Shown),
    Type.ASK: TypeAdapter(Ask),
    Type.APPLIED: TypeAdapter(Applied),
    Type.RELOAD: TypeAdapter(Reload),
    Type.RELOADED: TypeAdapter(Reloaded),
    Type.SNAPSHOT: TypeAdapter(Snapshot),
    Type.SECTION: TypeAdapter(ExporterSection),
    Type.OUTCOME: TypeAdapter(OutcomeOf),
    Type.CANCELLED: TypeAdapter(Cancelled),
    Type.KNOCKS: TypeAdapter(Knocks),
    Type.ORDER: TypeAdapter(Order),
    Type.OBJECTION: TypeAdapter(ObjectionTold),
    Type.NOTED: TypeAdapter(Noted),
}


def validated(kind: Type, body: dict[str, Any]) -> Any:
    """The model of a received object. Raises Unexpected; the text names the key, never the value."""
    try:
        return _BODIES[kind].validate_python(body)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, fault["loc"]))
        raise Unexpected("invalid", f"{kind.name}: {where}: {fault['msg']}") from None

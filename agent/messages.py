"""What each message between the roles may hold. Validated by the receiver; the sender is not believed.

The vocabulary and its size limits are in agent/ipc.py; only what an unprivileged or packet-reading process sends, and
what the exporter shows, needs a model here.
"""

from __future__ import annotations

from functools import lru_cache
from sys import intern
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from agent.asked import Cancelled, Knocks, Noted, ObjectionTold, Order, OutcomeOf, Permitted, Telling
from agent.body import (
    MAX_BATCH,
    MAX_COUNTERS,
    MAX_INTERFACES,
    MAX_VALUE,
    Address,
    Body,
    Count,
    Counter,
    Gauge,
    Label,
    Time,
    kind,
)  # fmt: skip
from agent.ipc import Type, Unexpected
from agent.listed import Listed
from agent.model import Endpoint, Observation
from agent.notice import (
    WORKED,
    About,
    Answered,
    AnswerTold,
    Bounced,
    Due,
    Event,
    Go,
    Heard,
    Sent,
    Taken,
    View,
    Viewed,
)  # fmt: skip

_endpoint = lru_cache(4096)(Endpoint)


class Told(Body):
    """One observation as the capture role tells it. What was asked for comes by another door, so it is passive."""

    address: Address
    port: Annotated[int, Field(ge=0, le=65_535)]
    transport: Literal["tcp", "udp"]
    kind: Annotated[str, AfterValidator(kind)]
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


class Interface(Body):
    """What the capture role counted on one interface since it started, and how that interface is now."""

    name: Label
    counts: Annotated[dict[Counter, Count], Field(max_length=MAX_COUNTERS)]
    gauges: Annotated[dict[Counter, Gauge], Field(max_length=MAX_COUNTERS)]


class Counters(Body):
    """Every counter of the capture role since it started; they only rise."""

    counts: Annotated[dict[Counter, Count], Field(max_length=MAX_COUNTERS)]
    interfaces: Annotated[list[Interface], Field(max_length=MAX_INTERFACES, default_factory=list)]


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
    address: Address | None = None


class Reload(Body):
    """Nothing: the configuration is read from where it was read before."""


class Reloaded(Body):
    """What became of a reload: ``error`` names file, key and what would be right, or is None where it is in force."""

    error: Annotated[str, Field(max_length=32 << 10)] | None
    restarted: list[Label] = Field(default_factory=list)


class Servers(Body):
    """How many servers are believed to be this; at least "suspected" is a belief, "none" is not."""

    product: Label
    generation: Label
    support: Label
    verdict: Label
    precision: Label
    count: Count


class Exposed(Body):
    """How many servers have this status for this CVE."""

    cve: Label
    status: Label
    kev: bool
    count: Count


class Chained(Body):
    """Of how many servers so much of a named chain of CVEs is open."""

    chain: Label
    open: Label
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
    prefixes: dict[Counter, Count] = Field(default_factory=dict)
    prefix_files_failing: Count = 0
    prefix_file_failures: Count = 0
    reload_successful: bool = True
    reload_time: Time = 0.0
    sha256: Label = ""


def _worked(name: str) -> str:
    if name not in WORKED:
        raise ValueError("is not what a role counts")
    return name


class Usage(Body):
    """What a role's processes take: resident bytes; seconds of processor time and lines logged since they began.

    ``work``: of a notifier, how often it did what since then, as agent.notice.WORKED names it.
    """

    resident: Gauge = 0.0
    cpu: Gauge = 0.0
    lines: dict[Counter, Count] = Field(default_factory=dict)
    work: dict[Annotated[Counter, AfterValidator(_worked)], Count] = Field(default_factory=dict)


class Kept(Body):
    """How much the store holds, and how the writing and deleting of it goes."""

    observations: Count
    servers: Count
    bytes: Count
    deleted: dict[Counter, Count]
    write_failures: Count
    retention_last_success: Time


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
    chains: list[Chained] = Field(default_factory=list)
    reach: dict[Label, Time] = Field(default_factory=dict)
    limits: dict[Label, Gauge] = Field(default_factory=dict)
    usage: Usage = Usage()
    roles: dict[Label, Usage] = Field(default_factory=dict)
    kept: Count
    kept_at_most: Count
    counters: dict[Counter, Count]
    interfaces: list[Interface]
    evidence: dict[Label, Count]
    inventory: dict[Counter, Count]
    store: Kept | None = None
    permission: Permitted | None = None
    telling: Telling | None = None
    observations: dict[Label, Count]
    connections: dict[Label, Count]
    rejected: list[Rejected]


class LogSection(Body):
    level: Literal["debug", "info", "warning", "error"]
    format: Literal["logfmt", "json"]


class ExporterSection(Body):
    """``probing_txt``: the text that is served as such, "" for none; ``operator`` and ``contact`` as customers know.

    ``web_config``: path of the web configuration file, "" for none. ``viewers``: who may see single servers.
    """

    log: LogSection
    probing_txt: Annotated[str, Field(max_length=MAX_VALUE)] = ""
    operator: Annotated[str, Field(max_length=200)] = ""
    contact: Annotated[str, Field(max_length=200)] = ""
    web_config: Annotated[str, Field(max_length=4096)] = ""
    viewers: list[Annotated[str, Field(max_length=200)]] = Field(default_factory=list)


class NotifierSection(Body):
    """What the notifier is told of the configuration: the keys of ``notices`` that it needs, and who writes."""

    log: LogSection
    relay: Annotated[str, Field(max_length=300)]
    tls: Literal["starttls", "tls", "none"]
    ca: Annotated[str, Field(max_length=4096)]
    user: Annotated[str, Field(max_length=200)]
    sender: Annotated[str, Field(max_length=254)]
    bounces: Annotated[str, Field(max_length=4096)]
    templates: Annotated[str, Field(max_length=4096)]
    webhook: Annotated[str, Field(max_length=300)]
    operator: Annotated[str, Field(max_length=200)]


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
    Type.USAGE: TypeAdapter(Usage),
    Type.VIEW: TypeAdapter(View),
    Type.VIEWED: TypeAdapter(Viewed),
    Type.DUE: TypeAdapter(Due),
    Type.ABOUT: TypeAdapter(About),
    Type.GO: TypeAdapter(Go),
    Type.SENT: TypeAdapter(Sent),
    Type.BOUNCED: TypeAdapter(Bounced),
    Type.ANSWER: TypeAdapter(AnswerTold),
    Type.ANSWERED: TypeAdapter(Answered),
    Type.HEARD: TypeAdapter(Heard),
    Type.SERVERS: TypeAdapter(Listed),
    Type.EVENT: TypeAdapter(Event),
    Type.TAKEN: TypeAdapter(Taken),
}


def validated(kind: Type, body: dict[str, Any]) -> Any:
    """The model of a received object. Raises Unexpected; the text names the key, never the value."""
    try:
        return _BODIES[kind].validate_python(body)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, fault["loc"]))
        raise Unexpected("invalid", f"{kind.name}: {where}: {fault['msg']}") from None

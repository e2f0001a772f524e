"""What the messages about leave may hold: grants' outcomes, orders, objections; and how that and telling stands."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from agent.body import MAX_VALUE, Address, Body, Count, Counter, Digest, Gauge, Id, Label, Port, Time, kind
from agent.leave import OUTCOMES


def _outcome(text: str) -> str:
    if text not in OUTCOMES:
        raise ValueError("is not an outcome of a probe")
    return text


class Knock(Body):
    """One connection of the prober's: where from, where to, and when it was begun."""

    source: Address
    source_port: Port
    address: Address
    port: Port
    time: Time


class Answered(Body):
    """One fact in the answer to a probe. The server is the grant's; the prober does not say which."""

    kind: Annotated[str, AfterValidator(kind)]
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
    whether it is; ``mapping_ages`` and ``checkpoint_age`` in seconds, the last None where none has reached a sink;
    ``synced`` and ``checkpoint_made``: when that was. ``by_leave``: customers, and ``covered``: servers worth knocking
    at, by whether there is leave. ``erasing_last_success``: when nobody was left whose contract had ended so long ago
    that he is erased, 0 for never; None where nobody is, but by order. ``unended``: intents in the log without an
    outcome, but for those that run. ``erasures_unended``: begun, and not at their end; ``erasure_oldest``: since when
    one of those is, None for none.
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
    synced: dict[Label, Time] = Field(default_factory=dict)
    checkpoint_made: Time | None = None
    by_leave: dict[Label, Count] = Field(default_factory=dict)
    covered: dict[Label, Count] = Field(default_factory=dict)
    mapping_conflicts: Count = 0
    unended: Count = 0
    drop_failing: Count = 0
    erasing_last_success: Time | None = None
    erasures_unended: Count = 0
    erasure_oldest: Time | None = None


class CasesOf(Body):
    """How many cases of a severity are in a state and that old (agent.cases.counted)."""

    severity: Label
    state: Label
    age: Label
    count: Count


class NoticesOf(Body):
    """How many steps of the ladder, by a channel, have ended so since the agent began (agent.cases.counted)."""

    step: Label
    channel: Label
    outcome: Label
    count: Count


class CameOf(Body):
    """How many steps of cases that have ended came that far since the agent began (agent.cases.helped)."""

    severity: Label
    step: Label
    channel: Label
    outcome: Label
    count: Count


class Telling(Body):
    """All that is shown of cases and of telling customers. Counts alone.

    ``tasks``: of each channel, what waits for a person; ``waiting``: messages that have not come to their end;
    ``oldest``: since when one of them has waited longest, None for none; ``uncertain``: messages that may have gone
    out twice; ``fix_seconds``: histogram of seconds from a case's opening to the fix; ``untold``: servers that
    would make a case, by the reason why there is none; ``rechecks``: decisions about looks that customers asked for.
    ``came``: of cases that have ended, how far each step came; ``after_seconds``: of each step, histogram of seconds
    from it to the fix; ``tasks_oldest``: of each channel, since when a task has waited longest; ``notifier``: whether
    there is one; ``mails``: whether mail can be sent to customers, as the configuration has it.
    ``webhook_oldest``: since when what the webhook is to be told has waited longest, None for nothing;
    ``webhook_dropped``: what was let go for want of room.
    """

    cases: list[CasesOf]
    tasks: dict[Label, Count]
    notices: list[NoticesOf]
    uncertain: Count
    waiting: Count
    oldest: Time | None
    fix_seconds: Delay
    answers: dict[Label, Count]
    rechecks: dict[Label, Count]
    untold: dict[Label, Count]
    failures: Count
    retention_last_success: Time
    came: list[CameOf] = Field(default_factory=list)
    after_seconds: dict[Label, Delay] = Field(default_factory=dict)
    tasks_oldest: dict[Label, Time] = Field(default_factory=dict)
    notifier: bool = False
    mails: bool = True
    webhook_oldest: Time | None = None
    webhook_dropped: Count = 0

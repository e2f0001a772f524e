"""What is said between agent, notifier and exporter about notices to customers, and the facts that a notice tells.

A recipient comes from the customer's own record, by the agent; no order and no message of another role can name one.
Times are seconds since the epoch, days are ISO dates; "" is: not known, or none.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field

from agent.body import Address, Body, Count, Id, Label, Port, Time

# What a customer may answer with the links of a notice. "stop" is an objection, and is heard at once.
ACTIONS = ("agree", "fixed", "recheck", "wrong_contact", "not_ours", "wont_fix", "stop")

# What the notifier counts of its work, and how each went: mails by what the relay made of each attempt, mails in
# notices.bounces by what they were, and what the webhook was told.
WORK = MappingProxyType(
    {
        "mails": ("sent", "later", "refused", "cancelled", "uncertain"),
        "bounces": ("ours", "others", "unreadable", "unmarked"),
        "webhook": ("delivered", "retried", "given_up"),
    }
)
WORKED = frozenset(f"{what}.{how}" for what, ways in WORK.items() for how in ways)

# Where they lead, under consent.public_url: this, the token, and the action as a fragment, which no server gets to see.
ANSWERS = "/answers/"

# What a message may be: the steps of the ladder that are written, and what asking for leave needs.
MESSAGES = ("tell", "contact", "owner", "letter", "phone", "quiet", "closing", "request", "receipt")

MAX_TEXT = 40 << 10  # characters of one message, its subject included

Short = Annotated[str, Field(max_length=200)]
Day = Annotated[str, Field(pattern=r"^(\d{4}-\d\d-\d\d)?$")]
Mail = Annotated[str, Field(min_length=3, max_length=254)]
MessageId = Annotated[str, Field(pattern=r"^<[A-Za-z0-9.+_-]{1,80}@[A-Za-z0-9.-]{1,120}>$")]


class Hole(Body):
    """One finding for the reader: a chain (ProxyShell) is one, with all of its CVEs; "" for a hole with no such name.

    ``status``: ``vulnerable``, ``possible`` or ``fixed_if_configured`` (agent.model.Status); ``setting``: what has to
    be set beside the update (agent.exchange.known.Flaw.config).
    """

    name: Short
    cves: Annotated[list[Label], Field(max_length=16)]
    status: Label
    kev: bool
    cvss: float | None
    setting: Short = ""


class Install(Body):
    """What closes it: the current ``update`` of the branch, or an ``upgrade`` where the branch has none any more."""

    kind: Literal["update", "upgrade", "unknown"]
    name: Short = ""
    build: Label = ""
    kb: Label = ""
    released: Day = ""


class Facts(Body):
    """All that a message may tell, in no language. ``origin`` passive: "you seem to run"; active: it was asked.

    ``signs``: kinds of observation that it was seen by; ``entry``: number of the probe's intent in the log;
    ``requests``: by how many it was asked, 0 where that is not known; ``more``: holes that are not listed;
    ``exploited``: holes that were exploited before their fix, so that the server may be broken into already; ``ended``:
    the day on which its support ended; ``links``: an address for each of ACTIONS that is offered here, none where there
    is no public page; ``deleted``: the day on which what is known will be gone; ``zone``: whose time is told (IANA), as
    of the customer's record.
    """

    message: Literal["tell", "contact", "owner", "letter", "phone", "quiet", "closing", "request", "receipt"]
    lang: Literal["nl", "en"]
    operator: Short
    contact: Short
    customer: Label
    case: Label = ""
    severity: Literal["critical", "high", ""] = ""
    address: Address | Literal[""] = ""
    ports: Annotated[list[Port], Field(max_length=16)] = Field(default_factory=list)
    seen: Time = 0.0
    zone: Label = "UTC"
    origin: Literal["passive", "active"] = "passive"
    confidence: Label = ""
    signs: Annotated[list[Label], Field(max_length=32)] = Field(default_factory=list)
    product: Short = ""
    build: Label = ""
    record: Label = ""
    receipt: Label = ""
    entry: Count | None = None
    requests: Count = 0
    holes: Annotated[list[Hole], Field(max_length=32)] = Field(default_factory=list)
    more: Count = 0
    exploited: Annotated[list[Short], Field(max_length=32)] = Field(default_factory=list)
    ended: Day = ""
    install: Install = Install(kind="unknown")
    links: dict[Label, Annotated[str, Field(max_length=300)]] = Field(default_factory=dict)
    offer: bool = False
    why: Label = ""
    deleted: Day = ""
    text: Annotated[str, Field(max_length=32 << 10)] = ""


class Due(Body):
    """One message to be sent. ``id``: of the step; ``message_id`` is on record, and never changes for it."""

    id: Id
    message_id: MessageId
    to: Mail
    facts: Facts


class About(Body):
    """Everything before DATA is done, and the relay has taken envelope and recipient. ``text``: what would go out,
    subject, empty line and plain text, which is kept with the leave to send it.
    """

    id: Id
    text: Annotated[str, Field(max_length=MAX_TEXT)] = ""


class Go(Body):
    """Whether DATA may follow: no, where the customer has objected meanwhile, the server is fixed, or he has left."""

    id: Id
    go: bool


class Sent(Body):
    """What became of it: the relay has taken it, will take it later perhaps, or never. ``code``: of its reply, or 0.

    "uncertain": the relay was lost between the end of the message and its reply to that. ``detail``: an enhanced status
    code (RFC 3463) or a word of ours; never what the relay says, for that names the recipient.
    """

    id: Id
    outcome: Literal["sent", "later", "refused", "cancelled", "uncertain"]
    code: Annotated[int, Field(ge=0, le=999)] = 0
    detail: Short = ""


class Bounced(Body):
    """A delivery status notification came back (RFC 3464). ``action``: of its field of that name."""

    message_id: MessageId
    action: Literal["failed", "delayed", "delivered", "relayed", "expanded"]
    status: Annotated[str, Field(pattern=r"^([245]\.\d{1,3}\.\d{1,3})?$")] = ""


class Event(Body):
    """What became of a message, for the operator's webhook. ``id``: the same however often it is told.

    ``event``: how the step ended ("cancelled": overtaken), or what came back of it; ``time``: when that was put on
    record; ``step``: its id, ``message``: its kind. Nobody's name or address is in it.
    """

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    event: Literal["sent", "refused", "cancelled", "failed", "delayed", "delivered", "relayed", "expanded"]
    time: Count
    message_id: MessageId
    step: Id
    message: Label
    case: Label = ""
    severity: Label = ""
    lang: Label = ""
    status: Label = ""


class Taken(Body):
    """An event has come to its end: the webhook took it, or was told in vain for as long as it is."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class Heard(Body):
    """A bounce is on record, and need not be told again; or, not ``ours``, it is of nothing that was ever sent."""

    message_id: MessageId
    ours: bool


class AnswerTold(Body):
    """What came in with a notice's token. ``show``: what would it do; nothing changes by that."""

    number: Count
    token: Annotated[str, Field(max_length=128)]
    action: Literal["show", "agree", "fixed", "recheck", "wrong_contact", "not_ours", "wont_fix", "stop"]


class Answered(Body):
    """What that comes to. ``offered``: of ACTIONS, what the token's holder may say now; nothing of whose it is.

    "unknown": nobody's token, or one that has had its day; ``text``: the text to agree with, where that is asked, in
    ``lang``.
    """

    number: Count
    status: Literal["shown", "done", "unknown", "rate", "unavailable"]
    offered: Annotated[list[Label], Field(max_length=16)] = Field(default_factory=list)
    done: Label = ""
    receipt: Label = ""
    text: Annotated[str, Field(max_length=32 << 10)] = ""
    lang: Literal["nl", "en", ""] = ""


class View(Body):
    """A page of the console: the verb of that name in agent.verbs.console. ``user``: as the web configuration or the
    client's certificate names him; whether he may see it was looked at by who asks.
    """

    number: Count
    page: Literal["recent", "server", "servers"]
    words: dict[Label, Annotated[str, Field(max_length=200)]]
    user: Short


class Viewed(Body):
    """What is on that page, as the verb gives it; or why there is none.

    "unknown": no such server; "forbidden": not for this user; "rate": too many pages; "unavailable": it could not be
    put on record, or nothing is kept.
    """

    number: Count
    status: Literal["shown", "unknown", "forbidden", "rate", "unavailable"] = "shown"
    items: Annotated[list[dict[str, object]], Field(max_length=2000)]
    error: Annotated[str, Field(max_length=2000)] | None = None

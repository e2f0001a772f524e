"""A case: what was found on one server of one customer, and what became of it. Pure: a fold over events.

Nothing of a case is stored but its events. Times are seconds since the epoch. An event that has no place in a state
changes nothing: answers come late, and twice.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any, NamedTuple

# Each state in one sentence, for people; docs/cases.md has the same.
STATES = {
    "open": "found, and the customer is being told",
    "acknowledged": "the customer knows, and has not said what he will do",
    "fixed_claimed": "the customer says that it is fixed; a look at the server decides",
    "will_not_fix": "the customer knows and leaves it as it is; nothing more is sent but a line each 90 days",
    "human": "a person decides; nothing is sent by itself any more",
    "closed_fixed": "a later look shows the fix",
    "objected": "the customer objected, and nothing is said or done any more",
    "handed_over": "the address is not this customer's any more; whoever has it now inherits nothing",
    "contract_ended": "the customer's contract has ended",
    "gone": "the server was not seen, or not as it was found, for as long as observations are kept",
    "closed": "a person has closed it",
}

# What ends a case at once, whatever is under way.
_ENDS = {
    "objected": "objected",
    "handed_over": "handed_over",
    "ended": "contract_ended",
}
_ANY = {**_ENDS, "fixed": "closed_fixed", "unseen": "gone", "closed": "closed"}
_TOLD = {"claimed": "fixed_claimed", "declined": "will_not_fix", "disputed": "human", "human": "human"}

# State -> event -> state. There is nothing else: what is not here changes nothing.
TRANSITIONS: dict[str, dict[str, str]] = {
    "open": {**_ANY, **_TOLD, "acknowledged": "acknowledged", "recheck": "acknowledged", "refuted": "open"},
    "acknowledged": {**_ANY, **_TOLD, "recheck": "acknowledged", "refuted": "acknowledged"},
    "fixed_claimed": {**_ANY, **_TOLD, "recheck": "fixed_claimed", "refuted": "acknowledged"},
    "will_not_fix": {**_ANY, "claimed": "fixed_claimed", "recheck": "will_not_fix", "worsened": "human",
                     "refuted": "will_not_fix"},
    "human": {**_ANY, "claimed": "human", "recheck": "human", "declined": "will_not_fix", "refuted": "human"},
    # The mail that says so may still be under way.
    "closed_fixed": dict(_ENDS),
    "objected": {}, "handed_over": {}, "contract_ended": {}, "gone": {}, "closed": {},
}  # fmt: skip

# Beside these, what is said of a step, and what changes no state.
OF_STEPS = ("step", "begun", "sent", "later", "refused", "cancelled", "uncertain", "bounced", "wrong", "done")
NOTED = ("opened", "changed", "noted")
EVENTS = (*NOTED, *dict.fromkeys(event for row in TRANSITIONS.values() for event in row), *OF_STEPS)

LIVE = tuple(state for state, row in TRANSITIONS.items() if "fixed" in row)
FINAL = tuple(state for state in STATES if state not in LIVE)

DIGITS = 16  # hexadecimal, of a case's id
_IDENT = re.compile(rf"[0-9a-f]{{{DIGITS}}}")

# How a step can have ended; "" while it has not. "failed": what was sent did not reach anybody.
PENDING, FAILED = "", ("refused", "bounced", "wrong")


class Event(NamedTuple):
    """Something that happened to a case; ``body`` is JSON: what the kind has to say beside."""

    time: float
    kind: str
    body: dict[str, Any]


class Step(NamedTuple):
    """A step of the ladder that was made: by which way, and how it went.

    ``way``: which contact, by a digest (agent.cases.ladder.Contact); ``begun``: what was sent may have arrived;
    ``tries`` and ``tried``: how often the relay put it off, and when last; ``by``, ``result``: of a person's task;
    ``sha256``: of the text that went out, or may have, "" where it is not known.
    """

    id: str
    kind: str
    channel: str
    role: str
    way: str
    message_id: str
    made: float
    begun: bool = False
    outcome: str = PENDING
    ended: float | None = None
    tries: int = 0
    tried: float = 0.0
    uncertain: int = 0
    by: str = ""
    result: str = ""
    sha256: str = ""

    @property
    def mail(self) -> bool:
        return bool(self.message_id)

    @property
    def failed(self) -> bool:
        return self.outcome in FAILED


class Case(NamedTuple):
    """As the events so far make it. ``since``: when it came into its state; ``build``: as it was shown, "" if not.

    ``holes``: names of what is open; ``exploited``: of those that ever were, what is known to be exploited; ``asked``:
    since when the customer waits for another look, None where he does not; ``claimed``: when he said "fixed".
    """

    id: str
    customer: str
    address: str
    opened: float
    severity: str
    state: str = "open"
    since: float = 0.0
    build: str = ""
    holes: tuple[str, ...] = ()
    exploited: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    asked: float | None = None
    claimed: float | None = None

    @property
    def live(self) -> bool:
        return self.state in LIVE

    def step(self, ident: str) -> Step | None:
        return next((step for step in self.steps if step.id == ident), None)


def grouped(ident: str) -> str:
    """An id of a case as it is read out: in groups of four digits. What else may stand in its place stays as it is."""
    return " ".join(ident[at : at + 4] for at in range(0, DIGITS, 4)) if _IDENT.fullmatch(ident) else ident


def digest(text: str) -> str:
    """By which a text that was sent is known again when it is not kept any more: SHA-256 of its UTF-8."""
    return sha256(text.encode("utf-8", "replace")).hexdigest()


def said(ident: str, text: str) -> dict[str, Any]:
    """What a ``begun`` event says of a step whose message has this text."""
    return {"id": ident, **({"sha256": digest(text)} if text else {})}


def opened(ident: str, event: Event) -> Case:
    """The case that an ``opened`` event begins."""
    body = event.body
    return Case(
        ident, body["customer"], body["address"], event.time, body["severity"], since=event.time, build=body["build"],
        holes=tuple(body["holes"]), exploited=tuple(body["exploited"]),
    )  # fmt: skip


def applied(case: Case, event: Event) -> Case:
    """The case after one more event."""
    if event.kind in OF_STEPS:
        return _of_step(case, event)
    if event.kind == "changed":
        return _changed(case, event.body)
    to = TRANSITIONS[case.state].get(event.kind)
    if to is None:
        return case
    if event.kind in ("claimed", "recheck"):
        claimed = event.time if event.kind == "claimed" else case.claimed
        case = case._replace(asked=event.time, claimed=claimed)
    elif to not in LIVE or event.kind == "refuted":
        case = case._replace(asked=None)
    return case if to == case.state else case._replace(state=to, since=event.time)


def takes(case: Case, kind: str) -> bool:
    """Whether an event of this kind would say anything to the case as it is."""
    return kind in TRANSITIONS[case.state]


def _changed(case: Case, body: dict[str, Any]) -> Case:
    exploited = tuple(dict.fromkeys((*case.exploited, *body["exploited"])))
    return case._replace(
        severity=body["severity"], build=body["build"], holes=tuple(body["holes"]), exploited=exploited
    )


def _of_step(case: Case, event: Event) -> Case:
    body = event.body
    if event.kind == "step":
        if case.step(body["id"]):
            return case
        made = Step(
            body["id"], body["step"], body["channel"], body["role"], body["way"], body["message_id"], event.time,
        )  # fmt: skip
        case = case._replace(steps=(*case.steps, made))
        to = TRANSITIONS[case.state].get("human") if made.kind == "human" else None
        return case._replace(state=to, since=event.time) if to else case
    return case._replace(steps=tuple(stepped(step, event) if step.id == body["id"] else step for step in case.steps))


def stepped(step: Step, event: Event) -> Step:
    """A step, and what is said of it. What has reached the relay is not taken back; it may still bounce."""
    kind, time = event.kind, event.time
    if kind in ("bounced", "wrong"):
        return step._replace(outcome=kind, ended=time if step.ended is None else step.ended)
    if step.outcome != PENDING:
        return step
    if kind == "begun":
        return step._replace(begun=True, sha256=event.body.get("sha256", ""))
    if kind in ("later", "uncertain"):
        more = step.uncertain + (kind == "uncertain")
        return step._replace(begun=False, tries=step.tries + 1, tried=time, uncertain=more)
    if kind == "done":
        result = event.body.get("result", "")
        return step._replace(outcome="done", ended=time, by=event.body.get("by", ""), result=result)
    return step._replace(outcome=kind, ended=time)

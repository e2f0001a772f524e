"""The ladder: what is done next about a case that nobody has closed. Pure.

Each step takes another way or another person than those before; saying the same again to the same person does not help
(Li et al., USENIX Security 2016). The last one is a person's, and then nothing happens by itself any more. A message
that came back has told nobody: it leads to the next contact, and is not silence. No step does anything to a customer
but to tell him, and none tells anybody else.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Literal, NamedTuple

from agent.cases.case import PENDING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from agent.cases.case import Case, Step

HOUR, DAY = 3600.0, 86_400.0
CLAIM = 7 * DAY  # for which a "fixed" that nothing bears out is waited for before the ladder goes on
QUIET = 90 * DAY
GIVE_UP = 5 * DAY  # after which a message that the relay does not take has failed

Channel = Literal["mail", "phone", "letter", "portal", "desk"]
TASKS = ("phone", "letter", "portal", "desk")  # what takes a person


class Contact(NamedTuple):
    """A verified way to reach somebody, without its address: ``way`` is a digest that tells two of them apart."""

    role: str
    channel: str
    way: str
    lang: str = "nl"


def way(channel: str, address: str) -> str:
    """What a contact is known by in a case."""
    return sha256(f"{channel}\0{address}".encode()).hexdigest()[:16]


class Next(NamedTuple):
    """What is to be done now. ``contact`` is None for the person at the desk."""

    kind: str
    channel: str
    contact: Contact | None


class Rung(NamedTuple):
    """A row of the table. ``critical`` and ``high``: seconds after the case began, of ``contact`` after the message
    was sent that came back, or was refused; None: not at all. ``roles``: whom, the first that there is; ``channels``:
    by which ways, in this order. ``wanted``: whether the case, as it is, still needs it.
    """

    kind: str
    critical: float | None
    high: float | None
    channels: tuple[str, ...]
    roles: tuple[str, ...]
    wanted: Callable[[Case], bool]
    unless: str


_TECHNICAL = ("security", "abuse", "owner")
_EACH = ("phone", "portal", "mail", "letter")  # in which order another way is looked for


def _unfixed(case: Case) -> bool:
    return case.state in ("open", "acknowledged", "fixed_claimed")


def _unheard(case: Case) -> bool:
    return case.state == "open"


def _standing(case: Case) -> bool:
    return case.state == "will_not_fix" or (case.severity == "high" and (_unfixed(case) or case.state == "human"))


def _fixed(case: Case) -> bool:
    return case.state == "closed_fixed"


# docs/cases.md has this as a table for people.
LADDER = (
    Rung("tell", 0.0, 0.0, ("mail",), _TECHNICAL, _unheard, "delivered"),
    Rung("contact", 4 * HOUR, DAY, _EACH, _TECHNICAL, _unheard, "a contact works"),
    Rung("phone", 2 * DAY, 7 * DAY, ("phone",), _TECHNICAL, _unheard, "acknowledged"),
    Rung("owner", 5 * DAY, 14 * DAY, ("mail",), ("owner",), _unfixed, "fixed"),
    Rung("letter", 10 * DAY, 30 * DAY, ("letter",), ("owner", "security", "abuse"), _unfixed, "fixed"),
    Rung("human", 14 * DAY, 45 * DAY, ("desk",), (), _unfixed, ""),
)
QUIETLY = Rung("quiet", None, QUIET, ("portal", "mail"), _TECHNICAL, _standing, "fixed")
CLOSING = Rung("closing", 0.0, 0.0, ("mail", "portal"), _TECHNICAL, _fixed, "")
STEPS = (*(rung.kind for rung in LADDER), QUIETLY.kind, CLOSING.kind)
_RUNGS = {rung.kind: rung for rung in (*LADDER, QUIETLY, CLOSING)}


def within_reach(contacts: Sequence[Contact], *, mails: bool) -> tuple[Contact, ...]:
    """Those who can be reached: where no mail can be sent, a mail address is no way to reach anybody."""
    return tuple(contact for contact in contacts if mails or contact.channel != "mail")


def due(case: Case, contacts: Sequence[Contact], now: float) -> Next | None:
    """The step that is to be made now, None where there is none. Whether the finding still holds is not asked here."""
    return _at(case, contacts, now)[1]


def when(case: Case, contacts: Sequence[Contact], now: float) -> float:
    """When ``due`` has something next, as far as it is known now; inf for never."""
    return _at(case, contacts, now)[0]


def stands(case: Case, step: Step) -> bool:
    """Whether a step that was made is still wanted: nothing has been fixed, objected to or ended meanwhile."""
    wanted = case.live if step.kind == "human" else _RUNGS[step.kind].wanted(case)
    return wanted and step.outcome == PENDING


def given_up(step: Step, now: float) -> bool:
    """Whether a message has waited for the relay so long that it is as good as refused."""
    return step.mail and step.outcome == PENDING and not step.begun and now - step.made >= GIVE_UP


def _at(case: Case, contacts: Sequence[Contact], now: float) -> tuple[float, Next | None]:
    """When the next step is, and it where that is now."""
    if case.state == "closed_fixed":
        return _closing(case, contacts, now)
    if not case.live or any(step.mail and step.outcome == PENDING for step in case.steps):
        return float("inf"), None
    if case.state == "human" and not _with_a_person(case):
        return now, Next("human", "desk", None)  # the customer's answer, or what is new, is a person's to look at
    found = [_climb(case, contacts), _quiet(case, contacts)]
    time, step = min(found, key=lambda each: each[0])
    return (time, step) if time <= now else (time, None)


def _closing(case: Case, contacts: Sequence[Contact], now: float) -> tuple[float, Next | None]:
    """One message, to who was told; who never was needs none."""
    told = any(step.outcome in ("sent", "done") and step.kind != "human" for step in case.steps)
    made = any(step.kind == "closing" for step in case.steps)
    if not told or made:
        return float("inf"), None
    contact = next(_ways(case, CLOSING, contacts, again=True), None)
    return (now, Next("closing", contact.channel, contact)) if contact else (float("inf"), None)


def _climb(case: Case, contacts: Sequence[Contact]) -> tuple[float, Next | None]:
    """The lowest rung that is still to be taken, and for which there is somebody."""
    made = {step.kind for step in case.steps}
    last = max((place for place, rung in enumerate(LADDER) if rung.kind in made), default=-1)
    for rung in LADDER[last + 1 :]:
        if rung.wanted(case) and (rung.kind != "contact" or _untold(case)):
            contact = next(_ways(case, rung, contacts), None)
            if contact is not None or rung.kind == "human":
                channel = contact.channel if contact else "desk"
                return _time(case, rung), Next(rung.kind, channel, contact)
    if _unfixed(case):
        # The ladder was at its end already: a person has decided, and what nothing bears out since is his again.
        return case.since + (CLAIM if case.state == "fixed_claimed" else 0.0), Next("human", "desk", None)
    return float("inf"), None


def _with_a_person(case: Case) -> bool:
    """Whether a person was given the case since it came into its state."""
    return any(step.kind == "human" and step.made >= case.since for step in case.steps)


def _untold(case: Case) -> bool:
    """Whether what was sent has come back, or nothing could be sent."""
    return all(step.failed for step in case.steps if step.kind == "tell")


def _time(case: Case, rung: Rung) -> float:
    """When a rung is taken: as long after the one before as the table has between them, however late that was."""
    offset = _offset(case, rung)
    taken = [step for step in case.steps if step.kind in _OFFSETS]
    if not taken:
        return case.opened + (0.0 if rung.kind == "contact" else offset)
    before = max(taken, key=lambda step: step.made)
    if rung.kind == "contact":
        return (before.made if before.ended is None else before.ended) + offset
    below = 0.0 if before.kind == "contact" else _offset(case, _RUNGS[before.kind])
    time = before.made + offset - below
    return max(time, case.since + CLAIM) if case.state == "fixed_claimed" else time


_OFFSETS = frozenset(rung.kind for rung in LADDER)


def _offset(case: Case, rung: Rung) -> float:
    return (rung.critical if case.severity == "critical" else rung.high) or 0.0


def _quiet(case: Case, contacts: Sequence[Contact]) -> tuple[float, Next | None]:
    """A line each 90 days while a case stays open, counted from the last thing that was said."""
    contact = next(_ways(case, QUIETLY, contacts, again=True), None)
    if not _standing(case) or contact is None:
        return float("inf"), None
    if any(step.kind == "quiet" and step.outcome == PENDING for step in case.steps):
        return float("inf"), None
    said = [step.made for step in case.steps if step.channel != "desk"]
    last = max(case.opened, case.since if case.state == "will_not_fix" else 0.0, *said)
    return last + QUIET, Next("quiet", contact.channel, contact)


def _ways(case: Case, rung: Rung, contacts: Sequence[Contact], *, again: bool = False) -> Iterator[Contact]:
    """Who can be reached so: nobody whose message came back and, unless ``again``, nobody who was told already."""
    failed = {step.way for step in case.steps if step.failed}
    used = failed if again else {step.way for step in case.steps}
    channels = rung.channels
    if rung.kind == "contact":  # another way first, the same one only where there is no other
        channels = tuple(sorted(channels, key=lambda channel: any(s.channel == channel for s in case.steps)))
    for channel in channels:
        for role in rung.roles:
            for contact in contacts:
                if contact.channel == channel and contact.role == role and contact.way not in used:
                    yield contact

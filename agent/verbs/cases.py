"""Orders about cases: what was found at customers, what was said to them, and the tasks that take a person.

Who reads of single cases is on record before anything is given, as ``finding.read``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.audit.entry import Item
from agent.cases.book import BookError
from agent.cases.case import PENDING, STATES, Event, digest, takes
from agent.cases.severity import SEVERITIES
from agent.errors import ConfigError, InputError
from agent.recipients import Recipients

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from agent.cases.book import Told
    from agent.cases.case import Case, Step
    from agent.office import Office, Who

PAGE = 200  # cases in one answer
_NOTE = 2000  # characters
_FEWEST, _NAMED = 4, 5  # digits by which a case may be named; ids that are named where these are several's
# What came of a person's task -> the event of the case that it comes to; None: none but that it is done.
RESULTS: dict[str, str | None] = {
    "told": "acknowledged", "not_reached": None, "wrong_contact": "wrong", "fixed": "claimed", "wont_fix": "declined",
    "sent": None, "handled": None,
}  # fmt: skip


def listed(office: Office, words: dict[str, Any], who: Who) -> Iterator[dict[str, Any]]:
    """``state``, ``severity`` and ``customer``, where given: {"cases": [...], "next"}, the oldest first.

    ``start``: where to go on, as ``next`` had it; None after the last. Raises InputError, AuditError.
    """
    state, severity = words.get("state"), words.get("severity")
    if state not in (None, "live", *STATES) or severity not in (None, *SEVERITIES):
        raise InputError(f"state: one of live, {', '.join(STATES)}; severity: one of {', '.join(SEVERITIES)}")
    start = words.get("start", 0)
    if type(start) is not int or start < 0:
        raise InputError("start: where the answer before said to go on")
    found = [case for case in _ordered(office) if _wanted(case, state, severity, words.get("customer"))]
    office.record([Item("finding.read", {"uid": who.uid, "what": "cases"})])
    page = found[start : start + PAGE]
    more = start + PAGE if start + PAGE < len(found) else None
    yield {"cases": [row(case) for case in page], "next": more}


def shown(office: Office, words: dict[str, Any], who: Who) -> Iterator[dict[str, Any]]:
    """``case``: {"case": {...}, "steps": [...], "events": [...]}, and with ``texts``, "texts": what mails said.

    Raises InputError, AuditError, ConfigError.
    """
    case = named(office, words)
    office.record([Item("finding.read", {"uid": who.uid, "what": "case"}, case.customer, {"case": case.id})])
    try:
        events = office.book.events(case.id)
        texts = [written(told) for told in office.book.texts(case.id)] if words.get("texts") is True else None
    except BookError as error:
        raise ConfigError(str(error)) from None
    yield {
        "case": row(case) | {"holes": list(case.holes), "exploited": list(case.exploited), "asked": case.asked},
        "steps": [step._asdict() | {"way": ""} for step in case.steps],
        "events": [{"time": event.time, "kind": event.kind, "body": _plain(event)} for event in events],
        **({} if texts is None else {"texts": texts}),
    }


def written(told: Told) -> dict[str, Any]:
    """What a message said, with the digest that the log has of it."""
    return told._asdict() | {"sha256": digest(told.text)}


def closed(office: Office, words: dict[str, Any], who: Who) -> Iterator[dict[str, Any]]:
    """``case``, ``note``: close it. Nothing more is said, and it is not opened again for the same holes."""
    case, note = named(office, words), _text(words, "note")
    if not takes(case, "closed"):
        raise InputError(f"case {case.id} has ended already: {STATES[case.state]}")
    private = {"case": case.id, "address": case.address, "build": "", "note": note}
    office.record([Item("case.closed", {"state": "closed", "uid": who.uid}, case.customer, private)])
    yield row(put(office, case, Event(office.now(), "closed", {"by": f"uid {who.uid}", "note": note})))


def noted(office: Office, words: dict[str, Any], who: Who) -> Iterator[dict[str, Any]]:
    """``case``, ``note``, and ``said`` of RESULTS where the customer said so on his own: put it on record."""
    case, note, said = named(office, words), _text(words, "note"), words.get("said")
    kind = RESULTS.get(said) if isinstance(said, str) else None
    if said is not None and (kind is None or kind == "wrong"):
        raise InputError("said: told, fixed or wont_fix, where the customer did")
    events = [Event(office.now(), "noted", {"by": f"uid {who.uid}", "note": note})]
    if kind is not None:
        events.append(Event(office.now(), kind, {"by": f"uid {who.uid}"}))
    yield row(put(office, case, *events))


def tasks(office: Office, words: dict[str, Any], who: Who) -> Iterator[dict[str, Any]]:
    """What waits for a person: {"task", "step", "channel", "case", "customer", "to", ...} each, the oldest first.

    ``to`` is the customer's own phone number or address; "" for the desk's own. Raises AuditError.
    """
    office.record([Item("finding.read", {"uid": who.uid, "what": "tasks"})])
    recipients = Recipients(office)
    waiting = [(step.made, case, step) for case in _ordered(office) for step in case.steps if _is_task(step)]
    for _, case, step in sorted(waiting, key=lambda each: each[0]):
        reached = recipients.reached_by(case.customer, step)
        yield row(case) | {
            "task": step.id, "step": step.kind, "channel": step.channel, "role": step.role, "made": step.made,
            "to": reached.address if reached else "", "case": case.id,
        }  # fmt: skip


def done(office: Office, words: dict[str, Any], who: Who) -> Iterator[dict[str, Any]]:
    """``task``, ``result`` of RESULTS, ``note``: a person has done it. Gives the case. Raises as ``shown``.

    ``task``: its id, that of its case, or the beginning of either, where no other task that waits has it.
    """
    result, note = words.get("result"), _text(words, "note")
    if not isinstance(result, str) or result not in RESULTS:
        raise InputError(f"result: one of {', '.join(RESULTS)}")
    waiting = {step.id: (case, step) for case in _ordered(office) for step in case.steps if _is_task(step)}
    (case, step), now = waiting[meant("task", words.get("task"), waiting, "tasks")], office.now()
    events = [Event(now, "done", {"id": step.id, "by": f"uid {who.uid}", "result": result, "note": note})]
    if kind := RESULTS[result]:
        events.append(Event(now, kind, {"id": step.id} if kind == "wrong" else {"by": f"uid {who.uid}"}))
    public = {"step": step.kind, "channel": step.channel, "outcome": result}
    office.record([Item("notice.sent", public, case.customer, {"case": case.id, "step": step.id, "note": note})])
    yield row(put(office, case, *events))


def row(case: Case) -> dict[str, Any]:
    """A case in one line."""
    last = max(case.steps, key=lambda step: step.made, default=None)
    return {
        "id": case.id, "customer": case.customer, "address": case.address, "severity": case.severity,
        "state": case.state, "opened": case.opened, "since": case.since, "build": case.build,
        "last": f"{last.kind} {last.outcome or 'waiting'}" if last else "",
    }  # fmt: skip


def named(office: Office, words: dict[str, Any]) -> Case:
    """The case that the words mean: its id, or an unambiguous beginning of it. Raises InputError."""
    return office.book.cases[meant("case", words.get("case"), office.book.cases, "list")]


def meant(what: str, wanted: object, known: Iterable[str], listed_by: str) -> str:
    """The one id that begins so, however it is grouped and written. Raises InputError: none does, or several do."""
    if not isinstance(wanted, str) or not wanted.strip():
        raise InputError(f"{what}: the id of one; knockfirst cases {listed_by} names them")
    begins = "".join(wanted.split()).lower()
    found = sorted(ident for ident in known if ident.startswith(begins))
    if begins in found:
        return begins
    if len(begins) < _FEWEST:
        raise InputError(f"{what} {wanted:.80}: is too short; give {_FEWEST} digits of its id at least")
    if not found:
        raise InputError(
            f"{what} {wanted:.80}: there is none whose id begins so; knockfirst cases {listed_by} names them"
        )
    if len(found) > 1:
        named = ", ".join(found[:_NAMED]) + (", ..." if len(found) > _NAMED else "")
        raise InputError(f"{what} {wanted:.80}: {len(found)} begin so, give more digits: {named}")
    return found[0]


def put(office: Office, case: Case, *events: Event) -> Case:
    """On record, with what follows from it where an agent runs. Raises ConfigError."""
    try:
        return office.telling.put(case.id, *events) if office.telling else office.book.put(case.id, *events)
    except BookError as error:
        raise ConfigError(f"nothing was done: {error}; make room or mend the disk") from None


def _ordered(office: Office) -> list[Case]:
    return sorted(office.book.cases.values(), key=lambda case: (case.opened, case.id))


def _wanted(case: Case, state: str | None, severity: str | None, customer: Any) -> bool:
    right = state is None or case.state == state or (state == "live" and case.live)
    return right and severity in (None, case.severity) and customer in (None, case.customer)


def _is_task(step: Step) -> bool:
    return step.outcome == PENDING and not step.mail


def _plain(event: Event) -> dict[str, Any]:
    """What is said of an event, without the digests."""
    return {key: value for key, value in event.body.items() if key != "way"}


def _text(words: dict[str, Any], key: str) -> str:
    text = words.get(key, "")
    if not isinstance(text, str) or len(text) > _NOTE:
        raise InputError(f"{key}: a text of {_NOTE} characters at most")
    return text

"""Orders about messages: what one would tell, which wait, and how telling stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.audit.entry import Item
from agent.errors import InputError, UnavailableError
from agent.notice import MESSAGES
from agent.recipients import Recipients
from agent.verbs.cases import named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.cases.case import Case
    from agent.cases.tells import Tells
    from agent.notice import Facts
    from agent.office import Office, Who

PAGE = 100  # facts in one answer: some tens of milliseconds of the agent's time
_OF_CASES = tuple(message for message in MESSAGES if message not in ("request", "receipt"))


def facts(office: Office, words: dict[str, Any], who: Who) -> Iterator[dict[str, Any]]:
    """``case``, ``message`` ("tell") and ``lang``: {"facts": agent.notice.Facts} of one case, as it would be told now.

    Without a case, of every live one, in pages: {"next": N} comes last where there are more, to go on at ``start``.
    Servers of which nothing is known any more have none. Raises InputError, AuditError, and UnavailableError where no
    agent runs that knows of servers.
    """
    tells = _tells(office)
    message, lang = words.get("message", "tell"), words.get("lang")
    if message not in _OF_CASES or lang not in (None, "nl", "en"):
        raise InputError(f"message: one of {', '.join(_OF_CASES)}; lang: nl or en")
    if words.get("case") is not None:
        case = named(office, words)
        office.record([Item("finding.read", {"uid": who.uid, "what": "facts"}, case.customer, {"case": case.id})])
        told = _of(office, tells, case, message, lang)
        if told is None:
            raise InputError(f"case {case.id}: nothing is known of its server any more")
        yield {"facts": told.model_dump()}
        return
    start = words.get("start", 0)
    if type(start) is not int or start < 0:
        raise InputError("start: where the answer before said to go on")
    live = sorted((case for case in office.book.cases.values() if case.live), key=lambda case: (case.opened, case.id))
    office.record([Item("finding.read", {"uid": who.uid, "what": "facts"})])
    for case in live[start : start + PAGE]:
        if (told := _of(office, tells, case, message, lang)) is not None:
            yield {"facts": told.model_dump()}
    if start + PAGE < len(live):
        yield {"next": start + PAGE}


def queue(office: Office, words: dict[str, Any], who: Who) -> Iterator[dict[str, Any]]:
    """Every message that has not come to its end: {"case", "customer", "step", "made", "tries", "due", ...} each.

    ``due``: when it may be tried; None while the notifier has it. Raises AuditError, UnavailableError.
    """
    tells = _tells(office)
    office.record([Item("finding.read", {"uid": who.uid, "what": "queue"})])
    for case, step, due in sorted(tells.waiting(), key=lambda each: each[1].made):
        yield {
            "case": case.id, "customer": case.customer, "severity": case.severity, "step": step.kind,
            "role": step.role, "made": step.made, "tries": step.tries, "uncertain": step.uncertain, "due": due,
        }  # fmt: skip


def send(office: Office, words: dict[str, Any], who: Who) -> Iterator[dict[str, Any]]:
    """What was put off is tried now, and not only when its time comes: {"hurried": how many}. Raises as ``queue``."""
    yield {"hurried": _tells(office).hurry()}


def status(office: Office, words: dict[str, Any], who: Who) -> Iterator[dict[str, Any]]:
    """How telling stands, in counts (agent.asked.Telling), and what it lacks: {"missing": [...], ...}."""
    notices = office.config.notices
    missing = [key for key in ("relay", "sender") if not getattr(notices, key)]
    yield {"missing": [f"notices.{key}" for key in missing], **(_tells(office).body() or {})}


def _tells(office: Office) -> Tells:
    if office.telling is None:
        raise UnavailableError("no daemon runs, so nothing is known of servers and nothing is sent; start one")
    return office.telling


def _of(office: Office, tells: Tells, case: Case, message: str, lang: str | None) -> Facts | None:
    if lang is None:
        contacts = Recipients(office).contacts(case.customer)
        lang = contacts[0].lang if contacts else "nl"
    return tells.facts(case, message, lang)

"""What goes on over many orders, so that the agent is never long away from what cannot wait: imports and exports.

An order that would take long begins a work, and says that there is ``more``; each ``registry.go_on`` does the next part
of it, until an answer says no more. Whoever began it has to ask for every part: what nobody asks for any more is not
gone on with, and forgotten.
"""

from __future__ import annotations

from secrets import token_hex
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.consent.intaking import Intake
    from agent.office import Office, Who

IDLE = 600.0  # seconds after its last order in which a session is forgotten
AT_ONCE = 2
_LIVE = 10.0  # seconds after its last order in which whoever puts an import on record is believed to be still there

Answer = dict[str, Any]


class Session(NamedTuple):
    """``intake``: what comes in; ``work``: what is under way, an answer for each part of it.

    ``sources``: of what is being put on record, whose words they are.
    """

    uid: int
    touched: float
    intake: Intake | None = None
    work: Iterator[Answer] | None = None
    sources: frozenset[str] = frozenset()


_sessions: dict[str, Session] = {}


def opened(office: Office, who: Who, intake: Intake | None = None, work: Iterator[Answer] | None = None) -> str:
    """A session's name. Raises InputError where there are too many."""
    _forget(office.now())
    if len(_sessions) >= AT_ONCE:
        raise InputError("other imports are under way; wait for them, or ten minutes for those that were abandoned")
    name = token_hex(16)
    _sessions[name] = Session(who.uid, office.now(), intake, work)
    return name


def of(office: Office, words: Answer, who: Who) -> Session:
    """The session of an order. Raises InputError where it is another's, or is no more."""
    _forget(office.now())
    name = str(words.get("session"))
    session = _sessions.get(name)
    if session is None or session.uid != who.uid:
        raise InputError("this import is not known any more; begin it anew")
    _sessions[name] = session = session._replace(touched=office.now())
    return session


def intake_of(office: Office, words: Answer, who: Who) -> Intake:
    """What comes in by a session, of which nothing counts yet. Raises InputError."""
    session = of(office, words, who)
    if session.intake is None or session.work is not None:
        raise InputError("this import is all there; go on with it")
    return session.intake


def drop(words: Answer) -> None:
    _sessions.pop(words["session"], None)


def abandon() -> None:
    """Nobody goes on with anything: what was read of the log for it is not so any more."""
    _sessions.clear()


def claim(office: Office, words: Answer, sources: frozenset[str]) -> None:
    """From now on nobody else puts anything of these sources on record. Raises InputError where somebody does.

    Who does not go on with it has gone: what he began is gone on with by nobody.
    """
    for name, other in list(_sessions.items()):
        if name != words["session"] and (both := other.sources & sources):
            if office.now() - other.touched < _LIVE:
                raise InputError(f"another import of {min(both)} is being put on record; wait for it")
            del _sessions[name]
    _sessions[words["session"]] = _sessions[words["session"]]._replace(sources=sources)


def begun(words: Answer, work: Iterator[Answer]) -> Answer:
    """The first part of a work."""
    _sessions[words["session"]] = _sessions[words["session"]]._replace(work=work)
    return _next(words, work)


def go_on(office: Office, words: Answer, who: Who) -> Iterator[Answer]:
    """``session``. The next part of what is under way; ``more``: whether there is another. Raises InputError."""
    work = of(office, words, who).work
    if work is None:
        raise InputError("nothing was ordered yet that could be gone on with")
    yield _next(words, work)


def _next(words: Answer, work: Iterator[Answer]) -> Answer:
    answer: Answer = {}
    try:
        answer = next(work)
    finally:
        if not answer.get("more"):
            drop(words)
    return answer


def _forget(now: float) -> None:
    for name, session in list(_sessions.items()):
        if not 0 <= now - session.touched <= IDLE:
            del _sessions[name]

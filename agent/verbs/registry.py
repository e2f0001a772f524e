"""``registry.*``: what an import orders. It comes in pieces, is checked here again, and counts when it is committed.

begin -> a session; rows -> its faults; read -> whether the log was read so far; show or commit -> what it comes to.
Each order does a little, so that the agent is never long away from what cannot wait.
"""

from __future__ import annotations

from secrets import token_hex
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.audit.entry import Item
from agent.consent.intaking import Intake
from agent.consent.rows import SLACK, Origin, moment
from agent.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.consent.intake import Plan
    from agent.office import Office, Who

IDLE = 600.0  # seconds after its last order in which an import is forgotten
AT_ONCE = 2  # imports
READ = 2048  # entries of the log in one order
_BATCH = 500  # changes in one answer

Answer = dict[str, Any]


class Session(NamedTuple):
    intake: Intake
    uid: int
    touched: float


_sessions: dict[str, Session] = {}


def begin(office: Office, words: dict[str, Any], who: Who) -> Iterator[Answer]:
    """``source``, ``made`` (RFC 3339), ``full``. Raises InputError."""
    source, full = words.get("source"), words.get("full")
    if not isinstance(source, str) or not named(source):
        raise InputError("--source: write 1 to 64 small letters, digits and . _ -, like crm or netbox")
    if not isinstance(full, bool):
        raise InputError("full: is neither true nor false")
    yield opened(office, Intake(_origin(office, source, words.get("made")), full=full), who)


def opened(office: Office, intake: Intake, who: Who) -> Answer:
    """A session for this import. Raises InputError where there are too many."""
    _forget(office.now())
    if len(_sessions) >= AT_ONCE:
        raise InputError("other imports are under way; wait for them, or ten minutes for those that were abandoned")
    name = token_hex(16)
    _sessions[name] = Session(intake, who.uid, office.now())
    return {"session": name}


def rows(office: Office, words: dict[str, Any], who: Who) -> Iterator[Answer]:
    """``session``, ``rows``: pairs of where it stands and the row itself. Gives the faults."""
    intake = of(office, words, who)
    for each in listed(words, "rows"):
        if not (isinstance(each, list) and len(each) == 2 and isinstance(each[0], str)):
            raise InputError("rows: each is where it stands and the row itself")
        if not intake.room():
            drop(words)
            raise InputError("this is more than one import may be; divide it")
        if fault := intake.add(each[0][:200], each[1]):
            yield {"fault": fault}
    intake.advance(office.log, READ)


def read(office: Office, words: dict[str, Any], who: Who) -> Iterator[Answer]:
    """``session``. Reads on in the log; ``done`` when all of it was read."""
    yield {"done": of(office, words, who).advance(office.log, READ)}


def show(office: Office, words: dict[str, Any], who: Who) -> Iterator[Answer]:
    """``session``, ``count``, ``faults``, ``accept_loss``. What a commit would do; that it was read is recorded."""
    intake, plan = _planned(office, words, who)
    office.record([Item("register.read", {"uid": who.uid, "what": f"import of {intake.origin.source}"})])
    yield from changes(plan)
    yield result(intake, plan, 0)


def commit(office: Office, words: dict[str, Any], who: Who) -> Iterator[Answer]:
    """As ``show``, and it counts: everything of it that may, in one append."""
    intake, plan = _planned(office, words, who)
    if len(plan.items):
        office.record(plan.items)
    yield result(intake, plan, len(plan.items))


def forget(office: Office, words: dict[str, Any], who: Who) -> Iterator[Answer]:
    """``session``. It was given up."""
    of(office, words, who)
    drop(words)
    yield {}


def of(office: Office, words: dict[str, Any], who: Who) -> Intake:
    """The import that a session is. Raises InputError where it is another's, or is no more."""
    _forget(office.now())
    session = _sessions.get(str(words.get("session")))
    if session is None or session.uid != who.uid:
        raise InputError("this import is not known any more; begin it anew")
    _sessions[words["session"]] = session._replace(touched=office.now())
    return session.intake


def drop(words: dict[str, Any]) -> None:
    _sessions.pop(words["session"], None)


def listed(words: dict[str, Any], key: str) -> list[Any]:
    """A list among the words. Raises InputError."""
    made = words.get(key)
    if not isinstance(made, list):
        raise InputError(f"{key}: is no list")
    return made


def _planned(office: Office, words: dict[str, Any], who: Who) -> tuple[Intake, Plan]:
    intake = of(office, words, who)
    drop(words)
    count, elsewhere, accept = words.get("count"), words.get("faults", 0), words.get("accept_loss", False)
    if type(count) is not int or type(elsewhere) is not int or type(accept) is not bool:
        raise InputError("count, faults: are no numbers, or accept_loss is not true or false")
    intake.fault_count += elsewhere
    if count != intake.rows:
        intake.wrong(f"{intake.rows} rows came, and {count} were sent; a part of it was lost, send it again")
    if intake.full and intake.rows and not any(intake.mapped.values()):
        intake.wrong("it has no prefix that can be used; a full synchronisation has at least one")
    elif intake.full and not intake.rows:
        intake.wrong("it is empty; a full synchronisation has at least one prefix")
    while not intake.advance(office.log, READ):
        pass
    return intake, intake.planned(office.config.consent.lost_percent, who.uid if accept else None)


def changes(plan: Plan) -> Iterator[Answer]:
    """Every change, some at a time."""
    for start in range(0, len(plan.changes), _BATCH):
        yield {"changes": [list(change) for change in plan.changes[start : start + _BATCH]]}


def result(intake: Intake, plan: Plan, recorded: int) -> Answer:
    """What an import has come to."""
    return {
        "summary": plan.summary,
        "held": plan.held,
        "refused": intake.fault_count,
        "faults": intake.faults,
        "recorded": recorded,
    }


def _origin(office: Office, source: str, made: Any) -> Origin:
    try:
        at = moment(str(made))
    except ValueError as error:
        raise InputError(f"made: {error}") from None
    if at.timestamp() > office.now() + SLACK:
        raise InputError(f"made: {made} has not come yet; is the clock of the file's machine right?")
    return Origin(source, at, office.now())


def named(source: str) -> bool:
    """Whether a source may be called so."""
    plain = source.replace(".", "").replace("_", "").replace("-", "")
    return (
        len(source) <= 64 and source[:1].isalnum() and source.isascii() and plain.isalnum() and source == source.lower()
    )


def _forget(now: float) -> None:
    for name, session in list(_sessions.items()):
        if not 0 <= now - session.touched <= IDLE:
            del _sessions[name]

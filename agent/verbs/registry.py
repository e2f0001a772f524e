"""``registry.*``: what an import orders. It comes in pieces, is checked here again, and counts when it is committed.

begin -> a session; rows -> its faults; read -> whether the log was read so far; show or commit, and then go_on -> what
it comes to. Each order does a little, so that the agent is never long away from what cannot wait. An import that is
committed is put on record in the order of agent/consent/turns.py, and its last entries say that all of it is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.audit.entry import Item
from agent.audit.log import AuditError
from agent.consent.intake import item, portions
from agent.consent.intaking import Intake
from agent.consent.rows import SLACK, Origin, moment
from agent.errors import ConfigError, InputError
from agent.verbs import sessions

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from agent.consent.intake import Plan
    from agent.office import Office, Who
    from agent.verbs.sessions import Answer

READ = 1024  # entries of the log in one order
_BATCH = 500  # changes in one answer


def begin(office: Office, words: dict[str, Any], who: Who) -> Iterator[Answer]:
    """``source``, ``made`` (RFC 3339), ``full``. Raises InputError."""
    source, full = words.get("source"), words.get("full")
    if not isinstance(source, str) or not named(source):
        raise InputError("--source: write 1 to 64 small letters, digits and _ -, like crm or netbox")
    if not isinstance(full, bool):
        raise InputError("full: is neither true nor false")
    intake = Intake(_origin(office, source, words.get("made")), full=full)
    yield {"session": sessions.opened(office, who, intake)}


def rows(office: Office, words: dict[str, Any], who: Who) -> Iterator[Answer]:
    """``session``, ``rows``: pairs of where it stands and the row itself. Gives the faults."""
    intake = sessions.intake_of(office, words, who)
    for each in listed(words, "rows"):
        if not (isinstance(each, list) and len(each) == 2 and isinstance(each[0], str)):
            raise InputError("rows: each is where it stands and the row itself")
        if not intake.room():
            sessions.drop(words)
            raise InputError("this is more than one import may be; divide it")
        if fault := intake.add(each[0][:200], each[1]):
            yield {"fault": fault}
    intake.advance(office.log, READ)


def read(office: Office, words: dict[str, Any], who: Who) -> Iterator[Answer]:
    """``session``. Reads on in the log; ``done`` when all of it was read."""
    yield {"done": sessions.intake_of(office, words, who).advance(office.log, READ)}


def show(office: Office, words: dict[str, Any], who: Who) -> Iterator[Answer]:
    """``session``, ``count``, ``faults``, ``accept_loss``. What a commit would do; that it was read is recorded.

    The answer comes in parts (agent/verbs/sessions.py).
    """
    intake, accepted_by = _whole(office, words, who)
    yield sessions.begun(words, shown(office, intake, _planned(office, intake, accepted_by), who, intake.origin.source))


def commit(office: Office, words: dict[str, Any], who: Who) -> Iterator[Answer]:
    """As ``show``, and it counts: everything of it that may, some of it with each order."""
    intake, accepted_by = _whole(office, words, who)
    sessions.claim(office, words, frozenset({intake.origin.source}))
    yield sessions.begun(words, counted(office, intake, _planned(office, intake, accepted_by)))


def forget(office: Office, words: dict[str, Any], who: Who) -> Iterator[Answer]:
    """``session``. It was given up: what is not on record yet will not be."""
    sessions.of(office, words, who)
    sessions.drop(words)
    yield {}


def shown(
    office: Office, intake: Intake, planned: Generator[None, None, Plan], who: Who, what: str
) -> Iterator[Answer]:
    """What would change, some of it in each part, and at last what it comes to."""
    plan = yield from _parts(planned)
    office.record([Item("register.read", {"uid": who.uid, "what": f"import of {what}"})])
    for start in range(0, len(plan.changes), _BATCH):
        yield {"changes": [list(change) for change in plan.changes[start : start + _BATCH]], "more": True}
    yield result(intake, plan, 0)


def counted(office: Office, intake: Intake, planned: Generator[None, None, Plan]) -> Iterator[Answer]:
    """Put it on record, a portion in each part, and at last say what it comes to.

    What others have put on record meanwhile is known before each portion.
    """
    plan = yield from _parts(planned)
    recorded, known = 0, intake.told.read
    news = False
    for portion in portions(plan):
        while not intake.advance(office.log, READ):
            yield {"more": True}
        news = news or intake.told.read > known
        left = intake.still(portion) if news else portion
        try:
            office.record([item(part) for part in left])
        except AuditError as error:
            if not recorded:
                raise
            raise ConfigError(
                f"the log cannot be written: {error}; {recorded} entries of this import count, and what is left of it "
                "does not: make room or mend the disk, and import it again"
            ) from None
        known = intake.told.read = office.log.size  # what it has put on record itself, it knows
        recorded += len(left)
        yield {"more": True}
    yield result(intake, plan, recorded)


def _parts(planned: Generator[None, None, Plan]) -> Generator[Answer, None, Plan]:
    """What a plan is made in: a part of it in each order."""
    while True:
        try:
            next(planned)
        except StopIteration as end:
            yield {"more": True}
            return end.value  # type: ignore[no-any-return]
        yield {"more": True}


def listed(words: dict[str, Any], key: str) -> list[Any]:
    """A list among the words. Raises InputError."""
    made = words.get(key)
    if not isinstance(made, list):
        raise InputError(f"{key}: is no list")
    return made


def _whole(office: Office, words: dict[str, Any], who: Who) -> tuple[Intake, int | None]:
    """What has come in, all of it, and who says that a loss is true. Raises InputError."""
    intake = sessions.intake_of(office, words, who)
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
    return intake, who.uid if accept else None


def _planned(office: Office, intake: Intake, accepted_by: int | None) -> Generator[None, None, Plan]:
    while not intake.advance(office.log, READ):
        yield
    made = yield from intake.planned(office.config.consent.lost_percent, accepted_by)
    return made


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
    """Whether a source may be called so. Its name is a label of metrics: without a dot it is no host or address."""
    plain = source.replace("_", "").replace("-", "")
    return (
        len(source) <= 64 and source[:1].isalnum() and source.isascii() and plain.isalnum() and source == source.lower()
    )

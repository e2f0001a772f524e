"""The age of everything that has to be fresh, beside the most that it may be. Ages are in seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from exporters.console.content import Cell, Section, Table
from exporters.console.words import ago, lasted, moment
from exporters.readiness import LATE, OLD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.asked import Telling
    from agent.messages import Snapshot

_BOOKS, _OUTSIDE = 86_400.0, 900.0  # where the agent does not say: what it allows at the most
_STUCK, _TASK = 4 * 3600.0, 2 * 86_400.0  # as the alerts have it
_UNTAKEN = 3600.0  # as the alert has it
_ERASED = 600.0  # as the alert has it; one that can be done takes seconds
_DATA = 90 * 86_400.0  # Microsoft releases updates each quarter
_PARTS = {"builds": "Microsoft's builds", "cves": "CVEs", "kev": "CISA's list of exploited CVEs"}


class _Age(NamedTuple):
    """``age`` and ``most``: None where it never happened, and where there is no limit."""

    what: str
    age: float | None
    most: float | None
    why: str


def fresh(snapshot: Snapshot, now: float) -> Section:
    """``now``: seconds since the epoch."""
    rows = [_row(each) for each in _ages(snapshot, now)]
    heads = ("What", "Age", "At most", "Within it", "What for")
    facts = [("Configuration read", _reloaded(snapshot, now)), *_pending(snapshot)]
    return Section("fresh", "Fresh enough", facts=facts, tables=[Table("Ages and their limits", heads, rows)])


def stale(snapshot: Snapshot, now: float) -> list[str]:
    """What is older than it may be."""
    return [each.what for each in _ages(snapshot, now) if not _within(each)]


def _ages(s: Snapshot, now: float) -> Iterator[_Age]:
    shown = now - s.time
    yield _Age("What this page shows", shown, OLD, "older: the agent is busy, or gone")
    if s.permission is not None:
        most = s.limits.get("mapping", _BOOKS)
        why = "older: nobody of these books is knocked at"
        for source, at in sorted(s.permission.synced.items()):
            yield _Age(f"Customer books: {source}", now - at, most, why)
        made = s.permission.checkpoint_made
        if made is not None or not s.permission.missing.get("audit_sink"):
            why = "older: nobody is knocked at, until a checkpoint of the log is outside again"
            age = None if made is None else now - made
            yield _Age("Checkpoint outside", age, s.limits.get("checkpoint", _OUTSIDE), why)
    if s.store is not None:
        age = now - max(s.store.retention_last_success, s.started)
        yield _Age("Deletion of what is too old", age, LATE, "older: more is kept than may be")
    if s.permission is not None and s.permission.erasing_last_success is not None:
        age = now - max(s.permission.erasing_last_success, s.started)
        yield _Age("Erasure of former customers", age, LATE, "older: who had his time is not erased yet")
    if s.permission is not None and s.permission.erasure_oldest is not None:
        why = "older: who is to be erased cannot be"
        yield _Age("Oldest erasure without an end", now - s.permission.erasure_oldest, _ERASED, why)
    if s.telling is not None:
        yield from _told(s.telling, s.started, now)
    for part, day in sorted(s.reach.items()):
        yield _Age(f"Our data: {_PARTS.get(part, part)}", now - day, _DATA, "older: newer holes are not known here")


def _told(said: Telling, started: float, now: float) -> Iterator[_Age]:
    age = now - max(said.retention_last_success, started)
    yield _Age("Deletion of cases that have ended", age, LATE, "older: more is kept than customers were told")
    if said.oldest is not None:
        yield _Age("Oldest message to a customer", now - said.oldest, _STUCK, "older: the relay does not take it")
    if said.webhook_oldest is not None:
        why = "older: it does not take what it is told; that is kept, and tried again"
        yield _Age("Oldest event for the webhook", now - said.webhook_oldest, _UNTAKEN, why)
    if said.tasks_oldest:
        oldest = now - min(said.tasks_oldest.values())
        yield _Age("Oldest task for a person", oldest, _TASK, "older: a customer waits for a call or a letter")


def _within(each: _Age) -> bool:
    return each.age is not None and (each.most is None or each.age <= each.most)


def _row(each: _Age) -> tuple[Cell, ...]:
    within = Cell("yes", state="ok") if _within(each) else Cell("no", state="bad")
    age = "never" if each.age is None else lasted(each.age)
    return (
        Cell(each.what), Cell(age, kind="number"),
        Cell("-" if each.most is None else lasted(each.most), kind="number"), within, Cell(each.why, state="quiet"),
    )  # fmt: skip


def _reloaded(s: Snapshot, now: float) -> Cell:
    when = f"{ago(s.config.reload_time, now)}, {moment(s.config.reload_time)}" if s.config.reload_time else "at start"
    if s.config.reload_successful:
        return Cell("in force", state="ok", note=when)
    return Cell("the last reload failed", state="bad", note=f"that of {when} holds; the log says why")


def _pending(s: Snapshot) -> Iterator[tuple[str, Cell]]:
    if s.permission is None:
        return
    pending = s.permission.effects_pending
    state = "warn" if pending else "ok"
    yield "Objections not yet in force everywhere", Cell(str(pending), state=state, note=_effect(s))


def _effect(s: Snapshot) -> str:
    assert s.permission is not None
    delay = s.permission.effect_seconds
    return f"{delay.sum / delay.count:.3f} s each until now" if delay.count else "none has come in since the start"

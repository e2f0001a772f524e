"""Telling customers, as counts: cases by severity and age, how steps ended, what waits, and what came before a fix."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from agent.cases.case import LIVE, STATES
from agent.cases.counted import AGES, OUTCOMES
from agent.cases.helped import BEFORE, CAME
from agent.cases.severity import SEVERITIES
from agent.leave import MEANINGS
from exporters.console.content import Cell, Figure, Section, Table, count
from exporters.console.words import ago, spoken

if TYPE_CHECKING:
    from agent.asked import Telling

_MARKS = {"critical": "bad", "high": "warn"}
_OVER = {"1d": "1 day", "7d": "7 days", "30d": "30 days", "90d": "90 days"}
_WHY = {
    "no_contact": "no contact of the customer's is verified",
    "unsure": "neither confirmed by a second sign nor asked; it is not told until it is",
}
_MAILLESS = Cell("not configured", state="warn", note="notices.relay is empty: telling them is a person's task")
_LATE = 2 * 86_400.0  # seconds after which a person's task has waited for too long


def telling(said: Telling, now: float) -> Section:
    """``now``: seconds since the epoch."""
    facts = [
        ("Messages waiting", _waiting(said, now)),
        ("Mail to customers", Cell("a relay is configured") if said.mails else _MAILLESS),
        ("Notifier", Cell("at work") if said.notifier else Cell("none", state="warn" if said.waiting else "quiet")),
        ("Messages that may have gone out twice", count(said.uncertain)._replace(kind="")),
    ]
    return Section(
        "telling",
        "Telling customers",
        "Cases of what was found, in counts; `knockfirst cases list` and `knockfirst cases tasks` name them.",
        facts=facts,
        tables=[_open(said), _standing(said), _tasks(said, now), _steps(said), _helped(said), _untold(said)],
    )


def figures(said: Telling) -> list[Figure]:
    """How many cases are open, and how many of those are critical."""
    live = Counter(dict.fromkeys(SEVERITIES, 0))
    for row in said.cases:
        if row.state in LIVE:
            live[row.severity] += row.count
    note = f"{live['critical']:,} critical; {sum(said.tasks.values()):,} tasks for a person"
    return [Figure("Open cases", f"{live.total():,}", note, "warn" if live["critical"] else "", "#telling")]


def _waiting(said: Telling, now: float) -> Cell:
    note = "" if said.oldest is None else f"the oldest from {ago(said.oldest, now)}"
    return Cell(f"{said.waiting:,}", note=note)


def _open(said: Telling) -> Table:
    counts: Counter[tuple[str, str]] = Counter()
    for row in said.cases:
        if row.state in LIVE:
            counts[row.severity, row.age] += row.count
    rows = [
        (
            Cell(severity, state=_MARKS[severity] if any(counts[severity, age] for age, _ in AGES) else ""),
            *(count(counts[severity, age]) for age, _ in AGES),
            count(sum(counts[severity, age] for age, _ in AGES)),
        )
        for severity in SEVERITIES
    ]
    heads = ("Severity", *(f"Up to {_OVER[age]}" if age in _OVER else "Older" for age, _ in AGES), "All")
    return Table("Open cases by severity and age", heads, rows)


def _standing(said: Telling) -> Table:
    counts: Counter[str] = Counter()
    for row in said.cases:
        counts[row.state] += row.count
    rows = [(Cell(spoken(state)), Cell(why), count(counts[state])) for state, why in STATES.items() if counts[state]]
    return Table("How cases stand", ("State", "What it says", "Cases"), rows, "there are no cases.")


def _tasks(said: Telling, now: float) -> Table:
    rows = []
    for channel, waits in said.tasks.items():
        since = said.tasks_oldest.get(channel)
        if waits:
            late = since is not None and now - since > _LATE
            oldest = Cell("-" if since is None else ago(since, now), state="warn" if late else "")
            rows.append((Cell(spoken(channel)), count(waits), oldest))
    return Table("Waiting for a person", ("What", "Tasks", "The oldest is from"), rows, "nothing waits for a person.")


def _steps(said: Telling) -> Table:
    counts: dict[tuple[str, str], Counter[str]] = {}
    for row in said.notices:
        if row.count:
            counts.setdefault((row.step, row.channel), Counter())[row.outcome] += row.count
    rows = [
        (Cell(spoken(step)), Cell(spoken(channel)), *(count(ended[name]) for name in OUTCOMES))
        for (step, channel), ended in counts.items()
    ]
    heads = ("Step", "By", *(spoken(name).capitalize() for name in OUTCOMES))
    return Table("Steps that have ended, since the start", heads, rows, "none since the start.")


def _helped(said: Telling) -> Table:
    """After a step is not by it: so the caption says, and what was fixed before any is the first row."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for row in said.came:
        if row.count:
            counts.setdefault((row.step, row.channel), Counter())[row.outcome] += row.count
    rows = [
        (
            Cell("before anybody was reached" if step == BEFORE else spoken(step)),
            Cell("-" if step == BEFORE else spoken(channel), state="quiet" if step == BEFORE else ""),
            *(count(came[name]) if step != BEFORE or name == "fixed" else Cell("-", kind="number") for name in CAME),
        )
        for (step, channel), came in sorted(counts.items(), key=lambda each: each[0][0] != BEFORE)
    ]
    heads = ("Step", "By", "Tried", "Delivered", "Read, by an answer", "Acknowledged", "Fixed after")
    caption = "How far steps came, of cases that ended since the start; servers are fixed without us, too"
    return Table(caption, heads, rows, "no case has ended since the start.")


def _untold(said: Telling) -> Table:
    rows = [
        (Cell(spoken(reason)), Cell(_WHY.get(reason) or MEANINGS.get(reason, "")), count(servers))
        for reason, servers in sorted(said.untold.items(), key=lambda each: -each[1])
        if servers
    ]
    heads = ("Reason", "What it says", "Servers")
    return Table("Found, and nobody is told", heads, rows, "everything that was found is told.")

"""The weekly report for the abuse desk: what the agent tells of a week, folded into the facts of a text. Pure.

The text is Markdown, from a template for each language that the operator may replace. It names cases and the
operator's own references of customers; no address, no name, and no way to reach anybody gets here.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.cases.case import FINAL, LIVE
from agent.cases.counted import AGES, age_of
from agent.cases.helped import BEFORE, Helped, Reach, summed
from agent.cases.ladder import STEPS
from agent.cases.severity import SEVERITIES
from agent.templates import Templates, own_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

OURS = Path(__file__).parent / "templates"
KEY = "--templates"
LANGUAGES = ("nl", "en")
DAY = 86_400.0
_MARKS = re.compile(r"([\\`*_{}\[\]<>|#])")
_ROWS = 500  # of a table that names cases; of the others it is told how many there are
_LATE_TASK = 2 * DAY  # a person's task that has waited longer is marked

Row = dict[str, Any]


class Week(NamedTuple):
    """What the agent told (agent/verbs/report.py): ``cases`` and ``counts`` row by row, ``stands`` at ``now``."""

    since: float
    until: float
    cases: Sequence[Row]
    counts: Sequence[Row]
    stands: Row


def name(lang: str) -> str:
    """The name of the template of a language."""
    return f"weekly.{lang}.md"


def written(week: Week, lang: str, own: str = "") -> str:
    """The report. ``own``: directory of the operator's templates, "" for none. Raises ConfigError."""
    if own:
        own_files(own, map(name, LANGUAGES), KEY)
    return Templates(own, OURS, KEY, trim=True).made(name(lang), facts(week)).text


def facts(week: Week) -> Row:
    """What a template may name; docs/cases.md lists it."""
    counts = {kind: [row for row in week.counts if row["kind"] == kind] for kind in {r["kind"] for r in week.counts}}
    now = week.stands["now"]
    live = [case for case in week.cases if case["live"]]
    return {
        "operator": _plain(week.stands["operator"]), "since": _moment(week.since), "until": _moment(week.until),
        "now": _moment(now), "kept": week.stands["kept"],
        "forgotten": now - week.since > week.stands["kept"] * DAY,
        "opened": _by(counts, "case.opened", SEVERITIES),
        "closed": _by(counts, "case.closed", FINAL),
        "ages": [age for age, _ in AGES], "open": _open(live, now),
        "states": [(state, n) for state in LIVE if (n := sum(case["state"] == state for case in live))],
        "notices": _notices(counts),
        "mend": list(_mend(week)), "untold": week.stands["untold"],
        "tasks": _tasks(live, now), "listed": _ROWS,
        "helped": list(_helped(week)),
        "answers": _by(counts, "case.answered"), "objections": _by(counts, "record.objected"),
        "lifted": _total(counts, "record.objection_lifted"), "unmatched": _total(counts, "objection.unmatched"),
        "probes": _by(counts, "probe.outcome"),
        "missing": week.stands["missing"],
        "stale": [
            {"what": what, "age": age, "most": most}
            for what, age, most in week.stands["ages"] if age is None or age > most
        ],
        "waiting": week.stands["waiting"], "uncertain": week.stands["uncertain"],
    }  # fmt: skip


def _by(counts: dict[str, list[Row]], kind: str, order: Iterable[str] = ()) -> list[tuple[str, int]]:
    """By the one word that entries of a kind are counted by: first those of ``order``, all of them, then any other."""
    found = Counter(dict.fromkeys(order, 0))
    for row in counts.get(kind, ()):
        found[row["said"][0]] += row["count"]
    return [(word, count) for word, count in found.items() if count]


def _total(counts: dict[str, list[Row]], kind: str) -> int:
    return sum(row["count"] for row in counts.get(kind, ()))


def _open(live: list[Row], now: float) -> list[Row]:
    """Of each severity how many of each age, and all."""
    rows = []
    for severity in SEVERITIES:
        found = Counter(age_of(now - case["opened"]) for case in live if case["severity"] == severity)
        rows.append({"severity": severity, "counts": [found[age] for age, _ in AGES], "all": found.total()})
    return rows


def _notices(counts: dict[str, list[Row]]) -> list[Row]:
    """How steps ended, in the order of the ladder."""
    found: Counter[tuple[str, str, str]] = Counter()
    for row in (*counts.get("notice.sent", ()), *counts.get("notice.bounced", ())):
        step, channel, outcome = row["said"]
        found[step, channel, outcome] += row["count"]
    ordered = sorted(found.items(), key=lambda each: (_place(each[0][0]), each[0]))
    return [
        {"step": step, "channel": channel, "outcome": outcome, "count": count}
        for (step, channel, outcome), count in ordered
    ]


def _place(step: str) -> int:
    return STEPS.index(step) if step in STEPS else len(STEPS)


def _mend(week: Week) -> Iterable[Row]:
    """Ways to reach a customer that failed in this week: his contacts are to be mended in the operator's books."""
    for case in week.cases:
        for step in case["steps"]:
            if step["failed"] is not None and week.since <= step["failed"] < week.until:
                yield {"case": case["id"], "customer": _plain(case["customer"]), **step}


def _tasks(live: list[Row], now: float) -> list[Row]:
    """What waits for a person, the longest first; ``late``: for longer than it should."""
    found = [
        {"case": case["id"], "customer": _plain(case["customer"]), "severity": case["severity"], "step": task["step"],
         "channel": task["channel"], "age": now - task["made"], "late": now - task["made"] > _LATE_TASK}
        for case in live for task in case["tasks"]
    ]  # fmt: skip
    return sorted(found, key=lambda task: -task["age"])


def _helped(week: Week) -> Iterable[Row]:
    """Of the cases that ended: by step and channel how many came how far, and the median of the days to the fix."""
    ended = [
        Helped(case["severity"], case["state"], tuple(Reach(**step) for step in case["steps"]), case["last"],
               case["seconds"])
        for case in week.cases if not case["live"]
    ]  # fmt: skip
    for (step, channel), counted in summed(ended).items():
        took = [one.seconds for one in ended if one.seconds is not None and one.after == (step, channel)]
        row = {name: counted[name] for name in ("tried", "delivered", "read", "acknowledged", "fixed")}
        days = median(took) / DAY if took else None
        yield {"step": step, "channel": channel, "before": step == BEFORE, "days": days, **row}


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


def _plain(text: str) -> str:
    """A text that is not ours as text: what would be a mark of Markdown, or of a table, is none."""
    return _MARKS.sub(r"\\\1", " ".join(text.split()))

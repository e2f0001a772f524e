"""Cases in counts, which say nothing of whose they are: what leaves the agent."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING, Any

from agent.cases.case import PENDING, STATES
from agent.cases.ladder import STEPS, TASKS
from agent.cases.severity import SEVERITIES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.cases.case import Case

_DAY = 86_400.0
# Label values of a metric: how old a case is, in days, up to each of these; older ones are in the last.
AGES = (("1d", 1.0), ("7d", 7.0), ("30d", 30.0), ("90d", 90.0), ("older", float("inf")))
# Seconds, of histograms: of one by itself, and of one for each step.
_BOUNDS = tuple(days * _DAY for days in (0.5, 1.0, 2.0, 5.0, 7.0, 14.0, 30.0, 60.0, 90.0, 180.0))
COARSE = tuple(days * _DAY for days in (1.0, 7.0, 14.0, 30.0, 90.0))
# What became of steps; why nobody is told of something found; what came of answers. Label values, as well.
OUTCOMES = ("sent", "refused", "bounced", "delivered", "cancelled", "done", "wrong")
CHANNELS = ("mail", *TASKS)
ABOUT_LEAVE = ("request", "receipt")  # mails that are of no case (agent/letters.py)
UNTOLD = (
    "not_an_address", "objection", "unmapped", "mapping_conflict", "shared", "dynamic", "mapping_stale", "quarantine",
    "contract_ended", "suspended", "no_contact", "unsure",
)  # fmt: skip
ANSWERS = (
    "show", "agree", "fixed", "recheck", "wrong_contact", "not_ours", "wont_fix", "stop", "unknown", "rate",
    "unavailable",
)  # fmt: skip


class Fixes:
    """A histogram of seconds, from the opening of a case to a fix that was seen."""

    def __init__(self, bounds: tuple[float, ...] = _BOUNDS) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def body(self) -> dict[str, Any]:
        """As agent.asked.Delay: of each bound, how many took as long as that at most."""
        buckets, below = [], 0
        for bound, count in zip(self._bounds, self._counts, strict=False):
            below += count
            buckets.append([bound, below])
        return {"buckets": buckets, "count": sum(self._counts), "sum": self._sum}


def no_steps() -> dict[tuple[str, str, str], int]:
    """Step, channel and outcome -> 0, for everything that is written."""
    written = (*(step for step in STEPS if step not in TASKS and step != "human"), *ABOUT_LEAVE)
    return {(step, "mail", outcome): 0 for step in written for outcome in OUTCOMES}


def counted(cases: Iterable[Case], now: float) -> dict[str, Any]:
    """``cases`` by severity, state and age; ``tasks``: of each channel, what waits for a person, and ``tasks_oldest``:
    since when.
    """
    found = Counter({(severity, state, age): 0 for severity in SEVERITIES for state in STATES for age, _ in AGES})
    tasks = Counter(dict.fromkeys(TASKS, 0))
    oldest: dict[str, float] = {}
    for case in cases:
        found[case.severity, case.state, age_of(now - case.opened)] += 1
        for step in case.steps:
            if step.outcome == PENDING and not step.mail:
                tasks[step.channel] += 1
                oldest[step.channel] = min(step.made, oldest.get(step.channel, step.made))
    rows = [
        {"severity": severity, "state": state, "age": age, "count": count}
        for (severity, state, age), count in sorted(found.items())
    ]
    return {"cases": rows, "tasks": dict(tasks), "tasks_oldest": oldest}


def age_of(seconds: float) -> str:
    return next(name for name, days in AGES if seconds <= days * _DAY)

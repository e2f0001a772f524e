"""What came before a fix: of each case which step was the last to reach anybody, and how long after it a fix was seen.

Pure: a fold over the events of a case. Customers fix their servers without us, too, and more than half of them do in
some studies (Cetin et al., EuroS&P 2019): so this says "fixed after a step", and never "by" it. What was fixed before
anybody was reached is counted as ``before``, and is what the other numbers are to be held against.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.cases.case import FAILED, PENDING, applied, opened
from agent.cases.counted import COARSE, Fixes
from agent.cases.ladder import CLOSING, LADDER, QUIETLY, TASKS
from agent.cases.severity import SEVERITIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from agent.cases.case import Case, Event, Step

BEFORE, NONE = "before", "none"  # step and channel of what was fixed before anybody was reached
# How far a step came, each of those that it was. Label values of a metric.
CAME = ("tried", "delivered", "read", "acknowledged", "fixed")
_SPOKEN = ("told", "fixed", "wont_fix")
_POSTED = (*_SPOKEN, "sent", "handled")
# What a customer says of his own case, by the link of a message or to a person.
_SAID = ("acknowledged", "claimed", "recheck", "declined", "disputed")


class Reach(NamedTuple):
    """How far one step came. ``delivered``: the relay took it and nothing came back, or a person says that he got
    through; ``read``: the customer answered by the link of a message, and nothing less counts, since nothing is
    tracked; ``acknowledged``: he did that, or said so to a person; ``until_fix``: seconds from when it had reached him
    to the fix that was seen, None without one; ``failed``: when it was found to have reached nobody.
    """

    step: str
    channel: str
    role: str
    made: float
    ended: float | None
    outcome: str
    delivered: bool
    read: bool
    acknowledged: bool
    until_fix: float | None
    failed: float | None

    @property
    def tried(self) -> bool:
        return self.outcome not in (PENDING, "cancelled")


class Helped(NamedTuple):
    """``state``: how the case stands; ``last``: the place among ``steps`` of the one that was the last to reach anybody
    before the fix, None where there was none or no fix; ``seconds``: from then to the fix, or from the opening.
    """

    severity: str
    state: str
    steps: tuple[Reach, ...]
    last: int | None
    seconds: float | None

    @property
    def fixed(self) -> bool:
        return self.seconds is not None

    @property
    def after(self) -> tuple[str, str]:
        """Step and channel after which it was fixed."""
        return (BEFORE, NONE) if self.last is None else self.steps[self.last][:2]


def helped(events: Sequence[Event]) -> Helped:
    """What the events of one case, in their order, come to."""
    case, fixed_at, said = _folded(events)
    failed = {event.body["id"]: event.time for event in reversed(events) if event.kind in FAILED}
    steps = [step for step in case.steps if step.kind != CLOSING.kind]
    read, heard = ({_last(steps, time) for time, link in said if link}, {_last(steps, time) for time, _ in said})
    reached = tuple(
        _reach(step, place in read, place in heard, fixed_at)._replace(
            failed=failed.get(step.id) if step.failed else None
        )
        for place, step in enumerate(steps)
    )
    last = None if fixed_at is None else _last(steps, fixed_at)
    if fixed_at is None:
        return Helped(case.severity, case.state, reached, None, None)
    since = case.opened if last is None else reached[last].ended or case.opened
    return Helped(case.severity, case.state, reached, last, max(0.0, fixed_at - since))


def delivered(step: Step) -> bool:
    """Whether a step reached somebody, as far as is known: a message may lie unread, and a letter may be lost."""
    if step.mail:
        return step.outcome == "sent"
    return step.outcome == "done" and step.result in (_POSTED if step.channel in ("letter", "portal") else _SPOKEN)


def _folded(events: Sequence[Event]) -> tuple[Case, float | None, list[tuple[float, bool]]]:
    """The case, when a fix was seen, and when the customer said something: by link, or to a person."""
    case = opened("", events[0])
    fixed_at: float | None = None
    said: list[tuple[float, bool]] = []
    for event in events[1:]:
        was, case = case.state, applied(case, event)
        if case.state == "closed_fixed" != was:
            fixed_at = event.time
        if event.kind in _SAID:
            said.append((event.time, event.body.get("by") == "customer"))
    return case, fixed_at, said


def _last(steps: Sequence[Step], time: float) -> int | None:
    """The place of the step that was the last to reach anybody by then."""
    there = [(step.ended, place) for place, step in enumerate(steps) if delivered(step) and step.ended is not None]
    return max((each for each in there if each[0] <= time), default=(0.0, None))[1]


def _reach(step: Step, read: bool, heard: bool, fixed_at: float | None) -> Reach:
    there = delivered(step)
    in_time = there and fixed_at is not None and step.ended is not None and step.ended <= fixed_at
    until = fixed_at - step.ended if in_time and fixed_at is not None and step.ended is not None else None
    return Reach(
        step.kind, step.channel, step.role, step.made, step.ended, step.outcome, there, read, heard, until, None
    )  # fmt: skip


def came(one: Helped) -> Iterator[tuple[str, str, str]]:
    """Step, channel and how far it came, for everything that this case adds to the counts."""
    for reach in one.steps:
        if reach.tried:
            yield reach.step, reach.channel, "tried"
            for name in ("delivered", "read", "acknowledged"):
                if getattr(reach, name):
                    yield reach.step, reach.channel, name
    if one.fixed:
        yield (*one.after, "fixed")


def ways() -> tuple[tuple[str, str], ...]:
    """Every step with every channel that it can take, and what was fixed before any."""
    return ((BEFORE, NONE), *((rung.kind, channel) for rung in (*LADDER, QUIETLY) for channel in rung.channels))


STEPS = tuple(dict.fromkeys(step for step, _ in ways()))
CHANNELS = (NONE, "mail", *TASKS)


class Counts:
    """What came of the cases that have ended since the agent began."""

    def __init__(self) -> None:
        self._came = Counter({
            (severity, *way, name): 0
            for severity in SEVERITIES for way in ways() for name in (("fixed",) if way[0] == BEFORE else CAME)
        })  # fmt: skip
        self._after = {step: Fixes(COARSE) for step in STEPS}

    def add(self, one: Helped) -> None:
        self._came.update((one.severity, *each) for each in came(one))
        if one.seconds is not None:
            self._after[one.after[0]].observe(one.seconds)

    def rows(self) -> list[dict[str, Any]]:
        """As agent.asked.CameOf."""
        return [
            {"severity": severity, "step": step, "channel": channel, "outcome": name, "count": count}
            for (severity, step, channel, name), count in sorted(self._came.items())
        ]

    def after(self) -> dict[str, dict[str, Any]]:
        """Of each step, how long after it fixes were seen, as agent.asked.Delay."""
        return {step: fixes.body() for step, fixes in self._after.items()}


def summed(found: Iterable[Helped]) -> dict[tuple[str, str], Counter[str]]:
    """By step and channel, how many came how far; in the order of the ladder, and only what there is."""
    counts: dict[tuple[str, str], Counter[str]] = {way: Counter() for way in ways()}
    for one in found:
        for step, channel, name in came(one):
            counts.setdefault((step, channel), Counter())[name] += 1
    return {way: counted for way, counted in counts.items() if counted}

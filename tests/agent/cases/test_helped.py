"""What came before a fix: a fold over events, which says "after" and never "by"."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.cases import helped as module
from agent.cases.case import EVENTS, Event, applied, opened
from agent.cases.counted import CHANNELS, Fixes
from agent.cases.helped import CAME, Counts, Helped, came, helped, summed, ways
from agent.cases.ladder import STEPS

DAY = 86_400.0
BODY = {"customer": "C-1", "address": "192.0.2.1", "severity": "critical", "build": "", "holes": [], "exploited": []}
OPENED = Event(0.0, "opened", BODY)


def at(day: float, kind: str, **body: Any) -> Event:
    return Event(day * DAY, kind, body)


def made(day: float, ident: str, kind: str = "tell", channel: str = "mail") -> Event:
    mail = f"<{ident}@isp.example>" if channel == "mail" else ""
    return at(day, "step", id=ident, step=kind, channel=channel, role="security", way="w", message_id=mail)


TOLD = (OPENED, made(0, "a"), at(0.5, "sent", id="a"))
PHONED = (*TOLD, made(2, "b", "phone", "phone"))
BOUNCED = (*TOLD, at(1, "bounced", id="a"), made(1.5, "c", "contact", "letter"))
DONE = {"by": "uid 1", "note": ""}

# The name of a story, its events, after what it was fixed and in how many days; and which steps came how far.
STORIES: tuple[tuple[str, tuple[Event, ...], tuple[str, str, float] | None, dict[str, str]], ...] = (
    ("nobody was told", (OPENED, at(3, "fixed", build="")), ("before", "none", 3.0), {}),
    ("told", (*TOLD, at(3, "fixed", build="")), ("tell", "mail", 2.5), {"tell": "delivered"}),
    ("not sent yet", (OPENED, made(0, "a"), at(3, "fixed", build=""), at(3.1, "cancelled", id="a")),
     ("before", "none", 3.0), {"tell": ""}),
    ("it had come back", (*BOUNCED, at(3, "fixed", build="")),
     ("before", "none", 3.0), {"tell": "tried", "contact": ""}),
    ("a letter after that", (*BOUNCED, at(2, "done", id="c", result="sent", **DONE), at(9, "fixed", build="")),
     ("contact", "letter", 7.0), {"tell": "tried", "contact": "delivered"}),
    ("a call that got through",
     (*PHONED, at(3, "done", id="b", result="told", **DONE), at(3, "acknowledged", by="uid 1"),
      at(5, "fixed", build="")),
     ("phone", "phone", 2.0), {"tell": "delivered", "phone": "acknowledged"}),
    ("a call that did not", (*PHONED, at(3, "done", id="b", result="not_reached", **DONE), at(5, "fixed", build="")),
     ("tell", "mail", 4.5), {"tell": "delivered", "phone": "tried"}),
    ("an answer by link", (*TOLD, at(1, "claimed", by="customer"), at(2, "fixed", build="")),
     ("tell", "mail", 1.5), {"tell": "read"}),
    ("an answer after a call was made and before it was done",
     (*PHONED, at(3, "recheck", by="customer"), at(4, "fixed", build=""), at(4, "cancelled", id="b")),
     ("tell", "mail", 3.5), {"tell": "read", "phone": ""}),
    ("the wrong contact", (*TOLD, at(1, "wrong", id="a", by="customer"), at(2, "fixed", build="")),
     ("before", "none", 2.0), {"tell": "tried"}),
    ("not fixed", (*TOLD, at(1, "objected", build="")), None, {"tell": "delivered"}),
    ("closing is not told before the fix", (*TOLD, at(1, "fixed", build=""), made(1, "z", "closing")),
     ("tell", "mail", 0.5), {"tell": "delivered"}),
)  # fmt: skip


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story[0])
def test_what_a_story_comes_to(
    story: tuple[str, tuple[Event, ...], tuple[str, str, float] | None, dict[str, str]],
) -> None:
    _, events, after, far = story
    found = helped(events)
    assert (None if found.seconds is None else (*found.after, found.seconds / DAY)) == after
    assert {step.step: _far(found, step.step) for step in found.steps} == far


def _far(found: Helped, step: str) -> str:
    """The farthest that a step came, but for the fix."""
    there = {name for kind, _, name in came(found) if kind == step} - {"fixed"}
    if "read" in there:
        assert "acknowledged" in there
        return "read"
    return max(there, key=CAME.index, default="")


def test_each_step_has_its_own_time_to_the_fix() -> None:
    found = helped((*PHONED, at(3, "done", id="b", result="told", **DONE), at(5, "fixed", build="")))
    assert [(step.step, step.until_fix) for step in found.steps] == [("tell", 4.5 * DAY), ("phone", 2 * DAY)]


def test_counts_are_those_of_the_table_and_begin_with_0() -> None:
    counts = Counts()
    rows = counts.rows()
    assert not any(row["count"] for row in rows) and len({tuple(row.values()) for row in rows}) == len(rows)
    for _, events, _, _ in STORIES:
        counts.add(helped(events))
    assert len(counts.rows()) == len(rows), "nothing came up that was not there with 0"
    total = sum(row["count"] for row in counts.rows() if row["outcome"] == "fixed")
    assert total == sum(after is not None for _, _, after, _ in STORIES)
    assert {step: delay["count"] for step, delay in counts.after().items() if delay["count"]} == {
        "before": 4, "tell": 5, "contact": 1, "phone": 1,
    }  # fmt: skip
    assert set(counts.after()) == set(module.STEPS) == {"before", *STEPS} - {"closing"}
    assert set(module.CHANNELS) == {"none", *CHANNELS}


def test_a_sum_has_only_what_there_is_in_the_order_of_the_ladder() -> None:
    found = summed(helped(events) for _, events, _, _ in STORIES)
    assert list(found) == [("before", "none"), ("tell", "mail"), ("contact", "letter"), ("phone", "phone")]
    assert found["tell", "mail"]["tried"] == 10 and found["tell", "mail"]["delivered"] == 7


def test_the_histogram_is_of_a_day_and_more() -> None:
    fixes = Fixes()
    fixes.observe(1.5 * DAY)
    assert [count for bound, count in fixes.body()["buckets"] if bound == 2 * DAY] == [1]


KINDS = st.sampled_from([kind for kind in EVENTS if kind not in ("opened", "changed", "step")])
LIVES = st.lists(st.tuples(KINDS | st.just("step"), st.sampled_from("abc"), st.booleans()), max_size=12)


@given(LIVES)
def test_whatever_happens_it_holds_together(life: list[tuple[str, str, bool]]) -> None:
    events = [OPENED]
    for number, (kind, ident, customer) in enumerate(life, 1):
        event = made(number, ident, "phone", "phone") if kind == "step" and ident == "b" else made(number, ident)
        body = {"id": ident, "by": "customer" if customer else "uid 1", "result": "told", "build": "", "note": ""}
        events.append(event if kind == "step" else at(number, kind, **body))
    case = opened("", events[0])
    states = [case.state]
    for event in events[1:]:
        case = applied(case, event)
        states.append(case.state)
    found = helped(events)
    assert found.fixed == ("closed_fixed" in states) and found.state == case.state
    assert found.seconds is None or found.seconds >= 0
    assert {(step, channel) for step, channel, _ in came(found)} <= set(ways())
    for step in found.steps:
        assert step.acknowledged or not step.read
        assert step.delivered or not (step.acknowledged or step.until_fix)
    if found.last is not None:
        assert found.steps[found.last].until_fix == found.seconds
        assert all(step.until_fix is None or step.until_fix >= (found.seconds or 0) for step in found.steps)

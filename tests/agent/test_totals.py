"""Totals over capture processes that come, go and are started anew: nothing falls, nothing is counted twice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import ipc
from agent.body import MAX_COUNTERS, MAX_INTERFACES
from agent.ipc import Type
from agent.messages import Counters, Interface, validated
from agent.totals import FILE, MAX_COUNTS, MAX_GAUGES, Totals


def told(counts: dict[str, int] | None = None, /, **interfaces: dict[str, float]) -> Counters:
    """A message as capture sends it; what is a float is a gauge."""
    rows = [
        {
            "name": name,
            "counts": {n: v for n, v in values.items() if isinstance(v, int)},
            "gauges": {n: v for n, v in values.items() if isinstance(v, float)},
        }
        for name, values in interfaces.items()
    ]
    message = validated(Type.COUNTERS, {"counts": counts or {}, "interfaces": rows})
    assert isinstance(message, Counters)
    return message


def rows(totals: Totals) -> dict[str, Any]:
    return {row["name"]: row for row in totals.interfaces()}


# Steps of (process, what it tells; None where it ends), and what the counts of eth1 are then.
HISTORIES = [
    pytest.param([("a", {"n": 3}), ("a", {"n": 5})], {"n": 5}, id="what one tells is since its start"),
    pytest.param([("a", {"n": 3}), ("b", {"n": 4})], {"n": 7}, id="workers are summed"),
    pytest.param([("a", {"n": 3}), ("a", None), ("b", {"n": 1})], {"n": 4}, id="a restart takes nothing back"),
    pytest.param([("a", {"n": 3}), ("a", None)], {"n": 3}, id="what has ended stays"),
    pytest.param([("a", {"n": 3}), ("b", {"n": 2}), ("a", None), ("b", {"n": 6})], {"n": 9}, id="the other goes on"),
    pytest.param([("a", {"n": 9, "m": 1}), ("a", {"n": 2, "m": 3})], {"n": 11, "m": 4}, id="one fell: all anew"),
    pytest.param([("a", {"n": 3}), ("a", {"m": 1, "n": 3})], {"n": 3, "m": 1}, id="a counter that is new"),
    pytest.param([("a", {"offered": 90}), ("b", {"offered": 90})], {"offered": 90}, id="both read the same card"),
    pytest.param(
        [("a", {"offered": 90}), ("b", {"offered": 80}), ("a", None), ("b", {"offered": 100})],
        {"offered": 110}, id="who is left speaks for the card",
    ),
    pytest.param([("a", {"n": 1}), ("b", {"offered": 5})], {"n": 1, "offered": 5}, id="who has it speaks"),
]  # fmt: skip


@pytest.mark.parametrize(("steps", "expected"), HISTORIES)
def test_histories(steps: list[tuple[str, dict[str, int] | None]], expected: dict[str, int]) -> None:
    totals = Totals()
    for who, counts in steps:
        totals.forget(who) if counts is None else totals.take(who, told(eth1=counts))
    assert rows(totals)["eth1"]["counts"] == expected


GAUGES = [
    ("up", (1.0, 0.0), 0.0),
    ("ring_fill", (0.2, 0.7), 0.7),
    ("filter_suspect", (0.0, 1.0), 1.0),
    ("filter_instructions", (900.0, 900.0), 900.0),
    ("demoted", (3.0, 3.0), 3.0),
    ("muted_in_filter", (64.0, 60.0), 64.0),
    ("streams_now", (3.0, 4.0), 7.0),
]


@pytest.mark.parametrize(("name", "values", "together"), GAUGES)
def test_gauges_of_the_living(name: str, values: tuple[float, float], together: float) -> None:
    totals = Totals()
    for who, value in zip("ab", values, strict=True):
        totals.take(who, told(eth1={name: value}))
    assert rows(totals)["eth1"]["gauges"] == {name: together}
    totals.forget("a")
    assert rows(totals)["eth1"]["gauges"] == {name: values[1]}
    totals.forget("b")
    assert rows(totals)["eth1"]["gauges"] == {}


def test_frames_of_files_are_those_of_an_interface() -> None:
    totals = Totals()
    totals.take("a", told({"frames_seen": 5, "frames_used": 4, "drop_fragment": 1, "streams": 2}))
    assert rows(totals)[FILE]["counts"] == {"frames_seen": 5, "frames_used": 4, "drop_fragment": 1}
    assert totals.counts == {"streams": 2}


def test_where_no_file_was_read_there_are_no_files() -> None:
    totals = Totals()
    totals.take("a", told({"frames_seen": 0, "streams": 2}, eth1={"frames_seen": 7}))
    assert set(rows(totals)) == {"eth1"}


def test_an_interface_may_be_called_file() -> None:
    totals = Totals()
    totals.take("a", told({"frames_seen": 5}, file={"frames_seen": 7, "up": 1.0}))
    assert rows(totals) == {FILE: {"name": FILE, "counts": {"frames_seen": 12}, "gauges": {"up": 1.0}}}


def test_an_interface_that_comes_again_goes_on_where_it_was() -> None:
    totals = Totals()
    for message in (told(eth1={"n": 5}), told(), told(eth1={"n": 6}), told(), told(eth1={"n": 2})):
        totals.take("a", message)
    assert rows(totals)["eth1"]["counts"] == {"n": 8}


def test_beyond_so_many_interfaces_one_that_has_gone_makes_room() -> None:
    totals = Totals()
    names = [f"ppp{n}" for n in range(MAX_INTERFACES)]
    totals.take("a", told(**{name: {"n": 1} for name in names}))
    totals.take("b", told(late={"n": 1}))
    assert "late" not in rows(totals)
    totals.take("a", told(**{name: {"n": 2} for name in names[1:]}))
    totals.take("b", told(late={"n": 5}))
    assert set(rows(totals)) == {*names[1:], "late"}


def test_whatever_capture_tells_fits_into_a_message() -> None:
    """A capture process that was taken over tells other names in every message; the bounds hold."""
    totals = Totals()
    pad = "x" * 58
    for step in range(6):
        for start in range(0, MAX_INTERFACES, 4):
            rows_ = [
                Interface(
                    name=f"{n:064}",
                    counts={f"c{step}{m:04}{pad}": (1 << 63) - 1 for m in range(MAX_COUNTERS)},
                    gauges={f"g{step}{m:04}{pad}": -1.2345678901234567e-300 for m in range(MAX_COUNTERS)},
                )
                for n in range(start, start + 4)
            ]
            counts = {f"w{step}{m:04}{pad}": 1 for m in range(MAX_COUNTERS)}
            totals.take(start, Counters(counts=counts, interfaces=rows_))
    shown = totals.interfaces()
    assert len(shown) == MAX_INTERFACES
    assert {len(row["counts"]) for row in shown} == {MAX_COUNTS}
    assert {len(row["gauges"]) for row in shown} == {MAX_GAUGES}
    assert len(totals.counts) == MAX_COUNTERS
    ipc.frame(Type.DIAGNOSIS, {"interfaces": shown, "counters": totals.counts, "spare": "x" * 100_000})


REASONS = ("drop_ring", "drop_fragment", "drop_not_wanted", "frames_used")
# One message: which worker, whether it died before, and how many more frames had each fate.
BEATS = st.lists(
    st.tuples(st.integers(0, 2), st.booleans(), st.tuples(*(st.integers(0, 99) for _ in REASONS))), max_size=30
)


@given(BEATS)
def test_seen_is_used_and_every_drop_whoever_dies(beats: list[tuple[int, bool, tuple[int, ...]]]) -> None:
    totals = Totals()
    counts = [dict.fromkeys((*REASONS, "frames_seen"), 0) for _ in range(3)]
    before, expected = 0, 0
    for worker, died, fates in beats:
        if died:
            totals.forget(worker)
            counts[worker] = dict.fromkeys(counts[worker], 0)
        for name, more in zip(REASONS, fates, strict=True):
            counts[worker][name] += more
            counts[worker]["frames_seen"] += more
            expected += more
        totals.take(worker, told(dict(counts[worker]), eth1=dict(counts[worker])))
        for row in totals.interfaces():
            seen = row["counts"].pop("frames_seen")
            assert before <= seen == sum(row["counts"].values()) == expected
        before = expected

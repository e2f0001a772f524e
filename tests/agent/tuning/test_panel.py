"""What `top` shows of a pair of diagnoses: rates, bars, what has moved; whatever the size of the window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.tuning import panel
from agent.tuning.doctor import walk
from tests.tuned import COUNTS, later, said

if TYPE_CHECKING:
    from agent.tuning.doctor import Step


def steps(both: dict[str, Any] | None = None, **after: Any) -> list[Step]:
    before = said(**(both or {}))
    return walk(before, later(before, **(both or {}), **after))


def test_a_busy_second() -> None:
    counts = {"frames_seen": 20_500, "frames_used": 9_250, "drop_ring": 4, "drop_not_wanted": 6_243, "nic_missed": 3}
    counters = {"observations": 3_100, "parse_microseconds": 2_500_000}
    made = steps(counts=counts, counters=counters, observations={"tls.sni": 960, "smtp.greeting": 401})
    assert panel.lines(made, 120, 40) == [
        "knockfirst  00:16:42 UTC  up 16 min 32 s  servers 300  with signs of Exchange 0  ready yes",
        "interface  link  offered/s  admitted/s  used/s  ring               lost/s  told/s  parse",
        "eth1       up       10,000         250     125  [#.........]  10%     3.5",
        "together            10,000         250     125                        3.5      50    25%",
        "drops         eth1 not_wanted 122/s  eth1 ring 2.0/s",
        "kinds         tls.sni 30/s  smtp.greeting 0.5/s",
        "loses: card of eth1: the network card or its driver loses frames before anybody sees them",
        "loses: ring of eth1: frames come faster than they are read out of the ring",
    ]


def test_files_have_no_link_and_no_ring() -> None:
    files = {"name": "file", "counts": {"frames_seen": 9, "frames_used": 7}, "gauges": {}}
    both = {"interfaces": [files], "inputs": {"files": 1, "read": 1, "unreadable": 0}}
    assert panel.lines(steps(both), 120, 40)[2].split() == ["file", "-", "-", "0", "0", "-", "0"]


def test_the_same_in_a_line() -> None:
    assert panel.line(steps(counts={"drop_ring": 4}, counters={"queue_full": 1})) == (
        "00:16:42 offered=10000.0 admitted=0.0 lost=2.0 ring=10% told=0.0 parse=0% servers=300 exchange=0 ready=yes"
        " loses=ring:eth1,told"
    )
    assert panel.line(steps({"not_ready": ["capture_absent"]})).endswith("ready=capture_absent loses=capture")
    assert panel.line(steps()).endswith("loses=nothing")


@pytest.mark.parametrize(
    ("share", "bar"),
    [(0.0, "[..........]   0%"), (0.26, "[###.......]  26%"), (1.0, "[##########] 100%"), (7.0, "[##########] 100%"),
     (-1.0, "[..........]   0%")],
)  # fmt: skip
def test_bars(share: float, bar: str) -> None:
    assert panel.bar(share) == bar


@pytest.mark.parametrize(
    ("seconds", "text"), [(5, "0 min 5 s"), (125, "2 min 5 s"), (7_500, "2 h 5 min"), (200_000, "2 d 7 h")]
)
def test_how_long_it_is_up(seconds: float, text: str) -> None:
    assert f"  up {text}  " in panel.head(said(10.0 + seconds))


def test_only_the_fastest_are_shown_and_those_that_stand_still_are_not() -> None:
    rates = [(f"kind{n}", float(n)) for n in range(20)]
    (line,) = panel.moved("kinds", rates)
    assert line.split()[1::2] == [f"kind{n}" for n in range(19, 13, -1)]
    assert panel.moved("kinds", [("a", 0.0)]) == []


def test_what_there_is_no_room_for_is_counted() -> None:
    assert panel.fit(["a", "b", "c", "d"], 20, 3) == ["a", "b", "(2 more lines)"]
    assert panel.fit(["abcdef"], 3, 3) == ["abc"]


@given(
    st.integers(1, 200), st.integers(1, 60), st.text(max_size=15),
    st.dictionaries(st.sampled_from(sorted(COUNTS)), st.integers(0, 1 << 62)), st.floats(-10, 10),
)  # fmt: skip
def test_whatever_comes_fits_and_moves_no_cursor(
    width: int, height: int, name: str, counts: dict[str, int], fill: float
) -> None:
    eth = {"name": name, "counts": counts, "gauges": {"ring_fill": fill}}
    before = said(interfaces=[eth])
    made = panel.lines(walk(before, said(1001.0, interfaces=[eth], not_ready=["x"])), width, height)
    assert 1 <= len(made) <= height
    assert all(len(line) <= width and line.isprintable() for line in made)

"""A bucket: never more than its bound, whenever it is asked."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.bucket import Bucket


@given(st.lists(st.floats(0, 5), max_size=60), st.integers(1, 5), st.floats(0.1, 3))
def test_in_no_time_more_than_the_bound_is_let_through(gaps: list[float], most: int, per_second: float) -> None:
    now, taken = 0.0, list[float]()
    bucket = Bucket(most, per_second, lambda: now)
    for gap in gaps:
        now += gap
        if bucket.takes():
            taken.append(now)
    for begin, since in enumerate(taken):
        for count, until in enumerate(taken[begin:], 1):
            assert count <= most + (until - since) * per_second + 1e-6


def test_it_begins_full_and_fills_again() -> None:
    now = 100.0
    bucket = Bucket(2, 0.5, lambda: now)
    assert [bucket.takes() for _ in range(3)] == [True, True, False]
    now += 1.9
    assert not bucket.takes()
    now += 0.1
    assert [bucket.takes() for _ in range(2)] == [True, False]
    now += 1e6
    assert [bucket.takes() for _ in range(3)] == [True, True, False]

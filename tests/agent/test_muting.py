"""Who is left alone: known well, quiet for a while, each once, within bounds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.muting import MAX_HEARD, MAX_MUTES, QUIET, Muting


def test_a_server_is_muted_once_it_is_known_and_quiet() -> None:
    muting = Muting()
    muting.heard("192.0.2.1", 0.0)
    muting.heard("192.0.2.2", 0.0)
    muting.heard("192.0.2.1", 30.0)
    assert muting.due(QUIET - 0.1, lambda _: True) == []
    assert muting.due(QUIET, lambda _: True) == ["192.0.2.2"]
    assert muting.due(30.0 + QUIET, lambda _: True) == ["192.0.2.1"]
    assert muting.due(1e9, lambda _: True) == []
    muting.heard("192.0.2.1", 4000.0)
    assert muting.due(4000.0 + QUIET, lambda _: True) == ["192.0.2.1"]


def test_a_server_that_is_not_known_is_heard_on() -> None:
    muting = Muting()
    muting.heard("192.0.2.1", 0.0)
    assert muting.due(QUIET, lambda _: False) == []


def test_it_is_bounded() -> None:
    muting = Muting()
    for n in range(MAX_HEARD + 10):
        muting.heard(str(n), 0.0)
    first = muting.due(QUIET, lambda _: True)
    assert (len(first), first[0]) == (MAX_MUTES, "10")


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 200)), max_size=40))
def test_nobody_is_muted_before_his_time(said: list[tuple[int, float]]) -> None:
    muting, last, now = Muting(), {}, 0.0
    for who, wait in said:
        now += wait
        for address in muting.due(now, lambda _: True):
            assert now - last.pop(address) >= QUIET
        muting.heard(str(who), now)
        last[str(who)] = now

"""Scopes made smaller, against the plainest model: what is allowed at each minute of a week, to each address."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.consent.narrowing import minutes, narrowed
from agent.consent.reading import hours, scope
from agent.consent.state import Hours
from tests.agent.consent import registers

DAYS = st.frozensets(st.integers(0, 6), min_size=1)
HOURS = st.lists(
    st.builds(Hours, DAYS, st.integers(0, 1439), st.integers(0, 1440)), min_size=1, max_size=3
).map(tuple)  # fmt: skip


def model(tables: tuple[Hours, ...]) -> set[int]:
    """Minute by minute, as ``Hours`` says."""
    made = set()
    for days, start, end in tables:
        length = end - start if end > start else end + 1440 - start
        made |= {(day * 1440 + start + minute) % (7 * 1440) for day in days for minute in range(length)}
    return made


def spread(tables: tuple[Hours, ...]) -> set[int]:
    return {minute for first, last in minutes(tables) for minute in range(first, last + 1)}


@given(HOURS)
def test_the_minutes_of_hours(tables: tuple[Hours, ...]) -> None:
    assert spread(tables) == model(tables)


@given(HOURS, HOURS)
def test_what_both_tables_allow(one: tuple[Hours, ...], other: tuple[Hours, ...]) -> None:
    whole = scope(registers.scope())
    both = narrowed(whole._replace(hours=one), whole._replace(hours=other))
    assert model(both.hours) == model(one) & model(other)


def test_two_time_zones_have_no_hours_in_common() -> None:
    one = scope(registers.scope())
    assert narrowed(one, one._replace(zone="America/New_York")).hours == ()


def test_everything_only_becomes_smaller() -> None:
    one = scope(registers.scope("192.0.2.0/24", ports=[443, 8443], rate=4, exclude=["192.0.2.1/32"]))
    other = scope(
        registers.scope("192.0.2.128/25", "198.51.100.0/24", tiers=["active.build"], rate=2, exclude=["192.0.2.200/32"])
    )
    both = narrowed(one, other)
    assert both == narrowed(other, one)
    assert both.prefixes == scope(registers.scope("192.0.2.128/25")).prefixes
    assert (both.ports, both.tiers, both.per_day) == ((443,), ("active.build",), 2)
    assert both.excluded == scope(registers.scope(exclude=["192.0.2.1/32", "192.0.2.200/32"])).excluded


def test_days_that_go_over_the_end_of_the_week() -> None:
    assert hours("Sat-Mon 22:00-06:00") == Hours(frozenset({5, 6, 0}), 1320, 360)
    assert hours("daily 00:00-24:00") == Hours(frozenset(range(7)), 0, 1440)
    assert hours("Mon,Wed-Thu 09:00-17:00") == Hours(frozenset({0, 2, 3}), 540, 1020)

"""The sets for looking, mended step by step, beside sets that are made whole each time; and how a set is mended."""

from __future__ import annotations

from hypothesis import given as generated
from hypothesis import settings
from hypothesis import strategies as st

from agent.consent import passive
from agent.consent.passive import Passive
from agent.consent.register import Register
from agent.leave import Limits
from agent.privacy import common, minus, one, union
from tests.agent.consent import registers
from tests.agent.consent.registers import Event, at, given, mapped, objected, opened, published, said, synced, told

LIMITS = Limits(mapping=86_400.0 * 60, announce=86_400.0 * 30)
NARROW = registers.scope("192.0.2.0/24", "198.51.100.0/24", "2001:db8::/32")

# Three customers in whose ranges everything holds, so that every step is seen.
BEGUN = [
    published(), synced(40), synced(40, "netbox"),
    mapped("c-1", 0, "192.0.2.0/25", "2001:db8::/32"), told("c-1", 5), given("c-1", 1, 0, scope=NARROW),
    mapped("c-2", 0, "192.0.2.128/25"), told("c-2", 8), given("c-2", 11, 0, scope=NARROW),
    mapped("c-3", 0, "198.51.100.0/24"), told("c-3", 11), given("c-3", 21, 0, scope=NARROW),
]  # fmt: skip
STEPS = st.lists(
    st.tuples(
        st.one_of(
            registers._objected, registers._objected, registers._lifted, registers._mapped, registers._unmapped,
            registers._ends, registers._given, registers._narrowed, registers._told,
        ),
        st.sampled_from((0, 0, 1, 5)),
    ),
    min_size=1,
    max_size=8,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@generated(STEPS)
def test_sets_that_are_mended_are_those_that_are_made_whole(steps: list[tuple[Event, int]]) -> None:
    made = Register()
    made.load(opened(BEGUN))
    day = 36
    made.sets(at(day), LIMITS)
    for number, (event, days) in enumerate(steps, len(BEGUN)):
        (entry,) = opened([event], start=number)
        made.apply(entry)
        day += days
        mended, change = made.sets(at(day), LIMITS), made.next_change(at(day), LIMITS)
        kept, made._passive = made._passive, Passive()
        assert made.sets(at(day), LIMITS) == mended
        assert change <= made.next_change(at(day), LIMITS)
        made._passive = kept


@settings(max_examples=100, deadline=None)
@generated(STEPS)
def test_sets_that_were_given_out_stay_as_they_are(steps: list[tuple[Event, int]]) -> None:
    made = Register()
    made.load(opened(BEGUN))
    before = made.sets(at(36), LIMITS)
    copies = [list(each) for each in before]
    for number, (event, _) in enumerate(steps, len(BEGUN)):
        made.apply(opened([event], start=number)[0])
        made.sets(at(36), LIMITS)
    assert [list(each) for each in before] == copies


def test_what_time_alone_changes() -> None:
    made = Register()
    made.load(opened(BEGUN))
    assert made.sets(at(36), LIMITS).announced == union([one("192.0.2.0/25"), one("2001:db8::/32")])
    assert made.next_change(at(36), LIMITS) == at(38)
    assert made.sets(at(38), LIMITS).announced == union([one("192.0.2.0/24"), one("2001:db8::/32")])
    assert made.next_change(at(38), LIMITS) == at(41)
    assert made.next_change(at(41), LIMITS) == at(100)  # the mapping is stale
    assert made.sets(at(100), LIMITS).consented == []
    made.load(opened([synced(150), synced(150, "netbox")], 150, 100))
    assert made.next_change(at(150), LIMITS) == at(180)  # the records run out
    assert made.sets(at(180), LIMITS).consented == []


def test_nothing_is_made_where_nothing_happened() -> None:
    made = Register()
    made.load(opened(BEGUN))
    first = made.sets(at(41), LIMITS)
    assert made.sets(at(42), LIMITS) is first
    made.load(opened([said("confirmed", "c-9", 3)], start=50))
    assert made.sets(at(42), LIMITS) is first


def test_many_at_once_are_made_whole(monkeypatch) -> None:
    monkeypatch.setattr(passive, "_MANY", 2)
    made = Register()
    made.load(opened(BEGUN))
    made.sets(at(41), LIMITS)
    more = [mapped("c-1", 0, *(f"203.0.113.{number}/32" for number in range(9))), objected("c-2", 1, 3)]
    made.load(opened(more, start=50))
    fresh = Register()
    fresh.load(opened([*BEGUN, *more]))
    assert made.sets(at(41), LIMITS) == fresh.sets(at(41), LIMITS)


SMALL = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 6)).map(lambda two: (two[0], sum(two))), max_size=6).map(
    union
)


@generated(SMALL, st.integers(0, 40), st.integers(0, 8), SMALL)
def test_a_stretch_of_a_set_is_replaced(ranges: list[tuple[int, int]], first: int, size: int, other) -> None:
    stretch = [(first, first + size)]
    by = common(stretch, other)
    expected = union(minus(ranges, stretch), by)
    made = list(ranges)
    passive._replace(made, first, first + size, by)
    assert made == expected
    assert passive._between(ranges, first, first + size) == common(stretch, ranges)

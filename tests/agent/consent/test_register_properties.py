"""What holds of every register: no order of arrival gives more, what denies does so at once, a fold is a fold."""

from __future__ import annotations

from random import Random

from hypothesis import given as generated
from hypothesis import settings
from hypothesis import strategies as st

from agent.consent.register import Register
from agent.leave import Limits
from agent.privacy import common, minus, one
from tests.agent.consent import registers
from tests.agent.consent.registers import (
    ADDRESSES,
    Event,
    at,
    opened,
    register,
)  # fmt: skip

HOST = one("192.0.2.1")[0]
LATE = at(45)
LIMITS = Limits(mapping=86_400.0 * 30)


def permits(made: Register, time: float) -> set[tuple[int, str, str]]:
    """Address, customer and record: where nothing in the register stands against it."""
    found = set()
    for address in ADDRESSES:
        holders = made.holders(address, time)
        refs = {each.customer for each in holders}
        if len(refs) != 1 or made.objections(address) or any(each.kind != "static" for each in holders):
            continue
        customer = made.customer(refs.pop())
        assert customer is not None
        if customer.suspended or customer.ended is not None:
            continue
        for record in customer.records:
            allowed = minus(list(record.scope.prefixes), list(record.scope.excluded))
            if record.ended is None and record.scope.hours and common([(address, address)], allowed):
                found.add((address, customer.ref, record.hash))
    return found


# Of events of one time the safest order has those that take permission away last.
GIVES = ("mapping.asserted", "mapping.synced", "document.published", "record.given", "record.announced",
    "record.resumed", "record.objection_lifted")  # fmt: skip


def when(event: Event) -> tuple[str, bool]:
    written = event.written
    date = written.get("at") or written.get("created_at") or written.get("sent_at") or written.get("published_at")
    assert date is not None
    return date, event.kind not in GIVES


def subset(small: Register, large: Register) -> None:
    """Whatever the one allows, so does the other."""
    for day in (20, 41, 50, 80):
        assert permits(small, at(day)) <= permits(large, at(day))
        few, many = small.sets(at(day), LIMITS), large.sets(at(day), LIMITS)
        assert minus(few.consented, many.consented) == []
        assert minus(few.announced, many.announced) == []
        assert minus(many.objected, few.objected) == []
        assert minus(many.excluded, few.excluded) == []


@settings(max_examples=300, deadline=None)
@generated(registers.events | registers.objection_stories(), st.randoms(use_true_random=False))
def test_no_order_of_arrival_allows_what_the_order_of_the_dates_would_not(events: list[Event], random: Random) -> None:
    shuffled = list(events)
    random.shuffle(shuffled)
    subset(register(shuffled), register(sorted(events, key=when)))


@settings(max_examples=150, deadline=None)
@generated(registers.events, st.integers(0, 24))
def test_what_denies_does_so_from_its_receipt_on(events: list[Event], cut: int) -> None:
    """An entry that can only take away never gives anything to anybody, however it is dated."""
    entries = opened(events)
    for place, event in enumerate(events[cut:], cut):
        if event.kind in GIVES or event.kind in ("mapping.withdrawn", "record.contract_ended"):
            continue
        before, after = Register(), Register()
        before.load(entries[:place])
        after.load(entries[: place + 1])
        subset(after, before)


@settings(max_examples=150, deadline=None)
@generated(registers.events, st.integers(1, 5))
def test_the_fold_does_not_depend_on_when_it_is_looked_at(events: list[Event], batch: int) -> None:
    entries = opened(events)
    at_once, in_parts = Register(), Register()
    at_once.load(entries)
    for start in range(0, len(entries), batch):
        for entry in entries[start : start + batch]:
            in_parts.apply(entry)
        in_parts.sets(at(30), LIMITS)
        list(in_parts.customers())
        for address in ADDRESSES:
            in_parts.holders(address)
    assert list(at_once.customers()) == list(in_parts.customers())
    for address in ADDRESSES:
        assert at_once.holders(address) == in_parts.holders(address)
        assert at_once.objections(address) == in_parts.objections(address)
    for day in (30, 41, 50, 20):  # that it goes backwards is the last, for then all is made anew
        assert at_once.sets(at(day), LIMITS) == in_parts.sets(at(day), LIMITS)
        # It may look again for what is no longer so, and never too late.
        assert at(day) < in_parts.next_change(at(day)) <= at_once.next_change(at(day))
    assert at_once.version == in_parts.version


@settings(max_examples=150, deadline=None)
@generated(registers.registers(), st.integers(0, 200))
def test_nothing_changes_by_time_alone_before_the_next_change(made: Register, day: int) -> None:
    start = at(day)
    sets = made.sets(start, LIMITS)
    change = made.next_change(start, LIMITS)
    assert change > start
    last = min(change, at(400)) - 1
    fresh = Register()
    assert made.sets(last, LIMITS) == sets
    assert fresh.sets(last, LIMITS).consented == []
    # Looked at from there, without what was kept.
    made._passive = type(made._passive)()
    assert made.sets(last, LIMITS) == sets


@settings(max_examples=100, deadline=None)
@generated(registers.registers(), st.integers(0, 80))
def test_consent_is_never_wider_than_the_records_of_the_one_holder(made: Register, day: int) -> None:
    sets = made.sets(at(day), LIMITS)
    for address in ADDRESSES:
        if not common([(address, address)], sets.consented):
            continue
        (ref,) = {each.customer for each in made.holders(address, at(day))}
        customer = made.customer(ref)
        assert customer is not None
        assert any(
            each.ended is None
            and each.valid_from <= at(day) < each.valid_until
            and "passive.handshake" in each.scope.tiers
            and common([(address, address)], minus(list(each.scope.prefixes), list(each.scope.excluded)))
            for each in customer.records
        )

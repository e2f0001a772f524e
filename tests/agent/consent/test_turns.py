"""An import that is broken off anywhere has given nothing more than the whole of it, and a second run completes it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from agent.audit.log import AuditError
from agent.consent import intake
from agent.consent.told import Held, Told
from agent.consent.turns import crowded, finished, heights
from agent.errors import ConfigError, InputError
from agent.privacy import one
from agent.verbs import sessions
from tests.registry import World, event, later, mapping, objection, record

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACES = ["192.0.2.0/24", "192.0.2.0/26", "192.0.2.0/28", "192.0.2.16/28", "192.0.2.32/28", "198.51.100.0/24"]
ADDRESSES = [one(f"192.0.2.{number}")[0] for number in (1, 17, 33, 49, 65)] + [one("198.51.100.1")[0]]
CUSTOMERS = ["C-1", "C-2"]
KINDS = st.sampled_from(["static", "static", "static", "shared", "dynamic"])
TIMES = st.integers(1, 40).map(lambda day: later(-24.0 * day))

MAPPED = st.dictionaries(st.sampled_from(PLACES), st.tuples(st.sampled_from(CUSTOMERS), KINDS), min_size=1).map(
    lambda made: [mapping(prefix, *of) for prefix, of in made.items()]
)
GIVEN = st.builds(
    lambda number, at, prefixes: record(
        number, CUSTOMERS[number % 2], created_at=at, scope={**record()["scope"], "prefixes": sorted(prefixes)}
    ),
    st.integers(1, 12),
    TIMES,
    st.sets(st.sampled_from(PLACES), min_size=1, max_size=2),
)
SAID = st.one_of(
    GIVEN,
    GIVEN,
    st.builds(lambda ref, at: objection(ref, at=at), st.sampled_from(CUSTOMERS), TIMES),
    st.builds(
        lambda name, ref, at: event(name, ref, at=at),
        st.sampled_from(["withdrawn", "refused", "suspended", "resumed", "contract_ended"]),
        st.sampled_from(CUSTOMERS),
        TIMES,
    ),
)
FILES = st.tuples(
    MAPPED, st.lists(SAID, max_size=5, unique_by=lambda row: row.get("record_id") or repr(row)), st.booleans()
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    sessions._sessions.clear()
    made = World(tmp_path / "here")
    yield made
    made.office.close()


def allowed(world: World) -> set[tuple[int, str]]:
    """The addresses that are one customer's alone, static, and covered by a record of his in force."""
    register = world.office.register
    found = set()
    for address in ADDRESSES:
        holders = register.holders(address, world.now)
        whose = {(each.customer, each.kind) for each in holders}
        if len(whose) != 1 or register.objections(address) or holders[0].kind != "static":
            continue
        if any(each.before is not None for each in holders):
            continue  # it was another's a moment ago
        customer = register.customer(holders[0].customer)
        if customer and not customer.suspended and customer.ended is None and any(
            each.ended is None and any(low <= address <= high for low, high in each.scope.prefixes)
            for each in customer.records
        ):  # fmt: skip
            found.add((address, customer.ref))
    return found


def steps(world: World, file: Any, hour: float) -> Iterator[dict[str, Any]]:
    """An import, order by order, from its commit on."""
    rows, said, full = file
    (begun,) = world.give("registry.begin", {"source": "crm", "made": later(hour), "full": full})
    world.give("registry.rows", {**begun, "rows": [["row", row] for row in (*said, *rows)]})
    words = {**begun, "count": len(rows) + len(said), "accept_loss": True}
    (answer,) = world.give("registry.commit", words)
    yield answer
    while answer.get("more"):
        (answer,) = world.give("registry.go_on", begun)
        yield answer


def by_records(*files: Any) -> set[tuple[int, str]]:
    """Addresses, with whose they are, that somebody else's records name who objects: nothing is said of these here.

    An objection covers what the records of who objects name, also where that is mapped to another, while his contract
    lasts. In which order an import lets such records and contracts go, and others' prefixes come, is not settled.
    """
    rows = [row for _, said, _ in files for row in said]
    objecting = {row["customer"] for row in rows if row["what"] == "objection"}
    named = [
        (row["customer_ref"], one(prefix))
        for row in rows
        if row["what"] == "record" and row["customer_ref"] in objecting
        for prefix in row["scope"]["prefixes"]
    ]
    return {
        (address, customer)
        for address in ADDRESSES
        for customer in CUSTOMERS
        for whose, (low, high) in named
        if whose != customer and low <= address <= high
    }


def told(world: World) -> Any:
    customers = {each.ref: _timeless(each) for each in world.office.register.customers()}
    return customers, world.mapped(), world.office.register.sources()


def _timeless(value: Any) -> Any:
    """Without when it was heard of, and in no order."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        left = {key: _timeless(each) for key, each in value._asdict().items() if key != "received"}
        return tuple(sorted(left.items()))
    return tuple(sorted(map(repr, map(_timeless, value)))) if isinstance(value, tuple) else value


# What was shared becomes one customer's alone, and what it lies in is moved to him from another.
SHARED = [mapping(PLACES[0], "C-1"), mapping(PLACES[1], "C-1"), mapping(PLACES[2], "C-2", "shared")]
ALONE = [mapping(PLACES[0], "C-1"), mapping(PLACES[1], "C-2"), mapping(PLACES[2], "C-2")]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(FILES, FILES, st.integers(0, 40))
@example((SHARED, [record(1, "C-2")], False), (ALONE, [], False), 0)
def test_broken_off_anywhere(before: Any, file: Any, stop: int) -> None:
    sessions._sessions.clear()
    small, intake._PORTION = intake._PORTION, 1
    try:
        with tempfile.TemporaryDirectory() as name:
            whole, broken = World(Path(name) / "whole"), World(Path(name) / "broken")
            for world in (whole, broken):
                list(steps(world, before, 0))
            was, between = allowed(whole) | by_records(before, file), []
            for answer in steps(whole, file, 0.5):  # noqa: B007
                between.append(allowed(whole))
            synced = whole.office.register.sources()
            for each in between:
                assert each <= was | allowed(whole)
            for number, _ in enumerate(steps(broken, file, 0.5)):
                if number == stop:
                    break
            sessions._sessions.clear()  # whoever ordered it was killed
            (*_, again) = steps(broken, file, 0.5)
            assert again["refused"] == answer["refused"]
            assert told(broken) == told(whole) and broken.office.register.sources() == synced
            whole.office.close()
            broken.office.close()
    finally:
        intake._PORTION = small


def test_only_one_puts_a_source_on_record_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "_PORTION", 1)
    rows = [mapping(place, "C-1") for place in PLACES]
    going = steps(world, (rows, [], True), 0)
    next(going)
    with pytest.raises(InputError, match="another import of crm is being put on record; wait for it"):
        next(steps(world, (rows, [], True), 0))
    sessions._sessions.pop(list(sessions._sessions)[1])
    world.now += sessions._LIVE + 1  # whoever it was, he has gone
    (*_, answer) = steps(world, (rows, [], True), 0)
    assert answer["refused"] == 0 and len(world.mapped()) == len(PLACES)
    with pytest.raises(InputError, match="not known any more"):
        list(going)


def test_a_no_between_two_parts_stands(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "_PORTION", 1)
    rows = [mapping("192.0.2.0/28", "C-1"), mapping("192.0.2.16/28", "C-2")]
    going = steps(world, (rows, [record(1, "C-1"), record(2, "C-2")], True), 0)
    next(going)
    at = later(0.5)
    world.send([objection("C-1", at=at), event("withdrawn", "C-2", at=at)], source="portal")
    for answer in going:  # noqa: B007
        assert not allowed(world)
    assert answer["refused"] == 0 and world.office.register.synced("crm")


def test_what_somebody_else_said_meanwhile_is_not_said_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "_PORTION", 1)
    for other, fault in ((record(1), ""), (record(1, jurisdiction="BE"), "was given before with other words")):
        sessions._sessions.clear()
        number = 1 + bool(fault)
        going = steps(world, ([mapping(PLACES[0], "C-1")], [record(number), record(8 + number)], True), number / 10)
        next(going)
        world.send([other | {"record_id": record(number)["record_id"]}], source="portal")
        if fault:
            before = world.office.register.synced("crm")
            with pytest.raises(InputError, match=fault):
                list(going)
            assert world.office.register.synced("crm") == before
        else:
            list(going)
            assert world.kinds().count("record.given") == 2


CHAINS: list[tuple[list[dict[str, Any]], list[list[str]]]] = [
    ([record(1), event("withdrawn")], [["record.given", "record.withdrawn"]]),
    ([event("withdrawn"), record(1)], [["record.withdrawn"], ["record.given"]]),
    ([record(1, "C-1"), event("withdrawn", "C-2")], [["record.withdrawn"], ["record.given"]]),
    (
        [event("resumed"), event("suspended"), record(1)],
        [["record.resumed", "record.suspended"], ["record.given"]],
    ),
]


@pytest.mark.parametrize(("rows", "together"), CHAINS)
def test_what_takes_is_not_parted_from_what_it_came_after(
    world: World, monkeypatch: pytest.MonkeyPatch, rows: Any, together: Any
) -> None:
    calls: list[list[str]] = []
    append = world.office.log.append
    monkeypatch.setattr(
        world.office.log, "append", lambda items: calls.append([each.kind for each in items]) or append(items)
    )
    monkeypatch.setattr(intake, "_PORTION", 1)
    assert world.send(rows).fault_count == 0
    assert calls == together


def test_a_log_that_fails_half_way_says_what_counts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "_PORTION", 1)
    append, calls = world.office.log.append, iter(range(100))

    def filling(items: Any) -> Any:
        if next(calls) == 2:
            raise AuditError("no space left on device")
        return append(items)

    monkeypatch.setattr(world.office.log, "append", filling)
    rows = [mapping(f"10.0.{number}.0/24", f"C-{number}") for number in range(5)]
    with pytest.raises(ConfigError, match="no space left on device; 2 entries of this import count, and what is left"):
        world.send(rows, full=True)
    assert world.office.register.synced("crm") is None
    assert world.send(rows, full=True).recorded == 4 and len(world.mapped()) == 5


PREFIXES = st.sets(st.sampled_from([*PLACES, "0.0.0.0/0", "::/0", "2001:db8::/32", "2001:db8::/48", "192.0.2.1/32"]))


@given(PREFIXES)
def test_heights(prefixes: set[str]) -> None:
    inside = {wide: {p for p in prefixes if p != wide and _within(p, wide)} for wide in prefixes}

    def height(prefix: str) -> int:
        return max((1 + height(each) for each in inside[prefix]), default=0)

    found = finished(heights(prefixes))
    assert {prefix: found.get(prefix, 0) for prefix in prefixes} == {prefix: height(prefix) for prefix in prefixes}


@given(st.dictionaries(st.sampled_from(PLACES), st.sets(st.sampled_from(CUSTOMERS), min_size=1)))
def test_crowded(holders: dict[str, set[str]]) -> None:
    told = Told()
    told.mapped = {"crm": {(prefix, who): Held("static", None, None) for prefix in holders for who in holders[prefix]}}
    by_hand = {
        prefix
        for prefix in holders
        for other in holders
        if (_within(prefix, other) or _within(other, prefix)) and len(holders[prefix] | holders[other]) > 1
    }
    assert finished(crowded(told)) == by_hand


def _within(prefix: str, wide: str) -> bool:
    (first, last), (low, high) = one(prefix), one(wide)
    return low <= first and last <= high

"""How consent, the log and the arming stand: counts over an office, and nothing by which anybody can be told."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.lab import leave
from agent.leave import PIECES
from agent.standing import BASES, SERVERS, STATES, Counting, Standing, counted, state
from tests.agent import leaving
from tests.agent.consent import registers
from tests.agent.leaving import HOST, NET, OTHER_NET, Clock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.office import Office

DAY = 86_400.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def office(tmp_path: Path, clock: Clock) -> Iterator[Office]:
    items = [
        *leave.agreed("agreed", [NET], clock.wall),
        *leave.agreed("objected", [OTHER_NET], clock.wall),
        leave.objected("objected", None, clock.wall),
        leave.mapped("told", ["203.0.113.0/25"], clock.wall),
        leave.announced("told", clock.wall, days=3),
        leave.mapped("bounced", ["203.0.113.128/25"], clock.wall),
        leave.announced("bounced", clock.wall, days=3, delivered="no"),
    ]
    with leaving.opened(tmp_path, clock, *items) as made:
        yield made


def body(office: Office, clock: Clock, standing: Standing | None = None) -> dict[str, Any]:
    return (standing or Standing(office)).body(clock.wall, clock.steady)


def records(told: dict[str, Any]) -> dict[tuple[str, str], int]:
    return {(row["basis"], row["state"]): row["count"] for row in told["records"] if row["count"]}


def test_everybody_is_counted(office: Office, clock: Clock) -> None:
    told = body(office, clock)
    assert (told["customers"], told["standing_objections"], told["waiting"]) == (4, 1, 1)
    assert records(told) == {("explicit", "in_force"): 2}
    assert [(row["basis"], row["state"]) for row in told["records"]] == sorted((b, s) for b in BASES for s in STATES)
    assert told["missing"] == dict.fromkeys(PIECES, False)
    assert (told["killed"], told["clock_synced"]) == (False, True)
    assert told["mapping_ages"] == {leave.SOURCE: pytest.approx(0.0, abs=1.0)}
    assert (told["log_entries"], told["log_failures"]) == (office.log.size, 0)
    assert told["checkpoint_age"] == 0.0


def test_nobody_can_be_told_from_it(office: Office, clock: Clock) -> None:
    written = json.dumps(body(office, clock))
    assert not [word for word in ("192.0.2", "203.0.113", "agreed", "objected", "mail.", "bounced") if word in written]


def test_what_stands_in_the_way_is_shown(office: Office, clock: Clock) -> None:
    office.kill_switch.touch()
    office.config = office.config.model_copy(update={"notices": office.config.notices.model_copy(update={"route": ""})})
    clock.on(60)
    told = body(office, clock)
    assert told["killed"] is True
    assert [piece for piece, missing in told["missing"].items() if missing] == ["notification_route"]
    assert (told["checkpoint_age"], told["mapping_ages"][leave.SOURCE]) == (60.0, pytest.approx(60.0, abs=1.0))
    clock.wall -= 120
    assert body(office, clock)["clock_synced"] is False, "the log knows of a later time"
    assert body(office, clock)["mapping_ages"][leave.SOURCE] == 0.0, "no age is below nothing"


def test_breakers_are_counted(office: Office, clock: Clock) -> None:
    answer = office.gate.admit(leaving.request(HOST), office.conditions(), leaving.BUDGET)
    office.gate.finish(leaving.outcome(answer.id, "timeout", told=[]))  # type: ignore[union-attr]
    assert body(office, clock)["breakers"] == {"host": 1, "customer": 0, "whole": 0}


def test_all_customers_are_counted_when_something_has_changed_or_a_minute_is_over(
    office: Office, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[float] = []

    class Spied(Counting):
        def __init__(self, now: float, announce: float) -> None:
            counts.append(now)
            super().__init__(now, announce)

    monkeypatch.setattr("agent.standing.Counting", Spied)
    standing = Standing(office)
    counts.clear()
    clock.wall = clock.wall // 60 * 60
    for _ in range(3):
        clock.on(10)
        body(office, clock, standing)
    assert len(counts) == 1
    office.record([leave.mapped("another", ["127.1.0.0/24"], clock.wall)])
    clock.on(10)
    assert body(office, clock, standing)["customers"] == 5
    assert len(counts) == 2
    clock.on(60)
    body(office, clock, standing)
    assert len(counts) == 3


def test_many_are_counted_in_slices_and_the_counts_before_are_told_meanwhile(
    office: Office, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.standing._SLICE", 1)
    standing = Standing(office)
    whole = counted(office.register.customers(), clock.wall, office.limits().announce)
    seen = [body(office, clock, standing)["customers"] for _ in range(whole["customers"])]
    assert seen == [0] * (whole["customers"] - 1) + [whole["customers"]]
    assert body(office, clock, standing).items() >= whole.items()


def test_ages_are_told_as_times_that_stay(office: Office, clock: Clock) -> None:
    standing = Standing(office)
    first = body(office, clock, standing)
    clock.on(90.000_123)
    clock.wall += 0.000_4  # two clocks are never read at one moment
    second = body(office, clock, standing)
    assert second["synced"] == first["synced"] == {leave.SOURCE: pytest.approx(leaving.START, abs=1.0)}
    assert second["checkpoint_made"] == first["checkpoint_made"] == pytest.approx(leaving.START)
    assert (first["checkpoint_age"], second["checkpoint_age"]) == (0.0, pytest.approx(90.0, abs=0.01))


def test_an_intent_without_an_outcome_is_counted_unless_it_runs(office: Office, clock: Clock) -> None:
    office.gate.admit(leaving.request(HOST), office.conditions(), leaving.BUDGET)
    assert body(office, clock)["unended"] == 0
    office.gate.held.clear()  # as an agent that has just begun finds the log
    assert body(office, clock)["unended"] == 1


def test_servers_are_counted_by_whether_there_is_leave(
    office: Office, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only those that are worth it, in slices, and all of them from the start."""
    monkeypatch.setattr("agent.standing._SLICE", 2)
    servers = [HOST, "192.0.2.9", "198.51.100.1", "203.0.113.1", "127.0.0.9"]
    standing = Standing(office, lambda: servers, lambda address: address != "192.0.2.9")
    assert body(office, clock, standing)["covered"] == dict.fromkeys(SERVERS, 0)
    for _ in range(6):
        told = body(office, clock, standing)
    assert told["covered"] == {"given": 1, "objection": 1, "lacking": 1, "unmapped": 1}
    assert told["by_leave"] == {"given": 1, "objection": 1, "told": 1, "none": 1, "lapsed": 0}
    assert told["mapping_conflicts"] == 0
    office.record([leave.mapped("another", [NET], clock.wall)])
    clock.on(10)
    for _ in range(6):
        told = body(office, clock, standing)
    assert told["mapping_conflicts"] == 1
    assert (told["covered"]["given"], told["covered"]["unmapped"]) == (0, 2)


RECORD = registers.register([registers.given("c-1", 1, 10)]).customer("c-1").records[0]  # type: ignore[union-attr]
TIMES = [
    (9.9, None, "not_yet"), (10, None, "in_force"), (189.9, None, "in_force"), (190, None, "expired"),
    (200, 20.0, "ended"), (30, 20.0, "ended"), (19, 20.0, "ended"), (9.9, 5.0, "ended"),
]  # fmt: skip


@pytest.mark.parametrize(("now", "ended", "expected"), TIMES)
def test_the_state_of_a_record_goes_by_time(now: float, ended: float | None, expected: str) -> None:
    record = RECORD._replace(ended=None if ended is None else registers.at(ended))
    assert state(record, registers.at(now)) == expected


@settings(max_examples=50, deadline=None)
@given(registers.registers(), st.integers(0, 400))
def test_each_record_is_in_one_state_and_none_is_forgotten(register: Any, when: int) -> None:
    customers = list(register.customers())
    told = counted(customers, registers.at(when), 30 * DAY)
    assert told["customers"] == len(customers)
    by_basis = Counter(record.basis for customer in customers for record in customer.records)
    assert {
        basis: sum(row["count"] for row in told["records"] if row["basis"] == basis) for basis in BASES
    } == {basis: by_basis[basis] for basis in BASES}  # fmt: skip
    assert 0 <= told["waiting"] <= len(customers)
    assert told["standing_objections"] == sum(
        objection.lifted is None for customer in customers for objection in customer.objections
    )

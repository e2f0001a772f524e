"""Knocking: who is asked for and when, what is cancelled, and what becomes of a grant, whatever the prober does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agent.ipc import Type
from agent.knocking import PAUSE, SLICE
from agent.lab import leave
from agent.leave import OUTCOMES, REASONS, Refusal
from tests.agent import leaving
from tests.agent.knocking_world import TICK, World
from tests.agent.leaving import HOST, OTHER_HOST, OTHER_NET, Clock, outcome, request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.audit.entry import Item


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    clock = Clock()
    items = [
        *leave.agreed("agreed", ["192.0.2.0/24"], clock.wall),
        *leave.agreed("also", [OTHER_NET], clock.wall),
        leave.mapped("told", ["203.0.113.0/25"], clock.wall),
    ]
    with leaving.opened(tmp_path, clock, *items) as office:
        # What it takes to grant does not grow old here, however far the clocks go on.
        monkeypatch.setattr(office.sinks, "age", lambda now: 1.0)
        made = World(office, clock, monkeypatch)
        made.comes()
        yield made


# Whom it asks for.


def test_without_a_prober_nobody_is_asked_for(world: World) -> None:
    world.candidates = [HOST]
    world.knocking.lost()
    world.passes(5)
    answer = world.knocking.ask(request())
    assert isinstance(answer, Refusal) and answer.reason == "not_armed"
    assert (world.rounds, world.grants(), world.office.gate.held) == (0, [], {})
    assert world.refused() == {"not_armed": 1}, "that of an order is counted"


def test_who_is_worth_it_and_has_given_leave_is_knocked_at(world: World) -> None:
    world.candidates = [HOST, "203.0.113.1"]
    world.passes(2)
    assert set(world.asked) == {HOST, "203.0.113.1"}
    (grant,) = world.grants()
    assert (grant["address"], grant["port"], grant["budget"]["seconds"]) == (HOST, 443, 20.0)
    assert [given.id for given in world.granted] == [grant["id"]]
    assert world.logged("probe.intent")[0]["why"] == "schedule"


def test_where_nobody_is_there_it_looks_again_soon_and_where_somebody_is_after_a_minute(world: World) -> None:
    world.passes(10)
    assert 4 <= world.rounds <= 6
    world.candidates = ["192.0.2.7"]
    world.port = 8443  # which is refused
    world.passes(4)
    rounds = world.rounds
    world.passes(PAUSE - 5)
    assert world.rounds == rounds
    world.passes(6)
    assert world.rounds == rounds + 1


def test_many_are_asked_for_in_slices(world: World) -> None:
    world.port = 8443
    world.candidates = [f"192.0.2.{n}" for n in range(250)]
    asked = []
    for _ in range(4):
        world.passes(TICK)
        asked.append(len(world.asked))
    assert asked == [SLICE, 2 * SLICE, 250, 250]
    assert sorted(world.asked) == sorted(world.candidates), "each once"


def test_two_knocks_are_as_far_apart_as_the_pace_asks(world: World) -> None:
    """By 60 a minute: a second, half of it and as much again at random."""
    world.candidates = [HOST, OTHER_HOST]
    for chance, apart in ((0.0, 0.5), (0.999, 1.5)):
        world.sent.clear()
        world.chance = chance
        began: list[float] = []
        for _ in range(8):
            world.passes(TICK)
            began += [world.clock.steady] * (len(world.grants()) - len(began))
        assert len(began) == 2 and began[1] - began[0] >= apart
        for grant in world.grants():
            world.knocking.ended(outcome(grant["id"], address=grant["address"]))
        world.passes(PAUSE)
        world.clock.on(86_400 - world.clock.steady % 1)
        world.office.record([leave.synced(world.clock.wall)])


def test_no_more_begin_in_a_minute_than_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    nets = [f"127.1.{n}.0/24" for n in range(40)]
    with leaving.opened(tmp_path, clock, *leave.agreed("agreed", nets, clock.wall), probe=PACED) as office:
        world = World(office, clock, monkeypatch)
        world.comes()
        world.chance = 0.0  # as fast as chance may make it
        world.candidates = [f"127.1.{n}.1" for n in range(40)]
        begun: list[float] = []
        for _ in range(600):
            world.passes(TICK)
            begun += [clock.steady] * (len(world.grants()) - len(begun))
            for grant in world.grants():
                world.knocking.ended(outcome(grant["id"], address=grant["address"]))
        assert len(begun) > 20
        assert all(sum(at <= other < at + 60 for other in begun) <= 6 for at in begun)


PACED = {
    "armed": True, "laboratory": True, "sources": ["127.0.0.1"], "contact": "mailto:abuse@isp.example",
    "probing_url": "https://isp.example/.well-known/probing.txt", "per_minute": 6,
}  # fmt: skip


# What is counted, and what goes on record of it.


def test_a_refusal_is_counted_when_it_is_news(world: World) -> None:
    world.port = 8443
    world.candidates = [HOST, "192.0.2.2"]
    world.passes(3 * PAUSE)
    assert world.rounds >= 3
    assert world.refused() == {"scope_port": 2}
    assert world.knocking.body()["refused_now"] == {"scope_port": 2}
    world.office.record([leave.objected("agreed", [f"{HOST}/32"], world.clock.wall)])
    world.passes(2 * PAUSE)
    assert world.refused() == {"scope_port": 2, "objection": 1}
    assert world.knocking.body()["refused_now"] == {"scope_port": 1, "objection": 1}
    world.candidates = ["192.0.2.2"]
    world.passes(2 * PAUSE)
    assert world.knocking.body()["refused_now"] == {"scope_port": 1}, "who is not there any more is not refused"
    world.candidates = [HOST, "192.0.2.2"]
    world.passes(2 * PAUSE)
    assert world.refused()["objection"] == 2, "he has come back"
    since = {address: refused.time for address, refused in world.knocking.refusals.items()}
    assert since[HOST] > since["192.0.2.2"], "since when it is this reason, and not when it was last asked for"


def test_refusals_go_on_record_each_hour_by_reason_alone(world: World) -> None:
    world.passes(1)
    world.port = 8443
    world.candidates = [HOST, "192.0.2.2", OTHER_HOST]
    world.passes(1200)
    assert world.logged("probe.denied") == []
    world.knocking.ask(request("198.18.0.1"))
    world.passes(2500)
    said = world.logged("probe.denied")
    assert {(each["reason"], each["count"]) for each in said} == {("scope_port", 3), ("special_address", 1)}
    world.passes(3700)
    # By now nobody was fully synchronised for long enough to ask for anything else.
    assert len(world.logged("probe.denied")) == len(said)


def test_refusals_that_cannot_be_put_on_record_are_not_forgotten(world: World) -> None:
    world.port = 8443
    world.candidates = [HOST]
    world.passes(1)
    broken = world.breaks()
    world.passes(3700)
    broken.undo()
    world.knocking.end()
    assert world.logged("probe.denied")[0] == {"reason": "scope_port", "count": 1}


def test_at_the_end_what_was_refused_goes_on_record(world: World) -> None:
    world.port = 8443
    world.candidates = [HOST]
    world.passes(2)
    world.knocking.end()
    assert world.logged("probe.denied") == [{"reason": "scope_port", "count": 1}]


def test_every_reason_and_outcome_is_there_from_the_start(world: World) -> None:
    body = world.knocking.body()
    assert [row["reason"] for row in body["decisions"] if row["decision"] == "refused"] == sorted(REASONS)
    assert {row["outcome"] for row in body["outcomes"]} == set(OUTCOMES)
    assert {row["count"] for row in (*body["decisions"], *body["outcomes"])} == {0}
    assert (body["running"], body["prober"], body["refused_now"]) == (0, True, {})


def test_what_cannot_be_recorded_is_not_sent(world: World) -> None:
    broken = world.breaks()
    world.candidates = [HOST]
    world.passes(2)
    broken.undo()
    assert (world.sent, world.granted, world.office.gate.held) == ([], [], {})
    assert world.refused() == {"not_recorded": 1}
    world.passes(PAUSE + 5)
    assert len(world.grants()) == 1


# What becomes of a grant.


def test_an_answer_is_learnt_once_it_is_on_record(world: World) -> None:
    grant = world.knock()
    world.knocking.ended(outcome(grant.id))
    (fact,) = world.learnt
    assert (fact.server.address, fact.server.port) == (HOST, 443)
    assert (fact.kind, fact.origin, fact.collector, fact.time) == (
        "http.header", "active", "exchange-http", world.clock.wall,
    )  # fmt: skip
    assert world.ended() == {"confirmed": 1} and len(world.told) == 1
    world.knocking.ended(outcome(grant.id))
    assert (len(world.learnt), world.ended()) == (1, {"confirmed": 1}), "once"


def test_what_was_not_granted_is_not_believed(world: World) -> None:
    world.knocking.ended(outcome("0" * 32))
    assert (world.learnt, world.ended(), world.logged("probe.outcome")) == ([], {}, [])


def test_an_answer_waits_for_the_log(world: World) -> None:
    grant = world.knock()
    broken = world.breaks()
    world.knocking.ended(outcome(grant.id))
    world.passes(60)
    assert (world.learnt, world.ended(), set(world.office.gate.held)) == ([], {}, {grant.id})
    broken.undo()
    world.passes(1)
    assert (len(world.learnt), world.ended(), world.office.gate.held) == (1, {"confirmed": 1}, {})


def test_an_answer_that_waits_outlives_its_prober(world: World) -> None:
    grant = world.knock()
    broken = world.breaks()
    world.knocking.ended(outcome(grant.id))
    broken.undo()
    world.knocking.lost()
    world.passes(1)
    assert world.ended() == {"confirmed": 1}


def test_of_a_prober_that_went_away_nothing_is_known(world: World) -> None:
    grants = [world.knock(), world.knock(OTHER_HOST)]
    world.knocking.lost()
    assert world.ended() == {"unknown": 2}
    assert [entry["outcome"] for entry in world.logged("probe.outcome")] == ["unknown"] * 2
    assert (world.office.gate.held, world.learnt, world.knocking.body()["prober"]) == ({}, [], False)
    world.comes()
    world.knocking.ended(outcome(grants[0].id))
    assert world.ended() == {"unknown": 2}, "it is over"


def test_a_prober_that_went_away_while_the_log_fails(world: World) -> None:
    grant = world.knock()
    broken = world.breaks()
    world.knocking.lost()
    assert set(world.office.gate.held) == {grant.id}
    broken.undo()
    world.passes(1)
    assert (world.ended(), world.office.gate.held) == ({"unknown": 1}, {})


def test_a_grant_of_which_nothing_is_heard_is_given_up(world: World) -> None:
    grant = world.knock()
    world.passes(29.5)
    assert (world.ended(), world.cancels()) == ({}, [])
    world.passes(1.5)
    assert (world.ended(), world.cancels()) == ({"unknown": 1}, [[grant.id]])
    world.knocking.ended(outcome(grant.id))
    assert world.ended() == {"unknown": 1}


def test_nothing_of_a_new_holders_server_is_learnt(world: World) -> None:
    grant = world.knock()
    world.clock.on(1)
    world.office.record([leave.unmapped("agreed", ["192.0.2.0/24"], world.clock.wall)])
    world.knocking.ended(outcome(grant.id))
    assert (world.learnt, world.ended()) == ([], {"holder_changed": 1})


# What is cancelled.


def test_the_kill_switch_ends_all_of_them_at_once_and_lets_nobody_begin(world: World) -> None:
    grants = [world.knock(), world.knock(OTHER_HOST)]
    world.passes(2)
    assert world.cancels() == []
    world.office.kill_switch.touch()
    world.passes(TICK)
    assert world.cancels()[0] is None, "all"
    world.candidates = [HOST]
    world.passes(5)
    assert len(world.grants()) == 2 and world.cancels().count(None) == 1
    for grant in grants:
        world.knocking.ended(outcome(grant.id, "cancelled", told=[], address=grant.address))
    assert world.ended() == {"cancelled": 2}
    world.office.kill_switch.unlink()
    world.candidates = ["192.0.2.9"]
    world.passes(2 * PAUSE)
    assert len(world.grants()) == 3
    world.office.kill_switch.touch()
    world.passes(TICK)
    assert world.cancels().count(None) == 2, "each time"


def test_a_kill_switch_that_cannot_be_seen_is_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.knock()
    world.passes(1)
    monkeypatch.setattr(world.office, "killed", lambda: None)
    world.passes(TICK)
    assert world.cancels() == [None]


def take_back(now: float) -> list[Item]:
    return [leave.unmapped("agreed", ["192.0.2.0/24"], now)]


def object_(now: float) -> list[Item]:
    return [leave.objected("agreed", [f"{HOST}/32"], now)]


def object_beside(now: float) -> list[Item]:
    return [leave.objected("agreed", ["192.0.2.128/25"], now)]


def others_object(now: float) -> list[Item]:
    return [leave.objected("also", None, now)]


CHANGES: list[tuple[Any, bool, bool]] = [
    (take_back, True, False), (object_, True, False), (object_beside, False, False), (others_object, False, True),
]  # fmt: skip


@pytest.mark.parametrize(("change", "one", "another"), CHANGES, ids=lambda value: getattr(value, "__name__", ""))
def test_what_would_not_be_granted_any_more_is_cancelled_and_nothing_else(
    world: World, change: Any, one: bool, another: bool
) -> None:
    grants = world.knock(), world.knock(OTHER_HOST)
    assert world.knocking.recheck() is None and world.cancels() == []
    world.clock.on(1)
    world.office.record(change(world.clock.wall))
    number = world.knocking.recheck()
    gone = [grant.id for grant, is_gone in zip(grants, (one, another), strict=True) if is_gone]
    assert world.cancels() == ([gone] if gone else [])
    assert (number is not None) == bool(gone)
    if gone:
        assert world.sent[-1] == (Type.CANCEL, {"number": number, "ids": gone})


def test_its_own_rate_is_held_against_no_probe(world: World) -> None:
    """That a host was knocked at and is being knocked at is so of every probe that runs."""
    world.knock()
    again = world.office.gate.decide(request(), world.office.conditions())
    assert isinstance(again, Refusal) and again.reason == "rate"
    world.passes(5)
    assert (world.knocking.recheck(), world.cancels()) == (None, [])


def test_cancellations_have_numbers_that_rise(world: World) -> None:
    grant = world.knock()
    numbers = [world.knocking.cancel([grant.id]), world.knocking.cancel(None), world.knocking.cancel([grant.id])]
    assert numbers == [1, 2, 3]
    world.knocking.lost()
    assert world.knocking.cancel(None) is None


def test_it_says_when_it_has_something_to_do(world: World) -> None:
    world.knocking.tend()
    assert world.knocking.until_due() == TICK
    world.clock.on(0.2)
    assert world.knocking.until_due() == pytest.approx(0.3)
    world.clock.on(5)
    assert world.knocking.until_due() == 0.0

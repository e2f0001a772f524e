"""A look that a customer asks for goes through the gate like any other, once, and decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.consent.checks import CHECKS, RECHECK
from agent.consent.decide import decide
from agent.consent.history import DAY
from agent.leave import Grant, Refusal, Request
from tests.agent.cases.servers import CURRENT, OLD
from tests.agent.leaving import HOST, request
from tests.agent.telling_world import World

if TYPE_CHECKING:
    pass

HOUR = 3600.0


@pytest.fixture
def told(told: World) -> World:
    """His first message has gone out."""
    told.sends(told.dues()[0])
    return told


class Prober:
    """Who is asked to knock, and what it is told."""

    def __init__(self, made: World, answer: Grant | Refusal) -> None:
        self.asked: list[Request] = []
        self.answer = answer
        made.office.knock = self.ask
        made.office.gate.decide = lambda asked, conditions: self.answer  # type: ignore[assignment, method-assign]

    def ask(self, asked: Request) -> Grant | Refusal:
        self.asked.append(asked)
        return self.answer


GRANT = Grant("id", HOST, 443, None, "exchange-http", "r-1", 0.0, None, 7, "")  # type: ignore[arg-type]


def test_a_claim_is_looked_into_once_and_the_look_decides(told: World) -> None:
    prober = Prober(told, GRANT)
    told.passes(120)
    assert not prober.asked
    told.answers("fixed")
    told.passes(HOUR)
    (asked,) = prober.asked
    assert (asked.address, asked.port, asked.why) == (HOST, 443, "recheck")
    told.clock.on(1)
    told.sees(OLD)  # the answer to the probe says that it is as it was
    told.passes(120)
    assert told.case().state == "acknowledged" and told.case().asked is None
    told.answers("fixed")
    told.clock.on(1)
    told.sees(CURRENT)
    told.passes(300)
    assert told.case().state == "closed_fixed"


def test_what_is_refused_is_asked_again_and_not_each_minute(told: World) -> None:
    prober = Prober(told, Refusal("outside_hours", ""))
    told.answers("recheck")
    told.passes(HOUR - 60)
    assert not prober.asked
    refused = told.telling._rechecks.decisions["outside_hours"]
    assert 4 <= refused <= 7
    prober.answer = GRANT
    told.passes(900)
    assert len(prober.asked) == 1 and told.telling._rechecks.decisions["granted"] == 1


def test_a_wish_has_its_day(told: World) -> None:
    prober = Prober(told, Refusal("no_record", ""))
    told.answers("recheck")
    told.passes(15 * DAY, 6 * HOUR)
    prober.answer = GRANT
    told.passes(HOUR)
    assert not prober.asked


def test_what_a_customer_asks_for_waits_an_hour_and_anything_else_a_day(told: World) -> None:
    from agent.lab import leave
    from tests.agent.consent.offices import knocked

    knocked(told.office, 1)
    asked = {why: request(why=why, seen_at=told.clock.wall) for why in ("schedule", "command", "recheck")}

    def refusals() -> dict[str, str]:
        conditions = told.office.conditions()._replace(missing=(), checkpoint_age=1.0)
        found = {
            why: decide(told.office.register, told.office.history, each, conditions) for why, each in asked.items()
        }
        return {why: each.reason if isinstance(each, Refusal) else "" for why, each in found.items()}

    told.clock.on(RECHECK - 10)
    assert set(refusals().values()) == {"rate"}
    told.clock.on(20)
    assert refusals() == {"schedule": "rate", "command": "rate", "recheck": ""}
    told.clock.on(DAY)
    told.office.record([leave.synced(told.clock.wall)])
    assert set(refusals().values()) == {""}
    assert "rate" in {check.reason for check in CHECKS}

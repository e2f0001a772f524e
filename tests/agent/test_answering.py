"""Answers by token: what may be said when, what it comes to, and that a no is always heard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.answering import OFFERED, STOP
from agent.audit.log import AuditError
from agent.bucket import TOKENLESS
from agent.cases.case import LIVE, STATES, TRANSITIONS, Event
from agent.ipc import Type
from agent.notice import ACTIONS, AnswerTold
from tests.agent.leaving import HOST
from tests.agent.telling_world import CUSTOMER, World, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

DAY = 86_400.0


@pytest.fixture
def told(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        made.sees()
        made.passes(2, 1.0)
        made.sends(made.dues()[0])
        yield made


def test_what_is_offered_comes_to_something_in_that_state() -> None:
    events = {"fixed": "claimed", "recheck": "recheck", "not_ours": "disputed", "wont_fix": "declined"}
    assert set(OFFERED) == set(LIVE)
    for state, offered in OFFERED.items():
        assert STOP in offered and set(offered) <= set(ACTIONS)
        for action in set(offered) & set(events):
            assert events[action] in TRANSITIONS[state]


def test_to_look_changes_nothing(told: World) -> None:
    """Mail scanners follow links."""
    before = told.case()
    answer = told.answers("show")
    assert answer["status"] == "shown" and answer["offered"] == list(OFFERED["open"])
    assert told.case() == before and CUSTOMER not in str(answer) and HOST not in str(answer)


@pytest.mark.parametrize(
    ("action", "state"),
    [
        ("fixed", "fixed_claimed"), ("recheck", "acknowledged"), ("not_ours", "human"), ("wont_fix", "will_not_fix"),
        ("wrong_contact", "open"),
    ],
)  # fmt: skip
def test_what_each_comes_to(told: World, action: str, state: str) -> None:
    answer = told.answers(action)
    assert (answer["status"], answer["done"], told.case().state) == ("done", action, state)
    told.passes(120)
    (entry,) = told.logged("case.answered")
    assert entry.public == {"said": action} and entry.customer == CUSTOMER
    assert told.telling._answering.counts[action] == 1


def test_a_wrong_contact_leads_to_the_next(told: World) -> None:
    told.answers("wrong_contact")
    told.passes(5 * 3600, 600)
    assert told.steps() == [("tell", "wrong"), ("contact", "")]
    assert told.step("contact").channel == "phone"


def test_not_ours_is_a_persons_at_once(told: World) -> None:
    told.answers("not_ours")
    told.passes(120)
    assert told.steps() == [("tell", "sent"), ("human", "")]


def test_stop_is_an_objection_to_everything_and_ends_the_case(told: World) -> None:
    answer = told.answers("stop")
    assert answer["status"] == "done" and len(answer["receipt"]) == 36
    (objection,) = told.office.register.customer(CUSTOMER).objections  # type: ignore[union-attr]
    assert (objection.id, objection.prefixes, objection.verified) == (answer["receipt"], None, True)
    told.passes(120)
    assert told.case().state == "objected"


def test_stop_has_its_effect_before_it_is_said_to_have(told: World) -> None:
    """When ``set_off`` is called, it is on record and nothing has been said of it."""
    seen: list[tuple[int, int]] = []

    def set_off() -> None:
        customer = told.office.register.customer(CUSTOMER)
        assert customer is not None
        seen.append((len(customer.objections), len(told.heard(Type.ANSWERED))))

    assert told.notifier is not None
    message = AnswerTold(number=1, token=told.office.book.token(told.case().id), action="stop")
    assert told.telling.took(told.notifier, Type.ANSWER, message, set_off)
    assert seen == [(1, 0)]
    assert len(told.heard(Type.ANSWERED)) == 1


def test_stop_is_heard_from_the_token_of_a_case_that_is_gone(told: World) -> None:
    token = told.office.book.token(told.case().id)
    told.office.book.delete(told.case().id, told.clock.wall + DAY)
    assert told.answers("show", token)["offered"] == [STOP]
    assert told.answers("fixed", token) == {
        "number": 1,
        "status": "shown",
        "offered": [STOP],
        "done": "",
        "receipt": "",
        "text": "",
        "lang": "",
    }
    assert told.answers("stop", token)["status"] == "done"
    assert told.office.register.customer(CUSTOMER).objections  # type: ignore[union-attr]


def test_what_is_not_offered_changes_nothing(told: World) -> None:
    told.answers("wont_fix")
    before = told.case()
    assert told.answers("not_ours")["status"] == "shown" and told.case() == before
    assert told.answers("agree")["status"] == "shown" and told.case() == before


def test_nobodys_token_is_unknown_and_cannot_be_tried_without_end(told: World) -> None:
    said = [told.answers("stop", "x" * 26)["status"] for _ in range(TOKENLESS[0] + 2)]
    assert said == ["unknown"] * TOKENLESS[0] + ["rate"] * 2
    assert told.answers("show")["status"] == "shown"  # who has one is not held up by that


def test_what_cannot_be_put_on_record_is_not_done(told: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(items: Any) -> Any:
        raise AuditError("no room")

    monkeypatch.setattr(told.office.log, "append", full)
    assert told.answers("stop")["status"] == "unavailable"
    assert not told.office.register.customer(CUSTOMER).objections  # type: ignore[union-attr]


def _reached(told: World, state: str, address: str) -> str:
    """A case at that address in this state: its id."""
    at = told.clock.wall
    body = {"customer": CUSTOMER, "address": address, "severity": "high", "build": "", "holes": [], "exploited": []}
    case = told.office.book.begin(Event(at, "opened", body))
    if state != "open":
        kind = next(kind for kind, to in TRANSITIONS["open"].items() if to == state)
        case = told.office.book.put(case.id, Event(at, kind, {}))
    assert case.state == state
    return case.id


@pytest.mark.parametrize("state", STATES)
def test_every_answer_in_every_state(told: World, state: str) -> None:
    events = {"fixed": "claimed", "recheck": "recheck", "not_ours": "disputed", "wont_fix": "declined"}
    offered = OFFERED.get(state, (STOP,))
    for number, action in enumerate(ACTIONS):
        ident = _reached(told, state, f"192.0.2.{number + 100}")
        answer = told.answers(action, told.office.book.token(ident))
        case = told.office.book.cases[ident]
        if action in offered:
            assert (answer["status"], answer["done"]) == ("done", action)
            assert case.state == TRANSITIONS[state].get(events.get(action, ""), state)
        else:
            assert (answer["status"], answer["offered"]) == ("shown", list(offered)) and case.state == state


def test_to_say_no_twice_is_one_objection(told: World) -> None:
    first, second = told.answers("stop"), told.answers("stop")
    assert first == second and len(told.logged("record.objected")) == 1


def test_nobody_fills_the_log_with_a_token_and_a_no_is_heard_all_the_same(told: World) -> None:
    said = [told.answers("recheck")["status"] for _ in range(25)]
    assert said == ["done"] * 20 + ["rate"] * 5
    assert told.answers("show")["status"] == "shown"
    assert told.answers("stop")["status"] == "done"
    told.clock.on(600.0)
    other = _reached(told, "open", "192.0.2.200")
    assert told.answers("recheck", told.office.book.token(other))["status"] == "done"


@pytest.mark.parametrize("action", ["fixed", "not_ours", "wont_fix", "recheck", "wrong_contact"])
def test_what_is_said_twice_at_once_is_noted_and_changes_nothing_more(told: World, action: str) -> None:
    first = told.answers(action)
    before, events = told.case(), told.office.book.events(told.case().id)
    assert told.answers(action) == first
    assert told.case().state == before.state
    if action in ("fixed", "not_ours", "wont_fix"):
        assert told.office.book.events(told.case().id) == events


def test_what_somebody_else_has_said_was_not_said_by_the_customer(told: World) -> None:
    """A person at the desk has put it so; a late "fixed" of the customer's is told that it changes nothing."""
    told.telling.put(told.case().id, Event(told.clock.wall, "claimed", {"by": "uid 0"}))
    assert told.answers("fixed")["status"] == "shown"


def test_a_wrong_contact_said_twice_is_not_about_another_one(told: World) -> None:
    told.passes(15 * DAY, 3600.0)
    for step in told.case().steps[1:]:
        if not step.mail:
            told.telling.put(told.case().id, Event(told.clock.wall, "done", {"id": step.id, "by": "uid 0"}))
    for due in told.dues()[1:]:
        told.sends(due)
    owner = [step.id for step in told.case().steps if step.kind == "owner" and step.outcome == "sent"]
    assert owner and told.step("tell").outcome == "sent"
    for _ in range(2):
        assert told.answers("wrong_contact")["status"] == "done"
    assert told.step("owner").outcome == "wrong" and told.step("tell").outcome == "sent"

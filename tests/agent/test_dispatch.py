"""Messages when the disk is full and the notifier goes, and contacts that are no addresses: none is stuck or lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agent.cases.book import BookError
from agent.ipc import Type
from agent.messages import validated
from agent.notice import Sent
from tests.agent import telling_world
from tests.agent.telling_world import World, world

if TYPE_CHECKING:
    from pathlib import Path

HOUR = 3600.0


def full(*_: Any, **__: Any) -> Any:
    raise BookError("no room")


def test_what_was_told_before_the_notifier_went_holds(told: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was sent, and the disk was full when that was said: it is not sent once more."""
    due = told.dues()[0]
    assert told.about(due)
    monkeypatch.setattr(told.office.book, "put", full)
    told.says(Sent(id=due.id, outcome="sent", code=250))
    told.goes()
    monkeypatch.undo()
    told.comes()
    told.passes(HOUR)
    assert told.steps() == [("tell", "sent")]
    assert told.dues() == []
    assert told.telling.body()["uncertain"] == 0  # type: ignore[index]


def test_what_may_have_gone_out_is_uncertain_when_there_is_room_again(
    told: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    due = told.dues()[0]
    assert told.about(due)
    monkeypatch.setattr(told.office.book, "put", full)
    told.goes()
    told.comes()
    told.passes(120)
    assert told.dues() == []
    monkeypatch.undo()
    told.passes(HOUR)
    assert [each.message_id for each in told.dues()] == [due.message_id]
    assert told.step("tell").uncertain == 1
    assert told.telling.body()["uncertain"] == 1  # type: ignore[index]


@pytest.mark.parametrize("address", ["x", "x@", "security@agreed.example"])
def test_a_contact_that_is_no_address_ends_no_notifier(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is given to it can be read by it, or is not given."""
    usual = telling_world.contacts

    def contacts(customer: str, now: float) -> list[dict[str, Any]]:
        first, *others = usual(customer, now)
        return [first | {"address": address}, *others]

    monkeypatch.setattr(telling_world, "contacts", contacts)
    with world(tmp_path) as made:
        made.sees()
        made.passes(2, 1.0)
        good = "." in address
        assert [bool(validated(Type.DUE, body)) for body in made.heard(Type.DUE)] == [True] * good
        assert made.steps() == [("tell", "" if good else "refused")]
        made.passes(5 * HOUR)
        assert ("contact", "") in made.steps() or good

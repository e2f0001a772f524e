"""Mails that ask for leave or confirm it, on their way: one Message-ID each, on record first, and none too many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.audit.entry import Item
from agent.audit.log import AuditError
from agent.cases.case import digest
from agent.consent.written import body
from agent.lab import leave
from agent.leave import Refusal
from agent.notice import Bounced, Sent
from tests.agent import leaving
from tests.agent.asking_world import Asking, asking, decided, refusals
from tests.agent.telling_world import CUSTOMER, MAIL, OWNER, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

HOUR, DAY = 3600.0, 86_400.0


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Asking]:
    with asking(tmp_path) as made:
        yield made


def test_a_letter_has_one_message_id_that_is_on_record_first(world: Asking) -> None:
    world.asks()
    world.passes(2, 1.0)
    (due,) = world.dues()
    (entry,) = world.logged("notice.due")
    assert entry.private["message_id"] == due.message_id and entry.private["to"] == due.to
    assert OWNER not in str(entry.public) and due.message_id.endswith("@isp.example>")
    assert world.about(due)
    (begun,) = world.logged("notice.begun")
    assert (begun.private["step"], begun.private["sha256"]) == (due.id, digest(text_of(due)))
    world.goes()  # nobody knows what became of it
    world.comes()
    world.passes(120)
    again = world.dues()[-1]
    assert (again.id, again.message_id) == (due.id, due.message_id)
    assert world.telling.body()["uncertain"] == 1  # type: ignore[index]
    world.sends(again)
    world.passes(600)
    assert len(world.dues()) == 1 and not world.office.requests.pending


def test_it_is_sent_by_the_next_agent_where_one_was_lost(tmp_path: Path) -> None:
    with asking(tmp_path) as made:
        made.asks()
        made.passes(2, 1.0)
        due = made.dues()[0]
        made.about(due)
        clock = made.clock
    office = leaving.made(made.office.config, tmp_path, clock)
    office.open()
    try:
        again = Asking(office, clock)
        again.comes()
        again.passes(120)
        assert [each.message_id for each in again.dues()] == [due.message_id]
        again.sends(again.dues()[0])
        assert again.says_by(due.facts.links["agree"], "agree")["status"] == "done"
    finally:
        office.close()


@pytest.mark.parametrize("between", ["objected", "agreed"])
def test_a_request_that_is_overtaken_is_not_sent(world: Asking, between: str) -> None:
    world.asks()
    world.passes(2, 1.0)
    (due,) = world.dues()
    world.office.record(refusals(world.clock.wall)[between][3:])
    assert not world.about(due)
    world.says(Sent(id=due.id, outcome="cancelled"))
    world.passes(HOUR)
    assert world.logged("notice.sent")[-1].public["outcome"] == "cancelled" and len(world.dues()) == 1


def test_what_the_relay_does_not_take_is_tried_later_and_given_up(world: Asking) -> None:
    world.asks()
    for _ in range(40):
        world.passes(4 * HOUR, HOUR)
        for due in world.dues():
            if due.id in world.office.requests.pending and world.telling._letters._out == due.id:
                world.sends(due, "later", 451)
    assert {due.message_id for due in world.dues()} == {world.dues()[0].message_id}
    assert not world.office.requests.pending
    assert world.logged("notice.sent")[-1].public["outcome"] == "refused"


def test_what_cannot_be_put_on_record_is_not_agreed(world: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(items: Any) -> Any:
        raise AuditError("no room")

    due = world.asked()
    with monkeypatch.context() as patched:
        patched.setattr(world.office.log, "append", full)
        assert world.says_by(due.facts.links["agree"], "agree")["status"] == "unavailable"
    assert isinstance(decided(world), Refusal) and not world.office.requests.by_record[_record(world)].answered


def _record(world: Asking) -> str:
    (record,) = world.office.requests.by_record
    return record


def test_what_became_of_one_is_put_on_record_when_it_can_be(world: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(items: Any) -> Any:
        raise AuditError("no room")

    world.asks()
    world.passes(2, 1.0)
    (due,) = world.dues()
    assert world.about(due)
    with monkeypatch.context() as patched:
        patched.setattr(world.office.log, "append", full)
        world.says(Sent(id=due.id, outcome="sent", code=250))
    world.passes(600)
    assert world.logged("notice.sent")[-1].public["outcome"] == "sent" and len(world.dues()) == 1


def test_nothing_goes_out_that_is_not_on_record_first(world: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(items: Any) -> Any:
        raise AuditError("no room")

    world.asks()
    world.passes(2, 1.0)
    (due,) = world.dues()
    with monkeypatch.context() as patched:
        patched.setattr(world.office.log, "append", full)
        assert not world.about(due)
    world.says(Sent(id=due.id, outcome="cancelled"))
    world.passes(HOUR)
    assert [each.message_id for each in world.dues()] == [due.message_id] * 2  # nothing stands against it


def test_a_contact_that_is_one_no_more_is_sent_nothing(world: Asking) -> None:
    world.asks()
    said = {"at": leave.ago(world.clock.wall, 0), "contacts": leave.contacts(CUSTOMER, world.clock.wall)}
    world.office.record([Item("record.contacts", {}, CUSTOMER, body("record.contacts", said))])
    world.passes(10, 1.0)
    assert not world.dues() and world.logged("notice.sent")[-1].private["detail"] == "no contact any more"
    assert world.asked().to == MAIL


def test_a_receipt_is_not_sent_to_who_has_objected_meanwhile(world: Asking) -> None:
    link = world.asked().facts.links["agree"]
    world.says_by(link, "agree")
    assert world.says_by(link, "stop")["status"] == "done"
    world.passes(60, 5.0)
    assert len(world.dues()) == 1 and world.logged("notice.sent")[-1].private["detail"] == "objected"


def test_what_was_delivered_is_counted(world: Asking) -> None:
    due = world.asked()
    world.says(Bounced(message_id=due.message_id, action="delivered"))
    assert world.telling._dispatch.outcomes["request", "mail", "delivered"] == 1

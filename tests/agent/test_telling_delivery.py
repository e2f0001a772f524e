"""Telling customers: what became of a message, whoever goes or ends meanwhile, with the notifier played by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agent.audit.log import AuditError
from agent.cases.book import BookError
from agent.cases.case import digest
from agent.lab import leave
from agent.notice import About, Bounced, Sent
from tests.agent.telling_world import CUSTOMER, World, text_of, world

if TYPE_CHECKING:
    from pathlib import Path

HOUR, DAY = 3600.0, 86_400.0


def test_a_message_that_came_back_leads_to_another_way(told: World) -> None:
    due = told.dues()[0]
    told.sends(due)
    told.says(Bounced(message_id=due.message_id, action="failed", status="5.1.1"))
    told.passes(5 * HOUR, HOUR / 2)
    assert told.steps() == [("tell", "bounced"), ("contact", "")]
    assert told.step("contact").channel == "phone"
    assert told.logged("notice.bounced")[0].private["status"] == "5.1.1"
    # Told twice it is the same, and of nothing that was sent it is nobody's.
    told.says(Bounced(message_id=due.message_id, action="failed", status="5.1.1"))
    told.says(Bounced(message_id="<other@isp.example>", action="failed"))
    from agent.ipc import Type

    assert [body["ours"] for body in told.heard(Type.HEARD)] == [True, True, False]
    assert len(told.logged("notice.bounced")) == 1


def test_what_is_delivered_is_counted(told: World) -> None:
    due = told.dues()[0]
    told.sends(due)
    told.says(Bounced(message_id=due.message_id, action="delivered"))
    told.passes(10)
    assert counts(told)["tell", "mail", "delivered"] == 1


def counts(made: World) -> dict[tuple[str, str, str], int]:
    body = made.telling.body()
    assert body is not None
    return {(row["step"], row["channel"], row["outcome"]): row["count"] for row in body["notices"]}


def test_what_the_relay_puts_off_is_tried_again_later_and_later(told: World) -> None:
    first = told.dues()[0]
    told.sends(first, "later", 451)
    told.passes(290, 10.0)
    assert len(told.dues()) == 1
    told.passes(20, 10.0)
    assert len(told.dues()) == 2
    told.sends(told.dues()[1], "later", 451)
    told.passes(890, 10.0)
    assert len(told.dues()) == 2
    told.passes(20, 10.0)
    assert [each.message_id for each in told.dues()] == [first.message_id] * 3


def test_what_the_relay_never_takes_is_given_up(told: World) -> None:
    for _ in range(6 * 24):
        for due in told.dues():
            step = told.case().step(due.id)
            if step and step.outcome == "" and due.id in told.telling._dispatch._out:
                told.sends(due, "later", 451)
        told.passes(HOUR, HOUR)
    assert told.steps()[0] == ("tell", "refused") and told.steps()[1][0] == "contact"
    assert len({due.message_id for due in told.dues()}) == 1


def test_a_notifier_that_goes_before_the_yes_loses_nothing(told: World) -> None:
    told.goes()
    told.comes()
    told.passes(120)
    assert [due.message_id for due in told.dues()] == [told.step("tell").message_id]
    assert told.step("tell").uncertain == 0 and told.telling.body()["uncertain"] == 0  # type: ignore[index]


def test_a_notifier_that_goes_after_the_yes_leaves_it_uncertain(told: World) -> None:
    due = told.dues()[0]
    assert told.about(due)
    told.goes()
    told.comes()
    told.passes(120)
    assert [each.message_id for each in told.dues()] == [due.message_id]
    assert told.step("tell").uncertain == 1
    told.passes(10, 5.0)
    assert told.telling.body()["uncertain"] == 1  # type: ignore[index]
    told.sends(due)
    assert told.steps() == [("tell", "sent")]


def test_the_relay_that_is_lost_before_its_answer_leaves_it_uncertain(told: World) -> None:
    due = told.dues()[0]
    assert told.about(due)
    told.says(Sent(id=due.id, outcome="uncertain"))
    told.passes(120)
    assert told.step("tell").uncertain == 1
    assert [each.message_id for each in told.dues()] == [due.message_id] * 2


def test_an_agent_that_ends_after_the_yes_leaves_it_uncertain(told: World) -> None:
    due = told.dues()[0]
    assert told.about(due)
    told.office.book.close()
    told.office._book = None
    again = World(told.office, told.clock, told.inventory)
    again.comes()
    again.passes(120)
    assert [each.message_id for each in again.dues()] == [due.message_id]
    assert again.step("tell").uncertain == 1 and again.telling.body()["uncertain"] == 1  # type: ignore[index]
    assert [entry.private["message_id"] for entry in again.logged("notice.due")] == [due.message_id]


def test_a_yes_that_cannot_be_put_on_disk_is_a_no(told: World, monkeypatch: pytest.MonkeyPatch) -> None:
    due = told.dues()[0]

    def full(*_: Any, **__: Any) -> Any:
        raise BookError("no room")

    monkeypatch.setattr(told.office.book, "put", full)
    assert not told.about(due)
    # What became of it is not lost either, when there is room again.
    told.says(Sent(id=due.id, outcome="refused", code=550))
    assert told.steps() == [("tell", "")]
    monkeypatch.undo()
    told.passes(10, 5.0)
    assert told.steps() == [("tell", "refused")]


def test_without_the_log_nothing_is_opened_and_nothing_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with world(tmp_path) as made:
        made.sees()

        def full(items: Any) -> Any:
            raise AuditError("no room")

        monkeypatch.setattr(made.office.log, "append", full)
        made.passes(60, 5.0)
        assert not made.dues()
        monkeypatch.undo()
        made.passes(120, 5.0)
        assert len(made.dues()) == 1
        assert len(made.logged("case.opened")) == len(made.logged("notice.due")) == 1


class KilledError(BaseException):
    """An agent ends here."""


@pytest.mark.parametrize("point", ["before", "after"])
def test_what_the_findings_have_the_log_gets_once_whoever_ends_between(
    told: World, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    told.sends(told.dues()[0])
    append = told.office.log.append

    def killed(items: Any) -> Any:
        if point == "after":
            append(items)
        raise KilledError

    monkeypatch.setattr(told.office.log, "append", killed)
    with pytest.raises(KilledError):
        told.passes(10, 5.0)
    monkeypatch.undo()
    told.office.book.close()
    told.office._book = None
    again = World(told.office, told.clock, told.inventory)
    again.passes(120)
    (case,) = again.office.book.cases.values()
    for kind in ("case.opened", "notice.sent"):
        assert [entry.private["case"] for entry in again.logged(kind)] == [case.id], kind
    assert not again.office.book.owed


def test_who_is_erased_is_owed_nothing(told: World) -> None:
    told.answers("recheck")
    assert [owed.item.kind for owed in told.office.book.owed.values()] == ["case.answered"]
    told.telling.erased(CUSTOMER)
    assert not told.office.book.owed
    told.office.book.close()
    told.office._book = None
    assert not told.office.book.owed


def test_what_a_message_said_is_on_record_before_it_may_go_out(told: World) -> None:
    (due,) = told.dues()
    book, case = told.office.book, told.case()
    assert book.texts(case.id) == []
    assert told.about(due)
    (kept,) = book.texts(case.id)
    assert (kept.step, kept.text) == (due.id, text_of(due)) and told.step("tell").sha256 == digest(kept.text)
    told.says(Sent(id=due.id, outcome="later", code=451))
    assert not told.logged("notice.sent")
    told.passes(DAY, HOUR)
    told.sends(told.dues()[-1])
    # Tried again it says the same, which is kept once; another text would be kept beside it.
    assert book.texts(case.id) == [kept]
    told.passes(60)
    (entry,) = told.logged("notice.sent")
    assert entry.private["sha256"] == digest(kept.text) and "sha256" not in entry.public


def test_a_message_that_says_another_thing_when_it_is_tried_again_is_kept_beside_the_first(told: World) -> None:
    (due,) = told.dues()
    for text in ("one", "two", "two"):
        told.says(About(id=due.id, text=text))
        told.says(Sent(id=due.id, outcome="later", code=451))
        told.passes(DAY, HOUR)
    assert [each.text for each in told.office.book.texts(told.case().id)] == ["one", "two"]


def test_what_may_not_go_out_is_not_kept(told: World) -> None:
    (due,) = told.dues()
    told.office.record([leave.objected(CUSTOMER, None, told.clock.wall)])
    assert not told.about(due) and told.office.book.texts(told.case().id) == []

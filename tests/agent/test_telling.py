"""Telling customers: the whole of it over a store that is there, with the notifier played by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agent.audit.log import AuditError
from agent.cases.book import BookError
from agent.cases.case import digest
from agent.lab import leave
from agent.messages import Snapshot
from agent.notice import About, Bounced, Due, Sent
from tests.agent.cases.servers import CURRENT, OLD
from tests.agent.leaving import HOST, NET, OTHER_HOST, OTHER_NET, Clock
from tests.agent.telling_world import CUSTOMER, MAIL, NOTICES, OWNER, World, agreed, contacts, text_of, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOUR, DAY = 3600.0, 86_400.0


@pytest.fixture
def told(tmp_path: Path) -> Iterator[World]:
    """A case that was just opened, with its first message before the notifier."""
    with world(tmp_path) as made:
        made.sees()
        made.passes(2, 1.0)
        yield made


def test_who_has_a_hole_is_told_and_nobody_else_is(told: World) -> None:
    (due,) = told.dues()
    assert due.to == MAIL and due.facts.message == "tell" and due.facts.lang == "nl"
    assert due.facts.customer == CUSTOMER and due.facts.address == HOST and due.facts.severity == "critical"
    assert due.facts.operator == "Example ISP" and due.facts.zone == "Europe/Amsterdam"
    assert due.message_id == told.step("tell").message_id
    assert due.message_id.endswith("@isp.example>")
    told.sends(due)
    assert told.steps() == [("tell", "sent")]
    told.passes(6 * DAY, HOUR)
    for each in told.dues()[1:]:
        told.sends(each)
    assert {each.to for each in told.dues()} == {MAIL, OWNER}
    assert "cc" not in str(Due.model_fields).lower()


def test_what_was_told_is_in_the_customers_part_of_the_log_and_says_nothing_in_public(told: World) -> None:
    told.sends(told.dues()[0])
    told.passes(120)
    opened, due, sent = (told.logged(kind)[0] for kind in ("case.opened", "notice.due", "notice.sent"))
    assert (opened.customer, due.customer, sent.customer) == (CUSTOMER,) * 3
    assert opened.number < due.number < sent.number
    assert due.private["to"] == MAIL and due.private["message_id"] == told.dues()[0].message_id
    assert due.public == {"step": "tell", "channel": "mail"}
    assert sent.public == {"step": "tell", "channel": "mail", "outcome": "sent"}
    assert opened.public == {"severity": "critical"} and opened.private["build"] == OLD
    text = b"".join(own.private for own in told.office.log.own(CUSTOMER)).decode()
    assert due.private["message_id"] in text  # as he gets it with `audit prove`


def test_the_ladder_goes_on_to_a_person(told: World) -> None:
    told.sends(told.dues()[0])
    for _ in range(16):
        told.passes(DAY, 6 * HOUR)
        for due in told.dues():
            if told.case().step(due.id).outcome == "":  # type: ignore[union-attr]
                told.sends(due)
    assert [kind for kind, _ in told.steps()] == ["tell", "phone", "owner", "letter", "human"]
    assert told.case().state == "human"
    # What had been for a person is not his any more, when all of it is.
    assert dict(told.steps())["letter"] == "cancelled"
    told.passes(80 * DAY, DAY)
    assert len(told.steps()) == 5


def test_nothing_is_sent_after_an_objection(told: World) -> None:
    due = told.dues()[0]
    told.office.record([leave.objected(CUSTOMER, None, told.clock.wall)])
    assert not told.about(due)
    told.says(Sent(id=due.id, outcome="cancelled"))
    told.passes(120)
    assert told.case().state == "objected" and told.steps() == [("tell", "cancelled")]
    told.passes(15 * DAY, 6 * HOUR)
    assert len(told.dues()) == 1 and len(told.office.book.cases) == 0  # and deleted in the end


def test_an_objection_to_the_address_alone_is_one(told: World) -> None:
    told.office.record([leave.objected(CUSTOMER, [f"{HOST}/32"], told.clock.wall)])
    assert not told.about(told.dues()[0])


def test_nothing_is_sent_to_the_next_holder(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.sees()
        made.passes(2, 1.0)
        (due,) = made.dues()
        now = made.clock.wall
        made.office.record([leave.unmapped(CUSTOMER, [NET], now)])
        made.office.record([*agreed("next", NET, now)[1:], leave.mapped("next", [NET], now, days=0)])
        assert not made.about(due)
        made.says(Sent(id=due.id, outcome="cancelled"))
        made.passes(120)
        (case,) = made.office.book.at(HOST)
        assert (case.customer, case.state) == (CUSTOMER, "handed_over")
        # What was seen at the one before is nobody's; it is let go of, and has to be seen anew.
        made.passes(9 * DAY, HOUR)
        assert HOST in made.forgotten and len(made.dues()) == 1
        made.inventory.forget(made.inventory.observations(HOST))  # type: ignore[arg-type]
        made.sees()
        made.passes(120)
        assert [case.customer for case in made.office.book.at(HOST)] == [CUSTOMER, "next"]
        assert [each.to for each in made.dues()] == [MAIL, "security@next.example"]


def test_a_source_that_loses_a_customer_does_not_end_his_case_at_once(told: World) -> None:
    due = told.dues()[0]
    told.office.record([leave.unmapped(CUSTOMER, [NET], told.clock.wall)])
    assert not told.about(due)
    told.says(Sent(id=due.id, outcome="cancelled"))
    told.passes(DAY, HOUR)
    assert told.case().state == "open" and told.steps() == [("tell", "")]
    told.office.record([leave.mapped(CUSTOMER, [NET], told.clock.wall, days=0)])
    told.passes(HOUR)
    assert [each.message_id for each in told.dues()] == [due.message_id] * 2
    assert told.about(due)


def test_a_fix_ends_it_and_is_told_once(told: World) -> None:
    told.sends(told.dues()[0])
    told.passes(DAY, HOUR)
    told.sees(CURRENT)
    told.passes(300)
    assert told.case().state == "closed_fixed"
    closing = told.dues()[-1]
    assert closing.facts.message == "closing" and closing.facts.deleted == "2026-12-03"
    assert closing.facts.build == CURRENT and "ProxyLogon" in closing.facts.exploited
    told.sends(closing)
    told.passes(13 * DAY, HOUR)
    assert len(told.dues()) == 2 and told.office.book.cases
    told.passes(2 * DAY, HOUR)
    assert not told.office.book.cases
    assert told.telling.body()["retention_last_success"] > 0  # type: ignore[index]
    (closed,) = told.logged("case.closed")
    assert closed.public == {"state": "closed_fixed"} and closed.private["build"] == CURRENT


def test_a_fix_between_the_order_and_data_is_seen(told: World) -> None:
    told.sees(CURRENT)
    told.clock.on(1.0)
    told.sees(CURRENT)
    assert not told.about(told.dues()[0])


def test_who_has_no_contact_is_counted_and_not_told(tmp_path: Path) -> None:
    with world(tmp_path, leave.mapped("c-9", [NET], 1_795_000_000.0)) as made:
        made.sees()
        made.passes(120)
        assert not made.office.book.cases
        assert made.telling.body()["untold"]["no_contact"] == 1  # type: ignore[index]


@pytest.mark.parametrize(("kind", "reason"), [("dynamic", "dynamic"), ("shared", "shared"), ("unknown", "dynamic")])
def test_only_the_one_customer_is_told(tmp_path: Path, kind: str, reason: str) -> None:
    now = 1_795_000_000.0
    items = [*agreed(CUSTOMER, NET, now)[1:], leave.mapped(CUSTOMER, [NET], now, kind=kind)]
    with world(tmp_path, *items) as made:
        made.sees()
        made.passes(120)
        assert not made.office.book.cases and made.telling.body()["untold"][reason] == 1  # type: ignore[index]


def test_telling_that_one_seems_to_run_something_takes_no_record(tmp_path: Path) -> None:
    now = 1_795_000_000.0
    said = {"at": leave.ago(now, 1), "contacts": contacts("c-9", now)}
    from agent.audit.entry import Item
    from agent.consent.written import body

    items = [leave.mapped("c-9", [NET], now), Item("record.contacts", {}, "c-9", body("record.contacts", said))]
    with world(tmp_path, *items) as made:
        made.sees(origin="passive")
        made.passes(2, 1.0)
        (due,) = made.dues()
        assert (due.to, due.facts.origin, due.facts.record) == ("security@c-9.example", "passive", "")


def test_what_is_not_sure_is_not_told(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.sees("")
        made.passes(120)
        assert not made.dues() and not made.office.book.cases


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


def test_a_contact_that_is_his_no_more_gets_nothing(told: World) -> None:
    due = told.dues()[0]
    now = told.clock.wall
    others = [each for each in contacts(CUSTOMER, now) if each["address"] != MAIL]
    from agent.audit.entry import Item
    from agent.consent.written import body

    said = {"at": leave.ago(now, 0), "contacts": others}
    told.office.record([Item("record.contacts", {}, CUSTOMER, body("record.contacts", said))])
    assert not told.about(due)
    told.says(Sent(id=due.id, outcome="cancelled"))
    told.passes(180)
    assert told.steps() == [("tell", "refused")]


def test_the_pace_holds(tmp_path: Path) -> None:
    now = 1_795_000_000.0
    items = [item for n in range(9) for item in agreed(f"c-{n}", f"192.0.2.{n * 8}/29", now)]
    with world(tmp_path, *items) as made:
        for n in range(9):
            made.sees(address=f"192.0.2.{n * 8 + 1}")
        made.passes(1, 1.0)
        made.passes(4, 1.0)
        assert 2 <= len(made.dues()) <= 4
        made.passes(60, 1.0)
        assert len(made.dues()) == 4  # the notifier has enough before it
        for due in made.dues():
            made.sends(due)
        made.passes(60, 1.0)
        assert len(made.dues()) == 8


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


def test_without_a_relay_telling_is_a_persons_task_and_that_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now = Clock().wall
    items = [item for n in range(3) for item in agreed(f"c-{n}", f"192.0.2.{n * 8}/29", now)]
    with world(tmp_path, *items, relay="") as made:
        for n in range(3):
            made.sees(address=f"192.0.2.{n * 8 + 1}")
        made.passes(DAY, HOUR)
        for n in range(3):  # one task each, and no more of them before its time
            (step,) = made.case(f"192.0.2.{n * 8 + 1}").steps
            assert (step.kind, step.channel, step.outcome, step.mail) == ("contact", "phone", "", False)
        assert not made.dues() and made.telling.body()["mails"] is False  # type: ignore[index]
        warned = [record for record in caplog.records if record.levelname == "WARNING"]
        assert [record.getMessage().partition(":")[0] for record in warned] == [
            "no mail is sent to customers, notices.relay is empty"
        ]
        config = made.office.config
        made.office.config = config.model_copy(update={"notices": config.notices.model_copy(update=NOTICES)})
        made.passes(5 * DAY, HOUR)
        assert [step.kind for step in made.case("192.0.2.1").steps] == ["contact", "owner"]
        assert len(made.dues()) == 3


def test_where_nobody_would_get_mail_nothing_is_said_of_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with world(tmp_path, leave.synced(Clock().wall), relay="") as made:
        made.passes(DAY, HOUR)
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_a_server_that_is_not_seen_any_more(told: World) -> None:
    told.sends(told.dues()[0])
    told.inventory.forget(told.inventory.observations(HOST))  # type: ignore[arg-type]
    told.passes(29 * DAY, HOUR * 6)
    assert told.case().state == "open"
    assert [kind for kind, _ in told.steps()] == ["tell"]  # nothing is told that nothing bears out
    told.passes(2 * DAY, HOUR * 6)
    assert told.case().state == "gone"


def test_what_is_shown_is_a_part_of_a_snapshot_and_has_nobodys_data(told: World) -> None:
    body = told.telling.body()
    assert body is not None
    model = Snapshot.model_fields["telling"].annotation
    from pydantic import TypeAdapter

    TypeAdapter(model).validate_python(body)
    text = str(body)
    for private in (CUSTOMER, HOST, MAIL, told.case().id, "example"):
        assert private not in text
    rows = {(row["severity"], row["state"], row["age"]): row["count"] for row in body["cases"]}
    assert rows["critical", "open", "1d"] == 1 and sum(rows.values()) == 1
    assert body["waiting"] == 1 and body["oldest"] <= told.clock.wall


def test_two_customers_have_a_case_each(tmp_path: Path) -> None:
    now = 1_795_000_000.0
    with world(tmp_path, *agreed("c-1", NET, now), *agreed("c-2", OTHER_NET, now)) as made:
        made.sees()
        made.sees(address=OTHER_HOST)
        made.passes(10, 1.0)
        assert {(due.facts.customer, due.to) for due in made.dues()} == {
            ("c-1", "security@c-1.example"), ("c-2", "security@c-2.example"),
        }  # fmt: skip


def test_who_is_erased_is_told_nothing(told: World) -> None:
    assert told.telling.erased(CUSTOMER) == 1
    assert not told.about(told.dues()[0]) and not told.office.book.cases
    assert told.telling.waiting() == []


def test_what_a_probe_has_learnt_is_told_without_waiting_for_the_next_round(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.passes(2, 1.0)  # a round that finds nobody; the next is in a minute
        made.sees()
        made.passes(2, 1.0)
        assert not made.dues()
        for _ in range(3):  # a probe tells several facts
            made.telling.learnt(HOST)
        made.passes(2, 1.0)
        assert [due.to for due in made.dues()] == [MAIL]


def test_what_is_shown_of_a_few_cases_is_as_it_is_now(told: World) -> None:
    """Nothing else may change for a while, and then this would be shown of it until it does."""
    told.telling.body()
    told.sends(told.dues()[0])
    told.clock.on(0.01)
    sent = [row for row in told.telling.body()["notices"] if row["count"]]  # type: ignore[index]
    assert sent == [{"step": "tell", "channel": "mail", "outcome": "sent", "count": 1}]

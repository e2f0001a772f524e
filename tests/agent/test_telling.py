"""Telling customers: the whole of it over a store that is there, with the notifier played by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.lab import leave
from agent.messages import Snapshot
from agent.notice import Due, Sent
from tests.agent.cases.servers import CURRENT, OLD
from tests.agent.leaving import HOST, NET, OTHER_HOST, OTHER_NET, Clock
from tests.agent.telling_world import CUSTOMER, MAIL, NOTICES, OWNER, World, agreed, contacts, world

if TYPE_CHECKING:
    from pathlib import Path

HOUR, DAY = 3600.0, 86_400.0


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

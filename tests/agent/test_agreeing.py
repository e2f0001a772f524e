"""Asking for leave, and a yes by a link: whom, once, with what, and that the record it makes opens the gate."""

from __future__ import annotations

from datetime import date
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from agent.agreeing import WHY
from agent.audit.entry import Item
from agent.errors import ConfigError, InputError
from agent.inventory import Seen
from agent.lab import leave
from agent.leave import Refusal
from agent.model import Endpoint, Observation
from agent.notice import Bounced, Due
from tests.agent import leaving
from tests.agent.asking_world import URL, Asking, asking, decided, refusals, told
from tests.agent.cases.servers import observed
from tests.agent.leaving import HOST, NET, OTHER_HOST, OTHER_NET
from tests.agent.telling_world import CUSTOMER, MAIL, OWNER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

HOUR, DAY = 3600.0, 86_400.0


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Asking]:
    with asking(tmp_path) as made:
        yield made


def test_who_agrees_by_the_link_may_be_knocked_at_and_gets_a_receipt(world: Asking) -> None:
    refused = decided(world)
    assert isinstance(refused, Refusal) and refused.reason == "no_record"
    due = world.asked()
    assert (due.to, due.facts.message, due.facts.lang) == (OWNER, "request", "en")
    shown = world.says_by(due.facts.links["agree"], "show")
    assert (shown["offered"], shown["text"], shown["lang"]) == (["agree", "stop"], due.facts.text, "en")
    assert isinstance(decided(world), Refusal)

    done = world.says_by(due.facts.links["agree"], "agree")
    assert (done["status"], done["done"]) == ("done", "agree")
    assert not isinstance(decided(world), Refusal)

    world.passes(10, 1.0)
    receipt = world.dues()[-1]
    world.sends(receipt)
    assert (receipt.to, receipt.facts.message, receipt.facts.text) == (OWNER, "receipt", due.facts.text)
    assert receipt.facts.record == done["receipt"] and set(receipt.facts.links) == {"stop"}
    (entry,) = world.logged("record.given")
    assert entry.private["receipt"]["id"] == receipt.facts.receipt and receipt.message_id != due.message_id

    stopped = world.says_by(receipt.facts.links["stop"], "stop")
    assert stopped["status"] == "done"
    after = decided(world)
    assert isinstance(after, Refusal) and after.reason == "objection"


def test_the_record_says_what_the_text_does_and_names_it_by_its_hash(world: Asking) -> None:
    world.office.record([Item("document.published", _published("terms", "nl", "old", 90))])
    for address, port in ((HOST, 8443), (OTHER_HOST, 9443)):
        server = Endpoint(address, port)
        world.inventory.observe(Observation(server, "tls.sni", "mail.example", world.clock.wall, "passive", "tls"))
        for each in observed(at=world.clock.wall, address=address):
            world.inventory.observe(each)
    world.office.seen = lambda: Seen(world.inventory, {}, date(2026, 11, 24))
    due = world.asked()
    world.says_by(due.facts.links["agree"], "agree")
    (entry,) = world.logged("record.given")
    made, text = entry.private, due.facts.text
    digest = sha256(text.encode()).hexdigest()
    assert made["evidence"][0]["sha256"] == made["authority"]["statement_sha256"] == digest
    assert (made["basis"], made["grantor"]) == ("explicit", {"role": "owner", "verified_by": "mail_link"})
    assert made["scope"]["prefixes"] == [NET] and NET in text
    assert made["scope"]["tiers"] == ["passive.handshake", "active.build"]
    assert made["scope"]["ports"] == [443, 8443] and "443, 8443" in text and "9443" not in text
    assert {each["kind"] for each in made["documents"]} == {"terms", "sla", "objection_page"}
    assert all(each["sha256"] in text for each in made["documents"])
    assert "Example ISP" in text and "day and night" in text
    assert [entry.kind for entry in world.office.log.read(["record.requested", "record.given"])] == [
        "record.requested", "record.given",
    ]  # fmt: skip


def _published(kind: str, lang: str, text: str, days: float) -> dict[str, Any]:
    digest = sha256(text.encode()).hexdigest()
    return {
        "kind": kind,
        "version": "0",
        "lang": lang,
        "sha256": digest,
        "published_at": leave.ago(leaving.START, days),
    }


def test_the_text_is_in_the_language_that_was_chosen(world: Asking) -> None:
    (answer,) = world.asks(lang="nl", hours=["Mon-Fri 22:00-06:00"], zone="Europe/Amsterdam", dry_run=True)
    assert (
        answer["text"].startswith("Ik ga ermee akkoord") and "Mon-Fri 22:00-06:00 (Europe/Amsterdam)" in answer["text"]
    )
    assert not world.logged("record.requested")


def test_a_no_is_an_objection_and_a_refusal_and_nobody_asks_again(world: Asking) -> None:
    due = world.asked()
    answer = world.says_by(due.facts.links["stop"], "stop")
    (objection,) = world.office.register.customer(CUSTOMER).objections  # type: ignore[union-attr]
    assert (answer["receipt"], objection.prefixes) == (objection.id, None)
    refused = decided(world)
    assert isinstance(refused, Refusal) and refused.reason == "objection"
    assert len(world.logged("record.refused")) == 1
    assert world.says_by(due.facts.links["agree"], "show")["offered"] == ["stop"]
    assert world.says_by(due.facts.links["agree"], "agree")["status"] == "shown"
    assert world.says_by(due.facts.links["stop"], "stop")["receipt"] == objection.id
    assert len(world.logged("record.objected")) == len(world.logged("record.refused")) == 1
    world.clock.on(100 * DAY)
    assert world.asks()[0]["why"] == "objected"


def test_to_look_changes_nothing(world: Asking) -> None:
    """Mail scanners follow links."""
    due = world.asked()
    size = world.office.log.size
    for link in due.facts.links.values():
        for _ in range(3):
            assert world.says_by(link, "show")["status"] == "shown"
    assert world.office.log.size == size and isinstance(decided(world), Refusal)


def test_yes_twice_is_one_record(world: Asking) -> None:
    link = world.asked().facts.links["agree"]
    first, second = world.says_by(link, "agree"), world.says_by(link, "agree")
    assert first == second and first["status"] == "done"
    assert len(world.logged("record.given")) == 1


@pytest.mark.parametrize("why", refusals(leaving.START))
def test_who_is_not_asked(tmp_path: Path, why: str) -> None:
    with asking(tmp_path, *refusals(leaving.START)[why]) as made:
        (answer,) = made.asks()
        assert (answer["record"], answer["why"]) == (None, why) and answer["said"]
        made.passes(5, 1.0)
        assert not made.logged("record.requested") and not made.dues()


@pytest.mark.parametrize("why", sorted(set(refusals(leaving.START)) - {"no_contact", "not_announced"}))
def test_what_comes_between_keeps_a_yes_from_being_taken(tmp_path: Path, why: str) -> None:
    with asking(tmp_path) as made:
        due = made.asked()
        first = len(told(CUSTOMER, NET, made.clock.wall))
        made.clock.on(2 * DAY)
        between = (
            [leave.unmapped(CUSTOMER, [NET], made.clock.wall)]
            if why == "unmapped"
            else refusals(made.clock.wall)[why][first:]
        )
        made.office.record(between)
        before = len(made.logged("record.given"))
        assert made.says_by(due.facts.links["agree"], "show")["offered"] == ["stop"]
        assert made.says_by(due.facts.links["agree"], "agree")["status"] == "shown"
        assert len(made.logged("record.given")) == before
        assert made.says_by(due.facts.links["stop"], "stop")["status"] == "done"


def test_nobody_is_asked_twice_within_ninety_days(world: Asking) -> None:
    world.asked()
    world.clock.on(89 * DAY)
    assert world.asks()[0]["why"] == "asked"
    world.clock.on(2 * DAY)
    assert world.asks()[0]["record"]
    assert set(WHY) >= {"asked"}


def test_a_yes_is_taken_for_ninety_days_and_a_no_for_a_year(world: Asking) -> None:
    due = world.asked()
    world.clock.on(91 * DAY)
    assert world.says_by(due.facts.links["agree"], "show")["offered"] == ["stop"]
    world.clock.on(276 * DAY)
    gone = world.says_by(due.facts.links["agree"], "show")
    assert gone == world.says_by(f"{URL}/answers/{'x' * 26}", "show") and gone["status"] == "unknown"


def test_one_that_came_back_was_not_asked_and_the_next_goes_to_another(world: Asking) -> None:
    due = world.asked()
    world.says(Bounced(message_id=due.message_id, action="failed", status="5.1.1"))
    assert world.logged("notice.bounced")[0].private["status"] == "5.1.1"
    again = world.asked()
    assert (due.to, again.to) == (OWNER, MAIL) and again.message_id != due.message_id


def test_a_token_of_a_record_that_the_operator_took_says_no(tmp_path: Path) -> None:
    with asking(tmp_path, *leave.agreed(CUSTOMER, [NET], leaving.START)) as made:
        link = f"{URL}/answers/{leave.token(CUSTOMER)}"
        assert made.says_by(link, "show")["offered"] == ["stop"]
        assert made.says_by(link, "stop")["status"] == "done"
        assert isinstance(decided(made), Refusal)


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with asking(tmp_path, notices={}) as made:
        with pytest.raises(ConfigError) as raised:
            made.asks()
        assert [line.partition(":")[0] for line in str(raised.value).splitlines()] == [
            "notices.relay",
            "notices.sender",
        ]
        assert not made.logged("record.requested")


def test_texts_that_are_not_published_are_missing(tmp_path: Path) -> None:
    with asking(tmp_path) as made:
        made.office.requests.documents.clear()
        with pytest.raises(ConfigError, match="sla or faq: no such text"):
            made.asks()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({"customers": "x"}, "not a list"), ({"customers": ["x"] * 101}, "more than 100"), ({"lang": "fr"}, "none of"),
        ({"subject": "robot"}, "none of"), ({"zone": "Mars"}, "no time zone"), ({"hours": ["always"]}, "no hours"),
    ],
)  # fmt: skip
def test_words_that_cannot_be_used(world: Asking, words: dict[str, Any], why: str) -> None:
    with pytest.raises(InputError, match=why):
        world.asks(**words)


def test_whom_it_is_not_known_what_he_is_and_too_many_prefixes(world: Asking) -> None:
    assert world.asks(subject=None)[0]["why"] == "subject"
    assert world.asks("nobody", "objector/x")[0]["why"] == "unknown"
    many = [f"2001:db8:{n:x}::/48" for n in range(0, 4000, 2)]
    world.office.record([leave.mapped(CUSTOMER, many, world.clock.wall)])
    assert world.asks()[0]["why"] == "too_much"


def test_who_was_erased_is_not_known_by_any_token(world: Asking) -> None:
    due = world.asked()
    world.office.record([Item("customer.erased", {}, CUSTOMER)])
    assert world.says_by(due.facts.links["agree"], "show")["status"] == "unknown"
    assert not world.office.requests.letters


def test_the_facts_of_both_mails_are_rendered_whole(world: Asking) -> None:
    from exporters.notices.texts import rendered

    due = world.asked()
    world.says_by(due.facts.links["agree"], "agree")
    world.passes(10, 1.0)
    for each in (due, world.dues()[-1]):
        mail = rendered(Due.model_validate(each.model_dump()).facts)
        assert NET in mail.text and "443" in mail.text
        assert each.facts.links["stop"] in mail.text and CUSTOMER in mail.text
    assert OTHER_NET not in due.facts.text

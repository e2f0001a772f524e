"""Orders about consent, at an office that is really there: what they say, put on record, and refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agent.audit.entry import Item
from agent.errors import InputError
from agent.privacy import one
from tests import registry
from tests.registry import HASH, World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST = one("192.0.2.1")[0]


def written(number: int = 1, customer: str = "C-1", **changes: Any) -> dict[str, Any]:
    made = registry.record(number, customer, **changes)
    del made["what"]
    return made


def scope(*prefixes: str) -> dict[str, Any]:
    made: dict[str, Any] = registry.record()["scope"]
    return made | {"prefixes": list(prefixes)}


def ident(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """C-1 and C-2 with a prefix each, and a provider's block around that of C-1."""
    made = World(tmp_path / "state")
    document = {"kind": "terms", "version": "1", "lang": "nl", "sha256": HASH, "published_at": registry.MADE}
    made.office.record(
        [
            mapped("C-1", "192.0.2.0/24"),
            mapped("C-2", "198.51.100.0/24"),
            mapped("isp", "192.0.0.0/16"),
            Item("document.published", document),
            Item("mapping.synced", {"source": "crm", "at": registry.MADE, "prefixes": 3}),
        ]
    )
    yield made
    made.office.close()


def mapped(customer: str, prefix: str) -> Item:
    private = {"source": "crm", "at": "2026-09-01T00:00:00Z", "prefixes": [prefix], "kind": "static"}
    return Item("mapping.asserted", {}, customer, private)


def give(world: World, record: dict[str, Any], **words: Any) -> dict[str, Any]:
    (answer,) = world.give("consent.give", {"record": record, **words})
    return answer


def object_(world: World, **words: Any) -> dict[str, Any]:
    (answer,) = world.give("consent.object", words)
    return answer


def test_a_record_is_given(world: World) -> None:
    answer = give(world, written())
    assert answer["warnings"] == []
    customer = world.office.register.customer("C-1")
    assert customer is not None
    assert [(one.id, one.hash) for one in customer.records] == [(answer["record"], answer["hash"])]
    assert next(iter(world.office.log.read(start=answer["entry"]))).kind == "record.given"


def test_a_dry_run_puts_nothing_on_record(world: World) -> None:
    size = world.office.log.size
    assert give(world, written(), dry_run=True)["entry"] is None
    assert world.office.log.size == size


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("a word that nobody knows", written(basis="implied"), "basis: input should be"),
    ("a key too many", written(more=1), "more: extra inputs"),
    ("beyond what is his", written(scope=scope("192.0.2.0/24", "203.0.113.0/24")), "203.0.113.0/24 is not mapped to"),
    ("nothing is his", written(customer="C-9"), "nothing is mapped to 'C-9'"),
    ("around what is another's", written(customer="isp", scope=scope("192.0.0.0/16")), "mapped to others than 'isp'"),
    ("made in the future", written(created_at="2026-11-25T08:00:00Z"), "created_at: 2026-11-25T08:00:00Z has not come"),
    ("in place of nothing", written(prev_record=ident(7)), "is no record of 'C-1'"),
    ("for too long", written(valid_until="2028-01-01T00:00:00Z"), "record: is valid for more than 12 months"),
]


@pytest.mark.parametrize(("what", "record", "said"), WRONG, ids=[row[0] for row in WRONG])
def test_a_record_that_cannot_be_given(world: World, what: str, record: dict[str, Any], said: str) -> None:
    size = world.office.log.size
    with pytest.raises(InputError) as caught:
        give(world, record)
    assert said in str(caught.value)
    assert world.office.log.size == size


def test_one_id_is_one_record(world: World) -> None:
    give(world, written())
    with pytest.raises(InputError, match="is on record already"):
        give(world, written(created_by="portal"))


WARNED: list[tuple[str, dict[str, Any], str]] = [
    ("a document nobody knows", {"documents": [{**registry.record()["documents"][0], "sha256": "cd" * 32}]},
        "never published"),
    ("nobody verified it", {"grantor": {"role": "it", "verified_by": "none"}}, "grantor.verified_by: none"),
    ("no verified contact", {"contacts": [{"role": "abuse", "channel": "mail", "address": "x"}]}, "none of them is"),
    ("run out", {"valid_until": "2026-11-01T00:00:00Z"}, "has passed"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "changes", "said"), WARNED, ids=[row[0] for row in WARNED])
def test_what_keeps_a_record_from_opening_anything_is_said(
    world: World, what: str, changes: dict[str, Any], said: str
) -> None:
    assert any(said in warning for warning in give(world, written(**changes))["warnings"])


def test_an_objection_of_a_customer_holds_at_once(world: World) -> None:
    answer = object_(world, customer="C-1")
    assert (answer["customer"], answer["covers"]) == ("C-1", ["192.0.2.0/24"])
    assert [one.id for one in world.office.register.objections(HOST)] == [answer["objection"]]
    assert world.office.objected == [(answer["objection"], False)]


PREFIXES = [
    ("192.0.2.0/28", "C-1"),
    ("198.51.100.7", "C-2"),
    ("192.0.0.0/22", None),  # it is several's
    ("203.0.113.0/24", None),  # it is nobody's
]


@pytest.mark.parametrize(("prefix", "owner"), PREFIXES)
def test_an_objection_to_a_prefix_counts_whoever_has_it(world: World, prefix: str, owner: str | None) -> None:
    answer = object_(world, prefix=prefix, headers=True)
    assert (answer["customer"], answer["headers"]) == (owner, True)
    assert world.office.register.objections(one(prefix)[0])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({}, "name a customer or a prefix"),
        ({"customer": "C-9"}, "no customer of that reference"),
        ({"prefix": "192.0.2.1/24"}, "has bits set behind its length"),
        ({"customer": "C-1", "headers": 1}, "true or false"),
    ],
)
def test_an_objection_that_cannot_be_read(world: World, words: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        object_(world, **words)


def test_an_objection_is_lifted_by_a_new_record(world: World) -> None:
    give(world, written())
    objection = object_(world, customer="C-1")["objection"]
    with pytest.raises(InputError, match="created_at: is not after the objection"):
        world.give("consent.lift", {"objection": objection, "record": written()})
    world.now += 3600
    record = written(2, created_at="2026-11-24T09:30:00Z")
    size = world.office.log.size
    (answer,) = world.give("consent.lift", {"objection": objection, "record": record})
    assert (answer["lifted"], answer["record"]) == (True, ident(2))
    assert world.kinds(size) == ["record.given", "record.objection_lifted"]
    assert world.office.register.objections(HOST) == ()
    with pytest.raises(InputError, match="was lifted at"):
        world.give("consent.lift", {"objection": objection, "record": record})


def test_an_objection_is_lifted_by_a_record_that_came_since(world: World) -> None:
    objection = object_(world, customer="C-1")["objection"]
    world.now += 3600
    record = written(2, created_at="2026-11-24T09:30:00Z")
    assert "an objection of this customer stands" in give(world, record)["warnings"][0]
    (answer,) = world.give("consent.lift", {"objection": objection, "record": record})
    assert answer["lifted"]


LATER = {"created_at": "2026-11-24T09:30:00Z"}
STANDS: list[tuple[str, dict[str, Any], str]] = [
    ("nobody verified it", written(2, grantor={"role": "it", "verified_by": "none"}, **LATER), "verified record alone"),
    ("another customer's", written(2, "C-2", scope=scope("198.51.100.0/24"), **LATER), "is another customer's"),
    ("older", written(2), "is not after the objection"),
    ("no record", {}, "record_id: field required"),
]


@pytest.mark.parametrize(("what", "record", "said"), STANDS, ids=[row[0] for row in STANDS])
def test_an_objection_that_is_not_lifted(world: World, what: str, record: dict[str, Any], said: str) -> None:
    objection = object_(world, customer="C-1")["objection"]
    world.now += 3600
    size = world.office.log.size
    with pytest.raises(InputError, match=said):
        world.give("consent.lift", {"objection": objection, "record": record})
    assert world.office.log.size == size
    assert world.office.register.objections(HOST)


def test_who_is_unknown_is_answered_for_by_who_has_all_of_it(world: World) -> None:
    objection = object_(world, prefix="192.0.0.0/22")["objection"]
    world.now += 3600
    with pytest.raises(InputError, match="do not hold all that the objection names"):
        world.give("consent.lift", {"objection": objection, "record": written(2, **LATER)})
    with pytest.raises(InputError, match="no objection of that id"):
        world.give("consent.lift", {"objection": ident(9), "record": written(2, **LATER)})


def test_withdrawn_is_ended(world: World) -> None:
    give(world, written())
    give(world, written(2))
    (one_,) = world.give("consent.withdraw", {"customer": "C-1", "record": ident(1)})
    (rest,) = world.give("consent.withdraw", {"customer": "C-1"})
    assert (one_["records"], rest["records"]) == ([ident(1)], [ident(2)])
    with pytest.raises(InputError, match="nothing to withdraw"):
        world.give("consent.withdraw", {"customer": "C-1"})
    with pytest.raises(InputError, match="is no record of"):
        world.give("consent.withdraw", {"customer": "C-1", "record": ident(5)})


def test_suspended_and_resumed_within_a_second(world: World) -> None:
    for _ in range(3):
        world.give("consent.suspend", {"customer": "C-1"})
        assert world.office.register.customer("C-1").suspended  # type: ignore[union-attr]
        (answer,) = world.give("consent.resume", {"customer": "C-1"})
        assert answer["suspended"] is False
    with pytest.raises(InputError, match="is not suspended"):
        world.give("consent.resume", {"customer": "C-1"})


def test_the_end_of_a_contract_ends_every_record(world: World) -> None:
    give(world, written())
    (answer,) = world.give("consent.end", {"customer": "C-1"})
    assert answer["records"] == [ident(1)]
    assert listed(world)["C-1"]["state"] == "contract_ended"
    with pytest.raises(InputError, match="already"):
        world.give("consent.end", {"customer": "C-1"})


def test_a_document_is_published_once(world: World) -> None:
    document = {"kind": "faq", "version": "2", "lang": "en", "sha256": "cd" * 32, "published_at": registry.MADE}
    (first,) = world.give("document.publish", {"document": document})
    (again,) = world.give("document.publish", {"document": document})
    assert (first["entry"] is None, again["entry"]) == (False, None)
    assert world.office.register.documents["cd" * 32] == "faq"
    for changed, said in (
        ({"kind": "terms"}, "is on record as faq"),
        ({"sha256": "cd"}, "sha256: "),
        ({"published_at": "2027-01-01T00:00:00Z"}, "has not come yet"),
    ):
        with pytest.raises(InputError, match=said):
            world.give("document.publish", {"document": document | changed})


def listed(world: World, **words: Any) -> dict[str, dict[str, Any]]:
    answers = world.give("consent.list", words)
    assert answers[-1] == {"next": None}
    return {row["customer"]: row for answer in answers for row in answer.get("customers", ())}


def test_everybody_is_listed_as_he_stands(world: World) -> None:
    give(world, written())
    object_(world, customer="C-2")
    rows = listed(world)
    assert {ref: row["state"] for ref, row in rows.items()} == {"C-1": "in_force", "C-2": "objected", "isp": "known"}
    expected = {"basis": ["explicit"], "until": "2027-09-30T08:00:00Z", "prefixes": 1, "objections": 0}
    assert rows["C-1"] == {"customer": "C-1", "state": "in_force", **expected}
    assert list(listed(world, state="objected")) == ["C-2"]
    assert list(listed(world, basis="explicit")) == ["C-1"]
    assert listed(world, basis="service_contract") == {}


def test_a_long_list_comes_in_pages(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.verbs.consent.PAGE", 2)
    first = world.give("consent.list", {})
    assert first[-1] == {"next": 2}
    assert world.give("consent.list", {"start": 2})[-1] == {"next": None}


@pytest.mark.parametrize(
    ("words", "said"), [({"state": "happy"}, "none of"), ({"basis": 1}, "none of"), ({"start": -1}, "is no number")]
)
def test_a_list_that_cannot_be_asked_for(world: World, words: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        world.give("consent.list", words)


def test_all_that_is_known_of_one_is_shown(world: World) -> None:
    give(world, written(scope=scope("192.0.2.0/24") | {"tiers": ["passive.handshake", "active.build"]}))
    told = {"channel": "mail", "sent_at": "2026-11-01T08:00:00Z", "delivered": "yes", "sha256": "ef" * 32}
    world.give("announce.record", {"customers": ["C-1"], "announced": told, "dry_run": False})
    shown: dict[str, list[Any]] = {}
    for answer in world.give("consent.show", {"customer": "C-1"}):
        for key, value in answer.items():
            shown.setdefault(key, []).append(value)
    assert sorted(shown) == ["announcement", "contact", "customer", "mapped", "opens", "record"]
    assert shown["contact"][0]["address"] == "it@example.net"
    assert shown["announcement"][0]["counts_from"] == "2026-12-01T08:00:00Z"
    opens = shown["opens"][0]
    assert (opens["handshakes"], opens["announced"]) == (["192.0.2.0/24"], [])
    assert opens["against_probes"] == ["he has not been told long enough", "fewer than two verified ways to reach him"]
    object_(world, customer="C-1", headers=True)
    opens = world.give("consent.show", {"customer": "C-1"})[1]["opens"]
    assert (opens["not_even_headers"], opens["against_probes"][0]) == (["192.0.2.0/24"], "an objection stands")


def test_that_it_was_read_is_put_on_record(world: World) -> None:
    world.uid = 1000
    listed(world)
    world.give("consent.show", {"customer": "C-1"})
    reads = [(each.customer, each.public) for each in world.office.log.read(("register.read",))]
    assert reads == [("", {"uid": 1000, "what": "list"}), ("C-1", {"uid": 1000, "what": "show"})]
    with pytest.raises(InputError, match="no customer"):
        world.give("consent.show", {"customer": "C-9"})


def test_the_register_is_the_same_when_the_log_is_read_again(world: World, tmp_path: Path) -> None:
    give(world, written())
    object_(world, customer="C-2")
    before = list(world.office.register.customers())
    world.office.close()
    again = World(tmp_path / "state")
    assert [one._replace() for one in again.office.register.customers()] == before
    again.office.close()
    world.office.open()

"""Imports as the register takes them: one append, only what is new, guards that hold what gives and not what takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.audit.log import AuditError
from agent.consent.difference import Side, difference
from agent.consent.told import Held, Told
from agent.consent.turns import denying, finished
from agent.errors import InputError
from agent.privacy import one
from agent.verbs import sessions
from tests.registry import MADE, World, event, later, mapping, objection, prefixes, record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    sessions._sessions.clear()
    made = World(tmp_path / "here")
    yield made
    made.office.close()


EVERYTHING = [
    {"what": "document", **record()["documents"][0]},
    record(1),
    event("confirmed", record_id=record(1)["record_id"]),
    {"what": "announcement", "customer": "C-1", "channel": "mail", "sent_at": "2026-10-01T08:00:00Z"}
    | {"delivered": "yes", "sha256": "ab" * 32},
    {"what": "contacts", "customer": "C-2", "at": MADE, "contacts": record()["contacts"]},
    objection("C-2"),
    objection(None, prefixes=["203.0.113.0/29"], at=None),
    mapping("192.0.2.0/24", "C-1"),
    mapping("198.51.100.0/24", "C-2"),
]


def test_an_import_is_in_force(world: World) -> None:
    came = world.send(EVERYTHING, full=True)
    assert (came.fault_count, came.held, came.recorded) == (0, "", 10)
    held = world.office.register
    assert [each.customer for each in held.holders(one("192.0.2.9")[0])] == ["C-1"]
    customer = held.customer("C-1")
    assert customer is not None and [each.id for each in customer.records] == [record(1)["record_id"]]
    assert held.objections(one("198.51.100.1")[0]) and held.objections(one("203.0.113.1")[0])
    assert held.synced("crm") == pytest.approx(world.now - 3600)
    assert {what: count for what, count in came.summary.items() if count} == {
        "customers_new": 3, "prefixes_added": 2, "published": 1, "given": 1, "confirmed": 1, "announced": 1,
        "contacts": 1, "objected": 2, "counting": 9,
    }  # fmt: skip


def test_a_second_time_it_appends_only_that_it_was_read(world: World) -> None:
    world.send(EVERYTHING, full=True)
    before = world.office.log.size
    came = world.send(EVERYTHING, full=True)
    assert world.kinds(before) == ["mapping.synced"] and came.recorded == 1
    assert world.send(EVERYTHING, full=True, made=later(0.5)).recorded == 1


def test_a_small_one_is_one_append(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    append = world.office.log.append
    monkeypatch.setattr(world.office.log, "append", lambda items: calls.append(len(items)) or append(items))
    world.send(EVERYTHING, full=True)
    assert calls == [10]


def test_a_log_that_cannot_be_written_changes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(items: Any) -> Any:
        raise AuditError("no space left on device")

    monkeypatch.setattr(world.office.log, "append", full)
    version, size = world.office.register.version, world.office.log.size
    with pytest.raises(Exception, match="no space left"):
        world.send(EVERYTHING, full=True)
    assert (world.office.register.version, world.office.log.size) == (version, size)


def test_a_dry_run_appends_only_that_it_was_read(world: World) -> None:
    world.send([mapping("192.0.2.0/24", "C-1"), *prefixes(30, "C-3")], full=True)
    before = world.office.log.size
    rows = [mapping("192.0.2.0/24", "C-2"), *prefixes(30, "C-3"), record(1), objection("C-3")]
    came = world.send(rows, full=True, made=later(0.1), show=True)
    assert [entry.kind for entry in world.office.log.read(start=before)] == ["register.read"]
    assert [" ".join(map(str, each)) for each in came.changes] == [
        "+ given C-1 00000000-0000-4000-8000-000000000001 explicit active.build 192.0.2.0/24 until "
        "2027-09-30T08:00:00Z False",
        "- objected C-3 everything False",
        "- prefix C-1 192.0.2.0/24 False",
        "+ prefix C-2 192.0.2.0/24 static False",
    ]
    assert (came.summary["prefixes_moved"], came.summary["customers_gone"], came.summary["customers_new"]) == (1, 1, 1)


# Rows that are faulty together, and what is wrong with them.
FAULTY: list[tuple[list[dict[str, Any]], dict[str, Any], str]] = [
    ([record(1), record(1, basis="service_contract")], {}, "row 1: record_id: 00000000-0000-4000-8000-000000000001 is"),
    (
        [mapping("192.0.2.0/24", "C-1"), mapping("192.0.2.0/24", "C-2")],
        {},
        "row 1: 192.0.2.0/24 is given to C-1 and to C-2; give it to one, or make it shared in both",
    ),
    ([mapping("192.0.2.0/24", "C-1")] * 2, {}, "row 1: 192.0.2.0/24 of C-1 is there twice; write it once"),
    ([record()], {"full": True}, "it has no prefix that can be used; a full synchronisation has at least one"),
    ([record(basis="?")], {}, "row 0: basis: Input should be 'explicit', 'service_contract' or 'terms_objection'"),
]


@pytest.mark.parametrize(("rows", "how", "message"), FAULTY)
def test_faults_refuse_all_of_it_but_a_no(world: World, rows: Any, how: Any, message: str) -> None:
    came = world.send([*rows, objection("C-9"), event("withdrawn"), record(7)], **how)
    assert came.faults[0].startswith(message)
    assert world.kinds(1 if world.kinds()[:1] == ["log.started"] else 0) == ["record.objected", "record.withdrawn"]


def test_an_empty_full_import_is_refused(world: World) -> None:
    world.send(prefixes(5), full=True)
    came = world.send([], full=True, made=later(0.1))
    assert came.faults == ["it is empty; a full synchronisation has at least one prefix"] and len(world.mapped()) == 5


def test_a_faulty_full_file_withdraws_nothing_by_what_it_lacks(world: World) -> None:
    world.send(prefixes(10), full=True)
    came = world.send([*prefixes(9), mapping("?", "C-1")], full=True, made=later(0.1))
    assert came.fault_count == 1 and len(world.mapped()) == 10


def test_older_than_what_is_known_is_refused(world: World) -> None:
    world.send(prefixes(10), full=True)
    came = world.send([*prefixes(11), objection()], full=True, made=later(-1))
    assert came.faults == [
        "it is of 2026-11-24T07:00:00Z, and crm was last heard at 2026-11-24T08:00:00Z: older than what is known; "
        "export it anew"
    ]
    assert len(world.mapped()) == 10 and world.office.register.objections(one("10.0.0.1")[0])


def test_faults_found_by_the_sender_count(world: World) -> None:
    came = world.send(prefixes(3), full=True, faults=["line 4: is cut off"])
    assert came.faults == ["line 4: is cut off"] and not world.mapped()


def test_a_row_too_large_for_a_message_is_a_fault_and_its_no_counts(world: World) -> None:
    came = world.send([objection("C-4", prefixes=["192.0.2.0/24"] * 100_000), objection("C-5"), record(1)])
    assert came.faults[0] == "row 0: is larger than 1048576 characters; divide it"
    said = [
        (entry.customer, (entry.private or {}).get("prefixes")) for entry in world.office.log.read(("record.objected",))
    ]
    assert said == [("C-4", None), ("C-5", None)] and world.office.register.customer("C-1") is None


def test_rows_that_were_lost_on_the_way_are_missed(world: World) -> None:
    (begun,) = world.give("registry.begin", {"source": "crm", "made": MADE, "full": True})
    world.give("registry.rows", {**begun, "rows": [["row", mapping("192.0.2.0/24", "C-1")]]})
    came = world.all("registry.commit", {**begun, "count": 2})[-1]
    assert came["faults"] == ["1 rows came, and 2 were sent; a part of it was lost, send it again"]


def test_a_loss_is_held_and_what_it_takes_is_not(world: World) -> None:
    world.send([*prefixes(20), record(1)], full=True)
    before = world.office.log.size
    rows = [*prefixes(10), mapping("172.16.0.0/29", "C-5"), record(2, "C-5"), objection("C-1"), event("withdrawn")]
    came = world.send(rows, full=True, made=later(0.1))
    assert came.held == "crm would lose 10 of 20 prefixes, and more than 5% is held (consent.lost_percent)"
    assert world.kinds(before) == ["record.objected", "record.withdrawn", "mapping.withdrawn", "mapping.held"]
    assert world.mapped() == {(each["prefix"], "C-1", "static") for each in prefixes(10)}
    assert world.office.register.synced("crm") == pytest.approx(world.now - 3600)


def test_a_loss_that_is_sent_again_stays_one(world: World) -> None:
    world.send(prefixes(20), full=True)
    for minutes in (1, 2, 3):
        assert world.send(prefixes(10), full=True, made=later(minutes / 60)).held
    assert world.send(prefixes(20), full=True, made=later(0.2)).held == ""
    assert len(world.mapped()) == 20


def test_an_operator_lets_a_loss_through(world: World) -> None:
    world.send(prefixes(20), full=True)
    rows = [*prefixes(10), mapping("172.16.0.0/29", "C-5")]
    assert world.send(rows, full=True, made=later(0.1)).held
    came = world.send(rows, full=True, made=later(0.1), accept_loss=True)
    assert came.held == "" and ("172.16.0.0/29", "C-5", "static") in world.mapped()
    last = list(world.office.log.read(("mapping.synced",)))[-1].public
    assert last == {"source": "crm", "at": later(0.1), "prefixes": 11, "lost": 10, "of": 20, "accepted_by": 0}
    assert world.send(rows, full=True, made=later(0.2)).held == ""


def test_a_move_is_a_loss_and_goes_at_once(world: World) -> None:
    world.send(prefixes(20), full=True)
    came = world.send([*prefixes(10), *prefixes(20, "C-2")[10:]], full=True, made=later(0.1))
    assert came.held and len(world.mapped()) == 10


# What must stay in force while a loss is held: its going would open something.
STAYS: list[tuple[str, list[dict[str, Any]], list[dict[str, Any]]]] = [
    ("shared", [mapping("192.0.2.0/28", "C-1", "shared")], []),
    ("dynamic", [mapping("192.0.2.0/28", "C-1", "dynamic")], []),
    ("a part given away", [mapping("192.0.2.0/24", "C-1"), mapping("192.0.2.0/28", "C-2")], []),
    ("two sources disagree", [mapping("192.0.2.0/28", "C-2")], [mapping("192.0.2.0/28", "C-1")]),
    ("two sources overlap", [mapping("192.0.2.0/24", "C-2")], [mapping("192.0.2.0/28", "C-1")]),
    ("an objector's", [mapping("192.0.2.0/28", "C-1"), objection("C-1")], []),
]


@pytest.mark.parametrize(("name", "rows", "other"), STAYS, ids=[name for name, *_ in STAYS])
def test_a_loss_that_is_held_opens_nothing(world: World, name: str, rows: Any, other: Any) -> None:
    if other:
        world.send(other, full=True, source="netbox")
    world.send([*rows, *prefixes(5, "C-7")], full=True)
    before = world.mapped()
    came = world.send(prefixes(5, "C-7"), full=True, made=later(0.1))
    assert came.held and world.mapped() == before
    assert world.send(prefixes(5, "C-7"), full=True, made=later(0.1), accept_loss=True).held == ""
    assert len(world.mapped()) == 5 + len(other)


def test_a_wider_record_is_narrowed_while_the_narrower_one_waits(world: World) -> None:
    wide = record(1)
    less = record(2, prev_record=wide["record_id"], scope={**wide["scope"], "prefixes": ["192.0.2.0/28"]})
    world.send([wide, *prefixes(20)], full=True)
    assert world.send([less, *prefixes(3)], full=True, made=later(0.1)).held
    customer = world.office.register.customer("C-1")
    assert customer is not None and [each.scope.prefixes for each in customer.records] == [(one("192.0.2.0/28"),)]


def test_a_record_is_never_given_two_texts(world: World) -> None:
    world.send([record(1)])
    came = world.send([record(1, jurisdiction="BE")])
    assert "was given before with other words" in came.faults[0]


def test_an_objection_is_renewed_and_widened(world: World) -> None:
    name = "00000000-0000-4000-8000-000000000099"
    world.send([objection(objection_id=name, prefixes=["192.0.2.0/28"])])
    assert world.send([objection(objection_id=name, prefixes=["192.0.2.0/28"])]).recorded == 0
    assert world.send([objection(objection_id=name, headers=True)]).recorded == 1
    (found,) = world.office.register.customer("C-1").objections  # type: ignore[union-attr]
    assert found.headers and found.prefixes is None


def test_sessions_are_bounded_forgotten_and_their_owners(world: World) -> None:
    begin = {"source": "crm", "made": MADE, "full": False}
    (one_,) = world.give("registry.begin", begin)
    world.give("registry.begin", begin)
    with pytest.raises(InputError, match="other imports are under way"):
        world.give("registry.begin", begin)
    world.uid = 7
    with pytest.raises(InputError, match="not known any more"):
        world.give("registry.rows", {**one_, "rows": []})
    world.uid = 0
    world.now += sessions.IDLE + 1
    with pytest.raises(InputError, match="not known any more"):
        world.give("registry.rows", {**one_, "rows": []})
    world.give("registry.begin", begin)


WORDS: list[tuple[str, dict[str, Any], str]] = [
    ("registry.begin", {"source": "My CRM", "made": MADE, "full": False}, "--source: write 1 to 64 small letters"),
    *(
        ("registry.begin", {"source": name, "made": MADE, "full": False}, "--source: write 1 to 64 small letters")
        for name in ("192.0.2.1", "netbox.example", "2001:db8::1", "a@example", "")
    ),
    ("registry.begin", {"source": "crm", "made": "today", "full": False}, "made: 'today' is no time"),
    ("registry.begin", {"source": "crm", "made": "2026-11-25T00:00:00Z", "full": False}, "has not come yet"),
    ("registry.begin", {"source": "crm", "made": MADE, "full": 1}, "full: is neither true nor false"),
    ("registry.rows", {"session": ["x"], "rows": []}, "not known any more"),
    ("registry.commit", {"session": "x", "count": 0}, "not known any more"),
    ("registry.text", {"session": "x"}, "not known any more"),
    ("registry.snapshot", {}, "consent.snapshot_keys: is empty"),
    ("registry.export", {"signed": True, "contacts": False, "days": 32}, "--days: 32 is not from 1 to 31"),
    ("registry.export", {"signed": 1, "contacts": False, "days": 3}, "signed, contacts: are neither"),
]


@pytest.mark.parametrize(("verb", "words", "message"), WORDS)
def test_words_that_cannot_be_used(world: World, verb: str, words: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        world.give(verb, words)


PAIRS = st.dictionaries(
    st.tuples(
        st.sampled_from(
            [f"192.0.2.{i * 16}/28" for i in range(4)] + ["192.0.2.0/24", "192.0.2.0/26", "198.51.100.0/24"]
        ),
        st.sampled_from(["C-1", "C-2", "C-3"]),
    ),
    st.builds(Held, st.sampled_from(["static", "static", "shared", "dynamic"]), st.none(), st.none()),
    max_size=8,
)


def _open(mapped: dict[str, dict[Any, Held]]) -> set[tuple[int, str]]:
    """The addresses that are exactly one customer's and static, by the longest prefix of each source."""
    allowed = set()
    for address in [one(f"192.0.2.{i * 16}")[0] for i in range(16)] + [one("198.51.100.9")[0]]:
        said: set[tuple[str, str]] = set()
        for pairs in mapped.values():
            covering = [(one(p), c, h) for (p, c), h in pairs.items() if one(p)[0] <= address <= one(p)[1]]
            longest = min((last - first for (first, last), _, _ in covering), default=0)
            said |= {(c, h.kind) for (first, last), c, h in covering if last - first == longest}
        if len(said) == 1 and next(iter(said))[1] == "static":
            allowed.add((address, next(iter(said))[0]))
    return allowed


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PAIRS, PAIRS, PAIRS)
def test_no_held_loss_opens_an_address(crm: Any, netbox: Any, short: Any) -> None:
    told = Told()
    told.mapped = {"crm": dict(crm), "netbox": dict(netbox)}
    diff = finished(difference(Side("crm", MADE, full=True, mapped=short), told))
    stays = finished(denying([diff], told))
    left = {pair: held for pair, held in crm.items() if pair not in diff.removed or ("crm", pair) in stays}
    assert _open({"crm": left, "netbox": netbox}) <= _open({"crm": crm, "netbox": netbox})

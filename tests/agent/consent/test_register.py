"""The register as tables of what happened, and the one property on which all rests: no order of arrival gives leave."""

from __future__ import annotations

import pytest

from agent.audit.entry import KINDS, Opened
from agent.consent.register import Register
from agent.consent.written import BODIES
from agent.leave import Limits
from agent.privacy import common, minus, one
from tests.agent.consent import registers
from tests.agent.consent.registers import (
    Event,
    at,
    given,
    lifted,
    mapped,
    name,
    objected,
    published,
    register,
    said,
    synced,
    told,
    unmapped,
)  # fmt: skip

HOST = one("192.0.2.1")[0]
UNVERIFIED = {"role": "it", "verified_by": "none"}
LATE = at(45)
LIMITS = Limits(mapping=86_400.0 * 30)


def ended(*events: Event, received: float = 40, number: int = 1) -> float | None:
    customer = register(events, received).customer("c-1")
    assert customer is not None
    found = next(one.ended for one in customer.records if one.id == name(number))
    return None if found is None else (found - at(0)) / 86_400


ENDS: list[tuple[str, list[Event], float | None]] = [
    ("given", [given("c-1")], None),
    ("withdrawn", [given("c-1"), said("withdrawn", "c-1", 3, 1)], 3),
    ("all of his withdrawn", [given("c-1"), said("withdrawn", "c-1", 3)], 3),
    ("another one withdrawn", [given("c-1"), said("withdrawn", "c-1", 3, 2)], None),
    ("withdrawn before it was heard of", [said("withdrawn", "c-1", 3, 1), given("c-1")], 3),
    ("all withdrawn before this older one was heard of", [said("withdrawn", "c-1", 3), given("c-1", 1, 2)], 3),
    ("new after all were withdrawn", [said("withdrawn", "c-1", 3), given("c-1", 1, 4)], None),
    ("newer, and heard of before the withdrawal was", [given("c-1", 1, 4), said("withdrawn", "c-1", 3)], 3),
    ("of the same time as the withdrawal", [said("withdrawn", "c-1", 4), given("c-1", 1, 4)], 4),
    ("refused", [given("c-1"), said("refused", "c-1", 3)], 3),
    ("expired", [given("c-1"), said("expired", "c-1", 3, 1)], 3),
    ("invalidated", [given("c-1"), said("invalidated", "c-1", 3, 1)], 3),
    ("replaced", [given("c-1"), given("c-1", 2, 6, prev_record=name(1))], 6),
    ("replaced before it was heard of", [given("c-1", 2, 6, prev_record=name(1)), given("c-1")], 6),
    ("the contract has ended", [given("c-1"), said("contract_ended", "c-1", 5)], 5),
    ("after the contract has ended", [said("contract_ended", "c-1", 5), given("c-1", 1, 6)], None),
    ("twice the same", [given("c-1"), given("c-1")], None),
    ("one name for two texts", [given("c-1"), given("c-1", 1, 0, "198.51.100.0/24")], 0),
    ("only asked", [said("requested", "c-1", 3, 1), given("c-1"), said("confirmed", "c-1", 4, 1)], None),
    ("the same again after it was withdrawn", [given("c-1"), said("withdrawn", "c-1", 3), given("c-1")], 3),
]


@pytest.mark.parametrize(("what", "events", "expected"), ENDS, ids=[row[0] for row in ENDS])
def test_when_a_record_ends(what: str, events: list[Event], expected: float | None) -> None:
    assert ended(*events) == expected


AGREED = [mapped("c-1"), given("c-1")]
NEW = given("c-1", 2, 6)
LIFTS: list[tuple[str, list[Event], bool]] = [
    ("objected", [*AGREED, objected("c-1", 1, 3)], True),
    ("a new record alone", [*AGREED, objected("c-1", 1, 3), NEW], True),
    ("lifted with a new record", [*AGREED, objected("c-1", 1, 3), NEW, lifted("c-1", 1, 2, 7)], False),
    ("the lift was heard of before the record", [objected("c-1", 1, 3), lifted("c-1", 1, 2, 7), NEW], False),
    ("by a record that nobody verified",
        [objected("c-1", 1, 3), given("c-1", 2, 6, grantor=UNVERIFIED), lifted("c-1", 1, 2, 7)], True),
    ("by a record that is older", [objected("c-1", 1, 3), given("c-1", 2, 2), lifted("c-1", 1, 2, 7)], True),
    ("by a record of the same time", [objected("c-1", 1, 6), NEW, lifted("c-1", 1, 2, 7)], True),
    ("by a record that was heard of before", [NEW, objected("c-1", 1, 3), lifted("c-1", 1, 2, 7)], True),
    ("by a lift that was heard of before", [lifted("c-1", 1, 2, 7), objected("c-1", 1, 3), NEW], True),
    ("by a lift that is older", [objected("c-1", 1, 3), NEW, lifted("c-1", 1, 2, 3)], True),
    ("by a record that nobody knows", [objected("c-1", 1, 3), lifted("c-1", 1, 2, 7)], True),
    ("by somebody else's record", [objected("c-1", 1, 3), given("c-2", 2, 6), lifted("c-2", 1, 2, 7)], True),
    ("by a record that never was valid",
        [objected("c-1", 1, 3), NEW, lifted("c-1", 1, 2, 7), said("invalidated", "c-1", 9, 2)], True),
    ("another objection was lifted",
        [objected("c-1", 1, 3), objected("c-1", 2, 3), NEW, lifted("c-1", 2, 2, 7)], True),
    ("the same objection told again after it was lifted",
        [mapped("c-1"), objected("c-1", 1, 3), NEW, lifted("c-1", 1, 2, 7), objected("c-1", 1, 3)], False),
    ("wider under the same name after it was lifted",
        [objected("c-1", 1, 3, "192.0.2.0/28"), NEW, lifted("c-1", 1, 2, 7), objected("c-1", 1, 3)], True),
    ("objected anew", [objected("c-1", 1, 3), NEW, lifted("c-1", 1, 2, 7), objected("c-1", 2, 8)], True),
    ("the operator resumed", [*AGREED, objected("c-1", 1, 3), said("resumed", "c-1", 9)], True),
]  # fmt: skip


@pytest.mark.parametrize(("what", "events", "stands"), LIFTS, ids=[row[0] for row in LIFTS])
def test_what_lifts_an_objection(what: str, events: list[Event], stands: bool) -> None:
    made = register([mapped("c-1"), *events])
    assert bool(made.objections(HOST)) == stands
    objected = made.sets(LATE, LIMITS).objected
    assert bool(common([(HOST, HOST)], objected)) == stands


COVERS: list[tuple[str, list[Event], str, bool]] = [
    ("its prefix", [objected("c-1", 1, 3, "192.0.2.0/28")], "192.0.2.1", True),
    ("beside its prefix", [mapped("c-1"), objected("c-1", 1, 3, "192.0.2.0/28")], "192.0.2.17", False),
    ("a prefix that is somebody else's", [mapped("c-2"), objected("c-1", 1, 3, "192.0.2.0/28")], "192.0.2.1", True),
    ("everything: what is mapped", [mapped("c-1"), objected("c-1", 1, 3)], "192.0.2.1", True),
    ("everything: what is mapped later", [objected("c-1", 1, 3), mapped("c-1", 9)], "192.0.2.1", True),
    ("everything: what a record names", [given("c-1"), objected("c-1", 1, 3)], "192.0.2.1", True),
    ("everything: what a later record names", [objected("c-1", 1, 3), given("c-1", 1, 9)], "192.0.2.1", True),
    ("everything: what an ended record named",
        [given("c-1"), objected("c-1", 1, 3), said("withdrawn", "c-1", 5)], "192.0.2.1", True),
    ("everything: what a narrower record no longer names", [given("c-1"), objected("c-1", 1, 3),
        said("narrowed", "c-1", 5, 1, scope=registers.scope("198.51.100.0/24"))], "192.0.2.1", True),
    ("everything: what is his no longer",
        [mapped("c-1"), objected("c-1", 1, 3), unmapped("c-1", 5)], "192.0.2.1", False),
    ("everything: a record of one who has left", [mapped("c-2"), given("c-1"), objected("c-1", 1, 3),
        said("contract_ended", "c-1", 5)], "192.0.2.1", False),
    ("everything: an ended mapping still is his",
        [mapped("c-1", valid_until=registers.day(4)), objected("c-1", 1, 3)], "192.0.2.1", True),
    ("of somebody unknown", [objected(f"objector/{name(1)}", 1, 3, "192.0.2.0/28")], "192.0.2.1", True),
    ("of somebody unknown, everything", [mapped("c-1"), objected(f"objector/{name(1)}", 1, 3)], "192.0.2.1", False),
]  # fmt: skip


@pytest.mark.parametrize(("what", "events", "address", "stands"), COVERS, ids=[row[0] for row in COVERS])
def test_what_an_objection_covers(what: str, events: list[Event], address: str, stands: bool) -> None:
    made = register(events)
    assert bool(made.objections(one(address)[0])) == stands
    assert bool(common([one(address)], made.sets(LATE, LIMITS).objected)) == stands


def test_an_objection_of_somebody_unknown_is_lifted_by_whoever_has_a_record_of_all_of_it() -> None:
    unknown = objected(f"objector/{name(1)}", 1, 3, "192.0.2.0/25", "198.51.100.0/24")
    some, all_ = given("c-1", 2, 6), given("c-1", 2, 6, "192.0.2.0/24", "198.51.100.0/24")
    assert register([unknown, some, lifted("c-1", 1, 2, 7)]).objections(HOST)
    assert not register([unknown, all_, lifted("c-1", 1, 2, 7)]).objections(HOST)


def test_what_an_objection_takes_away_is_known_by_its_name() -> None:
    made = register([mapped("c-1"), given("c-1", 1, 0, "198.51.100.0/24"), objected("c-1", 1, 3)])
    assert made.objected_ranges(name(1)) == [one("192.0.2.0/24"), one("198.51.100.0/24")]
    assert made.objected_ranges(name(9)) == []


SUSPENDED: list[tuple[str, list[Event], bool]] = [
    ("suspended", [said("suspended", "c-1", 3)], True),
    ("resumed", [said("suspended", "c-1", 3), said("resumed", "c-1", 4)], False),
    ("suspended again", [said("suspended", "c-1", 3), said("resumed", "c-1", 4), said("suspended", "c-1", 5)], True),
    ("resumed before it was heard of", [said("resumed", "c-1", 4), said("suspended", "c-1", 3)], True),
    ("at one time", [said("suspended", "c-1", 3), said("resumed", "c-1", 3)], True),
    ("a new record is no resumption", [said("suspended", "c-1", 3), given("c-1", 1, 4)], True),
]


@pytest.mark.parametrize(("what", "events", "expected"), SUSPENDED, ids=[row[0] for row in SUSPENDED])
def test_suspension(what: str, events: list[Event], expected: bool) -> None:
    customer = register(events).customer("c-1")
    assert customer is not None
    assert customer.suspended is expected


CONTRACT: list[tuple[str, list[Event], bool]] = [
    ("ended", [said("contract_ended", "c-1", 3)], True),
    ("a new one", [said("contract_ended", "c-1", 3), given("c-1", 1, 4)], False),
    (
        "a new one that nobody verified",
        [said("contract_ended", "c-1", 3), given("c-1", 1, 4, grantor=UNVERIFIED)],
        True,
    ),
    ("an old record heard of late", [said("contract_ended", "c-1", 3), given("c-1", 1, 2)], True),
    ("a newer record heard of before", [given("c-1", 1, 4), said("contract_ended", "c-1", 3)], True),
]


@pytest.mark.parametrize(("what", "events", "expected"), CONTRACT, ids=[row[0] for row in CONTRACT])
def test_the_end_of_a_contract(what: str, events: list[Event], expected: bool) -> None:
    customer = register(events).customer("c-1")
    assert customer is not None
    assert (customer.ended is not None) is expected


def contacts(*channels: str, when: float, verified: bool = True) -> Event:
    each = {"role": "security", "address": "x", **({"verified_at": registers.day(0)} if verified else {})}
    return Event(
        "record.contacts", {"at": registers.day(when), "contacts": [{**each, "channel": c} for c in channels]}, "c-1"
    )


CHANNELS: list[tuple[str, list[Event], tuple[str, ...]]] = [
    ("of the record", [given("c-1")], ("mail",)),
    ("newer than the record", [given("c-1"), contacts("phone", "letter", when=2)], ("letter", "phone")),
    ("older than the record", [contacts("phone", when=2), given("c-1", 1, 3)], ("mail",)),
    ("heard of late", [given("c-1", 1, 3), contacts("phone", when=2)], ("mail",)),
    ("not verified", [contacts("phone", when=2, verified=False)], ()),
    ("of one time, both", [contacts("phone", "mail", when=2), contacts("mail", "letter", when=2)], ("mail",)),
]


@pytest.mark.parametrize(("what", "events", "expected"), CHANNELS, ids=[row[0] for row in CHANNELS])
def test_channels_are_the_verified_ones_of_the_last_word(
    what: str, events: list[Event], expected: tuple[str, ...]
) -> None:
    customer = register(events).customer("c-1")
    assert customer is not None
    assert customer.channels == expected


DELIVERED: list[tuple[tuple[str, ...], str]] = [
    (("yes",), "yes"),
    (("unknown", "yes"), "yes"),
    (("yes", "no"), "no"),
    (("no", "yes"), "no"),
    (("no", "unknown"), "no"),
]


@pytest.mark.parametrize(("said_of_it", "expected"), DELIVERED)
def test_what_came_back_was_not_delivered(said_of_it: tuple[str, ...], expected: str) -> None:
    customer = register([told("c-1", 0, delivered=each) for each in said_of_it]).customer("c-1")
    assert customer is not None
    assert [each.delivered for each in customer.announcements] == [expected]


def test_two_ways_of_telling_are_two_announcements() -> None:
    customer = register([told("c-1", 0, delivered="no"), told("c-1", 0, channel="letter")]).customer("c-1")
    assert customer is not None
    assert sorted(each.delivered for each in customer.announcements) == ["no", "yes"]


# The passive tiers.
ALL = [mapped("c-1"), synced(40), published(), told("c-1"), given("c-1")]
WHOLE = [one("192.0.2.0/24")]
CONSENTED: list[tuple[str, list[Event], bool]] = [
    ("all there", ALL, True),
    ("no document is known", [each for each in ALL if each.kind != "document.published"], False),
    ("nobody reads the source", [each for each in ALL if each.kind != "mapping.synced"], False),
    ("not mapped", ALL[1:], False),
    ("another tier", [*ALL[:-1], given("c-1", scope=registers.scope(tiers=["active.build"]))], False),
    ("by terms alone", [*ALL[:-1], given("c-1", basis="terms_objection")], False),
    ("a contract for the service", [*ALL[:-1], given("c-1", basis="service_contract")], True),
    ("nobody verified who gave it", [*ALL[:-1], given("c-1", grantor=UNVERIFIED)], False),
    ("not his yet", [mapped("c-1", 46), *ALL[1:]], False),
    ("run out", [*ALL[:-1], given("c-1", valid_until=registers.day(44))], False),
    ("not yet valid", [*ALL[:-1], given("c-1", valid_from=registers.day(46))], False),
    ("withdrawn", [*ALL, said("withdrawn", "c-1", 41)], False),
    ("suspended", [*ALL, said("suspended", "c-1", 41)], False),
    ("contract ended", [*ALL, said("contract_ended", "c-1", 41)], False),
    ("shared", [mapped("c-1", 0, kind="shared"), *ALL[1:]], False),
    ("dynamic", [mapped("c-1", 0, kind="dynamic"), *ALL[1:]], False),
    ("the mapping has ended", [mapped("c-1", 0, valid_until=registers.day(44)), *ALL[1:]], False),
    ("in quarantine", [*ALL, unmapped("c-2", 41)], False),
    ("the same source gives it to another too", [*ALL, mapped("c-2", 41)], False),
    ("another source gives it to another", [*ALL, mapped("c-2", 41, source="netbox"), synced(40, "netbox")], False),
    ("another source agrees", [*ALL, mapped("c-1", 41, source="netbox"), synced(40, "netbox")], True),
    ("another source agrees, but is old", [*ALL, mapped("c-1", 41, source="netbox"), synced(5, "netbox")], False),
    ("handed to another, who agreed to nothing", [*ALL, unmapped("c-1", 1), mapped("c-2", 1), told("c-2")], False),
]


@pytest.mark.parametrize(("what", "events", "expected"), CONSENTED, ids=[row[0] for row in CONSENTED])
def test_whose_handshakes_are_consented_to(what: str, events: list[Event], expected: bool) -> None:
    assert register(events).sets(LATE, LIMITS).consented == (WHOLE if expected else [])


def test_exclusions_and_longer_prefixes_of_others_are_cut_out() -> None:
    made = register(
        [
            mapped("c-1"), mapped("c-2", 0, "192.0.2.0/28"), *ALL[1:-1],
            given("c-1", scope=registers.scope(exclude=["192.0.2.128/25"])),
        ]
    )  # fmt: skip
    expected = minus(WHOLE, [one("192.0.2.0/28"), one("192.0.2.128/25")])
    assert made.sets(LATE, LIMITS).consented == expected


ANNOUNCED: list[tuple[str, list[Event], bool]] = [
    ("long ago", [*ALL[:3], told("c-1", 10)], True),
    ("not long enough ago", [*ALL[:3], told("c-1", 16)], False),
    ("came back", [*ALL[:3], told("c-1", 10, delivered="no")], False),
    ("nobody knows whether it came", [*ALL[:3], told("c-1", 10, delivered="unknown")], False),
    ("with a record", [*ALL[:3], given("c-1", announcement=told("c-1", 10).written)], True),
    ("objected", [*ALL[:3], told("c-1", 10), objected("c-1", 1, 12)], False),
    ("told to the former holder", [*ALL[1:3], told("c-1"), mapped("c-2")], False),
]


@pytest.mark.parametrize(("what", "events", "expected"), ANNOUNCED, ids=[row[0] for row in ANNOUNCED])
def test_who_was_told_long_enough_ago(what: str, events: list[Event], expected: bool) -> None:
    assert register(events).sets(at(45), LIMITS).announced == (WHOLE if expected else [])


def test_headers_are_excluded_where_that_was_asked() -> None:
    made = register([mapped("c-1"), objected("c-1", 1, 3), objected("c-1", 2, 4, "192.0.2.0/28", headers=True)])
    sets = made.sets(LATE, LIMITS)
    assert (sets.objected, sets.excluded, sets.customers) == (WHOLE, [one("192.0.2.0/28")], [])


def test_an_objection_that_is_told_again_with_headers_is_about_them_at_once() -> None:
    made, told_again = Register(), [mapped("c-1"), objected("c-1", 1, 3), objected("c-1", 1, 3, headers=True)]
    excluded = []
    for entry in registers.opened(told_again):
        made.apply(entry)
        excluded.append(made.sets(LATE, LIMITS).excluded)
    assert excluded == [[], [], WHOLE]


# Properties.
def test_kinds_of_no_consequence_do_nothing() -> None:
    made = Register()
    known = {*BODIES, "mapping.synced", "document.published", "customer.erased"}
    for number, kind in enumerate(set(KINDS) - known):
        made.apply(Opened(number, kind, 0.0, {"source": "crm"}, "c-1", {"anything": 1}))
    assert (made.version, list(made.customers())) == (0, [])


def test_what_was_erased_is_as_if_it_had_never_been() -> None:
    events = [mapped("c-1"), given("c-1"), objected("c-1", 1, 3), mapped("c-2", 0, "198.51.100.0/24")]
    made = register(events)
    made.apply(Opened(9, "customer.erased", at(41), {}, "c-1", None))
    left = register([events[-1]])
    assert list(made.customers()) == list(left.customers())
    assert made.sets(LATE, LIMITS) == left.sets(LATE, LIMITS)
    assert (made.objections(HOST), made.holders(HOST)) == ((), ())
    # And in the log there is nothing left to read of him.
    made.apply(Opened(10, "record.given", at(41), {}, "", None))
    assert made.customer("") is None


def test_the_register_keeps_no_contact() -> None:
    made = register([given("c-1"), contacts("phone", when=2)])
    assert made.contacts_entry("c-1") == 1
    assert made.contacts_entry("c-2") is None
    assert "s@example.nl" not in repr([made.customer("c-1"), made.folded("c-1")])


def test_the_hash_is_that_of_the_canonical_json() -> None:
    from hashlib import sha256

    import rfc8785

    from agent.consent.written import body

    event = given("c-1", created_by="crm/\u00e9\U0001f600")
    customer = register([event]).customer("c-1")
    assert customer is not None
    assert customer.records[0].hash == sha256(rfc8785.dumps(body(event.kind, event.written))).hexdigest()

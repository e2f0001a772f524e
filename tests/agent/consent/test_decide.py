"""Whether somebody may be knocked at: every reason, nothing without a record, and no unknown that is taken for good."""

from __future__ import annotations

import pytest

from agent.consent.decide import inputs
from agent.consent.explain import first
from agent.leave import HANDSHAKE, MEANINGS, PIECES, REASONS, Leave, Refusal
from agent.privacy import one
from tests.agent.consent.asking import (
    ANNOUNCEMENT,
    CUSTOMER,
    DAY,
    HASHES,
    HOST,
    HOUR,
    NOW,
    OBJECTION,
    RECORD,
    Asked,
    Change,
    also,
    books,
    changed,
    customer,
    denied,
    had,
    intent,
    limits,
    mapped,
    now,
    outcome,
    probe,
    record,
    request,
    scope,
    seen,
)  # fmt: skip

EXCLUDING = RECORD._replace(id="r-2", scope=RECORD.scope._replace(excluded=(one(HOST),)))
EVERYBODY = [one("0.0.0.0/0")]
SIX = "2001:db8::1"
OTHERS = CUSTOMER._replace(ref="c-2")

# What is asked, otherwise than in the question that is answered with leave -> the answer: a reason, or "" for leave.
TABLE: tuple[tuple[str, tuple[Change, ...], str], ...] = (
    ("everything is in order", (), ""),
    ("a name", (request(address="mail.example.nl"),), "not_an_address"),
    ("a name that is a number elsewhere", (request(address="3221225985"),), "not_an_address"),
    ("nothing", (request(address=""),), "not_an_address"),
    ("octal to some", (request(address="192.0.2.010"),), "not_an_address"),
    ("a prefix", (request(address="192.0.2.1/32"),), "not_an_address"),
    ("with a port", (request(address="192.0.2.1:443"),), "not_an_address"),
    ("IPv4 in IPv6", (request(address="::ffff:192.0.2.1"),), "not_an_address"),
    ("IPv4 in IPv6, in hexadecimal", (request(address="::ffff:c000:201"),), "not_an_address"),
    ("a zone", (request(address="2001:db8::1%eth0"),), "not_an_address"),
    ("IPv6 not in its canonical form", (request(address="2001:DB8::1"),), "not_an_address"),
    ("IPv6 in full", (request(address="2001:db8:0:0:0:0:0:1"),), "not_an_address"),
    ("a NUL", (request(address="192.0.2.1\0"),), "not_an_address"),
    ("the kill switch is on", (now(killed=True),), "kill_switch"),
    ("nobody knows of the kill switch", (now(killed=None),), "kill_switch"),
    ("a piece is missing", (now(missing=("contact",)),), "not_armed"),
    ("nobody knows what is missing", (now(missing=None),), "not_armed"),
    ("a laboratory, and an address outside", (request(address="198.41.0.4"),), "special_address"),
    ("no laboratory, and documentation", (now(laboratory=False),), "special_address"),
    ("no laboratory, and loopback", (now(laboratory=False), request(address="127.0.0.1")), "special_address"),
    ("the operator's deny file", (now(denied=denied("192.0.2.0/28")),), "deny_list"),
    ("a deny file that names others", (now(denied=denied("192.0.2.0/32", "192.0.2.2/31")),), ""),
    ("a deny file that cannot be read", (now(denied=None),), "deny_list"),
    ("he objects to everything", (customer(objections=(OBJECTION,)),), "objection"),
    ("he objects to it", (customer(objections=(OBJECTION._replace(prefixes=(one("192.0.2.0/30"),)),)),), "objection"),
    ("he objects to another", (customer(objections=(OBJECTION._replace(prefixes=(one("192.0.2.4/30"),)),)),), ""),
    ("somebody objects", (books(objecting=((one("192.0.2.1"), OBJECTION),)),), "objection"),
    ("he took it back", (customer(objections=(OBJECTION._replace(lifted=NOW - 1),)),), ""),
    ("he will have taken it back", (customer(objections=(OBJECTION._replace(lifted=NOW + 1),)),), "objection"),
    (
        "one of two holders objects",
        (also("192.0.2.1", customer="c-2"), books(people=(CUSTOMER, OTHERS._replace(objections=(OBJECTION,))))),
        "objection",
    ),
    ("a clock that is not synchronised", (now(clock_synced=False),), "clock_not_synced"),
    ("a clock of which nothing is known", (now(clock_synced=None),), "clock_not_synced"),
    ("a log that cannot be written", (now(audit_writable=False),), "audit_not_writable"),
    ("a log of which nothing is known", (now(audit_writable=None),), "audit_not_writable"),
    ("no checkpoint yet", (now(checkpoint_age=None),), "checkpoint_stale"),
    ("the last checkpoint is old", (now(checkpoint_age=901.0),), "checkpoint_stale"),
    ("the last checkpoint is old enough", (now(checkpoint_age=900.0),), ""),
    ("a checkpoint that is still to come", (now(checkpoint_age=-1.0),), "checkpoint_stale"),
    ("nobody's", (request(address="198.51.100.1"),), "unmapped"),
    ("two sources, two customers", (also("192.0.2.0/25", source="netbox", customer="c-2"),), "mapping_conflict"),
    ("one source, two customers", (also("192.0.2.1", customer="c-2"),), "shared"),
    ("said to be shared", (mapped(kind="shared"),), "shared"),
    ("said to be dynamic", (mapped(kind="dynamic"),), "dynamic"),
    ("of a kind that is not known", (mapped(kind="unknown"),), "dynamic"),
    ("the source was never synchronised", (books(syncs={}),), "mapping_stale"),
    ("the source was synchronised just now", (books(syncs={"crm": NOW}),), ""),
    ("the source was synchronised a day ago", (books(syncs={"crm": NOW - DAY}),), ""),
    ("the source was synchronised before that", (books(syncs={"crm": NOW - DAY - 1}),), "mapping_stale"),
    ("the source will have been synchronised", (books(syncs={"crm": NOW + 1}),), "mapping_stale"),
    (
        "one of two sources is not fresh",
        (also("192.0.2.0/24", source="netbox"), books(syncs={"crm": NOW, "netbox": NOW - 2 * DAY})),
        "mapping_stale",
    ),
    ("all assertions have run out", (mapped(until=NOW - 30 * DAY),), "mapping_stale"),
    ("changed hands a week ago", (mapped(before=NOW - 7 * DAY, since=NOW - 7 * DAY),), ""),
    ("changed hands since", (mapped(before=NOW - 7 * DAY + 1, since=NOW - 9 * DAY),), "quarantine"),
    ("his since less than a week, another's before", (mapped(before=NOW - 90 * DAY, since=NOW - DAY),), "quarantine"),
    ("his from tomorrow on", (mapped(since=NOW + DAY),), "quarantine"),
    ("was another's until yesterday", (also("192.0.2.1", customer="c-2", until=NOW - DAY),), "quarantine"),
    ("routed here", (now(route_check=True, routed=denied("192.0.2.0/24")),), ""),
    ("not routed here", (now(route_check=True, routed=denied("198.51.100.0/24")),), "not_routed"),
    ("nobody knows what is routed", (now(route_check=True, routed=None),), "not_routed"),
    ("the contract has ended", (customer(ended=NOW - DAY),), "contract_ended"),
    ("the contract is to end", (customer(ended=NOW + DAY),), "contract_ended"),
    ("suspended", (customer(suspended=True),), "suspended"),
    ("of whom nothing is known", (books(people=()),), "no_contact"),
    ("one channel", (customer(channels=("mail", "mail")),), "no_contact"),
    ("never told", (customer(announcements=()),), "not_announced"),
    ("told, and it came back", (customer(announcements=(ANNOUNCEMENT._replace(delivered="no"),)),), "not_announced"),
    (
        "told, and nobody knows whether it arrived",
        (customer(announcements=(ANNOUNCEMENT._replace(delivered="unknown"),)),),
        "not_announced",
    ),
    (
        "told 30 days ago",
        (customer(announcements=(ANNOUNCEMENT._replace(sent=NOW - 30 * DAY, received=NOW),)),),
        "",
    ),
    (
        "told a second later",
        (customer(announcements=(ANNOUNCEMENT._replace(sent=NOW - 30 * DAY + 1),)),),
        "announcement_period",
    ),
    ("told, by a stricter configuration", (limits(announce=32 * DAY),), "announcement_period"),
    ("never agreed", (customer(records=()),), "no_record"),
    ("withdrawn", (record(ended=NOW - 1),), "record_not_in_force"),
    ("will be withdrawn", (record(ended=NOW + 9 * DAY),), "record_not_in_force"),
    ("not begun", (record(valid_from=NOW + 1),), "record_not_in_force"),
    ("over", (record(valid_until=NOW),), "record_not_in_force"),
    ("just begun, and just received", (record(valid_from=NOW, received=NOW),), ""),
    ("received later than now", (record(received=NOW + 1),), "record_not_in_force"),
    ("a service contract", (record(basis="service_contract", verified="contract"),), ""),
    ("terms", (record(basis="terms_objection"),), "basis_not_enough"),
    ("terms, where they are enough", (record(basis="terms_objection"), limits(terms_objection=True)), ""),
    (
        "terms, where they are enough, of a person",
        (record(basis="terms_objection"), limits(terms_objection=True), customer(subject="sole_trader")),
        "basis_not_enough",
    ),
    ("a basis that is not known", (record(basis="implied"),), "basis_not_enough"),
    ("given by nobody knows whom", (record(verified=""),), "basis_not_enough"),
    ("a customer of a kind that is not known", (customer(subject=None),), "basis_not_enough"),
    ("a text that was not published", (books(documents={"a" * 64: "terms"}),), "document_unknown"),
    ("no objection page", (record(documents=(("terms", "a" * 64), ("faq", "b" * 64))),), "document_unknown"),
    (
        "an SLA instead of the FAQ",
        (
            record(documents=(("terms", "a" * 64), ("sla", "9" * 64), ("objection_page", "c" * 64))),
            books(documents={"a" * 64: "terms", "9" * 64: "sla", "c" * 64: "objection_page"}),
        ),
        "",
    ),
    (
        "a text that was published as another",
        (books(documents=dict.fromkeys(HASHES.values(), "terms")),),
        "document_unknown",
    ),
    ("another address", (scope(prefixes=(one("192.0.2.2/31"),)),), "scope_address"),
    ("an exclusion", (scope(excluded=(one(HOST),)),), "scope_excluded"),
    (
        "an exclusion in another record",
        (
            customer(records=(RECORD, EXCLUDING)),
        ),
        "scope_excluded",
    ),
    (
        "an exclusion in a record that was withdrawn",
        (customer(records=(RECORD, EXCLUDING._replace(ended=NOW - DAY))),),
        "",
    ),
    (
        "an exclusion in a record that is over",
        (customer(records=(RECORD, EXCLUDING._replace(valid_until=NOW))),),
        "",
    ),
    (
        "an exclusion in a record that has not begun",
        (customer(records=(RECORD, EXCLUDING._replace(valid_from=NOW + DAY))),),
        "scope_excluded",
    ),
    ("another port", (request(port=8443),), "scope_port"),
    ("only for looking", (scope(tiers=(HANDSHAKE,)),), "scope_tier"),
    ("not this probe", (scope(probes=()),), "scope_probe"),
    ("a probe that there is not", (request(probe="exchange-ntlm"), scope(probes=("exchange-ntlm",))), "scope_probe"),
    ("at night", (now(time=NOW + 4 * HOUR),), "outside_hours"),
    ("at no hour", (scope(hours=()),), "outside_hours"),
    ("in a zone that is not known", (scope(zone="Europe/Nowhere"),), "outside_hours"),
    ("IPv6 that was seen", (request(address=SIX),), ""),
    ("IPv6 that was not seen", (request(address=SIX, sighting=None),), "not_seen"),
    ("not seen", (request(sighting=None),), "not_seen"),
    ("seen nobody knows when", (seen(last_seen=None),), "not_seen"),
    ("nothing to tell the answer by", (seen(certificates=(), products=()),), "not_seen"),
    ("a product alone to tell the answer by", (seen(certificates=()),), ""),
    ("a certificate alone to tell the answer by", (seen(products=()),), ""),
    ("the build is known", (seen(build_known=True),), "not_needed"),
    ("nobody knows whether the build is known", (seen(build_known=None),), "not_needed"),
    ("knocked at today", (had(probe(1, 23 * HOUR)),), "rate"),
    ("knocked at a day ago", (had(probe(1, DAY)),), ""),
    ("knocked at a day ago, to be let be for two", (had(probe(1, DAY)), limits(recheck=2 * DAY)), "rate"),
    ("a configuration that would knock each hour", (had(probe(1, 2 * HOUR)), limits(recheck=HOUR)), "rate"),
    ("no probe a day", (scope(per_day=0),), "rate"),
    ("another host was knocked at", (had(probe(1, HOUR, address="192.0.2.9")),), ""),
    ("knocked at later than now", (had(probe(1, -9 * DAY)),), "rate"),
    ("it went badly, as was heard late", (had(intent(1, 30 * HOUR), outcome(1, HOUR, "bug")),), "cool_down_host"),
    ("it went badly a day ago", (had(intent(1, DAY + 9), outcome(1, DAY, "timeout")),), ""),
    ("it went badly two days ago", (had(probe(1, 2 * DAY, "timeout")),), ""),
    ("twice in a row, days ago", (had(probe(1, 9 * DAY, "timeout"), probe(2, 7 * DAY, "unknown")),), "breaker_host"),
    ("twice in a row, a month ago", (had(probe(1, 60 * DAY, "timeout"), probe(2, 50 * DAY, "bug")),), "breaker_host"),
    (
        "twice in a row, a month ago, and a person asks",
        (had(probe(1, 60 * DAY, "timeout"), probe(2, 50 * DAY, "bug")), request(why="command")),
        "",
    ),
    (
        "three of his other hosts",
        (had(*(probe(n, HOUR * n, "timeout", address=f"192.0.2.{9 + n}") for n in range(1, 4))),),
        "breaker_customer",
    ),
    (
        "ten of other people's hosts",
        (
            had(
                *(
                    probe(n, HOUR * n, "timeout", address=f"198.51.100.{n}", customer=f"c-{n + 5}")
                    for n in range(1, 11)
                )
            ),
        ),
        "breaker_whole",
    ),
    ("one of a host beside it is under way", (had(intent(1, 5, "192.0.2.200")),), "in_flight"),
    ("one of a host elsewhere is under way", (had(intent(1, 5, "198.51.100.1")),), ""),
    (
        "six in this minute",
        (had(*(probe(n, 59, address=f"198.51.100.{n}", customer=f"c-{n + 5}") for n in range(6))),),
        "pace",
    ),
    (
        "six in the minute before",
        (had(*(probe(n, 60, address=f"198.51.100.{n}", customer=f"c-{n + 5}") for n in range(6))),),
        "",
    ),
)  # fmt: skip


@pytest.mark.parametrize(("changes", "reason"), [pytest.param(c, r, id=name) for name, c, r in TABLE])
def test_answer(changes: tuple[Change, ...], reason: str) -> None:
    asked = changed(*changes)
    answer = asked.decided()
    assert (answer.reason if isinstance(answer, Refusal) else "") == reason
    told = first(inputs(asked.books, asked.history, asked.request, asked.conditions))
    assert (told.reason if told else "") == reason


def test_every_reason_is_in_the_table() -> None:
    assert {reason for _, _, reason in TABLE} == {"", *REASONS} - {"not_recorded"}


def test_every_reason_has_its_sentence() -> None:
    assert tuple(MEANINGS) == REASONS


def test_leave_says_whose_it_is_and_by_what() -> None:
    assert changed().decided() == Leave("c-1", "r-1", "d" * 64, "crm", HOUR)


def test_of_two_records_the_last_word_counts() -> None:
    later = RECORD._replace(id="r-2", received=NOW - DAY)
    answer = changed(customer(records=(later, RECORD))).decided()
    assert isinstance(answer, Leave)
    assert answer.record == "r-2"


def test_a_record_is_whole_by_itself() -> None:
    """What one record lacks, another does not give: the address of one and the port of another are no permission."""
    elsewhere = RECORD.scope._replace(prefixes=(one("198.51.100.0/24"),), ports=(8443,))
    answer = changed(customer(records=(RECORD, RECORD._replace(scope=elsewhere))), request(port=8443)).decided()
    assert isinstance(answer, Refusal)
    assert answer.reason == "scope_port"


def test_the_first_reason_is_told() -> None:
    """With everything in disorder the order of the closed list says which reason is given."""
    worst = changed(*(change for _, changes, reason in reversed(TABLE) if reason for change in changes))
    assert worst._replace(request=worst.request._replace(address="mail.example.nl")).decided() == Refusal(
        "not_an_address", MEANINGS["not_an_address"]
    )


def test_the_missing_pieces_are_named() -> None:
    answer = changed(now(missing=("contact", "probing_txt"))).decided()
    assert isinstance(answer, Refusal)
    assert answer.detail.endswith(": contact, probing_txt")


def test_a_refusal_holds_no_personal_data() -> None:
    for _, changes, _ in TABLE:
        asked = changed(*changes)
        answer = asked.decided()
        if isinstance(answer, Refusal):
            assert not any(word in answer.detail for word in (asked.request.address or "\0", "c-1", "example", "192."))


# Every input that there is, taken away: one at a time, of a question that would be answered with leave.
def test_the_pieces_are_named_in_their_own_list() -> None:
    assert "armed" in PIECES
    assert isinstance(Asked().decided(), Leave)

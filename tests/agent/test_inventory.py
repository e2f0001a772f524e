"""What is kept of the servers that were seen: distinct facts, within bounds."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from agent.exchange.catalogue import catalogue
from agent.exchange.fingerprint import book
from agent.inventory import MAX_ACTIVE, MAX_OF_A_KIND, Inventory
from agent.model import KINDS
from agent.waiting import Fact
from tests.belief import ADDRESS, observation

TODAY = date(2026, 11, 2)
GREETING = observation(
    "smtp.greeting", "ex01.example.org Microsoft ESMTP MAIL Service ready at Mon, 2 Nov 2026 09:00:00 +0100"
)
POSTFIX = observation("smtp.greeting", "mx.example.org ESMTP Postfix", address="192.0.2.26")


def inventory(most: int = 100) -> Inventory:
    return Inventory(book(), catalogue(), most)


def test_a_fact_is_taken_once() -> None:
    kept = inventory()
    later = GREETING._replace(time=GREETING.time + 60, frame=99)
    assert [kept.observe(o) for o in (GREETING, later, GREETING)] == [True, False, False]
    assert kept.counts == {"observations": 1, "repeats": 2, "surplus": 0, "servers_evicted": 0}
    assert len(kept) == 1


def test_the_same_words_on_another_port_are_another_fact() -> None:
    kept = inventory()
    assert kept.observe(GREETING)
    assert kept.observe(observation("smtp.greeting", GREETING.value, port=587))
    found = kept.assessment(ADDRESS, TODAY)
    assert found
    assert found.ports == (25, 587)


def test_beyond_some_of_a_kind_nothing_is_taken() -> None:
    kept = inventory()
    names = [observation("tls.sni", f"site{n}.example.org", port=443) for n in range(MAX_OF_A_KIND + 5)]
    assert [kept.observe(o) for o in names] == [True] * MAX_OF_A_KIND + [False] * 5
    assert kept.observe(GREETING)
    assert kept.counts["surplus"] == 5


def test_what_one_server_can_fill_is_bounded() -> None:
    kept = inventory()
    for kind in KINDS:
        for n in range(40):
            kept.observe(observation(kind, f"{n}", port=n % 3))
    assert kept.counts["observations"] == MAX_OF_A_KIND * len(KINDS)


def test_the_server_that_was_not_seen_for_longest_makes_room() -> None:
    kept, gone = inventory(most=2), []
    kept.gone = gone.append
    for n in (1, 2, 1, 3, 1):
        kept.observe(observation("http.status", "302", address=f"192.0.2.{n}"))
    assert gone == ["192.0.2.2"]
    assert len(kept) == 2
    assert kept.counts["servers_evicted"] == 1
    assert kept.assessment("192.0.2.2", TODAY) is None
    assert [a.address for a in kept.assessments(TODAY)] == ["192.0.2.1", "192.0.2.3"]


def test_the_time_that_a_greeting_tells_makes_it_no_other_fact() -> None:
    kept = inventory()
    assert kept.observe(GREETING)
    later = GREETING._replace(value=GREETING.value.replace("09:00:00", "10:00:01"), time=GREETING.time + 3601)
    assert not kept.observe(later)
    assert kept.known(later) == GREETING
    assert kept.known(GREETING._replace(value="ex01.example.org")) is None
    assert kept.known(POSTFIX) is None


def test_what_is_forgotten_is_no_longer_believed() -> None:
    kept = inventory()
    build = observation("http.header", "X-OWA-Version: 15.1.2507.39", port=443)
    for o in (GREETING, build, POSTFIX):
        kept.observe(o)
    facts = [Fact(o.server, o.kind, o.value) for o in (build, POSTFIX, POSTFIX)]
    kept.forget(facts[:1])
    found = kept.assessment(ADDRESS, TODAY)
    fresh = inventory()
    fresh.observe(GREETING)
    assert found == fresh.assessment(ADDRESS, TODAY)
    kept.forget(facts)
    assert [a.address for a in kept.assessments(TODAY)] == [ADDRESS]
    kept.forget([Fact(GREETING.server, GREETING.kind, GREETING.value)])
    assert len(kept) == 0
    assert kept.observe(GREETING)


def test_who_was_never_seen_is_not_assessed() -> None:
    assert inventory().assessment(ADDRESS, TODAY) is None
    assert inventory().assessments(TODAY) == []


@pytest.mark.parametrize(("every", "addresses"), [(True, ["192.0.2.26", ADDRESS]), (False, [ADDRESS])])
def test_only_those_with_a_sign_of_exchange(every: bool, addresses: list[str]) -> None:
    kept = inventory()
    kept.observe(POSTFIX)
    kept.observe(GREETING)
    found = kept.assessments(TODAY, every=every)
    assert [a.address for a in found] == addresses
    assert found[-1].verdict == "confirmed"


def test_no_verdict_is_hidden_by_asking_for_signs_only() -> None:
    """Whoever shows no sign of Exchange comes to no verdict."""
    kept = inventory()
    for n, (kind, value) in enumerate((
        ("http.server", "Microsoft-IIS/10.0"), ("http.server", "nginx"), ("tls.sni", "www.example.org"),
        ("imap.greeting", "Dovecot ready."), ("http.status", "302"), ("dns.mx", "example.org -> mx.example.org"),
    )):  # fmt: skip
        kept.observe(observation(kind, value, address=f"192.0.2.{n}"))
    signed = {a.address for a in kept.assessments(TODAY, every=False)}
    assert all(a.verdict == "none" for a in kept.assessments(TODAY) if a.address not in signed)


def test_an_assessment_is_kept_until_something_new_is_seen_or_the_day_ends() -> None:
    kept = inventory()
    kept.observe(GREETING)
    first = kept.assessment(ADDRESS, TODAY)
    kept.observe(GREETING)
    assert kept.assessment(ADDRESS, TODAY) is first
    kept.observe(observation("http.header", "X-OWA-Version: 15.1.2507.39", port=443))
    second = kept.assessment(ADDRESS, TODAY)
    assert second is not first
    assert second
    assert second.build
    assert kept.assessment(ADDRESS, TODAY + timedelta(days=1)) is not second


def test_each_fact_that_matches_is_counted_once_by_its_fingerprint() -> None:
    kept = inventory()
    before = kept.evidence
    assert set(before) == {fingerprint.id for fingerprint in book()}
    assert not any(before.values())
    for fact in (GREETING, GREETING, POSTFIX):
        kept.observe(fact)
    matched = {m.fingerprint for fact in (GREETING, POSTFIX) for m in book().match(fact.kind, fact.value)}
    assert {name: count for name, count in kept.evidence.items() if count} == dict.fromkeys(matched, 1)
    assert matched


def test_what_a_probe_learns_is_not_crowded_out() -> None:
    kept = inventory()
    for n in range(MAX_OF_A_KIND + 3):
        kept.observe(observation("http.header", f"Via: 1.1 p{n}", port=80))
    active = observation("http.header", "X-OWA-Version: 15.2.1748.36", port=443)._replace(origin="active")
    assert kept.observe(active)
    for n in range(2 * MAX_ACTIVE):
        kept.observe(active._replace(value=f"Via: 1.1 q{n}"))
    found = kept.assessment(ADDRESS, TODAY)
    assert kept.known(active) == active
    assert found
    assert kept.counts["observations"] == MAX_OF_A_KIND + MAX_ACTIVE


def test_what_a_probe_learns_again_is_as_new_and_what_is_overheard_since_needs_no_probe() -> None:
    kept = inventory()
    active = observation("http.header", "X-OWA-Version: 15.2.1748.36", port=443)._replace(origin="active")
    again = active._replace(time=active.time + 86_400)
    passive = again._replace(time=again.time + 60, origin="passive")
    assert [kept.observe(one) for one in (active, again)] == [True, False]
    assert kept.known(active) == again
    found = kept.assessment(ADDRESS, TODAY)
    assert found
    assert found.evidence[0].observation == again
    kept.observe(passive)
    kept.observe(again)
    assert kept.known(active) == passive
    kept.forget([Fact(active.server, active.kind, active.value)])
    assert len(kept) == 0

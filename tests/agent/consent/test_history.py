"""What was knocked at: rates, what is under way, breakers, and what a clock that jumps does to them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.audit.entry import Opened
from agent.consent import history
from agent.consent.history import DAY, History, network
from agent.leave import OUTCOME_MEANINGS, OUTCOMES
from agent.privacy import one
from tests.agent.consent.asking import HOST, NOW, entry, intent, outcome, probe

NEVER = float("-inf")
AT = one(HOST)[0]


def folded(*entries: Opened | Iterable[Opened]) -> History:
    made = History()
    for each in chain.from_iterable([some] if isinstance(some, Opened) else some for some in entries):
        made.apply(each)
    return made


def test_nothing_is_known_of_nothing() -> None:
    empty = History()
    assert (empty.used(AT), empty.host(AT), empty.customer("c-1"), empty.whole()) == (NEVER, (NEVER, 0), NEVER, NEVER)
    assert (empty.flying(AT), empty.starts(NOW), empty.refusals(NOW)) == (False, 0, {})


def test_other_entries_are_nothing_to_it() -> None:
    made = folded(entry("record.given", 1, 0, "c-1", {}, {"address": HOST}))
    assert vars(made).keys() == vars(History()).keys()
    assert made.used(AT) == NEVER


# How a probe was answered, otherwise than well -> whether that is bad for the host.
@pytest.mark.parametrize(
    ("became", "more", "bad"),
    [
        ("confirmed", {}, False), ("contradicted", {}, False), ("inconclusive", {}, False),
        ("connection_refused", {}, False), ("unreachable", {}, False), ("identity_mismatch", {}, False),
        ("holder_changed", {}, False), ("cancelled", {}, False),
        ("timeout", {}, True), ("tls_failed", {}, True), ("protocol_error", {}, True), ("unknown", {}, True),
        ("bug", {}, True), ("a word of a later version", {}, True), (None, {}, True),
        ("confirmed", {"statuses": (401, 503)}, True), ("inconclusive", {"statuses": (429,)}, True),
        ("inconclusive", {"statuses": (401, 500)}, True),
        ("confirmed", {"statuses": (499,)}, False), ("confirmed", {"ms": 60_000}, False),
    ],
)  # fmt: skip
def test_a_bad_outcome_lets_the_host_be_for_a_day(became: str, more: dict[str, object], bad: bool) -> None:
    made = folded(intent(1, 60), outcome(1, 50, became, **more))  # type: ignore[arg-type]
    assert made.host(AT) == ((NOW - 50 + DAY, 1) if bad else (NEVER, 0))


def test_every_outcome_is_judged() -> None:
    assert history._KNOWN == set(OUTCOMES) == OUTCOME_MEANINGS.keys()


@pytest.mark.parametrize(
    ("usual", "last", "bad"),
    [((100,), 200, False), ((100,), 201, False), ((100,), 301, True), ((10, 10), 200, False), ((10, 10), 201, True),
     ((300, 500), 1200, False), ((300, 500), 1201, True)],
)  # fmt: skip
def test_an_answer_is_slow_beside_its_own(usual: tuple[int, ...], last: int, bad: bool) -> None:
    """Three times its own mean, and no less than 200 ms."""
    probes = [probe(n, (20 - n) * DAY, ms=ms) for n, ms in enumerate((*usual, last))]
    assert (folded(*probes).host(AT)[1] == 1) is bad


def test_two_in_a_row_let_it_be_for_thirty_days() -> None:
    made = folded(probe(1, 9 * DAY, "timeout"), probe(2, 5 * DAY, "timeout"))
    assert made.host(AT) == (NOW - 5 * DAY + 10 + 30 * DAY, 2)


@pytest.mark.parametrize(
    ("between", "opens"), [("confirmed", 1), ("inconclusive", 1), ("cancelled", 2), ("unreachable", 2)]
)
def test_only_a_good_one_between_them_makes_them_no_row(between: str, opens: int) -> None:
    made = folded(probe(1, 9 * DAY, "timeout"), probe(2, 7 * DAY, between), probe(3, 5 * DAY, "timeout"))
    assert made.host(AT)[1] == opens


def test_an_intent_is_a_use_whatever_becomes_of_it() -> None:
    assert folded(intent(1, 60)).used(AT) == NOW - 60
    assert folded(intent(1, 60), outcome(1, 50, "cancelled")).used(AT) == NOW - 60


def test_an_outcome_of_an_intent_that_is_not_known_is_one_too() -> None:
    assert folded(outcome(1, 50, "unknown")).used(AT) == NOW - 50


@pytest.mark.parametrize(
    ("other", "flying"),
    [("192.0.2.1", True), ("192.0.2.255", True), ("192.0.3.1", False), ("2001:db8::1", False)],
)
def test_one_of_a_network_is_under_way(other: str, flying: bool) -> None:
    assert folded(intent(1, 5)).flying(one(other)[0]) is flying
    assert not folded(intent(1, 5), outcome(1, 4, "timeout")).flying(one(other)[0])


def test_of_ipv6_a_48() -> None:
    made = folded(intent(1, 5, "2001:db8:1::1"))
    assert made.flying(one("2001:db8:1:ffff::9")[0])
    assert not made.flying(one("2001:db8:2::1")[0])
    assert network(one("2001:db8:1:2::3")[0]) == one("2001:db8:1::")[0]


def test_two_under_way_are_two() -> None:
    made = folded(intent(1, 5), intent(2, 4, "192.0.2.2"), outcome(1, 3, "confirmed"))
    assert made.flying(AT)
    assert list(made.flights) == [2]


def test_the_pace_counts_a_minute() -> None:
    made = folded(intent(1, 61), intent(2, 60), intent(3, 59), intent(4, 0))
    assert made.starts(NOW) == 2
    assert made.starts(NOW + 59.5) == 1


@pytest.mark.parametrize(
    ("bad", "good", "is_open"),
    [(2, 0, False), (3, 0, True), (3, 3, True), (3, 4, False), (1, 9, False)],
)
def test_a_customer_is_let_be_when_half_of_three_or_more_are_bad(bad: int, good: int, is_open: bool) -> None:
    fine = [probe(n, 3600, address=f"192.0.2.{n}") for n in range(good)]
    ill = [probe(100 + n, 3000, "timeout", address=f"192.0.2.{100 + n}") for n in range(bad)]
    assert folded(*fine, *ill).customer("c-1") == (NOW - 3000 + 10 + DAY if is_open else NEVER)


@pytest.mark.parametrize(("bad", "good", "is_open"), [(9, 0, False), (10, 0, True), (5, 15, True), (5, 16, False)])
def test_everybody_is_let_be_when_a_quarter_of_ten_or_more_are_bad(bad: int, good: int, is_open: bool) -> None:
    fine = [probe(n, 3600, address=f"192.0.2.{n}", customer=f"c-{n}") for n in range(good)]
    ill = [probe(100 + n, 3000, "timeout", address=f"192.0.2.{100 + n}", customer=f"x-{n}") for n in range(bad)]
    assert (folded(*fine, *ill).whole() > NOW) is is_open


def test_what_is_older_than_a_day_trips_no_breaker() -> None:
    made = folded(*(probe(n, (9 - 2 * n) * DAY, "timeout", address=f"192.0.2.{n}") for n in range(4)))
    assert made.customer("c-1") == NEVER


def test_who_was_erased_still_counts_for_the_whole() -> None:
    gone = [each._replace(customer="", private=None) for n in range(10) for each in probe(n, 600, "timeout")]
    made = folded(gone)
    assert made.whole() > NOW
    assert made.open_breakers(NOW) == {"host": 0, "customer": 0, "whole": 1}
    assert made.flights == {}


def test_the_last_probes_are_known_by_their_place() -> None:
    made = folded(*(probe(n, 10_000 - n) for n in range(300)), intent(301, 0))
    assert len(made.recent) == history.RECENT
    assert list(made.recent.items())[-2:] == [(299, 1_000_299), (301, None)]


def test_what_told_nothing_is_remembered_whatever_goes_well_after_it() -> None:
    bad = ("timeout", "connection_refused", "a word of a later version")
    failing = [probe(n, 20_000 - n, became) for n, became in enumerate(bad)]
    made = folded(*failing, *(probe(n, 10_000 - n) for n in range(10, 10 + 2 * history.RECENT)))
    assert made.failed == {n: 1_000_000 + n for n in range(len(bad))}
    assert not made.failed.keys() & made.recent.keys()
    made = folded(*(probe(n, 10_000 - n, "timeout") for n in range(2 * history.RECENT)))
    assert list(made.failed) == list(range(history.RECENT, 2 * history.RECENT))


def test_refusals_are_summed_by_reason() -> None:
    denied = [entry("probe.denied", n, ago, "", {"reason": "rate", "count": 2}, None) for n, ago in enumerate((90, 20))]
    made = folded(denied, entry("probe.denied", 9, 5, "", {"reason": 7, "count": "x"}, None))
    assert made.refusals(NOW - 30) == {"rate": 2}
    assert made.refusals(NOW - 100) == {"rate": 4}


_ago = st.integers(-40, 40).map(lambda days: days * DAY / 2)
_story = st.lists(
    st.tuples(_ago, st.sampled_from((HOST, "192.0.2.9")), st.sampled_from((*OUTCOMES, None))), min_size=1, max_size=12
)


def _told(story: list[tuple[float, str, str | None]]) -> list[Opened]:
    """In the order of the log, whatever the clock said."""
    made: list[Opened] = []
    for number, (ago, host, became) in enumerate(story):
        made.append(intent(number, ago, host))
        if became is not None:
            made.append(outcome(number, ago - 10, became, host))
    return made


@settings(max_examples=200, deadline=None)
@given(_story, st.integers(1, 100))
def test_a_clock_that_is_set_back_opens_nothing(story: list[tuple[float, str, str | None]], back: int) -> None:
    """Whatever is closed now would have been closed before, after any order of times in the log."""
    made = folded(_told(story))
    earlier = NOW - back * DAY
    for closed in (made.host(AT)[0], made.customer("c-1"), made.whole()):
        assert not (closed > NOW and closed <= earlier)
    assert made.starts(earlier) >= made.starts(NOW)
    assert earlier - made.used(AT) <= NOW - made.used(AT)


@settings(max_examples=200, deadline=None)
@given(_story)
def test_more_of_the_log_never_opens_sooner_but_for_a_good_outcome(story: list[tuple[float, str, str | None]]) -> None:
    made, before = History(), (NEVER, NEVER, NEVER, NEVER)
    for each in _told(story):
        made.apply(each)
        after = (made.used(AT), made.host(AT)[0], made.customer("c-1"), made.whole())
        assert all(b <= a for b, a in zip(before, after, strict=True))
        before = after


@settings(max_examples=50, deadline=None)
@given(_story)
def test_a_fold_depends_on_its_entries_alone(story: list[tuple[float, str, str | None]]) -> None:
    one_way, other = folded(_told(story)), folded(_told(story))
    for made in (one_way, other):
        assert made.flights.keys() == {number for number, (_, _, became) in enumerate(story) if became is None}
    assert (one_way.host(AT), one_way.used(AT), one_way.recent) == (other.host(AT), other.used(AT), other.recent)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was last knocked at longer ago than anything matters is forgotten, and nobody sooner."""
    monkeypatch.setattr(history, "_SWEEP", 64)
    monkeypatch.setattr(history, "REMEMBERED", 10 * DAY)
    made = History()
    for number in range(2000):
        address = f"192.0.{number // 250}.{number % 250}"
        for each in probe(number, (2000 - number) * 3600, address=address, customer=f"c-{number}"):
            made.apply(each)
    assert 240 <= len(made._hosts) <= 2 * 240 + 32
    assert 48 <= len(made._customers) <= 48 + 240 + 32
    assert made.used(one("192.0.7.249")[0]) == NOW - 3600
    assert len(made._starts) <= history._STARTS


def test_who_is_to_be_let_be_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_SWEEP", 2)
    monkeypatch.setattr(history, "REMEMBERED", DAY)
    made = folded(
        *(probe(n, 9 * DAY + n, "timeout") for n in (1, 2)),
        *(probe(n, (300 - n) * 1800, address="198.51.100.1", customer="c-2") for n in range(10, 300)),
    )
    assert made.host(AT) == (NOW - 9 * DAY - 2 + 10 + 30 * DAY, 2)


@pytest.mark.parametrize("public", [{"connections": 0}, {"connections": None}, {"ms": None}, {"ms": "100"}])
def test_an_outcome_of_which_less_is_known_is_not_slow(public: dict[str, object]) -> None:
    usual = [probe(n, (20 - n) * DAY, ms=1) for n in range(3)]
    (began, ended) = probe(9, DAY, ms=9000)
    made = folded(*usual, began, ended._replace(public=ended.public | public))
    assert made.host(AT) == (NEVER, 0)


def test_a_clock_that_jumped_ahead_and_back_makes_nothing_be_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_SWEEP", 2)
    made = folded(
        probe(1, DAY, "timeout"), probe(2, -9000 * DAY, address="198.51.100.1"), probe(3, 0, address="198.51.100.2")
    )
    assert made.used(AT) == NOW - DAY
    assert made.host(AT)[1] == 1

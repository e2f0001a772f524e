"""Each fact once an hour, a server that says nothing new left alone for an hour, in tables that are bounded."""

from __future__ import annotations

import pytest

from agent.model import Endpoint
from collectors import telling
from collectors.telling import BUSY, CLIENT, ENOUGH, HOUR, Telling, packed

SERVER = packed(Endpoint("192.0.2.25", 443))
TLS = b"\x16"
GREETING = "ex01.example.org Microsoft ESMTP MAIL Service ready at "


def quiet(told: Telling, who: bytes, time: float, times: int = ENOUGH) -> None:
    for _ in range(times):
        told.judge(who, time, news=False)


@pytest.mark.parametrize("endpoint", [Endpoint("192.0.2.25", 25), Endpoint("2001:db8::25", 65535)])
def test_what_is_told(endpoint: Endpoint) -> None:
    told = Telling()
    told.number = 7
    assert told.say(packed(endpoint), "http.status", "302", 10.0, "http")
    (observation,) = told.given()
    assert observation == (endpoint, "http.status", "302", 10.0, "passive", "http", 7)
    assert told.given() == []


@pytest.mark.parametrize(
    ("kind", "second", "later", "new"),
    [
        ("http.status", "302", 0.0, False),
        ("http.status", "302", HOUR - 0.001, False),
        ("http.status", "302", HOUR, True),
        ("http.status", "401", 1.0, True),
        ("http.server", "302", 1.0, True),
    ],
)
def test_a_fact_is_told_once_an_hour(kind: str, second: str, later: float, new: bool) -> None:
    told = Telling()
    told.say(SERVER, "http.status", "302", 5.0, "http")
    assert told.say(SERVER, kind, second, 5.0 + later, "http") is new
    assert told.counts == {"observations": 1 + new, "repeats": 1 - new}
    assert len(told.given()) == 1 + new


def test_the_hour_begins_when_a_fact_was_told_and_not_with_its_repeats() -> None:
    told = Telling()
    said = [told.say(SERVER, "http.status", "302", minute * 60.0, "http") for minute in range(0, 181, 20)]
    assert said == [minute % 60 == 0 for minute in range(0, 181, 20)]


@pytest.mark.parametrize(
    ("first", "second", "new"),
    [
        ("Mon, 2 Nov 2026 09:00:00 +0100", "Mon, 2 Nov 2026 09:00:07 +0100", False),
        (" Mon,  2 Nov 2026 09:00:00 +0100 x", "Tue, 3 Nov 2026 19:10:07 -0530", False),
        ("Mon, 2 Nov 2026 09:00:00 +0100", "soon", True),
    ],
)
def test_the_time_in_a_greeting_makes_it_no_other(first: str, second: str, new: bool) -> None:
    told = Telling()
    told.say(SERVER, "smtp.greeting", GREETING + first.strip(), 0.0, "smtp")
    assert told.say(SERVER, "smtp.greeting", GREETING + second, 7.0, "smtp") is new


def test_a_server_that_says_nothing_new_is_left_alone_for_an_hour() -> None:
    told = Telling()
    for n in range(ENOUGH):
        assert not told.sated(SERVER + TLS, 1.0)
        told.judge(SERVER + TLS, 1.0 + n, news=False)
    last = 1.0 + ENOUGH - 1
    assert told.sated(SERVER + TLS, last + HOUR - 0.1)
    assert not told.sated(SERVER + TLS, last + HOUR)
    assert not told.sated(SERVER + CLIENT, 2.0)


def test_after_that_hour_it_takes_as_often_again() -> None:
    told = Telling()
    quiet(told, SERVER, 0.0)
    told.judge(SERVER, HOUR, news=False)
    assert not told.sated(SERVER, HOUR)
    quiet(told, SERVER, HOUR, ENOUGH - 1)
    assert told.sated(SERVER, HOUR)


def test_news_begin_the_count_anew() -> None:
    told = Telling()
    quiet(told, SERVER, 0.0, ENOUGH - 1)
    told.judge(SERVER, 0.0, news=True)
    told.judge(SERVER, 0.0, news=True)
    quiet(told, SERVER, 0.0, ENOUGH - 1)
    assert not told.sated(SERVER, 0.0)
    told.judge(SERVER, 0.0, news=False, weight=ENOUGH)
    assert told.sated(SERVER, 0.0)


@pytest.mark.parametrize(
    ("port", "sides", "passed", "muted"),
    [
        (443, (CLIENT, TLS), BUSY, True),
        (443, (CLIENT, TLS), BUSY - 1, False),
        (443, (TLS,), BUSY, False),
        (25, (CLIENT, TLS), BUSY, False),
    ],
)
def test_who_is_muted(port: int, sides: tuple[bytes, ...], passed: int, muted: bool) -> None:
    told, server = Telling(), packed(Endpoint("192.0.2.25", port))
    for side in sides:
        quiet(told, server + side, 0.0)
    for _ in range(passed):
        told.pass_over(server, 1.0)
    assert told.muted(2.0) == [server[:-2]] * muted
    assert told.muted(1.0 + HOUR) == []


@pytest.mark.parametrize("address", ["192.0.2.25", "2001:db8::25"])
def test_of_who_is_erased_nothing_is_remembered_and_of_others_all_but_what_was_asked_for(address: str) -> None:
    told = Telling()
    his, other = packed(Endpoint(address, 443)), packed(Endpoint("198.51.100.7", 443))
    question = bytes(20) + b"\x04mail\x07example\x00\x00\x01"
    for server in (his, other):
        told.say(server, "http.status", "302", 0.0, "http")
        for side in (CLIENT, TLS):
            quiet(told, server + side, 0.0)
        for _ in range(BUSY):
            told.pass_over(server, 1.0)
    quiet(told, question, 0.0)
    table = told.quiet
    told.let_go(lambda packed_address: packed_address == his[:-2])
    assert [each.server.address for each in told.given()] == ["198.51.100.7"]
    assert told.muted(2.0) == [other[:-2]] and list(told._passed) == [other]
    assert told.quiet is table and list(table) == [other + CLIENT, other + TLS], "who looks at a glance has it too"
    told.pass_over(his, 3.0)
    assert not told.sated(his + TLS, 3.0) and told.muted(3.0) == [other[:-2]]


def test_both_tables_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "MAX_TOLD", 3)
    monkeypatch.setattr(telling, "MAX_QUIET", 3)
    monkeypatch.setattr(telling, "MAX_PASSED", 3)
    told = Telling()
    for n in range(5):
        told.say(SERVER, "http.status", str(n), 0.0, "http")
        quiet(told, SERVER + bytes((n,)), 0.0)
        told.pass_over(SERVER + bytes((n,)), 0.0)
    # The oldest were forgotten; telling a fact once too often is harmless.
    assert [told.say(SERVER, "http.status", str(n), 1.0, "http") for n in (4, 3, 2, 0)] == [False, False, False, True]
    assert [told.sated(SERVER + bytes((n,)), 1.0) for n in range(5)] == [False, False, True, True, True]
    assert len(told._passed) <= 3

"""Segments into streams, streams into facts: what is followed, given up, begun anew and left alone."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.lab.certificates import public
from agent.lab.handshakes import handshake
from agent.model import Endpoint
from collectors import flows
from collectors.flows import FOLLOWED, Flows
from collectors.packets.reassembly import MAX_AGE, MAX_STARTS
from collectors.telling import CLIENT, ENOUGH, HOUR, Telling, packed
from tests import talk

SMTP, HTTPS, HTTP = (packed(Endpoint("192.0.2.25", port)) for port in (25, 443, 80))
GREETING = b"220 ex01.example.org Microsoft ESMTP MAIL Service ready\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nServer: Microsoft-IIS/10.0\r\n\r\n"
_, (_, FLIGHT), *_ = handshake("mail.example.org", talk.long_leaf("mail.example.org"))
_, (_, SHORT_FLIGHT), *_ = handshake("mail.example.org", public("mail.example.org"))
TLS = b"\x16"


class Desk:
    """Flows with a memory of what was asked of the source, and what was told."""

    def __init__(self) -> None:
        self.telling = Telling()
        self.flows = Flows(self.telling)
        self.asked: list[tuple[int, ...]] = []
        self.flows.follow = self.asked.append

    def begins(
        self, key: bytes, server: bytes, side: bytes, data: bytes, *, at: int = 1, time: float = 0.0, ack: int = 9
    ) -> None:
        self.flows.begins(key, server, side, (time, at, ack, data, len(data)))

    def goes_on(self, key: bytes, data: bytes, at: int, *, time: float = 0.0, ack: int = 9, size: int = 0) -> bool:
        return self.flows.goes_on(key, (time, at, ack, data, size or len(data)))

    def facts(self) -> list[tuple[str, str]]:
        return [(o.kind, o.value) for o in self.telling.given()]

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.facts()]


def segments(data: bytes, size: int = 500) -> Iterable[tuple[int, bytes]]:
    return ((at + 1, data[at : at + size]) for at in range(0, len(data), size))


def flight(desk: Desk, key: bytes, *, ack: int = 9, time: float = 0.0) -> list[tuple[int, bytes]]:
    """Begin a flight whose certificate goes on; the segments that are still to come."""
    (at, first), *rest = segments(FLIGHT)
    desk.begins(key, HTTPS, TLS, first, at=at, ack=ack, time=time)
    return rest


def test_what_is_whole_in_one_segment_opens_no_stream() -> None:
    desk = Desk()
    desk.begins(b"k", HTTPS, TLS, SHORT_FLIGHT)
    assert desk.kinds() == ["tls.server_hello", "tls.certificate"]
    assert len(desk.flows.reassembly) == 0
    assert desk.asked == []


def test_what_goes_on_is_followed_and_then_let_go() -> None:
    desk = Desk()
    rest = flight(desk, b"k", ack=77)
    taken = [desk.goes_on(b"k", data, at, ack=77) for at, data in rest]
    # What follows the certificate is of no more interest.
    assert taken == [True] * (len(rest) - 1) + [False]
    assert desk.kinds() == ["tls.server_hello", "tls.certificate"]
    assert not desk.flows._followed
    flight(desk, b"l", ack=78)
    assert desk.asked == [(77,), (78,)]


def test_segments_of_no_stream_belong_to_none() -> None:
    desk = Desk()
    assert not desk.goes_on(b"k", b"anything", 1)
    desk.begins(b"k", SMTP, b"E", b"EHLO a client\r\n")
    assert not desk.goes_on(b"k", b"more", 16)
    assert desk.facts() == []


def test_a_port_where_all_is_admitted_is_not_followed() -> None:
    desk = Desk()
    (at, first), *_ = segments(FLIGHT)
    desk.begins(b"k", SMTP, TLS, first, at=at)
    assert desk.asked == []
    desk.begins(b"c", SMTP, CLIENT, handshake("a.example.org", public("a"))[0][1][:60])
    assert desk.asked == [(9,)]


def test_the_oldest_flight_makes_room_and_says_what_it_has() -> None:
    desk = Desk()
    for n in range(FOLLOWED + 1):
        flight(desk, b"%d" % n, ack=100 + n)
    assert desk.asked[-1] == tuple(range(101, 101 + FOLLOWED))
    told = desk.facts()
    assert [value for kind, value in told if kind == "tls.certificate" and "truncated: yes" in value]
    desk.flows.end()
    assert not desk.flows._followed


def test_without_a_source_that_filters_nothing_is_asked() -> None:
    desk = Desk()
    desk.flows.follow = None
    flight(desk, b"k")
    desk.flows.end()
    assert "tls.certificate" in desk.kinds()


def test_the_stream_begins_where_the_handshake_said() -> None:
    """A segment that came out of its turn waits for the one before it."""
    desk = Desk()
    desk.flows.reassembly.anchor(b"k", 0)
    desk.begins(b"k", SMTP, b"2", GREETING[30:], at=31)
    assert desk.facts() == []
    desk.begins(b"k", SMTP, b"2", GREETING[:30], at=1)
    assert desk.facts() == [("smtp.greeting", GREETING[4:-2].decode())]


def test_what_is_held_behind_a_gap_speaks_for_itself_at_the_end() -> None:
    desk = Desk()
    desk.flows.reassembly.anchor(b"k", 0)
    desk.begins(b"k", SMTP, b"2", b"250-ex01.example.org Hello []\r\n250 XEXCH50\r\n", at=200)
    desk.flows.end()
    assert desk.kinds() == ["smtp.ehlo"]


def test_what_is_held_and_begins_like_nothing_is_let_go() -> None:
    desk = Desk()
    desk.flows.reassembly.anchor(b"k", 0)
    desk.begins(b"k", SMTP, b"2", b"?", at=200)
    desk.flows.end()
    assert desk.facts() == []


def test_only_http_says_something_anew_on_one_connection() -> None:
    desk = Desk()
    at = 1
    for n in range(MAX_STARTS + 3):
        head = HEAD.replace(b"10.0", b"%d.0" % n)
        # A head that is not whole opens a stream; what is whole needs none.
        desk.begins(b"k", HTTP, b"H", head[:30], at=at)
        desk.goes_on(b"k", head[30:], at + 30)
        at += len(head)
    servers = [value for kind, value in desk.facts() if kind == "http.server"]
    assert servers == [f"Microsoft-IIS/{n}.0" for n in range(MAX_STARTS)]


def test_a_server_that_says_nothing_new_is_left_alone_and_looked_at_after_an_hour() -> None:
    desk = Desk()

    def visit(n: int, time: float) -> None:
        desk.begins(b"%d" % n, HTTPS, TLS, SHORT_FLIGHT, time=time)

    for n in range(20):
        visit(n, float(n))
    assert desk.flows.counts["streams_of_the_sated"] == 20 - 1 - ENOUGH
    assert len(desk.facts()) == 2
    visit(100, HOUR - 1)
    assert desk.facts() == []
    visit(101, HOUR + ENOUGH)
    assert desk.kinds() == ["tls.server_hello", "tls.certificate"]


def test_old_streams_are_swept_and_say_what_they_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows, "SWEEP", 2)
    desk = Desk()
    desk.begins(b"a", HTTP, b"H", HEAD[:-2])
    assert desk.kinds() == ["http.status"]
    desk.begins(b"b", SMTP, b"2", GREETING[:-2], time=MAX_AGE + 1)
    assert desk.kinds() == ["http.server"]
    assert desk.flows.reassembly.counts["streams_evicted_age"] == 1


def test_a_malformed_stream_is_counted_and_given_up() -> None:
    desk = Desk()
    desk.begins(b"k", HTTPS, TLS, bytes.fromhex("160303000702000003") + b"\x03\x03\0")
    assert desk.facts() == []
    assert sum(desk.flows.reassembly.malformed.values()) == 1
    assert not desk.goes_on(b"k", b"x", 13)


CONVERSATION = b"".join(data for side, data in talk.mail_turns("ex01.example.org") if side)


@settings(max_examples=60)
@given(st.permutations(range(10)), st.integers(0, 0xFFFFFFFF))
def test_segments_in_any_order_tell_the_same(order: list[int], first: int) -> None:
    """As long as the handshake said where the stream begins; sequence numbers wrap."""
    size = len(CONVERSATION) // 10 + 1
    desk = Desk()
    desk.flows.reassembly.anchor(b"k", first - 1 & 0xFFFFFFFF)
    for n in order:
        data = CONVERSATION[n * size : (n + 1) * size]
        desk.begins(b"k", SMTP, b"2", data, at=first + n * size & 0xFFFFFFFF)
    desk.flows.end()
    assert set(desk.kinds()) == {"smtp.greeting", "smtp.ehlo", "tls.server_hello", "tls.certificate"}


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"a", b"b", b"c"]),
            st.sampled_from([SMTP, HTTPS, HTTP]),
            st.sampled_from([CLIENT, b"2", b"H", TLS, b"*", b"+", b"?"]),
            st.one_of(st.binary(max_size=40), st.sampled_from([GREETING, HEAD, SHORT_FLIGHT, FLIGHT[:700]])),
            st.integers(0, 5000) | st.integers(0xFFFFF000, 0xFFFFFFFF),
            st.integers(0, 30),
        ),
        max_size=40,
    )
)
def test_nothing_that_is_said_breaks_it(said: list[tuple[bytes, bytes, bytes, bytes, int, int]]) -> None:
    desk = Desk()
    for time, (key, server, side, data, at, cut) in enumerate(said):
        piece = (float(time), at, 9, data, len(data) + cut)
        if not desk.flows.goes_on(key, piece):
            desk.flows.begins(key, server, side, piece)
        assert len(desk.flows._followed) <= FOLLOWED
    desk.flows.end()
    assert len(desk.flows.reassembly) == 0

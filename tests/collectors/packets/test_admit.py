"""What is worth looking at: the tables behind the filter."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.packets.admit import CLIENT, SERVER, Rules, dns_wanted
from tests import wire

HELLO = bytes.fromhex("16030100600100005c")
SERVER_HELLO = bytes.fromhex("160303006002000060")

SIDES = [
    (b"220 ex01.example.org ready\r\n", 8025, SERVER),
    (b"250-PIPELINING\r\n", 8025, SERVER),
    (b"2200", 8025, 0),
    (b"a20 ", 8025, 0),
    (b"920 is no reply", 8025, 0),
    (b"* OK ready", 143, SERVER),
    (b"* PREAUTH", 143, SERVER),
    (b"* CAPABILITY", 143, SERVER),
    (b"* 1 EXISTS", 143, 0),
    (b"+ TlRMTVNTUAAC", 143, SERVER),
    (b"+OK ready", 110, SERVER),
    (b"+ idling", 143, 0),
    (b"-ERR", 110, 0),
    (b"HTTP/1.1 200 OK", 80, SERVER),
    (b"GET / HTTP/1.1", 80, 0),
    (HELLO, 50_000, CLIENT),
    (SERVER_HELLO, 443, SERVER),
    (bytes.fromhex("1603030060" "0b"), 443, SERVER),
    (bytes.fromhex("1603030060" "0c"), 443, 0),
    (bytes.fromhex("1603080060" "02"), 443, 0),
    (bytes.fromhex("1602030060" "02"), 443, 0),
    (bytes.fromhex("1603030060"), 443, 0),
    (b"\x17\x03\x03", 443, 0),
    # On the ports of SMTP everything that is not encrypted.
    (b"a certificate goes on", 25, SERVER),
    (b"x", 587, SERVER),
    (bytes.fromhex("1603030060" "0c"), 2525, SERVER),
    (b"\x17\x03\x03 application data", 25, 0),
    (b"x", 26, 0),
    (b"", 25, 0),
]  # fmt: skip


@pytest.mark.parametrize(("payload", "port", "side"), SIDES)
def test_who_sent_what_is_admitted(payload: bytes, port: int, side: int) -> None:
    assert Rules().begins(payload, len(payload), port) == side


@pytest.mark.parametrize(("payload", "port", "side"), SIDES)
@pytest.mark.parametrize("kept", range(7))
def test_what_was_cut_is_judged_by_what_is_left(payload: bytes, port: int, side: int, kept: int) -> None:
    """Less may be admitted of it, but nothing else."""
    assert Rules().begins(payload[:kept], len(payload), port) in (0, side)


QUESTIONS = [
    ("autodiscover.example.org", 1, True),
    ("AutoDiscover.example.org", 28, True),
    ("_autodiscover._tcp.example.org", 33, True),
    ("_AUTODISCOVER._tcp.example.org", 33, True),
    ("autodiscovers.example.org", 1, False),
    ("mail.autodiscover.example.org", 1, False),
    ("example.org", 15, True),
    ("example.org", 1, False),
    ("", 15, True),
    ("a.b.c.d.e.f.g.h.i", 15, True),
    ("a.b.c.d.e.f.g.h.i.j", 15, False),
]


@pytest.mark.parametrize(("name", "kind", "wanted"), QUESTIONS)
def test_which_questions_are_of_interest(name: str, kind: int, wanted: bool) -> None:
    message = wire.dns_message(name, kind, wire.dns_record(name, 1, bytes(4)))
    assert dns_wanted(message) is wanted
    assert not dns_wanted(wire.dns_message(name, kind, wire.dns_record(name, 1, bytes(4)), flags=0x0100))
    assert not dns_wanted(wire.dns_message(name, kind))


@settings(max_examples=200)
@given(st.binary(max_size=40))
def test_any_message_is_wanted_or_not(rest: bytes) -> None:
    message = wire.dns_message("", 0, b"x")[:12] + rest
    assert dns_wanted(message) in (True, False)
    assert not dns_wanted(message[:12])

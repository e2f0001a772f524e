"""TLS in clear: server hello, leaf certificate and server name, however the stream is cut."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import Malformed
from collectors.dissectors.tls import LIMIT, TlsClient, TlsServer
from tests.wire import (
    ALERT,
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    RETRY_RANDOM,
    SERVER_HELLO_DONE,
    SUPPORTED_TLS13,
    certificates,
    client_hello,
    extension_block,
    facts_of,
    handshake,
    held,
    pieces,
    record,
    records,
    server_hello,
    server_name,
    vector,
)

HELLO = "version: 1.2\ncipher: c030\nextensions: ff01,0017\nsession: 32"
DONE = handshake(SERVER_HELLO_DONE, b"")
KEY_EXCHANGE = handshake(12, bytes(300))


def leaf(signature: int = 257) -> bytes:
    def tlv(tag: int, body: bytes) -> bytes:
        return bytes([tag]) + (vector(body, 1) if len(body) < 128 else b"\x82" + vector(body, 2))

    name = tlv(0x30, tlv(0x31, tlv(0x30, b"\x06\x03\x55\x04\x03" + tlv(0x13, b"EX01"))))
    dates = tlv(0x30, tlv(0x17, b"260101000000Z") + tlv(0x17, b"310101000000Z"))
    key = tlv(0x30, bytes(400))
    signed = tlv(0x30, b"\x02\x01\x01" + tlv(0x30, b"") + name + dates + name + key)
    return tlv(0x30, signed + tlv(0x30, b"") + tlv(0x03, bytes(signature)))


LEAF = leaf()
FLIGHT = server_hello() + certificates(LEAF, bytes(700)) + KEY_EXCHANGE + DONE


def server(*parts: bytes) -> list[tuple[str, str]]:
    return facts_of(TlsServer, parts)


def client(*parts: bytes) -> list[tuple[str, str]]:
    return facts_of(TlsClient, parts)


def told(facts: list[tuple[str, str]]) -> dict[str, str]:
    return dict(line.split(": ", 1) for kind, value in facts if kind == "tls.certificate" for line in value.split("\n"))


@pytest.mark.parametrize(
    ("hello", "value"),
    [
        (server_hello(), HELLO),
        (server_hello(None, session=0), "version: 1.2\ncipher: c030\nextensions: -\nsession: 0"),
        (server_hello([]), "version: 1.2\ncipher: c030\nextensions: -\nsession: 32"),
        (server_hello(version=0x0301, cipher=0x2F), HELLO.replace("1.2", "1.0").replace("c030", "002f")),
        (server_hello(version=0x0302), HELLO.replace("1.2", "1.1")),
        (server_hello(version=0x0300), HELLO.replace("1.2", "ssl3")),
        (
            server_hello([SUPPORTED_TLS13, (51, bytes(36))], cipher=0x1302),
            "version: 1.3\ncipher: 1302\nextensions: 002b,0033\nsession: 32",
        ),
        (
            server_hello([(51, b"\0\x1d"), SUPPORTED_TLS13], cipher=0x1301, random=RETRY_RANDOM),
            "version: 1.3\ncipher: 1301\nextensions: 0033,002b\nsession: 32",
        ),
        (server_hello([(43, b"\x7f\x1c")]), "version: 1.3\ncipher: c030\nextensions: 002b\nsession: 32"),
        (server_hello([(43, b"\xfb\x1a")]), "version: fb1a\ncipher: c030\nextensions: 002b\nsession: 32"),
    ],
)
def test_server_hello(hello: bytes, value: str) -> None:
    assert server(record(hello)) == [("tls.server_hello", value)]


def test_leaf_of_a_flight() -> None:
    facts = server(record(FLIGHT))
    assert [kind for kind, _ in facts] == ["tls.server_hello", "tls.certificate"]
    assert told(facts)["subject"] == "CN=EX01"
    assert told(facts)["not_after"] == "2031-01-01"
    assert "truncated" not in told(facts)


@pytest.mark.parametrize("size", [1, 2, 5, 100, 1000])
def test_messages_across_records(size: int) -> None:
    assert server(records(FLIGHT, size)) == server(record(FLIGHT))


def test_messages_between_are_skipped() -> None:
    status, ticket = handshake(22, bytes(2000)), handshake(4, bytes(200))
    assert server(record(server_hello() + status + ticket), record(certificates(LEAF))) == server(record(FLIGHT))


@pytest.mark.parametrize("content", [ALERT, CHANGE_CIPHER_SPEC, APPLICATION_DATA])
def test_nothing_is_read_behind_the_end_of_the_clear_part(content: int) -> None:
    dissector = TlsServer()
    assert dissector.feed(record(b"\x02\x28", content)) == []
    assert dissector.done
    assert dissector.feed(record(FLIGHT)) == [] == dissector.end()


@pytest.mark.parametrize(
    ("flight", "kinds"),
    [
        (server_hello([SUPPORTED_TLS13]) + certificates(LEAF), ["tls.server_hello"]),
        (server_hello([SUPPORTED_TLS13], random=RETRY_RANDOM) + server_hello([SUPPORTED_TLS13]), ["tls.server_hello"]),
        (server_hello() + DONE + certificates(LEAF), ["tls.server_hello"]),
        (server_hello() + certificates() + certificates(LEAF), ["tls.server_hello"]),
        (server_hello() + certificates(b"") + certificates(LEAF), ["tls.server_hello"]),
        (server_hello() + certificates(LEAF) + certificates(LEAF), ["tls.server_hello", "tls.certificate"]),
        (certificates(LEAF), ["tls.certificate"]),
    ],
)
def test_where_the_server_is_done(flight: bytes, kinds: list[str]) -> None:
    dissector = TlsServer()
    assert [kind for kind, _ in dissector.feed(record(flight))] == kinds
    assert dissector.done


@pytest.mark.parametrize("missing", [1, 200, 500])
def test_a_cut_certificate_tells_its_beginning(missing: int) -> None:
    facts = server(record(server_hello() + certificates(LEAF))[:-missing])
    assert told(facts) == {
        "subject": "CN=EX01", "issuer": "CN=EX01", "not_before": "2026-01-01", "not_after": "2031-01-01",
        "self_signed": "yes", "truncated": "yes",
    }  # fmt: skip


def test_a_certificate_cut_before_its_names_tells_nothing() -> None:
    for length in range(15):
        assert server(record(certificates(LEAF))[:length]) == []


def test_a_leaf_beyond_the_limit_is_told_as_cut() -> None:
    facts = server(records(certificates(leaf(signature=20_000)), 1 << 14))
    assert told(facts)["truncated"] == "yes"
    assert told(facts)["subject"] == "CN=EX01"
    assert "sha256" not in told(facts)


@pytest.mark.parametrize(
    "stream",
    [
        b"220 ex01.example.org Microsoft ESMTP MAIL Service ready\r\n",
        b"HTTP/1.1 400 Bad Request\r\n",
        record(b"x", 0x80),
        record(server_hello(), version=0x0503),
        record(b""),
        record(bytes((1 << 14) + 1)),
        record(client_hello([server_name("mail.example.org")])),
        record(handshake(16, bytes(66))),
        record(server_hello(session=33)),
        record(server_hello(version=0x0203)),
        record(handshake(2, bytes(10))),
        record(handshake(2, b"\x03\x03" + bytes(32) + b"\x20" + bytes(10))),
        record(handshake(2, b"\x03\x03" + bytes(32) + b"\0" + b"\xc0\x30\0" + b"\0\x04\0\x17")),
        record(handshake(2, b"\x03\x03" + bytes(32) + b"\0" + b"\xc0\x30\0" + extension_block([(1, b"")]) + b"!")),
        record(server_hello([(kind, b"") for kind in range(65)])),
        record(handshake(2, bytes(9000))),
        record(certificates(b"not a certificate")),
        record(handshake(11, vector(vector(LEAF, 3) + b"x", 3)[:-1])),
        record(handshake(11, b"\0\0\x04" + b"\0\x10\0" + b"x")),
    ],
)
def test_malformed_server(stream: bytes) -> None:
    dissector = TlsServer()
    with pytest.raises(Malformed):
        dissector.feed(stream)
    assert dissector.done
    assert dissector.feed(record(FLIGHT)) == [] == dissector.end()


@pytest.mark.parametrize("last", ["feed", "end"])
def test_a_fault_takes_no_earlier_fact_away(last: str) -> None:
    stream = record(server_hello() + certificates(b"not a certificate"))
    assert server(*(bytes([octet]) for octet in stream)) == [("tls.server_hello", HELLO)]
    dissector = TlsServer()
    assert dissector.feed(stream) == [("tls.server_hello", HELLO)]
    assert not dissector.done
    with pytest.raises(Malformed):
        dissector.end() if last == "end" else dissector.feed(b"x")
    assert dissector.done
    assert dissector.end() == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("autodiscover.example.org", "autodiscover.example.org"),
        ("AutoDiscover.Example.ORG", "autodiscover.example.org"),
        ("ex01", "ex01"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("a_b.example.org", "a_b.example.org"),
        (".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61]), ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61])),
        (".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 62]), None),
        ("a" * 64 + ".example.org", None),
        ("192.0.2.1", None),
        ("2001:db8::1", None),
        ("[2001:db8::1]", None),
        ("mail.example.org.", None),
        ("-mail.example.org", None),
        ("mail..example.org", None),
        ("*.example.org", None),
        ("mail example.org", None),
        ("mail.example.org\n", None),
        ("user@example.org", None),
        (b"b\xfccher.example", None),
        ("", None),
    ],
)
def test_server_names(name: str | bytes, value: str | None) -> None:
    stream = record(client_hello([(0x0A0A, b""), server_name(name), (16, b"\0\x03\x02h2")]))
    assert client(stream) == ([("tls.sni", value)] if value else [])


@pytest.mark.parametrize(
    "hello",
    [
        client_hello(None),
        client_hello([]),
        client_hello([(16, b"\0\x03\x02h2")]),
        client_hello([(0, vector(b"\x01" + vector(b"mail.example.org", 2), 2))]),
    ],
)
def test_clients_that_ask_for_no_host(hello: bytes) -> None:
    dissector = TlsClient()
    assert dissector.feed(record(hello)) == []
    assert dissector.done


def test_the_client_is_not_read_behind_its_hello() -> None:
    dissector = TlsClient()
    assert dissector.feed(record(client_hello([server_name("mail.example.org")]))) != []
    assert dissector.done
    assert dissector.feed(record(client_hello([server_name("other.example.org")]))) == [] == dissector.end()
    assert held(dissector) < 300


def test_a_cut_client_hello_tells_a_name_that_was_there() -> None:
    before = record(client_hello([server_name("mail.example.org")]))
    whole = record(client_hello([server_name("mail.example.org"), (21, bytes(3000))]))
    for length in range(len(whole)):
        expected = [("tls.sni", "mail.example.org")] if length >= len(before) else []
        assert client(whole[:length]) == expected, length


def test_a_client_hello_beyond_the_limit() -> None:
    padding = (21, bytes(20_000))
    name = server_name("mail.example.org")
    assert client(records(client_hello([name, padding]), 9000)) == [("tls.sni", "mail.example.org")]
    assert client(records(client_hello([padding, name]), 9000)) == []


@pytest.mark.parametrize(
    "stream",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x80\x2e\x01\x03\x01\0\x15\0\0\0\x10",
        record(server_hello()),
        record(handshake(1, bytes(10))),
        record(handshake(1, bytes(34) + b"\xff" + bytes(10))),
        record(handshake(1, bytes(34) + b"\0\0\x02\xc0\x30\x01\0" + b"\0\x08\0\0")),
        record(client_hello([(0, b"\0\x09\0\0\xff" + b"mail")])),
        record(client_hello([(kind, b"") for kind in range(100, 200)])),
    ],
)
def test_malformed_client(stream: bytes) -> None:
    dissector = TlsClient()
    with pytest.raises(Malformed):
        dissector.feed(stream)
    assert dissector.done


STREAMS = {
    "server": (TlsServer, record(FLIGHT)),
    "server, small records": (TlsServer, records(FLIGHT, 300)),
    "server, TLS 1.3": (TlsServer, record(server_hello([SUPPORTED_TLS13])) + record(b"\1", 20) + record(bytes(99), 23)),
    "client": (TlsClient, records(client_hello([server_name("mail.example.org")]), 50) + record(b"\1", 20)),
}


@pytest.mark.parametrize("name", STREAMS)
def test_octet_by_octet(name: str) -> None:
    make, stream = STREAMS[name]
    whole = facts_of(make, [stream])
    assert whole
    assert facts_of(make, (bytes([octet]) for octet in stream)) == whole


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(STREAMS)), st.lists(st.integers(1, 2600), max_size=12), st.binary(max_size=40))
def test_any_cuts_and_any_rest(name: str, cuts: list[int], rest: bytes) -> None:
    make, stream = STREAMS[name]
    assert facts_of(make, pieces(stream + rest, cuts)) == facts_of(make, [stream])


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(STREAMS)),
    st.lists(st.tuples(st.integers(0, 1400), st.integers(0, 255)), max_size=6),
    st.integers(0, 1400),
    st.lists(st.integers(1, 1400), max_size=6),
)
def test_damage_is_malformed_at_worst(name: str, hits: list[tuple[int, int]], length: int, cuts: list[int]) -> None:
    make, stream = STREAMS[name]
    damaged = bytearray(stream[: max(length, 1)])
    for place, octet in hits:
        damaged[place % len(damaged)] = octet
    whole = facts_of(make, [bytes(damaged)])
    assert facts_of(make, pieces(bytes(damaged), cuts)) == whole
    assert all("@" not in value and len(value) < 20_000 for _, value in whole)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([TlsServer, TlsClient]), st.lists(st.binary(max_size=200), max_size=10))
def test_any_octets(make: type[TlsServer] | type[TlsClient], parts: list[bytes]) -> None:
    facts_of(make, [record(part) if len(part) % 2 else part for part in parts])


@pytest.mark.parametrize("make", [TlsServer, TlsClient])
@pytest.mark.parametrize(
    "head", [b"\x01\xff\xff\xff", b"\x02\x00\x20\x00", b"\x0b\xff\xff\xff\xff\xff\xfc\xff\xff\xf9"]
)
def test_memory_is_bounded(make: type[TlsServer] | type[TlsClient], head: bytes) -> None:
    dissector, payload = make(), head + b"\x30\x83\xff\xff\xf5" + bytes(40_000)
    most = 0
    try:
        for part in pieces(records(payload, 999), range(0, 50_000, 77)):
            dissector.feed(part)
            most = max(most, held(dissector))
    except Malformed:
        pass
    assert most <= LIMIT * 9 // 8 + 1024  # A bytearray grows by an eighth more than it needs.

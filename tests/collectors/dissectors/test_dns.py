"""DNS answers about mail servers, and the message reader held against dpkt."""

from __future__ import annotations

import contextlib
import ipaddress

import dpkt.dns
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import Malformed
from agent.model import Endpoint
from collectors.dissectors.dns import MAX_RECORDS, answers
from tests.wire import Name, dns_message, dns_name, dns_record

A, NS, CNAME, MX, TXT, AAAA, SRV, HTTPS = 1, 2, 5, 15, 16, 28, 33, 65
AUTO, MAIL, SERVICE = "autodiscover.example.org", "mail.example.org", "_autodiscover._tcp.example.org"


def a(owner: Name, address: str = "192.0.2.25") -> bytes:
    packed = ipaddress.ip_address(address).packed
    return dns_record(owner, A if len(packed) == 4 else AAAA, packed)


def mx(owner: Name, exchange: Name) -> bytes:
    return dns_record(owner, MX, b"\0\x0a" + dns_name(exchange))


def srv(owner: Name, target: Name, port: int = 443) -> bytes:
    return dns_record(owner, SRV, b"\0\0\0\0" + port.to_bytes(2, "big") + dns_name(target))


def cname(owner: Name, target: Name) -> bytes:
    return dns_record(owner, CNAME, dns_name(target))


def rows(message: bytes) -> list[tuple[str, int, str, str]]:
    return [(server.address, server.port, kind, value) for server, (kind, value) in answers(message)]


AUTODISCOVER = dns_message(AUTO, A, a(AUTO))


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (AUTODISCOVER, [("192.0.2.25", 443, "dns.autodiscover", AUTO)]),
        (
            dns_message("AutoDiscover.Example.ORG", A, a("autodiscover.EXAMPLE.org")),
            [("192.0.2.25", 443, "dns.autodiscover", AUTO)],
        ),
        (
            dns_message(AUTO, AAAA, a(AUTO, "2001:db8::25"), a(AUTO, "2001:db8:0:1:0:0:0:25")),
            [
                ("2001:db8::25", 443, "dns.autodiscover", AUTO),
                ("2001:db8:0:1::25", 443, "dns.autodiscover", AUTO),
            ],
        ),
        (
            dns_message(AUTO, A, cname(AUTO, MAIL), a(MAIL)),
            [("192.0.2.25", 443, "dns.autodiscover", f"{AUTO} -> {MAIL}")],
        ),
        # The owner's own choice is told, however long the chain behind it is and however it is ordered.
        (
            dns_message(AUTO, A, a("lb.example.net"), cname(MAIL, "lb.example.net"), cname(AUTO, MAIL)),
            [("192.0.2.25", 443, "dns.autodiscover", f"{AUTO} -> {MAIL}")],
        ),
        (
            dns_message(
                "example.org", MX, mx("example.org", "MX1.example.org"), mx("example.org", MAIL),
                more=[a("mx1.example.org"), a("mx1.example.org", "2001:db8::25"), a(MAIL, "198.51.100.2")],
            ),
            [
                ("192.0.2.25", 25, "dns.mx", "example.org -> mx1.example.org"),
                ("2001:db8::25", 25, "dns.mx", "example.org -> mx1.example.org"),
                ("198.51.100.2", 25, "dns.mx", f"example.org -> {MAIL}"),
            ],
        ),
        (
            dns_message(SERVICE, SRV, srv(SERVICE, MAIL, 4443), more=[a(MAIL)]),
            [("192.0.2.25", 4443, "dns.srv", f"{SERVICE} -> {MAIL}")],
        ),
    ],
)  # fmt: skip
def test_told(message: bytes, told: list[tuple[str, int, str, str]]) -> None:
    assert rows(message) == told


@pytest.mark.parametrize(
    "message",
    [
        dns_message(AUTO, A, a(AUTO), flags=0x0100),  # a query
        dns_message(AUTO, A, a(AUTO), flags=0x8183),  # NXDOMAIN
        dns_message(AUTO, A, a(AUTO), flags=0xA980),  # an update's response
        dns_message(AUTO, A),
        dns_message(AUTO, A, cname(AUTO, MAIL)),
        dns_message(AUTO, A, a("other.example.org")),
        dns_message(AUTO, A, cname(AUTO, MAIL), cname(MAIL, AUTO)),  # aliases in a circle
        dns_message(AUTO, A, dns_record(AUTO, A, b"\xc0\0\2\1", network=3)),  # CHAOS
        dns_message(AUTO, HTTPS, dns_record(AUTO, HTTPS, b"\0\1\0")),
        dns_message("www.example.org", A, a("www.example.org")),
        dns_message("jane@example.org", A, a("jane@example.org")),
        dns_message("example.org", MX, mx("example.org", MAIL)),  # its address is not there
        dns_message("example.org", MX, mx("example.org", "."), more=[a(".")]),  # null MX, RFC 7505
        dns_message("example.org", MX, mx("example.net", MAIL), more=[a(MAIL)]),
        dns_message("_sip._tcp.example.org", SRV, srv("_sip._tcp.example.org", MAIL), more=[a(MAIL)]),
        dns_message(SERVICE, SRV, srv(SERVICE, "."), more=[a(MAIL)]),
        dns_message(SERVICE, SRV, srv(SERVICE, MAIL, 0), more=[a(MAIL)]),
        dns_message(".", NS, dns_record(".", NS, dns_name("a.example.org"))),
        dns_message(b"\x0dautodiscover.\x03org\0", A, a(b"\x0dautodiscover.\x03org\0")),  # a dot within a label
        AUTODISCOVER[:4] + b"\0\0" + AUTODISCOVER[6:],
        AUTODISCOVER[:4] + b"\0\2" + AUTODISCOVER[6:],
    ],
)  # fmt: skip
def test_not_told(message: bytes) -> None:
    assert answers(message) == []


HEADER = 12
POINTER = b"\xc0\x0c"  # the name asked


def test_compression() -> None:
    chain = [b"\xc0\x0c", b"\x04mail\xc0\x19"]  # 0x19: "example.org" within the name asked
    message = dns_message(AUTO, A, dns_record(chain[0], CNAME, chain[1]), a(b"\x04MAIL\xc0\x19"))
    assert rows(message) == [("192.0.2.25", 443, "dns.autodiscover", f"{AUTO} -> {MAIL}")]


@pytest.mark.parametrize(
    "name",
    [
        b"\xc0\x2a",  # to itself: the first record begins there
        b"\xc0\x2b", b"\xff\xff",
        b"\x01a\xc0\x2a",
        b"\x40" + bytes(64), b"\x80" + bytes(128),
        b"\x3f" + b"a" * 63 + (b"\x3f" + b"b" * 63) * 3 + b"\0",
    ],
)  # fmt: skip
def test_malformed_names(name: bytes) -> None:
    assert len(dns_message(AUTO, A)) == 0x2A
    with pytest.raises(Malformed):
        answers(dns_message(AUTO, A, a(name)))


def test_pointers_to_pointers_end() -> None:
    text = dns_record(
        AUTO, TXT, b"".join((0xC000 | max(0x0C, at)).to_bytes(2, "big") for at in range(0x43, 0x43 + 400, 2))
    )
    with pytest.raises(Malformed):
        answers(dns_message(AUTO, A, text, a((0xC000 | (0x43 + 390)).to_bytes(2, "big"))))


@pytest.mark.parametrize(
    "message",
    [
        b"", AUTODISCOVER[:11],
        dns_message(AUTO, A, dns_record(AUTO, A, b"\xc0\0\2")),
        dns_message(AUTO, AAAA, dns_record(AUTO, AAAA, bytes(15))),
        dns_message(AUTO, CNAME, dns_record(AUTO, CNAME, dns_name(MAIL) + b"!")),
        dns_message("example.org", MX, dns_record("example.org", MX, b"\0\x0a" + dns_name(MAIL)[:-3]), a(MAIL)),
        dns_message(SERVICE, SRV, dns_record(SERVICE, SRV, b"\0\0")),
    ],
)  # fmt: skip
def test_malformed_messages(message: bytes) -> None:
    with pytest.raises(Malformed):
        answers(message)


def test_a_cut_message_tells_what_is_there() -> None:
    whole = dns_message(AUTO, A, a(AUTO), a(AUTO, "192.0.2.26"))
    first, told = len(dns_message(AUTO, A, a(AUTO))), rows(whole)
    for length in range(HEADER, len(whole)):
        assert rows(whole[:length]) == (told[:1] if length >= first else []), length


def test_records_beyond_the_bound_are_not_read() -> None:
    message = dns_message(AUTO, A, *(a(AUTO, f"192.0.2.{host}") for host in range(1, 60)))
    assert [address for address, *_ in rows(message)] == [f"192.0.2.{host}" for host in range(1, MAX_RECORDS + 1)]


def test_a_fact_is_told_once() -> None:
    assert len(rows(dns_message(AUTO, A, a(AUTO), a(AUTO)))) == 1


# Against the oracle: messages that dpkt writes are read as they were meant, and what both can read they read alike.

HOSTS = st.sampled_from([AUTO, MAIL, "mx.example.net", "autodiscover.example.com", "example.org"])
ADDRESSES = st.integers(1, 254).map(lambda host: bytes([203, 0, 113, host]))
SIXES = st.integers(1, 0xFFFF).map(lambda host: ipaddress.ip_address(f"2001:db8::{host:x}").packed)
RECORDS = st.one_of(
    st.builds(lambda name, ip: dpkt.dns.DNS.RR(name=name, type=A, ip=ip), HOSTS, ADDRESSES),
    st.builds(lambda name, ip: dpkt.dns.DNS.RR(name=name, type=AAAA, ip6=ip), HOSTS, SIXES),
    st.builds(lambda name, to: dpkt.dns.DNS.RR(name=name, type=CNAME, cname=to), HOSTS, HOSTS),
    st.builds(lambda name, to: dpkt.dns.DNS.RR(name=name, type=MX, preference=10, mxname=to), HOSTS, HOSTS),
    st.builds(
        lambda to, port: dpkt.dns.DNS.RR(name=SERVICE, type=SRV, priority=0, weight=0, port=port, srvname=to),
        HOSTS, st.integers(1, 65535),
    ),
)  # fmt: skip


def meant(message: bytes) -> set[tuple[str, int, str, str]]:
    """The facts of a message as dpkt reads it."""
    oracle = dpkt.dns.DNS(message)
    records = [*oracle.an, *oracle.ar]
    asked = oracle.qd[0].name
    aliases = {record.name: record.cname for record in records if record.type == CNAME}

    def hosts(name: str) -> list[str]:
        for _ in range(8):
            name = aliases.get(name, name)
        packed = [record.ip if record.type == A else record.ip6 for record in records
                  if record.name == name and record.type in (A, AAAA)]  # fmt: skip
        return [str(ipaddress.ip_address(address)) for address in packed]

    end = asked
    for _ in range(8):
        end = aliases.get(end, end)
    told = set()
    if asked.startswith("autodiscover."):
        value = f"{asked} -> {aliases[asked]}" if asked in aliases else asked
        told |= {(host, 443, "dns.autodiscover", value) for host in hosts(asked)}
    for record in records:
        if record.name == end and record.type == MX:
            told |= {(host, 25, "dns.mx", f"{asked} -> {record.mxname}") for host in hosts(record.mxname)}
        if record.name == end and record.type == SRV and asked == SERVICE:
            told |= {(host, record.port, "dns.srv", f"{asked} -> {record.srvname}") for host in hosts(record.srvname)}
    return told


def packed(asked: str, answer: list[dpkt.dns.DNS.RR], more: list[dpkt.dns.DNS.RR]) -> bytes:
    question = dpkt.dns.DNS.Q(name=asked, type=A)
    return bytes(dpkt.dns.DNS(op=0x8180, qd=[question], an=answer, ar=more))


@settings(max_examples=150, deadline=None)
@given(st.one_of(HOSTS, st.just(SERVICE)), st.lists(RECORDS, max_size=8), st.lists(RECORDS, max_size=4))
def test_agrees_with_the_oracle(asked: str, answer: list[dpkt.dns.DNS.RR], more: list[dpkt.dns.DNS.RR]) -> None:
    message = packed(asked, answer, more)
    assert set(rows(message)) == meant(message)


SEEDS = [
    AUTODISCOVER,
    dns_message(AUTO, A, dns_record(POINTER, CNAME, b"\x04mail\xc0\x19"), a(MAIL), a(MAIL, "2001:db8::25")),
    dns_message("example.org", MX, mx(POINTER, b"\x04mail\xc0\x0c"), more=[a(MAIL)]),
    dns_message(SERVICE, SRV, srv(POINTER, MAIL), more=[a(MAIL)]),
]


@settings(max_examples=250, deadline=None)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 150), st.integers(0, 255)), max_size=5),
    st.integers(0, 150),
)
def test_damage_is_malformed_at_worst(message: bytes, hits: list[tuple[int, int]], length: int) -> None:
    damaged = bytearray(message[: max(length, 1)])
    for place, octet in hits:
        damaged[place % len(damaged)] = octet
    with contextlib.suppress(Malformed):
        for server, (kind, value) in answers(bytes(damaged)):
            assert server == Endpoint(str(ipaddress.ip_address(server.address)), server.port)
            assert 0 < server.port < 65536
            assert kind in ("dns.autodiscover", "dns.mx", "dns.srv")
            assert value.isprintable()
            assert "@" not in value


@given(st.binary(max_size=120))
def test_any_octets(octets: bytes) -> None:
    with contextlib.suppress(Malformed):
        assert isinstance(answers(octets), list)

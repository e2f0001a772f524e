"""Certificates and TLS records of the lab, read by `cryptography` and by dpkt."""

from __future__ import annotations

import datetime
import random

import dpkt
import pytest
from cryptography import x509

from agent.lab import certificates, dns, handshakes
from agent.lab.certificates import Certificate, der, public, self_signed
from agent.lab.traffic import SERVER

LONG = Certificate(
    (("C", "NL"), ("O", "Bäckerei Example"), ("OU", "x" * 64), ("CN", "a.example.org"), ("E", "x@example.org")),
    (("CN", "Example CA"),),
    tuple(f"host{at}.example.org" for at in range(60)),
    datetime.date(2049, 12, 31),
    1,
)


@pytest.mark.parametrize(
    "leaf", [self_signed("EX01", "example.org"), public("mail.example.org", "x.example.org"), LONG]
)
def test_certificates_are_what_cryptography_reads(leaf: Certificate) -> None:
    read = x509.load_der_x509_certificate(der(leaf))
    dotted = certificates._ATTRIBUTES
    assert [(a.oid.dotted_string, a.value) for a in read.subject] == [(dotted[k], v) for k, v in leaf.subject]
    assert [(a.oid.dotted_string, a.value) for a in read.issuer] == [(dotted[k], v) for k, v in leaf.issuer]
    names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert tuple(names.get_values_for_type(x509.DNSName)) == leaf.names
    assert read.not_valid_before_utc.date() == leaf.begins
    assert read.not_valid_after_utc.date() - leaf.begins == datetime.timedelta(days=leaf.days)
    assert read.public_key().key_size == 2048  # type: ignore[union-attr]


def test_the_certificate_of_setup() -> None:
    """Microsoft Learn, "Digital certificates and encryption in Exchange Server": five years, to and by itself."""
    read = x509.load_der_x509_certificate(der(self_signed("EX01", "example.org")))
    assert read.subject == read.issuer
    assert read.not_valid_after_utc.year - read.not_valid_before_utc.year == 5
    assert read.signature_algorithm_oid._name == "sha1WithRSAEncryption"


def test_a_mail_address_is_no_dns_name() -> None:
    read = x509.load_der_x509_certificate(der(public("a.example.org", "x@example.org")))
    names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.RFC822Name) == ["x@example.org"]
    assert names.get_values_for_type(x509.DNSName) == ["a.example.org"]


def server_messages(version: str) -> list[dpkt.ssl.TLSHandshake]:
    turns = handshakes.handshake("mail.example.org", self_signed("EX01", "example.org"), version)
    first = next(data for side, data in turns if side is SERVER)
    records, _ = dpkt.ssl.tls_multi_factory(first)
    assert records[0].type == 22
    return [dpkt.ssl.TLSHandshake(data) for data in split(records[0].data)]


def split(messages: bytes) -> list[bytes]:
    found = []
    while messages:
        size = 4 + int.from_bytes(messages[1:4], "big")
        found.append(messages[:size])
        messages = messages[size:]
    return found


@pytest.mark.parametrize("version", ["1.0", "1.2"])
def test_the_flight_in_clear(version: str) -> None:
    messages = server_messages(version)
    assert [message.type for message in messages] == [2, 11, 12, 14]
    assert messages[0].data.version == {"1.0": 0x0301, "1.2": 0x0303}[version]
    assert messages[0].data.ciphersuite.code == 0xC030
    assert messages[1].data.certificates == [der(self_signed("EX01", "example.org"))]


def test_tls_13_shows_no_certificate() -> None:
    turns = handshakes.handshake("mail.example.org", self_signed("EX01", "example.org"), "1.3")
    assert [message.type for message in server_messages("1.3")] == [2]
    assert b"EX01" not in b"".join(data for _, data in turns)


@pytest.mark.parametrize("name", ["autodiscover.example.org", ""])
def test_the_server_name(name: str) -> None:
    hello = dpkt.ssl.TLSHandshake(handshakes.client_hello(name, random.Random(1))).data
    extensions = dict(hello.extensions)
    assert extensions.get(0, b"")[5:].decode() == name
    assert (0 in extensions) is bool(name)


def test_dns_answers() -> None:
    records = (
        ("example.org", "MX", "10 mail.example.org"),
        ("mail.example.org", "A", "192.0.2.25"),
        ("mail.example.org", "AAAA", "2001:db8::25"),
        ("_autodiscover._tcp.example.org", "SRV", "0 5 443 mail.example.org"),
        ("autodiscover.example.org", "CNAME", "mail.example.org"),
    )
    read = dpkt.dns.DNS(dns.answer("example.org", "MX", records))
    assert read.qd[0].name == "example.org"
    assert (read.an[0].rdata[:2], read.an[0].mxname) == (b"\0\x0a", "mail.example.org")
    assert (read.an[1].ip, read.an[2].ip6[:4]) == (bytes((192, 0, 2, 25)), b"\x20\x01\x0d\xb8")
    assert (read.an[3].weight, read.an[3].port, read.an[3].srvname) == (5, 443, "mail.example.org")
    assert read.an[4].cname == "mail.example.org"

"""The certificate reader, held against ``cryptography`` on certificates of many shapes."""

from __future__ import annotations

import contextlib
import datetime
import functools
import hashlib
import ipaddress
from collections.abc import Sequence
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.name import _ASN1Type as Text
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import Malformed
from agent.forms.certificate import MAX_NAMES, MAX_TEXT, describe

ORDER = ["subject", "issuer", "san", "not_before", "not_after", "self_signed", "truncated", "sha256"]
CN, MAIL = NameOID.COMMON_NAME, NameOID.EMAIL_ADDRESS
Attributes = Sequence[tuple[x509.ObjectIdentifier, str] | tuple[x509.ObjectIdentifier, str, Text]]


@functools.cache
def key(kind: str) -> Any:
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else ed25519.Ed25519PrivateKey.generate()


def name(attributes: Attributes) -> x509.Name:
    return x509.Name([x509.NameAttribute(*attribute, _validate=False) for attribute in attributes])


def dns(*names: str) -> list[x509.GeneralName]:
    return [x509.DNSName(each) for each in names]


def certificate(
    subject: x509.Name,
    issuer: x509.Name | None = None,
    sans: Sequence[x509.GeneralName] = (),
    *,
    start: tuple[int, ...] = (2026, 1, 1),
    stop: tuple[int, ...] = (2031, 1, 1, 23, 59, 59),
    kind: str = "ec",
    critical: bool = False,
    before: Sequence[x509.ExtensionType] = (),
) -> bytes:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer if issuer is not None else subject)
        .public_key(key(kind).public_key())
        .serial_number(0x7F00000000000000000000000000000001)
        .not_valid_before(datetime.datetime(*start, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(*stop, tzinfo=datetime.UTC))
    )
    for extension in before:
        builder = builder.add_extension(extension, critical=False)
    if sans:
        builder = builder.add_extension(x509.SubjectAlternativeName(sans), critical=critical)
    signed = builder.sign(key(kind), None if kind == "ed25519" else hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.DER)


def read(value: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in value.split("\n"))


def expected(der: bytes) -> dict[str, str]:
    """What the oracle makes of a certificate that holds no mail address and no control characters."""
    oracle = x509.load_der_x509_certificate(der)
    try:
        sans = oracle.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [each.lower() for each in sans.get_values_for_type(x509.DNSName)]
    except x509.ExtensionNotFound:
        names = []
    found = {
        "subject": oracle.subject.rfc4514_string(),
        "issuer": oracle.issuer.rfc4514_string(),
        "san": ",".join(names),
        "not_before": oracle.not_valid_before_utc.strftime("%Y-%m-%d"),
        "not_after": oracle.not_valid_after_utc.strftime("%Y-%m-%d"),
        "self_signed": "yes" if oracle.subject == oracle.issuer else "no",
        "sha256": oracle.fingerprint(hashes.SHA256()).hex(),
    }
    return {line: value for line, value in found.items() if value}


EXCHANGE = name([(CN, "EX01")])
COMPANY = name(
    [
        (NameOID.COUNTRY_NAME, "NL", Text.PrintableString),
        (NameOID.STATE_OR_PROVINCE_NAME, "Utrecht"),
        (NameOID.LOCALITY_NAME, "Zeist"),
        (NameOID.ORGANIZATION_NAME, "Example, Sons & Co. B.V."),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, 'Mail; "post" <+>\\ =#'),
        (NameOID.SERIAL_NUMBER, "12345678"),
        (NameOID.BUSINESS_CATEGORY, "Private Organization"),
        (NameOID.JURISDICTION_COUNTRY_NAME, "NL", Text.PrintableString),
        (CN, "mail.example.org"),
    ]
)
AUTHORITY = name([(NameOID.COUNTRY_NAME, "NL"), (NameOID.ORGANIZATION_NAME, "Example CA"), (CN, "Example CA R3")])
MULTIPLE = x509.Name(
    [
        x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "org", Text.IA5String)]),
        x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "example", Text.IA5String)]),
        x509.RelativeDistinguishedName(
            [x509.NameAttribute(CN, "EX01"), x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Mail")]
        ),
    ]
)
PURPOSES = [
    x509.BasicConstraints(ca=False, path_length=None),
    x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]),
    x509.SubjectKeyIdentifier(bytes(20)),
]
ADDRESSES = [x509.IPAddress(ipaddress.ip_address("192.0.2.1")), x509.IPAddress(ipaddress.ip_address("2001:db8::1"))]

SHAPES = {
    "exchange": {"subject": EXCHANGE, "sans": dns("EX01", "ex01.example.org"), "kind": "rsa", "before": PURPOSES},
    "public": {
        "subject": COMPANY, "issuer": AUTHORITY, "before": PURPOSES,
        "sans": dns("mail.example.org", "autodiscover.example.org", "*.example.net"),
    },
    "ed25519": {"subject": EXCHANGE, "kind": "ed25519"},
    "no san": {"subject": COMPANY, "issuer": AUTHORITY, "before": PURPOSES},
    "addresses only": {"subject": EXCHANGE, "sans": ADDRESSES},
    "addresses too": {"subject": EXCHANGE, "sans": [ADDRESSES[0], *dns("ex01.example.org"), ADDRESSES[1]]},
    "critical san": {"subject": x509.Name([]), "issuer": AUTHORITY, "sans": dns("ex01.example.org"), "critical": True},
    "multiple": {"subject": MULTIPLE, "issuer": MULTIPLE},
    "utf8": {"subject": name([(CN, "Bücher und Käse 東京", Text.UTF8String)])},
    "bmp": {"subject": name([(CN, "Bücher 東京", Text.BMPString)])},
    "universal": {"subject": name([(CN, "Bücher 東京 \U0001F4EC", Text.UniversalString)])},
    "printable": {"subject": name([(CN, "EX01", Text.PrintableString)])},
    "numeric": {"subject": name([(CN, "2019", Text.NumericString)])},
    "teletex": {"subject": name([(CN, "EX01", Text.T61String)])},
    "ends of a value": {"subject": name([(CN, " EX01 "), (CN, "#EX01"), (CN, "EX # 01")])},
    "expired": {"subject": EXCHANGE, "start": (1999, 12, 31), "stop": (2004, 12, 30)},
    "far": {"subject": EXCHANGE, "start": (1950, 1, 1), "stop": (9999, 12, 31)},
    "turn of the form": {"subject": EXCHANGE, "start": (2049, 12, 31), "stop": (2050, 1, 1)},
    "time of day": {"subject": EXCHANGE, "start": (2023, 9, 4, 8, 12, 23), "stop": (2023, 9, 12, 10, 20, 11)},
    "long names": {"subject": EXCHANGE, "sans": dns(*(f"{'a' * 60}.{'b' * 60}.{n}.example.org" for n in range(40)))},
}  # fmt: skip


@functools.cache
def shape(which: str) -> bytes:
    return certificate(**SHAPES[which])  # type: ignore[arg-type]


@pytest.mark.parametrize("which", SHAPES)
def test_agrees_with_the_oracle(which: str) -> None:
    der = shape(which)
    assert read(describe(der)) == expected(der)
    assert list(read(describe(der))) == [line for line in ORDER if line in expected(der)]


def test_the_form() -> None:
    der = shape("exchange")
    assert describe(der) == (
        "subject: CN=EX01\nissuer: CN=EX01\nsan: ex01,ex01.example.org\nnot_before: 2026-01-01\nnot_after: 2031-01-01\n"
        f"self_signed: yes\nsha256: {hashlib.sha256(der).hexdigest()}"
    )
    # A second look is answered from memory and says the same.
    assert describe(bytes(bytearray(der))) == describe(der)


def test_the_most_significant_attribute_is_last() -> None:
    assert read(describe(shape("public")))["issuer"] == "CN=Example CA R3,O=Example CA,C=NL"
    assert read(describe(shape("multiple")))["subject"] == "CN=EX01+OU=Mail,DC=example,DC=org"


def test_persons_are_left_out() -> None:
    subject = name(
        [
            (NameOID.ORGANIZATION_NAME, "Example"),
            (NameOID.USER_ID, "jdoe"), (NameOID.SURNAME, "Doe"), (NameOID.GIVEN_NAME, "Jane"),
            (NameOID.INITIALS, "J."), (NameOID.PSEUDONYM, "jd"),
            (MAIL, "jane@example.org"), (CN, "jane.doe@example.org"), (NameOID.ORGANIZATIONAL_UNIT_NAME, "Mail"),
        ]
    )  # fmt: skip
    sans = [x509.RFC822Name("jane@example.org"), *dns("ex01.example.org"), x509.DNSName("jane@example.org")]
    told = read(describe(certificate(subject, sans=sans)))
    assert told["subject"] == told["issuer"] == "OU=Mail,O=Example"
    assert told["san"] == "ex01.example.org"


def test_a_name_of_persons_alone_is_no_line() -> None:
    told = read(describe(certificate(name([(MAIL, "jane@example.org")]))))
    assert "subject" not in told
    assert told["self_signed"] == "yes"


def test_no_value_forges_a_line() -> None:
    subject = name([(CN, "EX01\nself_signed: yes\r\x85\u2028\0\x1b[2J")])
    value = describe(certificate(subject, AUTHORITY))
    assert len(value.splitlines()) == len(value.split("\n")) == 6
    assert read(value)["self_signed"] == "no"
    assert read(value)["subject"].startswith("CN=EX01\\0aself_signed: yes\\0d\\c2\\85\\e2\\80\\a8\\00\\1b[2J")


@pytest.mark.parametrize(
    "san",
    ["", ".", "ex 01", "ex01.example.org.", "ex01,ex02", "ex01\nsha256", "192.0.2.1", "*.*.example.org", "*", "a" * 64],
)
def test_alternatives_that_are_no_host_names(san: str) -> None:
    told = read(describe(certificate(EXCHANGE, sans=dns("a.example.org", san, "b.example.org"))))
    assert told["san"] == "a.example.org,b.example.org"


def test_many_alternatives_and_long_values_are_bounded() -> None:
    sans = dns(*(f"host{number}.example.org" for number in range(300)))
    with pytest.warns(UserWarning, match="length must be"):
        subject = name([(CN, "x" * 4000)] * 50)
    told = read(describe(certificate(subject, AUTHORITY, sans)))
    assert told["san"].split(",") == [f"host{number}.example.org" for number in range(MAX_NAMES)]
    assert len(told["subject"]) <= 32 * (MAX_TEXT + 4)


@pytest.mark.parametrize("which", ["exchange", "public", "multiple", "critical san"])
def test_every_beginning_tells_a_part_of_the_whole(which: str) -> None:
    der = shape(which)
    whole, most = read(describe(der)), 0
    for length in range(len(der)):
        part = read(describe(der[:length]))
        assert part.pop("truncated") == "yes"
        san = part.pop("san", None)
        assert part.items() <= whole.items()
        assert san is None or f"{whole['san']},".startswith(f"{san},")
        assert len(part) >= most
        most = len(part)
    assert most == len(whole.keys() - {"san", "sha256"})
    # The signature alone is missing.
    assert read(describe(der[:-1])).get("san") == whole.get("san")


def tlv(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return bytes([tag, *([len(body)] if len(body) < 128 else [0x82, *len(body).to_bytes(2, "big")])]) + body


NAME = tlv(0x30, tlv(0x31, tlv(0x30, b"\x06\x03\x55\x04\x03", tlv(0x13, b"EX01"))))
DATES = tlv(0x30, tlv(0x17, b"260101000000Z"), tlv(0x17, b"310101000000Z"))
SERIAL, EMPTY, SIGNATURE = tlv(0x02, b"\1"), tlv(0x30), tlv(0x03, b"\0")


def made(*parts: bytes, subject: bytes = NAME, dates: bytes = DATES, after: bytes = b"") -> bytes:
    """A certificate by hand: ``parts`` stand before its issuer, ``after`` behind its key."""
    before = parts or (SERIAL, EMPTY)
    return tlv(0x30, tlv(0x30, *before, NAME, dates, subject, EMPTY, after), EMPTY, SIGNATURE)


def test_version_1_has_no_version_field() -> None:
    told = read(describe(made()))
    assert told["subject"] == "CN=EX01"
    assert "sha256" in told


@pytest.mark.parametrize(
    ("dates", "told"),
    [
        ([(0x17, b"491231235959Z"), (0x18, b"20500101000000Z")], ["2049-12-31", "2050-01-01"]),
        ([(0x17, b"5001010000Z"), (0x17, b"260101000000+0100")], ["1950-01-01", "2026-01-01"]),
        ([(0x18, b"20260101000000.5Z"), (0x17, b"261301000000Z")], ["2026-01-01", None]),
        ([(0x17, b"260132000000Z"), (0x17, b"")], [None, None]),
        ([(0x17, b"230912102011Z"), (0x18, b"20230912102011Z")], ["2023-09-12", "2023-09-12"]),
        ([(0x18, b"230912102011Z"), (0x17, b"20230912102011Z")], ["2309-12-10", None]),
        ([(0x13, b"230912102011Z"), (0x17, b"2309121020111Z")], [None, None]),
        ([(0x17, b"tomorrow"), (0x17, b"2601010000\n00Z")], [None, None]),
    ],
)
def test_dates(dates: list[tuple[int, bytes]], told: list[str | None]) -> None:
    value = read(describe(made(dates=tlv(0x30, *(tlv(tag, text) for tag, text in dates)))))
    assert [value.get("not_before"), value.get("not_after")] == told


@pytest.mark.parametrize(
    ("attribute", "told"),
    [
        (tlv(0x06, b"\x55\x04\x03") + tlv(0x14, b"B\xfccher"), "CN=Bücher"),
        (tlv(0x06, b"\x55\x04\x03") + tlv(0x0C, b"B\xfccher"), "CN=B\ufffdcher"),
        (tlv(0x06, b"\x55\x04\x03") + tlv(0x1E, b"\0E\0X\0"), "CN=EX\ufffd"),
        (tlv(0x06, b"\x55\x04\x2d") + tlv(0x03, b"\0\1"), None),
        (tlv(0x06, b"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x03") + tlv(0x13, b"NL"), "1.3.6.1.4.1.311.60.2.1.3=NL"),
        (tlv(0x06, b"\x88\x37") + tlv(0x13, b"x"), "2.999=x"),
        (tlv(0x06, b"") + tlv(0x13, b"x"), "?=x"),
    ],
)
def test_attributes(attribute: bytes, told: str | None) -> None:
    subject = tlv(0x30, tlv(0x31, tlv(0x30, attribute)))
    assert read(describe(made(subject=subject))).get("subject") == told


@pytest.mark.parametrize(
    "der",
    [
        b"\0", b"GET / HTTP/1.1", b"\x31\x03\x02\x01\x01",
        made() + b"\0",
        made(b"\x05\x00", EMPTY), made(SERIAL, SERIAL),
        tlv(0x30, made()), tlv(0x30, tlv(0x30)), tlv(0x30),
        b"\x30\x80\x30\x80\0\0\0\0", b"\x30\x84\0\0\0\x01\0", b"\x30\xff",
        made(dates=tlv(0x30)), made(subject=tlv(0x30, tlv(0x30))), made(subject=tlv(0x30, b"\x31\x05\x30\x01")),
        made(after=tlv(0xA3, tlv(0x30, tlv(0x30, b"\x06\x03\x55\x1d\x11", b"\x04\x05\x30\x09")))),
        made(after=tlv(0xA3, b"\x02\x01\x01")),
        tlv(0x30, tlv(0x30, SERIAL, EMPTY, NAME, DATES, NAME, EMPTY), EMPTY, SIGNATURE, SIGNATURE),
        tlv(0x30, tlv(0x30, SERIAL, EMPTY, NAME, DATES, NAME, EMPTY), EMPTY, EMPTY),
    ],
)  # fmt: skip
def test_malformed(der: bytes) -> None:
    with pytest.raises(Malformed):
        describe(der)


@pytest.mark.parametrize("tag", [0x30, 0x31, 0xA0, 0xA3])
def test_deep_nesting_ends(tag: int) -> None:
    nested = b""
    for _ in range(3000):
        nested = bytes([tag, 0x83]) + len(nested).to_bytes(3, "big") + nested
    for der in (nested, nested[:900], made(subject=tlv(0x30, nested)), made(after=tlv(0xA3, nested))):
        # An error of any other family, RecursionError first, would pass through.
        with contextlib.suppress(Malformed):
            assert "@" not in describe(der)


WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters="@"), min_size=1, max_size=40
)
LABELS = st.from_regex(r"\A[A-Za-z0-9]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?\Z")
KINDS = [CN, NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.LOCALITY_NAME, NameOID.TITLE]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(KINDS), WORDS), min_size=1, max_size=4),
    st.lists(LABELS, max_size=5),
    st.datetimes(datetime.datetime(1950, 1, 1), datetime.datetime(9998, 1, 1)),  # noqa: DTZ001
    st.booleans(),
)
def test_generated(attributes: Attributes, labels: list[str], day: datetime.datetime, own: bool) -> None:
    subject = name(attributes)
    sans = dns(*(f"{label}.example.org" for label in labels))
    start, stop = day.timetuple()[:6], (day.year + 1, *day.timetuple()[1:2], 1, *day.timetuple()[3:6])
    der = certificate(subject, None if own else AUTHORITY, sans, start=start, stop=stop)
    assert read(describe(der)) == expected(der)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["exchange", "public", "multiple", "critical san", "addresses too"]),
    st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 255)), max_size=8),
    st.integers(0, 1500),
)
def test_damage_is_malformed_at_worst(which: str, hits: list[tuple[int, int]], length: int) -> None:
    damaged = bytearray(shape(which)[: max(length, 1)])
    for place, octet in hits:
        damaged[place % len(damaged)] = octet
    try:
        value = describe(bytes(damaged))
    except Malformed:
        return
    assert set(read(value)) <= set(ORDER)
    assert value.splitlines() == value.split("\n")
    assert "@" not in value


@given(st.binary(max_size=300))
def test_any_octets(octets: bytes) -> None:
    with contextlib.suppress(Malformed):
        assert describe(octets)

"""Leaf certificates as a handshake shows them (RFC 5280), in DER (ITU-T X.690).

For crafted traffic only what can be seen on the wire is simulated: key and signature are reproducible random bytes,
and nothing could be verified with them. With a key of ``agent.lab.keys`` a server can really speak TLS by it.
"""

from __future__ import annotations

import datetime
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.lab.keys import Key

_SEQUENCE, _SET, _INTEGER, _BITS, _OCTETS, _NULL, _OID = 0x30, 0x31, 0x02, 0x03, 0x04, 0x05, 0x06
_UTF8, _PRINTABLE, _IA5, _UTC_TIME, _GENERALIZED_TIME = 0x0C, 0x13, 0x16, 0x17, 0x18
_ATTRIBUTES = {
    "CN": "2.5.4.3", "C": "2.5.4.6", "L": "2.5.4.7", "O": "2.5.4.10", "OU": "2.5.4.11", "E": "1.2.840.113549.1.9.1",
}  # fmt: skip
_STRINGS = {"C": _PRINTABLE, "E": _IA5}  # RFC 5280 appendix A.1; the others are UTF-8
_ALGORITHMS = {"sha1": "1.2.840.113549.1.1.5", "sha256": "1.2.840.113549.1.1.11"}
_RSA, _SAN, _EKU, _SERVER_AUTH = "1.2.840.113549.1.1.1", "2.5.29.17", "2.5.29.37", "1.3.6.1.5.5.7.3.1"

Name = tuple[tuple[str, str], ...]  # attribute and value, most significant first: (("C", "NL"), ("CN", "x"))


@dataclass(frozen=True, slots=True)
class Certificate:
    """A leaf: who it is for and by, its names (DNS, or mail), the day it begins, its days, its signature's hash.

    ``key``: that of the server that shows it; without one, a certificate in a capture has no key behind it.
    """

    subject: Name
    issuer: Name
    names: tuple[str, ...]
    begins: datetime.date
    days: int
    digest: str = "sha256"
    key: Key | None = field(default=None, repr=False)


def self_signed(short_name: str, domain: str, begins: datetime.date = datetime.date(2025, 3, 4)) -> Certificate:
    """The certificate that Exchange setup makes: issued to and by the computer's short name, five years, SHA-1.

    Its DNS names are the short name and the full one (Microsoft Learn, "Digital certificates and encryption in
    Exchange Server").
    """
    name = (("CN", short_name),)
    return Certificate(name, name, (short_name, f"{short_name}.{domain}"), begins, 5 * 365 + 1, "sha1")


def public(*names: str, begins: datetime.date = datetime.date(2026, 9, 14)) -> Certificate:
    """A certificate of a public authority for a year; the first name is its subject."""
    issuer = (("C", "NL"), ("O", "Example Trust"), ("CN", "Example Public CA 1"))
    return Certificate((("CN", names[0]),), issuer, names, begins, 365)


def der(leaf: Certificate, key: Key | None = None) -> bytes:
    """The certificate in DER (RFC 5280 4.1): of this key and signed by it, whoever its issuer is said to be."""
    key = key or leaf.key
    chance = random.Random(repr(leaf))  # noqa: S311 # reproducible bytes; there is no key behind them
    algorithm = _sequence(_oid(_ALGORITHMS[leaf.digest]), _tlv(_NULL, b""))
    to_sign = _sequence(
        _tlv(0xA0, _integer(2)),  # version 3
        _integer(chance.getrandbits(120)),
        algorithm,
        _name(leaf.issuer),
        _sequence(_time(leaf.begins), _time(leaf.begins + datetime.timedelta(days=leaf.days))),
        _name(leaf.subject),
        _public_key(key.modulus if key else chance.getrandbits(2048) | 1 << 2047 | 1),
        _tlv(0xA3, _extensions(leaf.names)),
    )
    signature = key.sign(to_sign, leaf.digest) if key else chance.randbytes(256)
    return _sequence(to_sign, algorithm, _tlv(_BITS, b"\0" + signature))


def private_key(key: Key) -> bytes:
    """An RSAPrivateKey in DER: RFC 8017 A.1.2."""
    return _sequence(*map(_integer, key.numbers()))


def _time(day: datetime.date) -> bytes:
    """Midnight in UTC; UTCTime has no century and so ends with 2049 (RFC 5280 4.1.2.5)."""
    if day.year < 2050:
        return _tlv(_UTC_TIME, f"{day:%y%m%d}000000Z".encode())
    return _tlv(_GENERALIZED_TIME, f"{day:%Y%m%d}000000Z".encode())


def _public_key(modulus: int) -> bytes:
    """A SubjectPublicKeyInfo of RSA (RFC 3279 2.3.1)."""
    numbers = _sequence(_integer(modulus), _integer(65537))
    return _sequence(_sequence(_oid(_RSA), _tlv(_NULL, b"")), _tlv(_BITS, b"\0" + numbers))


def _extensions(names: tuple[str, ...]) -> bytes:
    # A general name is a dNSName, or an rfc822Name where it is a mail address (RFC 5280 4.2.1.6).
    alternatives = _sequence(*(_tlv(0x81 if "@" in name else 0x82, name.encode("ascii")) for name in names))
    values = [(_EKU, _sequence(_oid(_SERVER_AUTH))), (_SAN, alternatives)]
    return _sequence(*(_sequence(_oid(kind), _tlv(_OCTETS, value)) for kind, value in values))


def _name(name: Name) -> bytes:
    return _sequence(
        *(
            _tlv(_SET, _sequence(_oid(_ATTRIBUTES[kind]), _tlv(_STRINGS.get(kind, _UTF8), value.encode())))
            for kind, value in name
        )
    )


def _sequence(*parts: bytes) -> bytes:
    return _tlv(_SEQUENCE, b"".join(parts))


def _integer(number: int) -> bytes:
    # One byte more than the bits need where the highest bit would read as a sign.
    return _tlv(_INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    return _tlv(_OID, bytes((first * 40 + second,)) + b"".join(map(_septets, rest)))


def _septets(number: int) -> bytes:
    """Seven bits a byte, the highest bit set in all but the last (X.690 8.19.2)."""
    septets = [number & 127]
    while number := number >> 7:
        septets.append(number & 127 | 128)
    return bytes(reversed(septets))


def _tlv(tag: int, body: bytes) -> bytes:
    size = len(body)
    if size < 128:
        return bytes((tag, size)) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 128 | len(length))) + length + body

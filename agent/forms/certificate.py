"""What an X.509 certificate says of the server that shows it (RFC 5280), read from its DER, whole or cut short.

A walk over offsets, without recursion: only the few elements that are told are looked into, so that hostile nesting
costs nothing. Whatever names a person (a mail address, a user id, a surname) is left out.
"""

from __future__ import annotations

import re
from functools import lru_cache

from agent.errors import Malformed
from agent.forms.hostname import hostname

MAX_NAMES = 64  # DNS names told of one certificate
MAX_ATTRIBUTES = 32  # of one subject or issuer
MAX_TEXT = 256  # characters of one attribute; the largest upper bound of RFC 5280 appendix A is 32768, the usual one 64
MAX_EXTENSIONS = 64

_BOOLEAN, _INTEGER, _BIT_STRING, _OID, _SEQUENCE, _SET = 0x01, 0x02, 0x03, 0x06, 0x30, 0x31
_VERSION, _EXTENSIONS, _DNS_NAME = 0xA0, 0xA3, 0x82
_SUBJECT_ALT_NAME = b"\x06\x03\x55\x1d\x11"
_NO_BOUND = 1 << 25
_OPTIONAL_FIELDS = 3  # issuerUniqueID, subjectUniqueID, extensions

# The short names of RFC 4514 section 3; an attribute without one is told by its number.
_SHORT = {
    b"\x55\x04\x03": "CN", b"\x55\x04\x06": "C", b"\x55\x04\x07": "L", b"\x55\x04\x08": "ST", b"\x55\x04\x09": "STREET",
    b"\x55\x04\x0a": "O", b"\x55\x04\x0b": "OU", b"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19": "DC",
}  # fmt: skip
# emailAddress and userid, then surname, givenName, initials and pseudonym.
_PERSONAL = {b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01", b"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01"} | {
    b"\x55\x04" + bytes([number]) for number in (4, 42, 43, 65)
}
# UTF8, Numeric, Printable, Teletex, IA5, Visible, Universal and BMP string. Teletex is Latin-1 in practice.
_CODECS = {
    0x0C: "utf-8", 0x12: "ascii", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1A: "ascii",
    0x1C: "utf-32-be", 0x1E: "utf-16-be",
}  # fmt: skip
_ESCAPED = re.compile(r'["+,;<>\\]|^[ #]| \Z')
_TIME = rb"(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])\d{4}(?:\d\d)?(?:\.\d+)?(?:Z|[+-]\d{4})?"
# UTCTime has two digits for the year, GeneralizedTime four; the digits alone do not say which of them it is.
_DATES = {0x17: re.compile(rb"(\d\d)" + _TIME), 0x18: re.compile(rb"(\d{4})" + _TIME)}
_ORDER = ("subject", "issuer", "san", "not_before", "not_after", "self_signed", "truncated", "sha256")


class _CutError(Exception):
    """The bytes end here, the certificate does not."""


def describe(der: bytes) -> str:
    """The value of ``tls.certificate`` (docs/observations.md) for one DER certificate or the beginning of one.

    Raises Malformed for bytes that do not begin a certificate. A certificate seen again costs a look-up.
    """
    # Only certificates of a usual size are kept, which bounds the memory to about 1 MB.
    return _known(der) if len(der) <= 4096 else _describe(der)


def _describe(der: bytes) -> str:
    told: dict[str, str] = {}
    try:
        _certificate(der, told)
        told["sha256"] = _sha256(der)
    except _CutError:
        told["truncated"] = "yes"
    return "\n".join([f"{key}: {told[key]}" for key in _ORDER if key in told])


_known = lru_cache(maxsize=256)(_describe)


def _sha256(der: bytes) -> str:
    # hashlib loads OpenSSL, which would cost every start of the program 3 ms.
    from hashlib import sha256

    return sha256(der).hexdigest()


def _certificate(der: bytes, told: dict[str, str]) -> None:
    """Adds what is known in the order of RFC 5280 4.1. Raises _CutError where the bytes end too early."""
    if der and der[0] != _SEQUENCE:
        raise Malformed("not a certificate")
    at, end = _expect(der, 0, _NO_BOUND, _SEQUENCE)
    if end < len(der):
        raise Malformed("bytes after a certificate")
    at, signed = _expect(der, at, end, _SEQUENCE)
    tag, _, stop = _element(der, at, signed)
    at, stop = _expect(der, stop if tag == _VERSION else at, signed, _INTEGER)
    _, stop = _expect(der, stop, signed, _SEQUENCE)  # signature algorithm
    issuer, stop = _content(der, stop, signed)
    _tell(told, "issuer", _name(issuer))
    validity, stop = _content(der, stop, signed)
    _validity(validity, told)
    subject, stop = _content(der, stop, signed)
    _tell(told, "subject", _name(subject))
    told["self_signed"] = "yes" if subject == issuer else "no"
    _, at = _expect(der, stop, signed, _SEQUENCE)  # the public key
    for _ in range(_OPTIONAL_FIELDS):
        if at < signed:
            tag, start, at = _element(der, at, signed)
            if tag == _EXTENSIONS:
                _extensions(der, start, at, told)
    _, at = _expect(der, signed, end, _SEQUENCE)
    _, at = _expect(der, at, end, _BIT_STRING)
    if at != end:
        raise Malformed("a certificate with bytes after its signature")
    if end > len(der):
        raise _CutError


def _tell(told: dict[str, str], key: str, value: str) -> None:
    if value:
        told[key] = value


def _validity(validity: bytes, told: dict[str, str]) -> None:
    """Both dates, as far as they are dates (RFC 5280 4.1.2.5)."""
    end = len(validity)
    tag, start, stop = _element(validity, 0, end)
    _tell(told, "not_before", _date(tag, validity[start:stop]))
    tag, start, stop = _element(validity, stop, end)
    _tell(told, "not_after", _date(tag, validity[start:stop]))


def _date(tag: int, text: bytes) -> str:
    """Year, month and day of a UTCTime or GeneralizedTime; nothing if it is neither."""
    form = _DATES.get(tag)
    found = form and form.fullmatch(text)
    if not found:
        return ""
    year, month, day = found[1].decode(), found[2].decode(), found[3].decode()
    if len(year) == 2:
        year = ("19" if year >= "50" else "20") + year
    return f"{year}-{month}-{day}"


@lru_cache(maxsize=256)
def _name(name: bytes) -> str:
    """A Name in the form of RFC 4514: the last RDN first, the attributes of one RDN joined by ``+``."""
    rdns: list[str] = []
    at, end = 0, len(name)
    while at < end and len(rdns) < MAX_ATTRIBUTES:
        start, stop = _expect(name, at, end, _SET)
        text = _rdn(name[start:stop])
        if text:
            rdns.append(text)
        at = stop
    rdns.reverse()
    return ",".join(rdns)


@lru_cache(maxsize=512)
def _rdn(rdn: bytes) -> str:
    attributes: list[str] = []
    at, end = 0, len(rdn)
    while at < end and len(attributes) < MAX_ATTRIBUTES:
        start, stop = _expect(rdn, at, end, _SEQUENCE)
        middle, last = _expect(rdn, start, stop, _OID)
        tag, first, _ = _element(rdn, last, stop)
        text = _attribute(rdn[middle:last], tag, rdn[first:stop])
        if text:
            attributes.append(text)
        at = stop
    return "+".join(attributes)


def _attribute(kind: bytes, tag: int, octets: bytes) -> str:
    """``CN=EX01``, or nothing where the value is no text or names a person."""
    codec = _CODECS.get(tag)
    if codec is None or kind in _PERSONAL:
        return ""
    value = octets.decode(codec, "replace")
    # A mail address can stand in a common name as well; nothing else in a server's name has that sign.
    return "" if "@" in value else f"{_SHORT.get(kind) or _dotted(kind)}={_escaped(value[:MAX_TEXT])}"


def _escaped(value: str) -> str:
    text = _ESCAPED.sub(r"\\\g<0>", value)
    if text.isprintable():
        return text
    # RFC 4514 2.4 allows any character as the hexadecimal of its octets; a line break would forge a line.
    return "".join(c if c.isprintable() else _hexadecimal(c) for c in text)


def _hexadecimal(character: str) -> str:
    return "".join(f"\\{octet:02x}" for octet in character.encode("utf-8", "replace"))


def _dotted(oid: bytes) -> str:
    """The numbers of an object identifier (X.690 8.19), at most 16 of them."""
    numbers: list[int] = []
    number = 0
    for octet in oid[:64]:
        number = number << 7 | octet & 0x7F
        if not octet & 0x80:
            numbers.append(number)
            number = 0
    first = min(numbers[0] // 40, 2) if numbers else 0
    return ".".join(map(str, [first, numbers[0] - 40 * first, *numbers[1:16]])) if numbers else "?"


def _extensions(der: bytes, at: int, end: int, told: dict[str, str]) -> None:
    """Looks for the subject alternative name among the extensions (RFC 5280 4.2.1.6)."""
    at, end = _expect(der, at, end, _SEQUENCE)
    for _ in range(MAX_EXTENSIONS):
        if at >= end:
            return
        start, stop = _expect(der, at, end, _SEQUENCE)
        if der.startswith(_SUBJECT_ALT_NAME, start):
            _alternatives(der, start + len(_SUBJECT_ALT_NAME), stop, told)
        at = stop


def _alternatives(der: bytes, at: int, end: int, told: dict[str, str]) -> None:
    """The DNS names; mail addresses, IP addresses and whatever is no host name are passed over."""
    tag, start, stop = _element(der, at, end)
    if tag == _BOOLEAN:  # critical
        tag, start, stop = _element(der, stop, end)
    at, end = _expect(der, start, stop, _SEQUENCE)
    names: list[str] = []
    try:
        while at < end and len(names) < MAX_NAMES:
            tag, start, at = _element(der, at, end)
            if at > len(der):
                raise _CutError
            name = _dns_name(der[start:at]) if tag == _DNS_NAME else None
            if name:
                names.append(name)
    finally:
        # The names before a cut are told too.
        _tell(told, "san", ",".join(names))


def _dns_name(raw: bytes) -> str | None:
    if raw.startswith(b"*."):
        rest = hostname(raw[2:])
        return rest and f"*.{rest}"
    return hostname(raw)


def _content(der: bytes, at: int, end: int) -> tuple[bytes, int]:
    """What a SEQUENCE holds, which must be there as a whole, and where it stops."""
    start, stop = _expect(der, at, end, _SEQUENCE)
    if stop > len(der):
        raise _CutError
    return der[start:stop], stop


def _expect(der: bytes, at: int, end: int, tag: int) -> tuple[int, int]:
    found, start, stop = _element(der, at, end)
    if found != tag:
        raise Malformed(f"a certificate with tag {found:02x} instead of {tag:02x}")
    return start, stop


def _element(der: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Tag, start and stop of the element at ``at`` within ``end`` (X.690 8.1). What it holds may lie behind a cut."""
    start = at + 2
    if start > end:
        raise Malformed("a certificate whose element is longer than what holds it")
    if start > len(der):
        raise _CutError
    size = der[at + 1]
    if size & 0x80:
        start += size & 0x7F
        if not 0x81 <= size <= 0x83 or start > end:
            raise Malformed("a certificate with a length that DER does not have")
        if start > len(der):
            raise _CutError
        size = int.from_bytes(der[at + 2 : start], "big")
    stop = start + size
    if stop > end:
        raise Malformed("a certificate whose element is longer than what holds it")
    return der[at], start, stop

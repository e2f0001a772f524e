"""TLS handshakes (RFC 5246, RFC 8446) up to where encryption begins, as two sides say them. No cryptography in it."""

from __future__ import annotations

import random
import struct

from agent.lab.certificates import Certificate, der
from agent.lab.traffic import CLIENT, SERVER, Turn

_HANDSHAKE, _CHANGE_CIPHER_SPEC, _APPLICATION_DATA = 22, 20, 23
_VERSIONS = {"1.0": 0x0301, "1.1": 0x0302, "1.2": 0x0303, "1.3": 0x0304}
_RECORD = 16384  # bytes of a record at most: RFC 8446 5.1
# A client's offer: the suites of RFC 8446 B.4 and the elliptic-curve ones of RFC 5289 that SChannel picks from.
_SUITES = (0x1301, 0x1302, 0xC030, 0xC02F, 0xC014, 0x009D, 0x0035)


def handshake(server_name: str, leaf: Certificate, version: str = "1.2", suite: int = 0xC030) -> list[Turn]:
    """Both sides of a connection that begins with TLS and shows no more than its handshake.

    Up to 1.2 the server shows its certificate in clear; in 1.3 it is inside the encrypted part. ``suite`` is the one
    that a server of 1.2 or below takes; 0xc030 (ECDHE, RSA, AES-256-GCM) is the first choice of SChannel.
    """
    chance = random.Random(f"{server_name} {version}")  # noqa: S311 # reproducible, not secret
    turns = [(CLIENT, _record(client_hello(server_name, chance)))]
    ending = _record(b"\1", _CHANGE_CIPHER_SPEC) + _record(chance.randbytes(40))
    if version == "1.3":
        secret = _record(chance.randbytes(1900), _APPLICATION_DATA)
        hello = _record(server_hello(version, 0x1302, chance))
        return [*turns, (SERVER, hello + _record(b"\1", _CHANGE_CIPHER_SPEC) + secret), (CLIENT, ending)]
    flight = server_hello(version, suite, chance) + certificate(leaf) + _message(12, chance.randbytes(360))
    client_key = _record(_message(16, chance.randbytes(97)))
    return [
        *turns,
        (SERVER, _record(flight + _message(14, b""), version=version)),
        (CLIENT, client_key + ending),
        (SERVER, ending),
        (SERVER, _record(chance.randbytes(180), _APPLICATION_DATA)),
    ]


def client_hello(server_name: str, chance: random.Random) -> bytes:
    """A ClientHello (RFC 8446 4.1.2) with its server name (RFC 6066 3); an empty name leaves the extension away."""
    suites = b"".join(struct.pack("!H", suite) for suite in _SUITES)
    host = server_name.encode("ascii")
    entry = struct.pack("!BH", 0, len(host)) + host
    extensions = _extension(0, struct.pack("!H", len(entry)) + entry) if host else b""
    extensions += _extension(23, b"") + _extension(0xFF01, b"\0") + _extension(10, b"\0\4\0\x1d\0\x17")
    extensions += _extension(13, b"\0\6\4\1\4\3\2\1") + _extension(43, b"\4\3\4\3\3")
    body = b"\3\3" + chance.randbytes(32) + b"\x20" + chance.randbytes(32)
    return _message(1, body + _sized(suites) + b"\1\0" + _sized(extensions))


def server_hello(version: str, suite: int, chance: random.Random) -> bytes:
    """A ServerHello (RFC 8446 4.1.3) in the shape of SChannel: a session id, and few extensions."""
    if version == "1.3":
        extensions = _extension(43, b"\3\4") + _extension(51, b"\0\x1d" + _sized(chance.randbytes(32)))
    else:
        extensions = _extension(0xFF01, b"\0") + _extension(23, b"")
    legacy = struct.pack("!H", min(_VERSIONS[version], 0x0303))
    body = legacy + chance.randbytes(32) + b"\x20" + chance.randbytes(32) + struct.pack("!HB", suite, 0)
    return _message(2, body + _sized(extensions))


def certificate(leaf: Certificate) -> bytes:
    """The Certificate message of TLS 1.2 and below (RFC 5246 7.4.2), with the leaf alone."""
    body = der(leaf)
    entry = len(body).to_bytes(3, "big") + body
    return _message(11, len(entry).to_bytes(3, "big") + entry)


def _extension(kind: int, body: bytes) -> bytes:
    return struct.pack("!H", kind) + _sized(body)


def _sized(body: bytes) -> bytes:
    return struct.pack("!H", len(body)) + body


def _message(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + len(body).to_bytes(3, "big") + body


def _record(body: bytes, kind: int = _HANDSHAKE, version: str = "1.2") -> bytes:
    """Records of at most 16 KiB around a message, or several."""
    legacy = min(_VERSIONS[version], 0x0303)
    pieces = (body[at : at + _RECORD] for at in range(0, len(body), _RECORD))
    return b"".join(struct.pack("!BH", kind, legacy) + _sized(piece) for piece in pieces)

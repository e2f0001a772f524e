"""Messages as they stand on the wire, made by hand for the tests, and ways to cut them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

from agent.errors import Malformed

HANDSHAKE, ALERT, CHANGE_CIPHER_SPEC, APPLICATION_DATA = 22, 21, 20, 23
CLIENT_HELLO, SERVER_HELLO, CERTIFICATE, SERVER_HELLO_DONE = 1, 2, 11, 14
# SHA-256 of "HelloRetryRequest", the random of a ServerHello that is one (RFC 8446 4.1.3).
RETRY_RANDOM = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
RANDOM = bytes(range(32))
SUPPORTED_TLS13 = (43, b"\x03\x04")

Extensions = Sequence[tuple[int, bytes]]
Name = str | bytes


def vector(data: bytes, width: int) -> bytes:
    """``data`` behind its length of ``width`` octets."""
    return len(data).to_bytes(width, "big") + data


def record(payload: bytes, content: int = HANDSHAKE, version: int = 0x0303) -> bytes:
    return bytes([content]) + version.to_bytes(2, "big") + vector(payload, 2)


def records(payload: bytes, size: int) -> bytes:
    """``payload`` in handshake records of ``size`` octets."""
    return b"".join(record(payload[at : at + size]) for at in range(0, len(payload), size))


def handshake(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + vector(body, 3)


def extension_block(extensions: Extensions) -> bytes:
    return vector(b"".join(kind.to_bytes(2, "big") + vector(data, 2) for kind, data in extensions), 2)


def server_hello(
    extensions: Extensions | None = ((0xFF01, b"\0"), (0x17, b"")),
    *,
    version: int = 0x0303,
    cipher: int = 0xC030,
    session: int = 32,
    random: bytes = RANDOM,
) -> bytes:
    block = b"" if extensions is None else extension_block(extensions)
    body = version.to_bytes(2, "big") + random + vector(bytes(session), 1) + cipher.to_bytes(2, "big") + b"\0" + block
    return handshake(SERVER_HELLO, body)


def certificates(*ders: bytes) -> bytes:
    return handshake(CERTIFICATE, vector(b"".join(vector(der, 3) for der in ders), 3))


def server_name(name: Name) -> tuple[int, bytes]:
    raw = name.encode() if isinstance(name, str) else name
    return 0, vector(b"\0" + vector(raw, 2), 2)


def client_hello(extensions: Extensions | None, *, session: int = 32, ciphers: int = 16) -> bytes:
    block = b"" if extensions is None else extension_block(extensions)
    suites = vector(b"\xc0\x30" * ciphers, 2)
    return handshake(CLIENT_HELLO, b"\x03\x03" + RANDOM + vector(bytes(session), 1) + suites + b"\x01\0" + block)


def dns_name(name: Name) -> bytes:
    """A name without compression; octets are taken as they are."""
    if isinstance(name, bytes):
        return name
    return b"".join(vector(label.encode(), 1) for label in name.split(".") if label) + b"\0"


def dns_record(owner: Name, kind: int, data: bytes, network: int = 1) -> bytes:
    return dns_name(owner) + kind.to_bytes(2, "big") + network.to_bytes(2, "big") + b"\0\0\x0e\x10" + vector(data, 2)


def dns_message(asked: Name, kind: int, *rows: bytes, flags: int = 0x8180, more: Sequence[bytes] = ()) -> bytes:
    """A response to one question: ``rows`` are its answers, ``more`` its additional records."""
    counts = b"".join(count.to_bytes(2, "big") for count in (0x1234, flags, 1, len(rows), 0, len(more)))
    return counts + dns_name(asked) + kind.to_bytes(2, "big") + b"\0\x01" + b"".join(rows) + b"".join(more)


def pieces(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """``data`` cut at these places."""
    places = sorted({0, len(data), *(cut for cut in cuts if 0 < cut < len(data))})
    return [data[start:stop] for start, stop in pairwise(places)]


def facts_of(make: Callable[[], Any], parts: Iterable[bytes]) -> list[tuple[str, str]]:
    """What a new dissector tells of these parts, up to its end or to the fault of its peer."""
    dissector, facts = make(), []
    try:
        for part in parts:
            facts += dissector.feed(part)
            if dissector.done:
                break
        facts += dissector.end()
    except Malformed:
        pass
    return facts


def held(thing: object, depth: int = 6) -> int:
    """Octets of the text and byte strings that an object of ours keeps, those of its own objects included."""
    if isinstance(thing, (bytes, bytearray, str)):
        return sys.getsizeof(thing)
    if depth == 0:
        return 0
    if isinstance(thing, dict):
        return sum(held(part, depth - 1) for pair in thing.items() for part in pair)
    if isinstance(thing, (list, tuple, set, frozenset)):
        return sum(held(part, depth - 1) for part in thing)
    if not type(thing).__module__.startswith("collectors."):
        return 0
    slots = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
    names = {*slots, *getattr(thing, "__dict__", {})}
    return sum(held(getattr(thing, name, None), depth - 1) for name in names)

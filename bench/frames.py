"""Frames in two microseconds each: what the bulk is made of. Checksums are left at 0; no reader of captures asks.

Layouts: IEEE 802.3 and 802.1Q, RFC 791, RFC 8200, RFC 9293, RFC 768.
"""

from __future__ import annotations

from collections.abc import Iterator
from socket import AF_INET, AF_INET6, inet_pton
from struct import pack

from agent.lab.traffic import LINUX, Conversation, TcpOptions

TCP, UDP = 6, 17
SYN, SYN_ACK, ACK, DATA, FIN = 0x02, 0x12, 0x10, 0x18, 0x11
# NOP, NOP, a timestamp (RFC 7323): what most segments carry.
TIMESTAMP = bytes.fromhex("0101080a0001000000020000")
SYN_OPTIONS = bytes.fromhex("020405b40402080a00010000000000000103030a")

_MACS = bytes.fromhex("02005e10000102005e100002"), bytes.fromhex("02005e10000202005e100001")
_MASK = 0xFFFFFFFF
# How the lab names an option -> its kind and the layout of its value (RFC 9293 3.1, RFC 7323, RFC 2018).
_OPTIONS = {"MSS": (2, ">H"), "WScale": (3, ">B"), "SAckOK": (4, ""), "Timestamp": (8, ">II")}


class Way:
    """One direction between two hosts: all of a frame that is the same each time, up to the ports."""

    __slots__ = ("_after", "_before", "_extra", "_udp_after")

    def __init__(
        self, source: str, destination: str, ports: tuple[int, int], tags: bytes, *, down: bool, ttl: int = 57
    ) -> None:
        """``tags`` are what stands between the MAC addresses and the ethertype; ``down`` is towards the customer."""
        six = ":" in source
        addresses = b"".join(inet_pton(AF_INET6 if six else AF_INET, a) for a in (source, destination))
        self._before = _MACS[down] + tags + (b"\x86\xdd\x60\0\0\0" if six else b"\x08\0\x45\0")
        both = pack(">HH", *ports)
        if six:
            self._extra = 0
            self._after, self._udp_after = (pack(">BB", p, ttl) + addresses + both for p in (TCP, UDP))
        else:
            self._extra = 20
            self._after, self._udp_after = (
                pack(">HHBBH", 4660, 0x4000, ttl, p, 0) + addresses + both for p in (TCP, UDP)
            )

    def tcp(
        self, sequence: int, acknowledged: int, flags: int, payload: bytes = b"", options: bytes = TIMESTAMP,
        window: int = 2048,
    ) -> bytes:  # fmt: skip
        header = 20 + len(options)
        length = pack(">H", self._extra + header + len(payload))
        rest = pack(">IIBBHI", sequence & _MASK, acknowledged & _MASK, header << 2, flags, window, 0)
        return b"".join((self._before, length, self._after, rest, options, payload))

    def udp(self, payload: bytes) -> bytes:
        size = 8 + len(payload)
        length = pack(">H", self._extra + size)
        return b"".join((self._before, length, self._udp_after, pack(">HH", size, 0), payload))


def tags_of(*identifiers: int) -> bytes:
    """Nothing, a VLAN tag (802.1Q), or a service tag and a VLAN tag (802.1ad)."""
    kinds = (0x8100,) if len(identifiers) < 2 else (0x88A8, 0x8100)
    return b"".join(pack(">HH", kind, number) for kind, number in zip(kinds, identifiers, strict=False))


def options_of(options: TcpOptions) -> bytes:
    """TCP options as the lab names them."""
    out = b""
    for name, value in options:
        if name == "NOP":
            out += b"\x01"
            continue
        kind, layout = _OPTIONS[name]
        values = value if isinstance(value, tuple) else (value,) if layout else ()
        body = pack(layout, *values)
        out += bytes((kind, 2 + len(body))) + body
    return out + bytes(-len(out) % 4)


def conversation(said: Conversation, port: int, tags: bytes, sequence: int) -> Iterator[bytes]:
    """The frames of a lab conversation, from the client's SYN on, in segments of 1,400 bytes."""
    down = Way(said.server, said.client, (said.port, port), tags, down=True, ttl=said.host.ttl - 9)
    up = Way(said.client, said.server, (port, said.port), tags, down=False, ttl=LINUX.ttl - 2)
    ways, number = (up, down), [sequence, sequence >> 1]
    yield up.tcp(number[0], 0, SYN, options=options_of(LINUX.options))
    yield down.tcp(number[1], number[0] + 1, SYN_ACK, options=options_of(said.host.options), window=said.host.window)
    number = [number[0] + 1, number[1] + 1]
    yield up.tcp(number[0], number[1], ACK, options=b"")
    for side, payload in said.turns:
        for at in range(0, len(payload), 1400):
            piece = payload[at : at + 1400]
            yield ways[side].tcp(number[side], number[not side], DATA, piece, b"")
            number[side] += len(piece)
        yield ways[not side].tcp(number[not side], number[side], ACK, options=b"")
    yield up.tcp(number[0], number[1], FIN, options=b"")

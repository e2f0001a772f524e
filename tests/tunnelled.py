"""Frames inside packets, byte by byte: what mirror ports, taps and mobile cores make of traffic."""

from __future__ import annotations

import random
from collections.abc import Callable
from struct import pack

from tests import frames

GRE, UDP = 47, 17
VXLAN_PORTS = (4789, 8472)


def gre(kind: int, body: bytes, *, options: str = "", version: int = 0) -> bytes:
    """``options`` of "c" (a checksum), "k" (a key) and "s" (a number)."""
    flags = sum({"c": 0x8000, "k": 0x2000, "s": 0x1000}[letter] for letter in options) | version
    return pack(">HH", flags, kind) + bytes(4 * len(options)) + body


def erspan(version: int, frame: bytes, *, platform: bool = False) -> bytes:
    if version == 1:
        return gre(0x88BE, frame)
    if version == 2:
        return gre(0x88BE, pack(">HHI", 0x1000, 7, 0) + frame, options="s")
    header = pack(">HHIHH", 0x2000, 7, 0, 0, int(platform)) + bytes(8 if platform else 0)
    return gre(0x22EB, header + frame, options="s")


def vxlan(frame: bytes, *, port: int = 4789, flags: int = 8) -> bytes:
    return frames.udp(50_000, port, pack(">II", flags << 24, 9 << 8) + frame)


def geneve(kind: int, body: bytes, *, options: int = 0, version: int = 0) -> bytes:
    """``options`` in words of 4 bytes."""
    return frames.udp(50_000, 6081, pack(">BBHI", version << 6 | options, 0, kind, 9 << 8) + bytes(4 * options) + body)


def gtpu(packet: bytes, *, kind: int = 255, flags: int = 0, extensions: tuple[int, ...] = ()) -> bytes:
    """``extensions`` by their length in words of 4 bytes."""
    more = b""
    if flags & 7 or extensions:
        flags |= 4 if extensions else 0
        more = pack(">HBB", 1, 0, 0x85 if extensions else 0)
        for n, words in enumerate(extensions, 1):
            following = 0x85 if n < len(extensions) else 0
            more += bytes((words,)) + bytes(4 * words - 2 if words else 2) + bytes((following,))
    return frames.udp(2152, 2152, pack(">BBHI", 0x30 | flags, kind, len(packet) + len(more), 9) + more + packet)


def tzsp(frame: bytes, *, tags: bytes = b"", kind: int = 0) -> bytes:
    return frames.udp(50_000, 37008, bytes((1, kind, 0, 1)) + tags + b"\x01" + frame)


def outer(r: random.Random, protocol: int, body: bytes) -> bytes:
    """An Ethernet frame with this in an IP packet of either version."""
    if r.random() < 0.6:
        options = r.choice((b"", b"", b"\x94\x04\x00\x00"))
        packet = frames.ipv4(
            protocol, body, options=options, source="203.0.113.77", fragment=r.choice((0x4000,) * 7 + (0x2000,))
        )
    else:
        packet = frames.ipv6(protocol, body, source=0x9999, extensions=r.choice(((), (), (0,), (60, 0))))
    return frames.wrap(r.choice(((), (), ("vlan",), ("pppoe",), ("mpls",), frames.random_stack(r))), packet)


def _ethertype(packet: bytes) -> int:
    return 0x86DD if packet[:1] and packet[0] >> 4 == 6 else 0x0800


_Make = Callable[[random.Random, bytes, bytes], tuple[int, bytes]]
# Each takes a frame and an IP packet, one of which it carries, and says protocol and body.
MAKE: dict[str, _Make] = {
    "gre": lambda r, frame, packet: (
        GRE,
        gre(0x6558, frame, options=r.choice(("", "c", "k", "ks", "cks")), version=r.choice((0, 0, 0, 1)))
        if r.random() < 0.5
        else gre(_ethertype(packet), packet, options=r.choice(("", "k", "s"))),
    ),
    "erspan": lambda r, frame, packet: (GRE, erspan(r.choice((1, 2, 3)), frame, platform=r.random() < 0.5)),
    "vxlan": lambda r, frame, packet: (UDP, vxlan(frame, port=r.choice(VXLAN_PORTS), flags=r.choice((8, 8, 8, 0)))),
    "geneve": lambda r, frame, packet: (
        UDP,
        geneve(0x6558, frame, options=r.choice((0, 0, 3, 63)), version=r.choice((0, 0, 0, 1)))
        if r.random() < 0.7
        else geneve(_ethertype(packet), packet, options=r.choice((0, 1))),
    ),
    "gtpu": lambda r, frame, packet: (
        UDP,
        gtpu(
            packet,
            kind=r.choice((255, 255, 255, 254)),
            flags=r.choice((0, 0, 2, 1)),
            extensions=r.choice(((), (), (1,), (1, 2), (1, 1, 1, 1), (1,) * 5, (0, 1))),
        ),
    ),
    "tzsp": lambda r, frame, packet: (
        UDP,
        tzsp(frame, tags=r.choice((b"", b"", b"\0\0\x0a\x01\x07", b"\0" * 7, b"\0" * 8)), kind=r.choice((0, 0, 0, 4))),
    ),
}  # fmt: skip


def random_copy(r: random.Random, encapsulation: str) -> bytes:
    """A frame with a frame of any stack in that encapsulation, which may be damaged inside."""
    packet = frames.random_packet(r)
    frame = frames.damaged(
        r, frames.wrap(r.choice(((), (), ("vlan",), ("qinq", "vlan"), frames.random_stack(r))), packet)
    )
    return outer(r, *MAKE[encapsulation](r, frame, packet))

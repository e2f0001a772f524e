"""The decoder by tables, and against dpkt wherever dpkt agrees to parse."""

from __future__ import annotations

import random
from struct import pack
from typing import Any

import dpkt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.packets.decode import LINK_TYPES, MAX_EXTENSIONS, MAX_LAYERS, TCP, UDP, Packet, decode
from tests import frames

GREETING = frames.tcp(25, 40_000, frames.PAYLOADS[0])
FOUR, SIX = frames.ipv4(TCP, GREETING), frames.ipv6(TCP, GREETING)
ADDRESSES_4 = bytes((192, 0, 2, 10, 198, 51, 100, 7))
PLAIN = frames.wrap((), FOUR)


def spoilt(frame: bytes, at: int, *octets: int) -> bytes:
    return frame[:at] + bytes(octets) + frame[at + len(octets) :]


def test_where_things_are() -> None:
    assert decode(PLAIN, 1, len(PLAIN)) == (TCP, ADDRESSES_4, 126, 34, len(PLAIN))
    assert decode(PLAIN + bytes(6), 1, len(PLAIN) + 6) == (TCP, ADDRESSES_4, 126, 34, len(PLAIN))
    six = frames.wrap(("qinq", "vlan"), SIX)
    assert decode(six, 1, len(six)) == (TCP, SIX[8:40], 60, 22 + 40, len(six))


DROPS = [
    ("truncated", b""),
    ("truncated", PLAIN[:33]),
    ("truncated", PLAIN[: 34 + 19]),
    ("not_ip", frames.ethernet(0x0806, bytes(28))),
    ("not_ip", frames.ethernet(0x8864, pack(">BBHH", 0x12, 0, 7, 60) + b"\0\x21" + FOUR)),
    ("not_ip", frames.ethernet(0x8864, pack(">BBHH", 0x11, 9, 7, 60) + b"\0\x21" + FOUR)),
    ("not_ip", frames.ethernet(0x8864, pack(">BBHH", 0x11, 0, 7, 60) + b"\xc0\x21" + bytes(60))),
    ("bad_ip", spoilt(PLAIN, 14, 0x65)),
    ("bad_ip", spoilt(PLAIN, 14, 0x44)),
    ("bad_ip", spoilt(frames.wrap((), SIX), 14, 0x45)),
    ("fragment", frames.wrap((), frames.ipv4(TCP, GREETING, fragment=0x2000))),
    ("fragment", frames.wrap((), frames.ipv4(TCP, GREETING, fragment=0x0001))),
    ("fragment", frames.wrap((), frames.ipv6(TCP, GREETING, extensions=(0, 44)))),
    ("not_tcp_udp", frames.wrap((), frames.ipv4(1, bytes(40)))),
    ("not_tcp_udp", frames.wrap((), frames.ipv6(TCP, GREETING, extensions=(0,) * (MAX_EXTENSIONS + 1)))),
    ("not_tcp_udp", frames.wrap((), frames.ipv6(TCP, GREETING, extensions=(51,)))),
    ("too_deep", frames.wrap(("vlan",) * (MAX_LAYERS + 1), FOUR)),
    ("too_deep", frames.wrap(("mpls",) * (MAX_LAYERS + 1), FOUR)),
    ("too_deep", frames.wrap((*("vlan",) * MAX_LAYERS, "pppoe"), FOUR)),
]


@pytest.mark.parametrize(("reason", "frame"), DROPS)
def test_why_there_is_nothing_to_look_at(reason: str, frame: bytes) -> None:
    assert decode(frame, 1, len(frame)) == reason


@pytest.mark.parametrize("link", [2, 147, 1 << 20])
def test_an_unknown_link(link: int) -> None:
    assert decode(PLAIN, link, len(PLAIN)) == "link_type"


def test_bare_ip_of_no_version() -> None:
    assert decode(b"\x10" + bytes(60), 101, 61) == "not_ip"


@pytest.mark.parametrize("packet", [FOUR, SIX])
def test_a_length_of_nothing_is_that_of_the_frame(packet: bytes) -> None:
    """Segmentation offload hands up packets that are longer than the field of their length can say."""
    at = 2 if packet[0] >> 4 == 4 else 4
    frame = frames.wrap(("vlan",), spoilt(packet, at, 0, 0))
    found = decode(frame[:90], 1, len(frame))
    assert not isinstance(found, str)
    assert found[4] == len(frame)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (FOUR, True),
        # An address that begins with a nibble of 4, and no packet that would fit.
        (frames.OTHER_MACS + b"\x08\0" + FOUR, True),
        (frames.MACS + b"\x08\0" + FOUR, True),
        (bytes(4) + frames.MACS + b"\x08\0" + FOUR, True),
        (bytes(4) + frames.MACS + b"\x81\0\0\x64\x08\0" + FOUR, True),
        (bytes(4) + frames.MACS + b"\x08\x06" + bytes(40), False),
    ],
)
def test_what_a_label_does_not_name(body: bytes, expected: bool) -> None:
    """RFC 4928: the first nibble tells, as far as it can."""
    frame = frames.ethernet(0x8847, pack(">I", 16 << 12 | 0x140) + body)
    found = decode(frame, 1, len(frame))
    assert (found if isinstance(found, str) else found[1]) == (ADDRESSES_4 if expected else "not_ip")


def theirs(frame: bytes) -> tuple[int, bytes, int, bytes] | None:
    """Protocol, addresses, time to live and the transport header as dpkt sees them; None where it sees none."""
    try:
        layer: Any = dpkt.ethernet.Ethernet(frame)
        for _ in range(12):
            if isinstance(layer, (dpkt.ip.IP, dpkt.ip6.IP6)):
                break
            layer = layer.data
        if isinstance(layer, dpkt.ip6.IP6):
            return layer.p, layer.src + layer.dst, layer.hlim, bytes(layer.data)
        if isinstance(layer, dpkt.ip.IP):
            return layer.p, layer.src + layer.dst, layer.ttl, bytes(layer.data)
    except (dpkt.Error, AttributeError, IndexError, ValueError):
        pass
    return None


# What dpkt unpacks: no pseudowires, and no label stack inside PPP.
STACKS = [
    (), ("vlan",), ("qinq",), ("qinq", "vlan"), ("vlan", "vlan"), ("mpls",), ("mpls", "mpls"), ("vlan", "mpls"),
    ("pppoe",), ("vlan", "pppoe"), ("qinq", "vlan", "pppoe"),
]  # fmt: skip


@pytest.mark.parametrize("stack", STACKS, ids=lambda s: " ".join(s) or "plain")
def test_dpkt_reads_the_same(stack: tuple[str, ...]) -> None:
    r = random.Random(f"dpkt {stack}")
    compared = 0
    for _ in range(400):
        frame = frames.wrap(stack, frames.random_packet(r))
        ours, expected = decode(frame, 1, len(frame)), theirs(frame)
        if isinstance(ours, str) or expected is None:
            continue
        compared += same(ours, expected, frame)
    assert compared > 150


def same(ours: Packet, expected: tuple[int, bytes, int, bytes], frame: bytes) -> bool:
    protocol, addresses, ttl, at, end = ours
    assert (protocol, addresses, ttl) == expected[:3], frame.hex()
    # It computes a checksum where there is none.
    body = frame[at:end]
    cut = {TCP: slice(16, 18), UDP: slice(6, 8)}[protocol]
    assert spoilt(body, cut.start, 0, 0) == spoilt(expected[3], cut.start, 0, 0), frame.hex()
    return True


@settings(max_examples=300)
@given(st.binary(max_size=120), st.sampled_from(sorted(LINK_TYPES)), st.integers(0, 200))
def test_any_bytes_are_a_packet_or_a_reason(frame: bytes, link: int, more: int) -> None:
    found = decode(frame, link, len(frame) + more)
    if isinstance(found, str):
        assert found.isidentifier()
        return
    protocol, addresses, ttl, at, end = found
    assert len(addresses) in (8, 32)
    assert 0 <= ttl <= 255
    assert at + (20 if protocol == TCP else 8) <= len(frame)
    assert isinstance(end, int)


@settings(max_examples=200)
@given(st.integers(0, 1 << 32))
def test_random_stacks_are_unwrapped_or_too_deep(seed: int) -> None:
    r = random.Random(seed)
    stack = frames.random_stack(r)
    frame = frames.wrap(stack, FOUR)
    found = decode(frame, 1, len(frame))
    depth = len(stack)
    if depth <= MAX_LAYERS:
        assert found == (TCP, ADDRESSES_4, 126, len(frame) - len(GREETING), len(frame)), stack
    else:
        assert found == "too_deep" or not isinstance(found, str), stack

"""What the lab crafts is what dpkt reads: every layer, both directions, and what can happen to frames."""

from __future__ import annotations

import socket
import subprocess
import sys

import dpkt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.lab.encapsulation import wrap
from agent.lab.traffic import (
    CLIENT,
    LINUX,
    SERVER,
    WINDOWS,
    Conversation,
    Frame,
    Path,
    datagram,
    frames,
    mixed,
    one_way,
    reordered,
    retransmitted,
    without,
)

TURNS = (
    (SERVER, b"220 mx.example.org ready\r\n"),
    (CLIENT, b"EHLO x.example.net\r\n"),
    (SERVER, bytes(range(256)) * 12),
)
SMTP = Conversation("203.0.113.9", "192.0.2.25", 25, TURNS)
SMTP_6 = Conversation("2001:db8:ffff::9", "2001:db8::25", 25, TURNS)

# The stack, and where the IP header begins.
STACKS = [
    ("", 14),
    ("vlan:101", 18),
    ("vlan:200 vlan:101", 22),
    ("qinq:200 vlan:101", 22),
    ("q9100:200 vlan:101", 22),
    ("pppoe:17", 22),
    ("qinq:200 vlan:101 pppoe:17", 30),
    ("mpls:3001", 18),
    ("mpls:3001 mpls:3002 mpls:3003", 26),
    ("mpls:3001 ethernet", 32),
    ("mpls:3001 control vlan:101", 40),
    ("raw", 0),
    ("null", 4),
    ("sll", 16),
    ("sll2 vlan:101", 24),
]


def network(frame: Frame, at: int = 14) -> dpkt.ip.IP | dpkt.ip6.IP6:
    data = frame.data[at:]
    return dpkt.ip.IP(data) if data[0] >> 4 == 4 else dpkt.ip6.IP6(data)


def said(seen: list[Frame], side: bool) -> bytes:
    """The bytes of one side, each at its place in the sequence."""
    segments = [network(frame).data for frame in seen if frame.from_server is side]
    first = next(segment.seq for segment in segments if segment.flags & dpkt.tcp.TH_SYN) + 1
    placed = {(segment.seq - first) % (1 << 32): segment.data for segment in segments if segment.data}
    return b"".join(data for _, data in sorted(placed.items()))


@pytest.mark.parametrize(("stack", "at"), STACKS, ids=[stack or "ethernet" for stack, _ in STACKS])
@pytest.mark.parametrize("conversation", [SMTP, SMTP_6], ids=["ipv4", "ipv6"])
def test_the_packet_lies_where_the_stack_ends(conversation: Conversation, stack: str, at: int) -> None:
    for plain, wrapped in zip(frames(conversation), frames(conversation, Path(stack)), strict=True):
        assert wrapped.data[at:] == plain.data[14:]
        assert wrapped.from_server is plain.from_server


TYPES = [
    ("vlan:101", "81000065 0800"),
    ("qinq:200 vlan:101", "88a800c8 81000065 0800"),
    ("q9100:200 vlan:101", "910000c8 81000065 0800"),
    ("pppoe:17", "8864 11000011 003e 0021"),
    ("mpls:3001", "8847 00bb913d"),
    ("mpls:3001 mpls:3002", "8847 00bb903d 00bba13d"),
    ("mpls:3001 control", "8847 00bb913d 00000000 2e005e100001 2e005e100002 0800"),
]


@pytest.mark.parametrize(("stack", "headers"), TYPES)
def test_headers(stack: str, headers: str) -> None:
    """IEEE 802.1Q 9.6, RFC 2516 4, RFC 3032 2.1, RFC 4448 4.6: bytes written by hand."""
    assert frames(SMTP, Path(stack))[0].data[12:].startswith(bytes.fromhex(headers))


def test_an_unknown_encapsulation_is_refused() -> None:
    from scapy.layers.inet import IP

    with pytest.raises(ValueError, match=r"'vxlan:1' is no encapsulation"):
        wrap(IP(src="192.0.2.1", dst="192.0.2.2"), "vlan:1 vxlan:1", SERVER)


@pytest.mark.parametrize("conversation", [SMTP, SMTP_6], ids=["ipv4", "ipv6"])
def test_both_sides_are_said(conversation: Conversation) -> None:
    seen = frames(conversation, Path(mss=500))
    for side in (CLIENT, SERVER):
        assert said(seen, side) == b"".join(data for by, data in TURNS if by is side)
    assert max(len(network(frame).data.data) for frame in seen) == 500
    assert seen == frames(conversation, Path(mss=500))


@pytest.mark.parametrize("host", [WINDOWS, LINUX], ids=["windows", "linux"])
def test_the_synack_shows_the_host(host: object) -> None:
    conversation = Conversation("203.0.113.9", "192.0.2.25", 25, TURNS, host)  # type: ignore[arg-type]
    packet = network(frames(conversation, Path(hops=3))[1])
    kinds = [kind for kind, _ in dpkt.tcp.parse_opts(packet.data.opts)]
    windows = host is WINDOWS
    assert packet.ttl == (125 if windows else 61)
    assert packet.data.win == (65535 if windows else 65160)
    assert kinds == ([2, 1, 3, 1, 1, 4] if windows else [2, 4, 8, 1, 3])


def test_options_and_extension_headers() -> None:
    optional = Path(options=True)
    assert network(frames(SMTP, optional)[0]).opts == b"\x94\x04\x00\x00"
    assert list(network(frames(SMTP_6, optional)[0]).extension_hdrs) == [0, 60]


def test_fragments_hold_the_whole() -> None:
    pieces = [network(frame) for frame in frames(SMTP, Path(fragment=200))]
    whole = [piece for piece in pieces if piece.mf or piece.offset]
    assert len(whole) > 10
    assert max(len(piece.data) for piece in whole) <= 200


def test_refused_is_a_syn_alone() -> None:
    (syn,) = frames(Conversation("203.0.113.9", "192.0.2.25", 25, TURNS, refused=True))
    assert network(syn).data.flags == dpkt.tcp.TH_SYN


def test_datagram() -> None:
    (frame,) = datagram("198.51.100.53", "203.0.113.9", b"answer")
    packet = network(frame)
    assert socket.inet_ntoa(packet.src) == "198.51.100.53"
    assert (packet.data.sport, packet.data.data) == (53, b"answer")


def test_what_can_happen_to_frames() -> None:
    seen = frames(SMTP, Path(mss=100))
    assert {frame.from_server for frame in one_way(seen)} == {True}
    assert len(one_way(seen)) + len(one_way(seen, from_server=False)) == len(seen)
    assert len(retransmitted(seen, 2)) == len(seen) + (len(seen) + 1) // 2
    assert without(seen, 1, 3) == [seen[0], seen[2], *seen[4:]]
    assert mixed(seen[5:], seen[:5]) == seen


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_reordering_loses_nothing_and_keeps_the_clock(seed: int) -> None:
    seen = _MANY
    shuffled = reordered(seen, seed)
    assert sorted(frame.data for frame in shuffled) == sorted(frame.data for frame in seen)
    assert [frame.time for frame in shuffled] == [frame.time for frame in seen]
    assert [frame.data for frame in shuffled[:3]] == [frame.data for frame in seen[:3]]
    assert said(shuffled, SERVER) == said(seen, SERVER)


_MANY = frames(SMTP, Path(mss=100))


def test_importing_the_lab_does_not_import_scapy() -> None:
    modules = "agent.lab.traffic, agent.lab.servers, agent.lab.demo, agent.lab.files"
    code = f"import sys, {modules}; sys.exit(any(name.startswith('scapy') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

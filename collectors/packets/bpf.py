"""The capture filter, generated: what `admit` and `decode` say, as one classic-BPF program.

libpcap applies it to files and the kernel will apply it to sockets; it runs the same either way. `layers` has its
first half; here a TCP payload or a DNS message is judged by how it begins.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, summarize_address_range
from itertools import pairwise
from typing import NamedTuple

from collectors.packets import admit
from collectors.packets import assembler as op
from collectors.packets.assembler import Assembler, Instruction
from collectors.packets.layers import IP, SCRATCH, advance, drop, ipv4, ipv6, layers, link_header
from collectors.packets.wanted import HANDSHAKES, Tiers, Wanted

# Scratch memory that this half writes: the transport header, and its payload.
_L4, _PAYLOAD = 2, 3
_SYN, _ACK = 0x02, 0x10

# How many bytes of an admitted frame are wanted: a flight of 16 KiB, or headers.
SNAP_DATA, SNAP_SYN_ACK, SNAP_DNS = 16_640, 192, 1_600


class _Side(NamedTuple):
    """Where the server's address and port stand: in the IPv4 header, the IPv6 header and the transport header."""

    at4: int
    at6: int
    port: int


_SOURCE, _DESTINATION = _Side(12, 8, 0), _Side(16, 24, 2)


class Program(NamedTuple):
    """The instructions, how many ranges of prefixes did not fit and are treated as HEADERS, and how many muted."""

    instructions: list[Instruction]
    demoted: int = 0
    unmuted: int = 0


def generate(
    link: int,
    wanted: Wanted,
    *,
    following: tuple[int, ...] = (),
    muted: tuple[bytes, ...] = (),
) -> Program:
    """The filter for one link type. Raises ValueError for a link type it does not know, or too many prefixes.

    ``following`` are acknowledgement numbers whose segments are wanted whatever they hold. All segments of a server's
    flight carry the number that answers the client's hello, and hardly another flow carries the same: so a certificate
    can be followed through segments that begin like nothing in particular. ``muted`` are packed addresses of servers
    of whose port 443 nothing is wanted.
    """
    a = Assembler()
    link_header(a, link)
    layers(a)
    ipv4(a)
    ipv6(a)
    for base in (22, 42):
        _glance(a, base, following)
    _tcp(a, following)
    _measure(a)
    _payload(a)
    _dns(a)
    _verdicts(a, _networks(wanted.tiers), muted)
    return Program(a.assemble())


def _networks(tiers: Tiers) -> list[tuple[bytes, int]] | None:
    """The prefixes of tier HANDSHAKES; None where that is everybody."""
    if tiers.everywhere(HANDSHAKES):
        return None
    return [
        (network.network_address.packed, network.prefixlen)
        for size in (4, 16)
        for (first, tier), (after, _) in pairwise([*tiers.steps(size), (1 << 8 * size, 0)])
        if tier & HANDSHAKES
        for network in summarize_address_range(_address(first, size), _address(after - 1, size))
    ]


def _address(number: int, size: int) -> IPv4Address | IPv6Address:
    return ip_address(number.to_bytes(size, "big"))


def _glance(a: Assembler, base: int, following: tuple[int, ...]) -> None:
    """X is ``base`` bytes before a TCP or UDP header, on the IP header (less 2).

    Most packets end here, by the first byte of their payload or by their port; what is left goes on at "tcp" or "udp".
    """
    a.label(f"tcp {base}")
    a.op(op.LDB, base + 13)
    a.branch(op.JSET, _SYN, yes=f"look {base}")
    if following:
        a.op(op.LDW, base + 8)
    for number in following:
        a.branch(op.JEQ, number, yes=f"look {base}")
    a.op(op.LDB, base + 12)
    a.op(op.RSH, 2)
    a.op(op.AND, 0x3C)
    a.op(op.ADD_X)
    a.op(op.ADD, base)
    a.op(op.TAX)
    a.op(op.LDB, 0)  # ends the program where there is no payload, and no padding either
    a.branch(op.JEQ, admit.APPLICATION_DATA, yes=f"pass {base}")
    a.branch(op.JEQ, admit.HANDSHAKE, yes=f"look {base}")
    a.branch(op.JGT, ord("H"), yes=f"by port {base}")
    a.branch(op.JGE, ord("*"), yes=f"look {base}")
    a.label(f"by port {base}")
    a.op(op.LDX_MEM, IP)
    a.op(op.LDH, base)
    for port in admit.SMTP_PORTS:
        a.branch(op.JEQ, port, yes=f"look {base}")
    a.label(f"pass {base}")
    drop(a)
    a.label(f"udp {base}")
    a.op(op.LDH, base)
    a.branch(op.JEQ, admit.DNS_PORT, no=f"pass udp {base}")
    advance(a, base)
    a.goto("udp")
    a.label(f"pass udp {base}")
    drop(a)
    a.label(f"look {base}")
    a.op(op.LDX_MEM, IP)
    advance(a, base)
    a.goto("tcp")


def _whole(a: Assembler, name: str) -> None:
    """X is on the header of ``name``, here and after: end the program if it stands in a fragment of IPv4."""
    a.op(op.STX, _L4)
    a.op(op.LDX_MEM, IP)
    _by_version(a, f"{name} whole")
    a.op(op.LDH, 8)
    a.branch(op.JSET, 0x3FFF, no=f"{name} whole")
    drop(a)
    a.label(f"{name} whole")
    a.op(op.LDX_MEM, _L4)


def _tcp(a: Assembler, following: tuple[int, ...]) -> None:
    a.label("tcp")
    _whole(a, "tcp")
    a.op(op.LDB, 13)
    a.branch(op.JSET, _SYN, yes="syn")
    if following:
        a.op(op.LDW, 8)
    for number in following:
        a.branch(op.JEQ, number, yes="followed")
    a.op(op.LDB, 12)
    a.op(op.RSH, 2)
    a.op(op.AND, 0x3C)
    a.branch(op.JGE, 20, no="no payload")
    a.op(op.ADD_X)
    a.op(op.TAX)
    a.op(op.LDB, 0)
    a.branch(op.JEQ, admit.APPLICATION_DATA, no="measure")
    a.label("no payload")
    drop(a)


def _measure(a: Assembler) -> None:
    """X is on the payload, which may be padding: its length comes from the IP header."""
    a.label("measure")
    a.op(op.STX, _PAYLOAD)
    a.op(op.LDX_MEM, IP)
    a.op(op.LDB, 2)
    a.op(op.RSH, 4)
    a.branch(op.JEQ, 6, yes="length6")
    a.op(op.LDH, 4)
    a.branch(op.JEQ, 0, yes="offloaded")
    a.op(op.ADD, 2)
    a.goto("length")
    a.label("length6")
    a.op(op.LDH, 6)
    a.branch(op.JEQ, 0, yes="offloaded")
    a.op(op.ADD, 42)
    a.label("length")
    a.op(op.ADD_X)
    a.goto("end")
    a.label("offloaded")
    a.op(op.LD_LEN)
    a.label("end")
    a.op(op.LDX_MEM, _PAYLOAD)
    a.op(op.SUB_X)
    a.branch(op.JEQ, 0, yes="padding")
    a.branch(op.JGT, 0x7FFFFFFF, yes="padding")
    a.branch(op.JGE, 4, yes="payload", no="unsigned")
    a.label("padding")
    drop(a)


def _payload(a: Assembler) -> None:
    """X is on a payload of four bytes at least, and A its length."""
    a.label("payload")
    a.op(op.ST, SCRATCH)
    a.op(op.LDW, 0)
    for word in admit.WORDS:
        a.branch(op.JEQ, int.from_bytes(word, "big"), yes="server")
    a.op(op.AND, admit.REPLY_MASK)
    a.branch(op.JEQ, admit.REPLY, yes="server")
    a.op(op.LDW, 0)
    a.op(op.RSH, 8)
    a.branch(op.JEQ, int.from_bytes(admit.POP3_OK, "big"), yes="server")
    a.op(op.RSH, 16)
    a.branch(op.JEQ, admit.HANDSHAKE, no="unsigned")
    a.op(op.LD_MEM, SCRATCH)
    a.branch(op.JGE, 6, no="unsigned")
    a.op(op.LDH, 1)
    a.branch(op.JGT, 0x0307, yes="unsigned")
    a.branch(op.JGE, 0x0300, no="unsigned")
    a.op(op.LDB, 5)
    a.branch(op.JEQ, admit.SERVER_HELLO, yes="server")
    a.branch(op.JEQ, admit.CERTIFICATE, yes="server")
    a.branch(op.JEQ, admit.CLIENT_HELLO, yes="client")
    a.label("unsigned")
    a.op(op.LDX_MEM, _L4)
    a.op(op.LDH, 0)
    for port in admit.SMTP_PORTS:
        a.branch(op.JEQ, port, yes="server")
    drop(a)


def _dns(a: Assembler) -> None:
    a.label("udp")
    _whole(a, "udp")
    a.op(op.LDH, 0)
    a.branch(op.JEQ, admit.DNS_PORT, no="not dns")
    a.op(op.LDB, 8 + 2)
    a.branch(op.JSET, 0x80, no="not dns")  # a question
    for count in (8 + 4, 8 + 6):
        a.op(op.LDH, count)
        a.branch(op.JEQ, 0, yes="not dns")
    advance(a, 8 + 12)
    for label in admit.AUTODISCOVER:
        a.op(op.LDB, 0)
        a.branch(op.JEQ, len(label), no=f"not {label.decode()}")
        for at in range(0, len(label), 4):
            _compare_lower(a, at, label[at : at + 4], f"not {label.decode()}")
        a.op(op.RET, SNAP_DNS)
        a.label(f"not {label.decode()}")
    for n in range(admit.MAX_LABELS):
        a.op(op.LDB, 0)
        a.branch(op.JEQ, 0, yes="asked")
        a.branch(op.JGT, 63, yes="not dns")
        if n + 1 < admit.MAX_LABELS:
            a.op(op.ADD, 1)
            a.op(op.ADD_X)
            a.op(op.TAX)
    a.label("not dns")
    drop(a)
    a.label("asked")
    a.op(op.LDH, 1)
    a.branch(op.JEQ, admit.MX, no="not asked")
    a.op(op.RET, SNAP_DNS)
    a.label("not asked")
    drop(a)


def _compare_lower(a: Assembler, at: int, text: bytes, otherwise: str) -> None:
    """One byte or four of a DNS label, without regard to case: 0x20 makes letters small (and a DEL of `_`)."""
    a.op(op.LDW if len(text) == 4 else op.LDB, 1 + at)
    a.op(op.OR, int.from_bytes(b" " * len(text), "big"))
    a.branch(op.JEQ, int.from_bytes(bytes(c | 0x20 for c in text), "big"), no=otherwise)


def _verdicts(a: Assembler, prefixes: list[tuple[bytes, int]] | None, muted: tuple[bytes, ...]) -> None:
    a.label("syn")
    a.branch(op.JSET, _ACK, no="refused")
    a.op(op.LDB, 19)  # ends the program where the header was not captured whole
    a.op(op.LDH, 0)
    for port in admit.SERVICE_PORTS:
        a.branch(op.JEQ, port, yes="syn ack")
    a.label("refused")
    drop(a)
    a.label("followed")
    a.op(op.LDB, 19)
    a.op(op.RET, SNAP_DATA)
    for name, side, snap in (
        ("syn ack", _SOURCE, SNAP_SYN_ACK),
        ("server", _SOURCE, SNAP_DATA),
        ("client", _DESTINATION, SNAP_DATA),
    ):
        a.label(name)
        if muted:
            _unless_muted(a, muted, name, side)
        _in_prefixes(a, prefixes, name, side, snap)


def _unless_muted(a: Assembler, muted: tuple[bytes, ...], name: str, side: _Side) -> None:
    a.op(op.LDX_MEM, _L4)
    a.op(op.LDH, side.port)
    a.branch(op.JEQ, admit.HTTPS, no=f"{name} heard")
    a.op(op.LDX_MEM, IP)
    _by_version(a, f"{name} muted 6")
    for size, at in ((4, side.at4), (16, side.at6)):
        if size == 16:
            a.label(f"{name} muted 6")
        for n, address in enumerate(m for m in muted if len(m) == size):
            _compare_prefix(a, address, size * 8, 2 + at, f"{name} {size} heard {n}")
            drop(a)
            a.label(f"{name} {size} heard {n}")
        a.goto(f"{name} heard")
    a.label(f"{name} heard")


def _by_version(a: Assembler, six: str) -> None:
    """X is on the IP header (less 2): to ``six`` for IPv6, on for IPv4."""
    a.op(op.LDB, 2)
    a.op(op.RSH, 4)
    a.branch(op.JEQ, 6, yes=six)


def _in_prefixes(a: Assembler, prefixes: list[tuple[bytes, int]] | None, name: str, side: _Side, snap: int) -> None:
    """Admit if the server's address lies in customer space, or where all of it does."""
    if prefixes is None:
        a.op(op.RET, snap)
        return
    a.op(op.LDX_MEM, IP)
    _by_version(a, f"{name} 6")
    for size, at in ((4, side.at4), (16, side.at6)):
        if size == 16:
            a.label(f"{name} 6")
        for n, (network, length) in enumerate(p for p in prefixes if len(p[0]) == size):
            _compare_prefix(a, network, length, 2 + at, f"{name} {size} not {n}")
            a.op(op.RET, snap)
            a.label(f"{name} {size} not {n}")
        drop(a)


def _compare_prefix(a: Assembler, network: bytes, length: int, at: int, otherwise: str) -> None:
    for word in range((length + 31) // 32):
        a.op(op.LDW, at + 4 * word)
        if length < 32 * (word + 1):
            a.op(op.AND, -1 << (32 * (word + 1) - length))
        a.branch(op.JEQ, int.from_bytes(network[4 * word : 4 * word + 4], "big"), no=otherwise)

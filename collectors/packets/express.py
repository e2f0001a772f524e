"""The way out for most frames: bulk data is told by its first byte, and goes no further.

`express` reads the most common heads of Ethernet with absolute loads, which the kernel's compiler puts in line, where
it makes a call of a load relative to X. It decides about nothing but bulk: all else goes to the walk ("walk") or, once
the headers are known, to "tcp" with X on its header. `glance` does the same behind the walk.
"""

from __future__ import annotations

from collections.abc import Iterator

from collectors.packets import admit
from collectors.packets import assembler as op
from collectors.packets.assembler import Assembler
from collectors.packets.decode import FRAGMENTED, IPV4, IPV6, PPP_IPV4, PPP_IPV6, PPPOE, TCP, UDP
from collectors.packets.layers import IP, advance, drop

_SYN = 0x02
_TAG = 0x8100
# Where the IP header begins: plain, behind a tag, behind a PPPoE header.
_PLAIN, _TAGGED, _SESSION = 14, 18, 22
_STARTS = (_PLAIN, _TAGGED, _SESSION)
# The byte with the data offset -> the offset of the payload: no options, and those of a timestamp.
_DATA_OFFSETS = {0x50: 20, 0x80: 32}


def express(
    a: Assembler, rules: admit.Rules, following: tuple[int, ...], tunnels: tuple[int, ...], *, fragments: bool
) -> None:
    """``tunnels`` are the UDP ports of what is looked into; with ``fragments`` the walk gets to see every fragment."""
    a.op(op.LDH_ABS, 12)
    _by_type(a, IPV4, IPV6, _PLAIN)
    a.branch(op.JEQ, _TAG, yes="tag")
    a.branch(op.JEQ, PPPOE, no="walk")
    a.op(op.LDH_ABS, 14)
    a.branch(op.JEQ, 0x1100, no="walk")
    a.op(op.LDH_ABS, 20)
    _by_type(a, PPP_IPV4, PPP_IPV6, _SESSION)
    a.goto("walk")
    a.label("tag")
    a.op(op.LDH_ABS, 16)
    _by_type(a, IPV4, IPV6, _TAGGED)
    a.goto("walk")
    for start in _STARTS:
        _four(a, start, tunnels, fragments=fragments)
        _bulk(a, f"tcp4 {start}", start + 20, rules, following)
        if not fragments:
            _unless_fragment(a, start)
        _on(a, start, start + 20)
        _six(a, start, tunnels)
        _bulk(a, f"tcp6 {start}", start + 40, rules, following)
        _on(a, start, start + 40)
    a.label("walk")


def _by_type(a: Assembler, four: int, six: int, start: int) -> None:
    a.branch(op.JEQ, four, yes=f"four {start}")
    a.branch(op.JEQ, six, yes=f"six {start}")


def _four(a: Assembler, start: int, tunnels: tuple[int, ...], *, fragments: bool) -> None:
    a.label(f"four {start}")
    a.op(op.LDB_ABS, start)
    a.branch(op.JEQ, 0x45, no="walk")
    if fragments:
        _unless_fragment(a, start)
    a.op(op.LDB_ABS, start + 9)
    _by_protocol(a, f"tcp4 {start}", start + 20, tunnels)


def _unless_fragment(a: Assembler, start: int) -> None:
    a.op(op.LDH_ABS, start + 6)
    a.branch(op.JSET, FRAGMENTED, yes="walk")


def _six(a: Assembler, start: int, tunnels: tuple[int, ...]) -> None:
    a.label(f"six {start}")
    a.op(op.LDB_ABS, start)
    a.op(op.AND, 0xF0)
    a.branch(op.JEQ, 0x60, no="walk")
    a.op(op.LDB_ABS, start + 6)
    _by_protocol(a, f"tcp6 {start}", start + 40, tunnels)


def _by_protocol(a: Assembler, tcp: str, at: int, tunnels: tuple[int, ...]) -> None:
    """A is a protocol. Of UDP, answers of a DNS server and tunnels go on."""
    a.branch(op.JEQ, TCP, yes=tcp)
    a.branch(op.JEQ, UDP, no="walk")
    a.op(op.LDH_ABS, at)
    a.branch(op.JEQ, admit.DNS_PORT, yes="walk")
    if tunnels:
        a.op(op.LDH_ABS, at + 2)
    for port in tunnels:
        a.branch(op.JEQ, port, yes="walk")
    drop(a)


def _bulk(a: Assembler, name: str, at: int, rules: admit.Rules, following: tuple[int, ...]) -> None:
    """A TCP header at ``at``: what is no bulk goes on behind this block."""
    a.label(name)
    a.op(op.LDB_ABS, at + 13)
    a.branch(op.JSET, _SYN, yes=f"{name} on")
    if following:
        a.op(op.LDW_ABS, at + 8)
    for number in following:
        a.branch(op.JEQ, number, yes=f"{name} on")
    if rules.payloads:
        a.op(op.LDB_ABS, at + 12)
        a.op(op.AND, 0xF0)
        for offset in _DATA_OFFSETS:
            a.branch(op.JEQ, offset, yes=f"{name} {offset}")
        a.goto(f"{name} on")
        for offset, payload in _DATA_OFFSETS.items():
            a.label(f"{name} {offset}")
            # A load from behind the frame would end the program too, but slowly.
            a.op(op.LD_LEN)
            a.branch(op.JGT, at + payload, no=f"{name} done")
            a.op(op.LDB_ABS, at + payload)
            _first_byte(a, rules, f"{name} on", f"{name} by port")
    a.label(f"{name} by port")
    _by_port(a, rules, op.LDH_ABS, at, f"{name} on")
    a.label(f"{name} done")
    drop(a)
    a.label(f"{name} on")


def _on(a: Assembler, ip: int, at: int) -> None:
    """To "tcp", with an IP header at ``ip`` and X on the TCP header at ``at``."""
    a.op(op.LDX_IMM, ip - 2)
    a.op(op.STX, IP)
    a.op(op.LDX_IMM, at)
    a.goto("tcp")


def glance(a: Assembler, base: int, rules: admit.Rules, following: tuple[int, ...]) -> None:
    """X is ``base`` bytes before a TCP header, on the IP header (less 2). What is no bulk goes on at "tcp"."""
    a.label(f"tcp {base}")
    a.op(op.LDB, base + 13)
    a.branch(op.JSET, _SYN, yes=f"look {base}")
    if following:
        a.op(op.LDW, base + 8)
    for number in following:
        a.branch(op.JEQ, number, yes=f"look {base}")
    if rules.payloads:
        a.op(op.LDB, base + 12)
        a.op(op.RSH, 2)
        a.op(op.AND, 0x3C)
        a.op(op.ADD_X)
        a.op(op.ADD, base)
        a.op(op.TAX)
        a.op(op.LDB, 0)
        _first_byte(a, rules, f"look {base}", f"by port {base}")
        a.label(f"by port {base}")
        a.op(op.LDX_MEM, IP)
        _by_port(a, rules, op.LDH, base, f"look {base}")
    drop(a)
    a.label(f"look {base}")
    a.op(op.LDX_MEM, IP)
    advance(a, base)
    a.goto("tcp")


def _first_byte(a: Assembler, rules: admit.Rules, on: str, otherwise: str) -> None:
    """A is the first byte of a payload, or of padding."""
    for low, high in _ranges(_firsts(rules)):
        a.branch(op.JGT, high, yes=otherwise)
        a.branch(op.JGE, low, yes=on)
    a.goto(otherwise)


def _by_port(a: Assembler, rules: admit.Rules, load: int, at: int, on: str) -> None:
    if rules.smtp_ports:
        a.op(load, at)
        a.branch(op.JGT, max(rules.smtp_ports), yes=f"{on} not")
        a.branch(op.JEQ, admit.HTTPS, yes=f"{on} not")  # where most of it comes from
    for port in rules.smtp_ports:
        a.branch(op.JEQ, port, yes=on)
    a.label(f"{on} not")


def _firsts(rules: admit.Rules) -> set[int]:
    """The first bytes of payloads that are wanted."""
    firsts = {word[0] for word in rules.words}
    if rules.pop3:
        firsts.add(admit.POP3_OK[0])
    if rules.replies:
        firsts |= {byte for byte in range(256) if byte & admit.REPLY_MASK >> 24 == admit.REPLY >> 24}
    if rules.tls:
        firsts.add(admit.HANDSHAKE)
    return firsts


def _ranges(numbers: set[int]) -> Iterator[tuple[int, int]]:
    """(low, high) of each run of numbers without a gap, the highest first."""
    for high in sorted(numbers, reverse=True):
        if high + 1 not in numbers:
            low = high
            while low - 1 in numbers:
                low -= 1
            yield low, high

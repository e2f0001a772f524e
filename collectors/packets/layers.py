"""The first half of the capture filter: from the link header through tags, sessions and labels to TCP or UDP.

The program keeps X on the header at hand and unrolls the walk, since classic BPF has no loops: block ``E2`` reads an
ethertype after two layers, ``P2`` a PPP protocol, ``M2`` an MPLS label, and all of them end in one IPv4 and one IPv6
block. Absolute positions never occur after the link header, so every encapsulation shares the rest of the program.
It says what ``decode`` says, and a test holds the two together.
"""

from __future__ import annotations

from collectors.packets import assembler as op
from collectors.packets.assembler import Assembler
from collectors.packets.decode import (
    ETHERTYPE_AT,
    ETHERTYPES,
    EXTENSIONS,
    IP_AT,
    IPV4,
    IPV6,
    MAX_EXTENSIONS,
    MAX_LAYERS,
    MPLS,
    PPP_AT,
    PPP_IPV4,
    PPP_IPV6,
    PPP_MPLS,
    PPPOE,
    TAGS,
    TCP,
    UDP,
)

# Scratch memory that this half writes: two bytes before the IP header, and what is at hand.
IP, SCRATCH = 0, 1


def advance(a: Assembler, by: int) -> None:
    a.op(op.TXA)
    a.op(op.ADD, by)
    a.op(op.TAX)


def drop(a: Assembler) -> None:
    a.op(op.RET, 0)


def link_header(a: Assembler, link: int) -> None:
    if link in ETHERTYPE_AT:
        at, x = ETHERTYPE_AT[link]
        a.op(op.LDX_IMM, x)
        a.op(op.LDH_ABS, at)  # falls into E0
    elif link in IP_AT:
        a.op(op.LDX_IMM, IP_AT[link] - 2)
        a.op(op.LDB_ABS, IP_AT[link])
        a.op(op.RSH, 4)
        a.branch(op.JEQ, 4, yes="ipv4")
        a.branch(op.JEQ, 6, yes="ipv6")
        drop(a)
    elif link in PPP_AT:
        a.op(op.LDX_IMM, 0)
        a.op(op.LDH_ABS, 0)
        a.branch(op.JEQ, 0xFF03, no="P0")
        a.op(op.LDX_IMM, 2)
        a.goto("P0")
    else:
        raise ValueError(f"no filter for link type {link}")


def layers(a: Assembler) -> None:
    """E<n>, P<n> and M<n>: an ethertype, a PPP protocol, an MPLS label, with n layers before it."""
    for n in range(MAX_LAYERS + 1):
        if n:
            a.label(f"E{n}")
            a.op(op.LDH, 0)
        a.branch(op.JEQ, IPV4, yes="ipv4")
        a.branch(op.JEQ, IPV6, yes="ipv6")
        if n < MAX_LAYERS:
            for tag in sorted(TAGS):
                a.branch(op.JEQ, tag, yes=f"tag{n}")
            for ethertype in sorted(MPLS):
                a.branch(op.JEQ, ethertype, yes=f"label{n}")
            a.branch(op.JEQ, PPPOE, yes=f"session{n}")
        drop(a)
        if n < MAX_LAYERS:
            _session(a, n)
        _ppp(a, n)
        if n < MAX_LAYERS:
            _mpls(a, n)
            a.label(f"tag{n}")
            advance(a, 4)  # falls into the next E


def _session(a: Assembler, n: int) -> None:
    a.label(f"session{n}")
    a.op(op.LDH, 2)
    a.branch(op.JEQ, 0x1100, yes=f"in session{n}")
    drop(a)
    a.label(f"in session{n}")
    advance(a, 8)
    a.goto(f"P{n + 1}")


def _ppp(a: Assembler, n: int) -> None:
    """X is on the PPP protocol, one byte or two; the IP blocks want it two bytes before the IP header."""
    a.label(f"P{n}")
    a.op(op.LDB, 0)
    a.branch(op.JSET, 1, yes=f"short{n}")
    a.op(op.LDH, 0)
    a.goto(f"protocol{n}")
    a.label(f"short{n}")
    a.op(op.ST, SCRATCH)
    advance(a, -1)
    a.op(op.LD_MEM, SCRATCH)
    a.label(f"protocol{n}")
    a.branch(op.JEQ, PPP_IPV4, yes="ipv4")
    a.branch(op.JEQ, PPP_IPV6, yes="ipv6")
    if n < MAX_LAYERS:
        for protocol in sorted(PPP_MPLS):
            a.branch(op.JEQ, protocol, yes=f"label{n}")
    drop(a)


def _mpls(a: Assembler, n: int) -> None:
    a.label(f"label{n}")  # comes with X two bytes before the label, as before an IP header
    advance(a, 2)
    a.label(f"M{n}")
    a.op(op.LDB, 2)
    a.branch(op.JSET, 1, yes=f"bottom{n}")
    if n + 1 == MAX_LAYERS:
        drop(a)
    else:
        advance(a, 4)
        a.goto(f"M{n + 1}")
    a.label(f"bottom{n}")
    advance(a, 4)
    a.op(op.LDB, 0)
    a.op(op.RSH, 4)
    a.branch(op.JEQ, 0, yes=f"control word{n}")
    a.branch(op.JEQ, 4, yes=f"four{n}")
    a.branch(op.JEQ, 6, no=f"ethernet{n}")
    a.op(op.LDH, 4)
    a.op(op.ADD, 40)
    _fits(a, f"six{n}", f"ethernet{n}", "ipv6")
    a.label(f"four{n}")
    a.op(op.LDH, 2)
    _fits(a, f"fits{n}", f"ethernet{n}", "ipv4")
    a.label(f"control word{n}")
    a.op(op.LDH, 16)
    for ethertype in sorted(ETHERTYPES):
        a.branch(op.JEQ, ethertype, yes=f"behind control word{n}")
    a.goto(f"ethernet{n}")
    a.label(f"behind control word{n}")
    advance(a, 4)
    a.label(f"ethernet{n}")
    advance(a, 12)
    a.goto(f"E{n + 1}")


def _fits(a: Assembler, ip: str, ethernet: str, block: str) -> None:
    """A is the length of a supposed IP packet at X: to ``block`` if the frame holds that much, else on as Ethernet."""
    a.op(op.ADD_X)
    a.op(op.STX, SCRATCH)
    a.op(op.TAX)
    a.op(op.LD_LEN)
    a.op(op.SUB_X)  # wraps to a huge number where the packet would end behind the frame
    a.op(op.LDX_MEM, SCRATCH)
    a.branch(op.JGT, 0x7FFFFFFF, yes=ethernet, no=ip)
    a.label(ip)
    advance(a, -2)
    a.goto(block)


def ipv4(a: Assembler) -> None:
    """X is two bytes before the header, here and in "ipv6".

    Without options it goes on at "tcp 22" or "udp 22", with X where it is; behind options at "tcp" or "udp", with X on
    that header. Whether it is a fragment is asked later, of the few packets that are looked at.
    """
    a.label("ipv4")
    a.op(op.STX, IP)
    a.op(op.LDB, 2)
    a.branch(op.JEQ, 0x45, no="options")
    a.op(op.LDB, 11)
    a.branch(op.JEQ, TCP, yes="tcp 22")
    a.branch(op.JEQ, UDP, yes="udp 22")
    drop(a)
    a.label("options")
    a.branch(op.JGT, 0x4F, yes="drop4")
    a.branch(op.JGE, 0x45, no="drop4")
    a.op(op.AND, 15)
    a.op(op.LSH, 2)
    a.op(op.ADD_X)
    a.op(op.ADD, 2)
    a.op(op.ST, SCRATCH)
    a.op(op.LDB, 11)
    a.op(op.LDX_MEM, SCRATCH)
    a.branch(op.JEQ, TCP, yes="tcp")
    a.branch(op.JEQ, UDP, yes="udp")
    a.label("drop4")
    drop(a)


def ipv6(a: Assembler) -> None:
    """Without extension headers it goes on at "tcp 42" or "udp 42", behind them at "tcp" or "udp"."""
    a.label("ipv6")
    a.op(op.STX, IP)
    a.op(op.LDB, 2)
    a.op(op.AND, 0xF0)
    a.branch(op.JEQ, 0x60, no="drop6")
    a.op(op.LDB, 8)
    a.branch(op.JEQ, TCP, yes="tcp 42")
    a.branch(op.JEQ, UDP, yes="udp 42")
    a.op(op.ST, SCRATCH)
    advance(a, 42)
    a.op(op.LD_MEM, SCRATCH)
    for n in range(MAX_EXTENSIONS):
        for kind in sorted(EXTENSIONS):
            a.branch(op.JEQ, kind, yes=f"extension{n}")
        a.goto("past extensions")
        a.label(f"extension{n}")
        a.op(op.LDB, 0)
        a.op(op.ST, SCRATCH)
        a.op(op.LDB, 1)
        a.op(op.ADD, 1)
        a.op(op.LSH, 3)
        a.op(op.ADD_X)
        a.op(op.TAX)
        a.op(op.LD_MEM, SCRATCH)
    a.label("past extensions")
    a.branch(op.JEQ, TCP, yes="tcp")
    a.branch(op.JEQ, UDP, yes="udp")
    a.label("drop6")
    drop(a)

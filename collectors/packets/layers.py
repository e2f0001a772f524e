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
    FRAGMENT_HEADER,
    FRAGMENTED,
    IP_AT,
    IPV4,
    IPV6,
    MAX_EXTENSIONS,
    MAX_LAYERS,
    MPLS,
    PPP_IPV4,
    PPP_IPV6,
    PPP_MPLS,
    PPPOE,
    TAGS,
    TCP,
)

# Scratch memory that this half writes: two bytes before the IP header, what is at hand, and the transport header.
IP, SCRATCH, L4 = 0, 1, 2


def advance(a: Assembler, by: int) -> None:
    a.op(op.TXA)
    a.op(op.ADD, by)
    a.op(op.TAX)


def drop(a: Assembler) -> None:
    a.op(op.RET, 0)


def leave(a: Assembler, to: str | None) -> None:
    """A drop right here where ``to`` is none: to the kernel, what comes behind a drop knows no more scratch memory than
    the drop does, and one for all would know none."""
    if to:
        a.goto(to)
    else:
        drop(a)


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
    else:
        a.op(op.LDX_IMM, 0)
        a.op(op.LDH_ABS, 0)
        a.branch(op.JEQ, 0xFF03, no="P0")
        a.op(op.LDX_IMM, 2)
        a.goto("P0")


def layers(a: Assembler, where: str, before: int, unknown: str | None) -> None:
    """E<n>, P<n> and M<n>: an ethertype, a PPP protocol, an MPLS label, with n layers before it.

    ``where`` stands before each label, ``before`` is the first n; the program arrives with A the ethertype and X on
    it. At ``unknown``, or the end where it is None, X is two bytes before what cannot be read.
    """
    for n in range(before, MAX_LAYERS + 1):
        if n > before:
            a.label(f"{where}E{n}")
            a.op(op.LDH, 0)
        a.branch(op.JEQ, IPV4, yes=f"{where}ipv4")
        a.branch(op.JEQ, IPV6, yes=f"{where}ipv6")
        if n < MAX_LAYERS:
            for tag in sorted(TAGS):
                a.branch(op.JEQ, tag, yes=f"{where}tag{n}")
            for ethertype in sorted(MPLS):
                a.branch(op.JEQ, ethertype, yes=f"{where}label{n}")
            a.branch(op.JEQ, PPPOE, yes=f"{where}session{n}")
        leave(a, unknown)
        if n < MAX_LAYERS:
            _session(a, where, n, unknown)
        if n > before or not where:
            _ppp(a, where, n, unknown)
        if n < MAX_LAYERS:
            _mpls(a, where, n, unknown)
            a.label(f"{where}tag{n}")
            advance(a, 4)  # falls into the next E


def _session(a: Assembler, where: str, n: int, unknown: str | None) -> None:
    a.label(f"{where}session{n}")
    a.op(op.LDH, 2)
    a.branch(op.JEQ, 0x1100, yes=f"{where}in session{n}")
    advance(a, 2)
    leave(a, unknown)
    a.label(f"{where}in session{n}")
    advance(a, 8)
    a.goto(f"{where}P{n + 1}")


def _ppp(a: Assembler, where: str, n: int, unknown: str | None) -> None:
    """X is on the PPP protocol, one byte or two; the IP blocks want it two bytes before the IP header."""
    a.label(f"{where}P{n}")
    a.op(op.LDB, 0)
    a.branch(op.JSET, 1, yes=f"{where}short{n}")
    a.op(op.LDH, 0)
    a.goto(f"{where}protocol{n}")
    a.label(f"{where}short{n}")
    a.op(op.ST, SCRATCH)
    advance(a, -1)
    a.op(op.LD_MEM, SCRATCH)
    a.label(f"{where}protocol{n}")
    a.branch(op.JEQ, PPP_IPV4, yes=f"{where}ipv4")
    a.branch(op.JEQ, PPP_IPV6, yes=f"{where}ipv6")
    for protocol in sorted(PPP_MPLS):
        a.branch(op.JEQ, protocol, yes=f"{where}label{n}" if n < MAX_LAYERS else f"{where}unknown{n}")
    a.label(f"{where}unknown{n}")
    leave(a, unknown)


def _mpls(a: Assembler, where: str, n: int, unknown: str | None) -> None:
    a.label(f"{where}label{n}")  # comes with X two bytes before the label, as before an IP header
    advance(a, 2)
    a.label(f"{where}M{n}")
    a.op(op.LDB, 2)
    a.branch(op.JSET, 1, yes=f"{where}bottom{n}")
    if n + 1 == MAX_LAYERS:
        advance(a, 2)
        leave(a, unknown)
    else:
        advance(a, 4)
        a.goto(f"{where}M{n + 1}")
    a.label(f"{where}bottom{n}")
    advance(a, 4)
    a.op(op.LDB, 0)
    a.op(op.RSH, 4)
    a.branch(op.JEQ, 0, yes=f"{where}control word{n}")
    a.branch(op.JEQ, 4, yes=f"{where}four{n}")
    a.branch(op.JEQ, 6, no=f"{where}ethernet{n}")
    a.op(op.LDH, 4)
    a.op(op.ADD, 40)
    misfit = f"{where}misfit{n}" if unknown else f"{where}ethernet{n}"
    _fits(a, f"{where}six{n}", misfit, f"{where}ipv6")
    a.label(f"{where}four{n}")
    a.op(op.LDH, 2)
    _fits(a, f"{where}fits{n}", misfit, f"{where}ipv4")
    if unknown:
        # It may be an IP packet that was cut. What cannot be read of it must not be shown up to an ethertype.
        a.label(misfit)
        _known(a, 12, f"{where}ethernet{n}")
        drop(a)
    a.label(f"{where}control word{n}")
    _known(a, 16, f"{where}behind control word{n}")
    a.goto(f"{where}ethernet{n}")
    a.label(f"{where}behind control word{n}")
    advance(a, 4)
    a.label(f"{where}ethernet{n}")
    advance(a, 12)
    a.goto(f"{where}E{n + 1}")


def _known(a: Assembler, at: int, yes: str) -> None:
    a.op(op.LDH, at)
    for ethertype in sorted(ETHERTYPES):
        a.branch(op.JEQ, ethertype, yes=yes)


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


def ipv4(a: Assembler, where: str, others: dict[int, str], fragment: str | None) -> None:
    """X is two bytes before the header, here and in "ipv6".

    TCP goes on at "tcp 22" with X where it is, or behind options at "tcp" with X on its header; ``others`` are further
    protocols, each with where it goes on, with X on its header. At ``fragment`` X is where it was.
    """
    a.label(f"{where}ipv4")
    a.op(op.STX, IP)
    a.op(op.LDB, 2)
    a.branch(op.JEQ, 0x45, no=f"{where}options")
    a.op(op.LDH, 8)
    a.branch(op.JSET, FRAGMENTED, yes=f"{where}fragment4")
    a.op(op.LDB, 11)
    a.branch(op.JEQ, TCP, yes="tcp 22")
    a.op(op.ST, SCRATCH)
    advance(a, 22)
    a.op(op.LD_MEM, SCRATCH)
    a.goto(f"{where}behind ip")
    a.label(f"{where}options")
    a.branch(op.JGT, 0x4F, yes=f"{where}drop4")
    a.branch(op.JGE, 0x45, no=f"{where}drop4")
    a.op(op.AND, 15)
    a.op(op.LSH, 2)
    a.op(op.ADD_X)
    a.op(op.ADD, 2)
    a.op(op.ST, L4)
    a.op(op.LDH, 8)
    a.branch(op.JSET, FRAGMENTED, yes=f"{where}fragment4")
    a.op(op.LDB, 11)
    a.op(op.LDX_MEM, L4)
    a.label(f"{where}behind ip")
    a.branch(op.JEQ, TCP, yes="tcp")
    for protocol, label in others.items():
        a.branch(op.JEQ, protocol, yes=label)
    a.label(f"{where}drop4")
    drop(a)
    a.label(f"{where}fragment4")
    leave(a, fragment)


def ipv6(a: Assembler, where: str, others: dict[int, str], fragment: str | None) -> None:
    """Without extension headers TCP goes on at "tcp 42", behind them at "tcp"."""
    a.label(f"{where}ipv6")
    a.op(op.STX, IP)
    a.op(op.LDB, 2)
    a.op(op.AND, 0xF0)
    a.branch(op.JEQ, 0x60, no=f"{where}drop6")
    a.op(op.LDB, 8)
    a.branch(op.JEQ, TCP, yes="tcp 42")
    a.branch(op.JEQ, FRAGMENT_HEADER, yes=f"{where}fragment6")
    a.op(op.ST, SCRATCH)
    advance(a, 42)
    a.op(op.LD_MEM, SCRATCH)
    for n in range(MAX_EXTENSIONS):
        for kind in sorted(EXTENSIONS):
            a.branch(op.JEQ, kind, yes=f"{where}extension{n}")
        a.goto(f"{where}past extensions")
        a.label(f"{where}extension{n}")
        a.op(op.LDB, 0)
        a.op(op.ST, SCRATCH)
        a.op(op.LDB, 1)
        a.op(op.ADD, 1)
        a.op(op.LSH, 3)
        a.op(op.ADD_X)
        a.op(op.TAX)
        a.op(op.LD_MEM, SCRATCH)
    a.label(f"{where}past extensions")
    a.branch(op.JEQ, TCP, yes="tcp")
    for protocol, label in others.items():
        a.branch(op.JEQ, protocol, yes=label)
    a.label(f"{where}drop6")
    drop(a)
    a.label(f"{where}fragment6")
    leave(a, fragment)

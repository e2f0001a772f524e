"""How TCP payloads and DNS messages are judged: by how they begin, and some by their port.

The blocks of the capture filter from "tcp" and "udp", with X on that header, to the verdicts.
"""

from __future__ import annotations

from collectors.packets import admit
from collectors.packets import assembler as op
from collectors.packets.assembler import Assembler
from collectors.packets.express import glance
from collectors.packets.layers import IP, L4, SCRATCH, advance, drop
from collectors.packets.tree import LENGTH, NEEDED
from collectors.packets.verdicts import SNAP_DNS, Shape, length_of, version
from collectors.packets.wanted import ANSWERS

# Scratch memory of this half: the payload of the transport header.
_PAYLOAD = 3
_SYN = 0x02


def tcp(a: Assembler, rules: admit.Rules, shape: Shape) -> None:
    """X is on a TCP header, or 22 or 42 bytes before one; on to "measure" with X on the payload."""
    for base in (22, 42):
        glance(a, base, rules, shape.following)
    a.label("tcp")
    _begin(a, shape)
    a.op(op.LDB, 13)
    a.branch(op.JSET, _SYN, yes="syn")
    if shape.following:
        a.op(op.LDW, 8)
    for number in shape.following:
        a.branch(op.JEQ, number, yes="followed")
    if rules.payloads:
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
    if rules.payloads:
        _measure(a)
        _payload(a, rules)


def _begin(a: Assembler, shape: Shape) -> None:
    """X is on a transport header. The kernel wants to see memory written on every way, also on those that drop."""
    a.op(op.STX, L4)
    if shape.asked:
        a.op(op.STX, NEEDED)
        a.op(op.STX, LENGTH)


def _measure(a: Assembler) -> None:
    """X is on the payload, which may be padding: its length comes from the IP header."""
    a.label("measure")
    a.op(op.STX, _PAYLOAD)
    a.op(op.LDX_MEM, IP)
    version(a)
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


def _payload(a: Assembler, rules: admit.Rules) -> None:
    """X is on a payload of four bytes at least, and A its length."""
    a.label("payload")
    a.op(op.ST, SCRATCH)
    a.op(op.LDW, 0)
    for word in rules.words:
        a.branch(op.JEQ, int.from_bytes(word, "big"), yes="server")
    if rules.replies:
        a.op(op.AND, admit.REPLY_MASK)
        a.branch(op.JEQ, admit.REPLY, yes="server")
        a.op(op.LDW, 0)
    a.op(op.RSH, 8)
    if rules.pop3:
        a.branch(op.JEQ, int.from_bytes(admit.POP3_OK, "big"), yes="server")
    if rules.tls:
        _handshake(a)
    a.label("unsigned")
    if rules.smtp_ports:
        a.op(op.LDX_MEM, L4)
        a.op(op.LDH, 0)
        for port in rules.smtp_ports:
            a.branch(op.JEQ, port, yes="server")
    drop(a)


def _handshake(a: Assembler) -> None:
    """A is the first three bytes of the payload at X."""
    a.op(op.RSH, 16)
    a.branch(op.JEQ, admit.HANDSHAKE, no="unsigned")
    a.op(op.LD_MEM, SCRATCH)
    a.branch(op.JGE, 6, no="unsigned")
    a.op(op.LDH, 1)
    a.branch(op.JGT, 0x0307, yes="unsigned")
    a.branch(op.JGE, 0x0300, no="unsigned")
    a.op(op.LDB, 5)
    a.branch(op.JEQ, admit.SERVER_HELLO, yes="server")
    a.branch(op.JEQ, admit.CLIENT_HELLO, yes="client")
    a.branch(op.JEQ, admit.CERTIFICATE, yes="server")


def dns(a: Assembler, rules: admit.Rules, shape: Shape) -> None:
    a.label("udp")
    _begin(a, shape)
    if not rules.dns:
        drop(a)
        return
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
        a.goto("answer")
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
    a.branch(op.JEQ, admit.MX, no="not dns asked")
    a.label("answer")
    length_of(a, SNAP_DNS, ANSWERS, shape)
    a.label("not dns asked")
    drop(a)


def _compare_lower(a: Assembler, at: int, text: bytes, otherwise: str) -> None:
    """One byte or four of a DNS label, without regard to case: 0x20 makes letters small (and a DEL of `_`)."""
    a.op(op.LDW if len(text) == 4 else op.LDB, 1 + at)
    a.op(op.OR, int.from_bytes(b" " * len(text), "big"))
    a.branch(op.JEQ, int.from_bytes(bytes(c | 0x20 for c in text), "big"), no=otherwise)

"""The verdicts of the capture filter: who the server is, and how much is wanted of the frame if its tier allows it.

They come behind `contents`, with X or L4 on the transport header, and end the program, or go on to the tree of
addresses that stands behind its last instruction.
"""

from __future__ import annotations

from typing import NamedTuple

from collectors.packets import admit
from collectors.packets import assembler as op
from collectors.packets.assembler import Assembler
from collectors.packets.layers import IP, L4, advance, drop
from collectors.packets.tree import LENGTH, NEEDED
from collectors.packets.wanted import ANSWERS, HANDSHAKES, HEADERS, QUIET

_ACK = 0x10

# Where the addresses stand in the headers of IPv4 and IPv6.
_AT = {"source": (12, 8), "destination": (16, 24)}

# How many bytes of an admitted frame are wanted: a flight of 16 KiB, or a message. Of a SYN-ACK its headers.
SNAP_DATA, SNAP_DNS = 16_640, 1_600


class Shape(NamedTuple):
    """All that a program depends on but its tree. ``asked`` are the bits for which the tree is asked.

    ``sources`` are packed addresses whose SYNs are shown, up to their payload.
    """

    link: int
    dissectors: frozenset[str]
    ports: tuple[int, ...]
    encapsulations: frozenset[str]
    sample: int
    glimpse: int
    following: tuple[int, ...]
    asked: int
    sources: tuple[bytes, ...] = ()


def sample(a: Assembler, one_in: int, otherwise: str) -> None:
    """Go on with one of so many, as the kernel rolls the dice; the instruction is unknown to libpcap."""
    if one_in > 1:
        a.op(op.LDW_ABS, op.RANDOM)
        a.branch(op.JGE, (1 << 32) // one_in, yes=otherwise)


def version(a: Assembler) -> None:
    """X is two bytes before an IP header."""
    a.op(op.LDB, 2)
    a.op(op.RSH, 4)


def verdicts(a: Assembler, rules: admit.Rules, shape: Shape) -> None:
    """Who the server is, and how much is wanted of the frame if its tier has the bit that is needed."""
    a.label("syn")
    if shape.sources:
        a.branch(op.JSET, _ACK, no="knock")
    if rules.answering:
        _syn_ack(a, rules, shape)
    a.label("refused")
    drop(a)
    if shape.sources:
        _knock(a, shape.sources)
    if shape.following:
        a.label("followed")
        a.op(op.LDB, 19)  # ends the program where the header was not captured whole
        a.op(op.RET, SNAP_DATA)
    if rules.payloads:
        a.label("server")
        a.op(op.LDX_MEM, L4)
        a.op(op.LDH, 0)
        _on_port(a, rules, "server")
        a.branch(op.JGE, admit.SYSTEM_PORTS, no="by server")
        a.op(op.LDH, 2)
        a.branch(op.JGE, admit.SYSTEM_PORTS, no="refused server")
        a.label("by server")
        length_of(a, SNAP_DATA, HANDSHAKES, shape)
        a.label("refused server")
        drop(a)
    if rules.tls:
        a.label("client")
        a.op(op.LDX_MEM, L4)
        a.op(op.LDH, 2)
        _on_port(a, rules, "client")
        length_of(a, SNAP_DATA, HANDSHAKES, shape, destination=True)
        a.label("refused client")
        drop(a)
    if shape.asked:
        _address(a, ("destination", "source") if rules.tls else ("source",))


def _on_port(a: Assembler, rules: admit.Rules, name: str) -> None:
    """A is the server's port."""
    for port in sorted(rules.ports):
        a.branch(op.JEQ, port, yes=f"{name} on port")
    if rules.ports:
        a.goto(f"refused {name}")
        a.label(f"{name} on port")


def _syn_ack(a: Assembler, rules: admit.Rules, shape: Shape) -> None:
    """X is on the TCP header, A its flags: of a SYN-ACK everything up to its payload."""
    a.branch(op.JSET, _ACK, no="no answer")
    a.op(op.LDB, 19)  # ends the program where the header was not captured whole
    a.op(op.LDH, 0)
    for port in rules.answering:
        a.branch(op.JEQ, port, yes="syn ack")
    a.label("no answer")
    drop(a)
    a.label("syn ack")
    sample(a, shape.sample, "refused")
    _headers(a, "syn ack length")
    length_of(a, None, HEADERS, shape)


def _headers(a: Assembler, name: str) -> None:
    """X is on a TCP header: A becomes where its payload begins."""
    a.op(op.LDB, 12)
    a.op(op.RSH, 2)
    a.op(op.AND, 0x3C)
    a.branch(op.JGE, 20, yes=name)
    a.op(op.LD_IMM, 20)
    a.label(name)
    a.op(op.ADD_X)


def _knock(a: Assembler, sources: tuple[bytes, ...]) -> None:
    """A SYN that answers nothing: of one from these addresses everything up to its payload, whoever it is for."""
    a.label("knock")
    a.op(op.LDX_MEM, IP)
    version(a)
    a.branch(op.JEQ, 6, yes="knock 6")
    for size in (4, 16):
        if size == 16:
            a.label("knock 6")
        for number, source in enumerate(sources):
            if len(source) == size:
                _compare(a, 2 + _AT["source"][size == 16], source, f"knock {number}")
        drop(a)
    a.label("knocked")
    a.op(op.LDX_MEM, L4)
    a.op(op.LDB, 19)  # ends the program where the header was not captured whole
    _headers(a, "knock length")
    a.op(op.RET_A)


def _compare(a: Assembler, at: int, address: bytes, name: str) -> None:
    """On at "knocked" where the address at X and ``at`` is this one."""
    for word in range(0, len(address), 4):
        a.op(op.LDW, at + word)
        last = word + 4 == len(address)
        value = int.from_bytes(address[word : word + 4], "big")
        a.branch(op.JEQ, value, yes="knocked" if last else None, no=f"no {name}")
    a.label(f"no {name}")


def length_of(a: Assembler, length: int | None, needs: int, shape: Shape, *, destination: bool = False) -> None:
    """So much is wanted of the frame (None: A bytes) if the server, source or destination, has the tier."""
    if not shape.asked & needs:
        a.op(*((op.RET_A,) if length is None else (op.RET, length)))
        return
    if length is not None:
        a.op(op.LD_IMM, length)
    a.op(op.ST, LENGTH)
    if shape.asked & QUIET and needs != ANSWERS:
        a.op(op.LDX_MEM, L4)
        a.op(op.LDH, 2 if destination else 0)
        a.branch(op.JEQ, admit.HTTPS, yes=f"{needs} {destination} of https")
        a.op(op.LD_IMM, needs)
        a.goto(f"{needs} {destination} needed")
        a.label(f"{needs} {destination} of https")
        a.op(op.LD_IMM, needs | QUIET)
        a.label(f"{needs} {destination} needed")
    else:
        a.op(op.LD_IMM, needs)
    a.op(op.ST, NEEDED)
    a.goto("destination" if destination else "source")


def _address(a: Assembler, sides: tuple[str, ...]) -> None:
    """X goes to the server's address, A is the version of IP: on to the tree."""
    for name in sides:
        at4, at6 = _AT[name]
        a.label(name)
        a.op(op.LDX_MEM, IP)
        version(a)
        a.branch(op.JEQ, 6, yes=f"{name} 6")
        advance(a, 2 + at4)
        a.goto("four")
        a.label(f"{name} 6")
        advance(a, 2 + at6)
        a.goto("six")
    a.label("four")
    a.op(op.LD_IMM, 4)
    a.goto("look up")
    a.label("six")
    a.op(op.LD_IMM, 6)
    a.label("look up")

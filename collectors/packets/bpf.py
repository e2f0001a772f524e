"""The capture filter, generated: what `admit`, `decode` and `wanted` say, as one classic-BPF program.

libpcap applies it to files and the kernel to sockets; it runs the same either way. `layers` has its first half, with
`express` in front for the most common heads and `tunnel_blocks` behind; here a TCP payload or a DNS message is judged
by how it begins; `tree` has its end, where the server's address decides.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from collectors.packets import admit
from collectors.packets import assembler as op
from collectors.packets.assembler import MAX_INSTRUCTIONS, Assembler, Instruction
from collectors.packets.decode import ETHERNET, LINK_TYPES, MAX_INNER_LAYERS, MAX_LAYERS, UDP
from collectors.packets.express import express, glance
from collectors.packets.layers import IP, L4, SCRATCH, advance, drop, ipv4, ipv6, layers, link_header
from collectors.packets.tree import LENGTH, NEEDED, tree
from collectors.packets.tunnel_blocks import entries, tunnel_blocks, udp_ports
from collectors.packets.wanted import ANSWERS, HANDSHAKES, HEADERS, QUIET, Wanted

# Scratch memory of this half: the payload of the transport header.
_PAYLOAD = 3
_SYN, _ACK = 0x02, 0x10

# Where the addresses stand in the headers of IPv4 and IPv6.
_AT = {"source": (12, 8), "destination": (16, 24)}

# How many bytes of an admitted frame are wanted: a flight of 16 KiB, or a message. Of a SYN-ACK its headers.
SNAP_DATA, SNAP_DNS = 16_640, 1_600


class Program(NamedTuple):
    """The instructions; how many ranges of prefixes did not fit and are of tier HEADERS; how many of the muted."""

    instructions: list[Instruction]
    demoted: int = 0
    unmuted: int = 0


class _Shape(NamedTuple):
    """All that a program depends on but its tree. ``asked`` are the bits for which the tree is asked."""

    link: int
    dissectors: frozenset[str]
    ports: tuple[int, ...]
    encapsulations: frozenset[str]
    sample: int
    glimpse: int
    following: tuple[int, ...]
    asked: int


def generate(link: int, wanted: Wanted, *, following: tuple[int, ...] = ()) -> Program:
    """The filter for one link type. Raises ValueError for a link type it does not know.

    ``following`` are acknowledgement numbers whose segments are wanted whatever they hold. All segments of a server's
    flight carry the number that answers the client's hello, and hardly another flow carries the same: so a certificate
    can be followed through segments that begin like nothing in particular. That is for files: it asks for no prefix.
    """
    if link not in LINK_TYPES:
        raise ValueError(f"no filter for link type {link}")
    tiers = wanted.tiers
    dissectors = _within(wanted.dissectors, tiers.anywhere())
    asked = sum(bit for bit in (HEADERS, HANDSHAKES, ANSWERS) if dissectors and not tiers.everywhere(bit))
    if asked and tiers.quiet and tiers.muted:
        asked |= QUIET
    shape = _Shape(
        link, dissectors, wanted.ports, wanted.encapsulations, wanted.sample, wanted.glimpse, following, asked
    )
    head = _head(shape)
    if not asked:
        return Program(list(head))
    end = tree(tiers, MAX_INSTRUCTIONS - len(head))
    return Program([*head, *end.instructions], end.demoted, end.unmuted)


def _within(dissectors: frozenset[str], bits: int) -> frozenset[str]:
    """The dissectors that get something to read where no address has more than these bits."""
    return frozenset(
        name for name in dissectors if bits & (HEADERS if name == "tcp" else ANSWERS if name == "dns" else HANDSHAKES)
    )


@lru_cache(maxsize=16)
def _head(shape: _Shape) -> tuple[Instruction, ...]:
    """The program up to its tree, which comes behind the last instruction."""
    rules = admit.Rules(shape.dissectors, shape.ports)
    a = Assembler()
    if not shape.dissectors and not shape.glimpse:
        drop(a)
        return tuple(a.assemble())
    inside = entries(shape.encapsulations)
    if shape.link == ETHERNET:
        express(a, rules, shape.following, udp_ports(shape.encapsulations), fragments=bool(shape.glimpse))
    _walk(a, shape, {UDP: "udp"} if rules.dns else {}, inside)
    _tcp(a, rules, shape)
    if rules.payloads:
        _measure(a)
        _payload(a, rules)
    if rules.dns or UDP in inside:
        _dns(a, rules, shape)
    _verdicts(a, rules, shape)
    return tuple(a.assemble())


def _walk(a: Assembler, shape: _Shape, udp: dict[int, str], inside: dict[int, str]) -> None:
    """From the link header to "tcp" and "udp", through one tunnel where there may be one."""
    link_header(a, shape.link)
    layers(a, "", 0, "unknown" if shape.glimpse else None)
    if shape.glimpse:
        a.label("unknown")
        _glimpse(a, shape.glimpse, "unknown")
    fragment = "fragment" if shape.glimpse else None
    ipv4(a, "", udp | inside, fragment)
    ipv6(a, "", udp | inside, fragment)
    if shape.glimpse:
        a.label("fragment")
        advance(a, 8)
        _glimpse(a, shape.glimpse, "fragment")
    if inside:
        tunnel_blocks(a, shape.encapsulations)
        layers(a, "inner ", MAX_LAYERS - MAX_INNER_LAYERS, None)
        ipv4(a, "inner ", udp, None)
        ipv6(a, "inner ", udp, None)


def _glimpse(a: Assembler, one_in: int, of: str) -> None:
    """X is two bytes before what is not shown: what cannot be read, or the addresses of a fragment."""
    _sample(a, one_in, f"no {of}")
    a.op(op.TXA)
    a.op(op.ADD, 2)
    a.op(op.RET_A)
    a.label(f"no {of}")
    drop(a)


def _sample(a: Assembler, one_in: int, otherwise: str) -> None:
    """Go on with one of so many, as the kernel rolls the dice; the instruction is unknown to libpcap."""
    if one_in > 1:
        a.op(op.LDW_ABS, op.RANDOM)
        a.branch(op.JGE, (1 << 32) // one_in, yes=otherwise)


def _tcp(a: Assembler, rules: admit.Rules, shape: _Shape) -> None:
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


def _begin(a: Assembler, shape: _Shape) -> None:
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
    _version(a)
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


def _version(a: Assembler) -> None:
    """X is two bytes before an IP header."""
    a.op(op.LDB, 2)
    a.op(op.RSH, 4)


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


def _dns(a: Assembler, rules: admit.Rules, shape: _Shape) -> None:
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
    _length_of(a, SNAP_DNS, ANSWERS, shape)
    a.label("not dns asked")
    drop(a)


def _compare_lower(a: Assembler, at: int, text: bytes, otherwise: str) -> None:
    """One byte or four of a DNS label, without regard to case: 0x20 makes letters small (and a DEL of `_`)."""
    a.op(op.LDW if len(text) == 4 else op.LDB, 1 + at)
    a.op(op.OR, int.from_bytes(b" " * len(text), "big"))
    a.branch(op.JEQ, int.from_bytes(bytes(c | 0x20 for c in text), "big"), no=otherwise)


def _verdicts(a: Assembler, rules: admit.Rules, shape: _Shape) -> None:
    """Who the server is, and how much is wanted of the frame if its tier has the bit that is needed."""
    a.label("syn")
    if rules.answering:
        _syn_ack(a, rules, shape)
    a.label("refused")
    drop(a)
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
        _length_of(a, SNAP_DATA, HANDSHAKES, shape)
        a.label("refused server")
        drop(a)
    if rules.tls:
        a.label("client")
        a.op(op.LDX_MEM, L4)
        a.op(op.LDH, 2)
        _on_port(a, rules, "client")
        _length_of(a, SNAP_DATA, HANDSHAKES, shape, destination=True)
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


def _syn_ack(a: Assembler, rules: admit.Rules, shape: _Shape) -> None:
    """X is on the TCP header, A its flags: of a SYN-ACK everything up to its payload."""
    a.branch(op.JSET, _ACK, no="no answer")
    a.op(op.LDB, 19)  # ends the program where the header was not captured whole
    a.op(op.LDH, 0)
    for port in rules.answering:
        a.branch(op.JEQ, port, yes="syn ack")
    a.label("no answer")
    drop(a)
    a.label("syn ack")
    _sample(a, shape.sample, "refused")
    a.op(op.LDB, 12)
    a.op(op.RSH, 2)
    a.op(op.AND, 0x3C)
    a.branch(op.JGE, 20, yes="syn ack length")
    a.op(op.LD_IMM, 20)
    a.label("syn ack length")
    a.op(op.ADD_X)
    _length_of(a, None, HEADERS, shape)


def _length_of(a: Assembler, length: int | None, needs: int, shape: _Shape, *, destination: bool = False) -> None:
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
        _version(a)
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

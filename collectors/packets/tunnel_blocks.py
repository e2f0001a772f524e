"""The blocks of the capture filter that look into tunnels; `tunnels` is their reference.

They come behind the first walk to IP, with X on a GRE or UDP header, and go on in the second copy of the walk: at
"inner E" with A an ethertype and X on it, or at "inner ipv4" and "inner ipv6".
"""

from __future__ import annotations

from collectors.packets import assembler as op
from collectors.packets import tunnels
from collectors.packets.assembler import Assembler
from collectors.packets.decode import UDP
from collectors.packets.layers import advance, drop

# Scratch memory of these blocks: the tunnel's header, its flags, two bytes before what is inside.
_HEADER, _FLAGS, _BODY = 6, 7, 8


def entries(encapsulations: frozenset[str]) -> dict[int, str]:
    """IP protocol -> where the program goes on."""
    found = {}
    if encapsulations & frozenset(tunnels.PORTS.values()):
        found[UDP] = "outer udp"
    if encapsulations & {"gre", "erspan"}:
        found[tunnels.GRE_PROTOCOL] = "gre"
    return found


def udp_ports(encapsulations: frozenset[str]) -> tuple[int, ...]:
    """The destination ports of what is looked into."""
    return tuple(port for port, name in tunnels.PORTS.items() if name in encapsulations)


def tunnel_blocks(a: Assembler, encapsulations: frozenset[str]) -> None:
    found = entries(encapsulations)
    if UDP in found:
        a.label("outer udp")
        a.op(op.LDH, 2)
        for port in udp_ports(encapsulations):
            a.branch(op.JEQ, port, yes=tunnels.PORTS[port])
        a.goto("udp")
        for name in sorted(encapsulations & _OF_UDP.keys()):
            a.label(name)
            _OF_UDP[name](a)
    if tunnels.GRE_PROTOCOL in found:
        _gre(a, encapsulations)
    a.label("inner ethernet")  # X is two bytes before it
    advance(a, 14)
    a.op(op.LDH, 0)
    a.label("inner E")


def _gre(a: Assembler, encapsulations: frozenset[str]) -> None:
    a.label("gre")
    a.op(op.STX, _HEADER)
    a.op(op.LDH, 0)
    a.branch(op.JSET, tunnels.GRE_UNREADABLE, yes="no gre")
    a.op(op.ST, _FLAGS)
    for shift in tunnels.GRE_OPTIONS:
        a.op(op.LD_MEM, _FLAGS)
        a.op(op.RSH, shift)
        a.op(op.AND, 4)
        a.op(op.ADD_X)
        a.op(op.TAX)
    advance(a, 2)
    a.op(op.STX, _BODY)
    a.op(op.LDX_MEM, _HEADER)
    a.op(op.LDH, 2)
    a.op(op.LDX_MEM, _BODY)
    if "erspan" in encapsulations:
        a.branch(op.JEQ, tunnels.ERSPAN_2, yes="erspan 2")
        a.branch(op.JEQ, tunnels.ERSPAN_3, yes="erspan 3")
    if "gre" in encapsulations:
        _announced(a)
    a.goto("no gre")
    if "erspan" in encapsulations:
        _erspan(a)
    a.label("no gre")
    drop(a)


def _erspan(a: Assembler) -> None:
    a.label("erspan 2")
    a.op(op.LD_MEM, _FLAGS)
    a.branch(op.JSET, tunnels.GRE_NUMBERED, no="inner ethernet")
    advance(a, 8)
    a.goto("inner ethernet")
    a.label("erspan 3")
    a.op(op.LDB, 2 + 11)
    a.branch(op.JSET, 1, no="no platform")
    advance(a, 8)
    a.label("no platform")
    advance(a, 12)
    a.goto("inner ethernet")


def _announced(a: Assembler) -> None:
    """A is an ethertype, X two bytes before what it announces."""
    a.branch(op.JEQ, tunnels.BRIDGED, yes="inner ethernet")
    a.goto("inner E")


def _vxlan(a: Assembler) -> None:
    a.op(op.LDB, 8)
    a.branch(op.JSET, 0x08, yes="in vxlan")
    drop(a)
    a.label("in vxlan")
    advance(a, 14)
    a.goto("inner ethernet")


def _geneve(a: Assembler) -> None:
    a.op(op.LDH, 10)
    a.op(op.ST, _FLAGS)
    a.op(op.LDB, 8)
    a.branch(op.JSET, 0xC0, no="in geneve")
    drop(a)
    a.label("in geneve")
    a.op(op.AND, 0x3F)
    a.op(op.LSH, 2)
    a.op(op.ADD_X)
    a.op(op.ADD, 14)
    a.op(op.TAX)
    a.op(op.LD_MEM, _FLAGS)
    _announced(a)


def _gtpu(a: Assembler) -> None:
    a.op(op.LDB, 9)
    a.branch(op.JEQ, tunnels.GTP_DATA, no="no gtp")
    a.op(op.LDB, 8)
    a.op(op.ST, _FLAGS)
    a.op(op.AND, 0xF0)
    a.branch(op.JEQ, 0x30, no="no gtp")
    a.op(op.LD_MEM, _FLAGS)
    a.branch(op.JSET, 7, yes="long gtp")
    advance(a, 14)
    a.goto("in gtp")
    a.label("long gtp")
    a.branch(op.JSET, 4, yes="extended gtp")
    advance(a, 18)
    a.goto("in gtp")
    a.label("extended gtp")
    # X goes to two bytes before an extension, which is one after the byte that says its type.
    advance(a, 18)
    for n in range(tunnels.MAX_GTP_EXTENSIONS + 1):
        a.op(op.LDB, 1)
        a.branch(op.JEQ, 0, yes="in gtp")
        if n < tunnels.MAX_GTP_EXTENSIONS:
            a.op(op.LDB, 2)
            a.op(op.LSH, 2)
            a.op(op.ADD_X)
            a.op(op.TAX)
    a.label("no gtp")
    drop(a)
    a.label("in gtp")
    a.op(op.LDB, 2)
    a.op(op.RSH, 4)
    a.branch(op.JEQ, 4, yes="inner ipv4")
    a.branch(op.JEQ, 6, yes="inner ipv6", no="no ip in gtp")
    a.label("no ip in gtp")
    drop(a)


def _tzsp(a: Assembler) -> None:
    a.op(op.LDW, 8)
    a.branch(op.JEQ, 0x01000001, no="no tzsp")
    advance(a, 12)
    for n in range(tunnels.MAX_TZSP_TAGS):
        a.op(op.LDB, 0)
        a.branch(op.JEQ, tunnels.TZSP_END, yes="in tzsp")
        if n + 1 < tunnels.MAX_TZSP_TAGS:
            a.branch(op.JEQ, tunnels.TZSP_PADDING, yes=f"padding{n}")
            a.op(op.LDB, 1)
            a.op(op.ADD, 1)
            a.label(f"padding{n}")
            a.op(op.ADD, 1)
            a.op(op.ADD_X)
            a.op(op.TAX)
    a.label("no tzsp")
    drop(a)
    a.label("in tzsp")
    advance(a, -1)
    a.goto("inner ethernet")


_OF_UDP = {"vxlan": _vxlan, "geneve": _geneve, "gtpu": _gtpu, "tzsp": _tzsp}

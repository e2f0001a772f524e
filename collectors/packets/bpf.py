"""The capture filter, generated: what `admit`, `decode` and `wanted` say, as one classic-BPF program.

libpcap applies it to files and the kernel to sockets; it runs the same either way. Its blocks, in the order in which
they stand: `express` has a short way out for bulk data, `layers` the walk to IP, `tunnel_blocks` the way into a tunnel
and to a second walk, `contents` judges what a packet carries, `verdicts` finds the server, and `tree` its tier.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from collectors.packets import admit
from collectors.packets import assembler as op
from collectors.packets.assembler import MAX_INSTRUCTIONS, Assembler, Instruction
from collectors.packets.contents import dns, tcp
from collectors.packets.decode import ETHERNET, LINK_TYPES, MAX_INNER_LAYERS, MAX_LAYERS, UDP
from collectors.packets.express import express
from collectors.packets.layers import advance, drop, ipv4, ipv6, layers, link_header
from collectors.packets.tree import tree
from collectors.packets.tunnel_blocks import entries, tunnel_blocks, udp_ports
from collectors.packets.verdicts import Shape, sample, verdicts
from collectors.packets.wanted import ANSWERS, HANDSHAKES, HEADERS, QUIET, Wanted


class Program(NamedTuple):
    """The instructions; how many ranges of prefixes did not fit and are of tier HEADERS; how many of the muted."""

    instructions: list[Instruction]
    demoted: int = 0
    unmuted: int = 0


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
    if asked and tiers.quiet:
        asked |= QUIET
    shape = Shape(
        link, dissectors, wanted.ports, wanted.encapsulations, wanted.sample, wanted.glimpse, following, asked,
        wanted.sources,
    )  # fmt: skip
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
def _head(shape: Shape) -> tuple[Instruction, ...]:
    """The program up to its tree, which comes behind the last instruction."""
    rules = admit.Rules(shape.dissectors, shape.ports)
    a = Assembler()
    if not shape.dissectors and not shape.glimpse and not shape.sources:
        drop(a)
        return tuple(a.assemble())
    inside = entries(shape.encapsulations)
    if shape.link == ETHERNET:
        express(a, rules, shape.following, udp_ports(shape.encapsulations), fragments=bool(shape.glimpse))
    _walk(a, shape, {UDP: "udp"} if rules.dns else {}, inside)
    tcp(a, rules, shape)
    if rules.dns or UDP in inside:
        dns(a, rules, shape)
    verdicts(a, rules, shape)
    return tuple(a.assemble())


def _walk(a: Assembler, shape: Shape, udp: dict[int, str], inside: dict[int, str]) -> None:
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
    sample(a, one_in, f"no {of}")
    a.op(op.TXA)
    a.op(op.ADD, 2)
    a.op(op.RET_A)
    a.label(f"no {of}")
    drop(a)

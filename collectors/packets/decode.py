"""Frame -> transport header: the reference for the generated filter, and the decoder of what it admits.

The walk. From the link header on, a frame is a chain of ethertypes, PPP protocols and MPLS labels that ends at an IP
header. Each tag, label or PPPoE header is one layer; MAX_LAYERS of them in any order are followed, which takes in
QinQ under PPPoE under a pseudowire. What follows an MPLS label stack names no type (RFC 3032): the first nibble
decides (RFC 4928), an IP header has to fit into the frame to count as one, and everything else is Ethernet, after a
control word (RFC 4385) where the nibble is 0 and an ethertype that we know stands where it then has to: many a MAC
address begins with a nibble of 0 too.

Lengths come from the IP header, never from the frame: Ethernet pads.
"""

from __future__ import annotations

from struct import Struct

from collectors.packets import tunnels

MAX_LAYERS = 6
MAX_INNER_LAYERS = 3  # inside a tunnel
MAX_EXTENSIONS = (
    4  # IPv6 extension headers; RFC 8200 4.1 recommends each at most once, and four kinds can pass a router
)

IPV4, IPV6 = 0x0800, 0x86DD
TAGS = frozenset((0x8100, 0x88A8, 0x9100))
PPPOE = 0x8864
MPLS = frozenset((0x8847, 0x8848))
ETHERTYPES = frozenset((IPV4, IPV6, PPPOE, *TAGS, *MPLS))
PPP_IPV4, PPP_IPV6, PPP_MPLS = 0x0021, 0x0057, frozenset((0x0281, 0x0283))
EXTENSIONS = frozenset((0, 43, 60))  # hop-by-hop, routing, destination options
FRAGMENT_HEADER = 44
TCP, UDP = 6, 17
# What is looked at or into -> how long its header is at least.
_TRANSPORTS = {TCP: 20, UDP: 8, tunnels.GRE_PROTOCOL: 0}

# Link types (libpcap's LINKTYPE_ registry) by how their headers end: at an ethertype (its offset, and the offset from
# which X counts), at an IP header, or at a PPP protocol.
ETHERNET = 1
ETHERTYPE_AT = {ETHERNET: (12, 12), 113: (14, 14), 276: (0, 18), 104: (2, 2)}
IP_AT = {12: 0, 14: 0, 101: 0, 228: 0, 229: 0, 0: 4, 108: 4}
PPP_AT = {9: 0, 50: 0}
LINK_TYPES = frozenset((*ETHERTYPE_AT, *IP_AT, *PPP_AT))

FRAGMENTED = 0x3FFF  # more fragments, or an offset

tcp_header = Struct(">HHIIBBH").unpack_from


_NO_TUNNELS: frozenset[str] = frozenset()

# Where things are in a frame: protocol, addresses, time to live, offset of the transport header, end of the IP packet,
# which may lie beyond what was captured. The addresses are source and destination as they stand in the header, 8 bytes
# or 32. A plain tuple: there is one for every frame that is looked at.
Packet = tuple[int, bytes, int, int, int]


def decode(frame: bytes, link: int, wire_length: int, encapsulations: frozenset[str] = _NO_TUNNELS) -> Packet | str:
    """The packet in a frame, or the reason why there is none to look at (a counter's name).

    Through one tunnel of those that are named it is the packet inside.
    """
    try:
        if link == ETHERNET:
            # Two in three frames that are looked at are untagged, or carry one tag, and have no options.
            x = 16 if frame[12] == 0x81 and frame[13] == 0 else 12
            if frame[x] == 8 and frame[x + 1] == 0 and frame[x + 2] == 0x45:
                found = _ipv4(frame, x + 2, wire_length)
            else:
                found = _link(frame, link, wire_length)
        else:
            found = _link(frame, link, wire_length)
        if found[0] == TCP or (found[0] == UDP and not encapsulations):
            return found
        return _looked_into(frame, found, wire_length, encapsulations)
    except IndexError:
        return "truncated"


def _looked_into(frame: bytes, found: Packet | str, wire: int, encapsulations: frozenset[str]) -> Packet | str:
    """What was found, unless it is a tunnel: then the packet inside."""
    if isinstance(found, str):
        return found
    protocol, _, _, at, _ = found
    if encapsulations:
        within = tunnels.inside(frame, protocol, at, encapsulations)
        if isinstance(within, tuple):
            inner = _ethertype(frame, *within, MAX_LAYERS - MAX_INNER_LAYERS, wire)
            return "not_tcp_udp" if inner[0] == tunnels.GRE_PROTOCOL else inner
        if within:
            return within
    return found if protocol == UDP else "not_tcp_udp"


def _link(frame: bytes, link: int, wire: int) -> Packet | str:
    if link in ETHERTYPE_AT:
        at, x = ETHERTYPE_AT[link]
        return _ethertype(frame, (frame[at] << 8) | frame[at + 1], x, 0, wire)
    if link in IP_AT:
        return _bare_ip(frame, IP_AT[link], wire)
    if link in PPP_AT:
        x = 2 if frame[:2] == b"\xff\x03" else 0  # address and control are optional (RFC 1661 6.6)
        return _ppp(frame, x, 0, wire)
    return "link_type"


def _ethertype(frame: bytes, ethertype: int, x: int, layers: int, wire: int) -> Packet | str:
    """``x`` is the offset of the ethertype; what it announces begins two bytes on."""
    while True:
        if ethertype == IPV4:
            return _ipv4(frame, x + 2, wire)
        if ethertype == IPV6:
            return _ipv6(frame, x + 2, wire)
        if ethertype in TAGS:
            if layers == MAX_LAYERS:
                return "too_deep"
            layers += 1
            x += 4
            ethertype = (frame[x] << 8) | frame[x + 1]
        elif ethertype == PPPOE:
            if layers == MAX_LAYERS:
                return "too_deep"
            if frame[x + 2] != 0x11 or frame[x + 3] != 0:
                return "not_ip"
            return _ppp(frame, x + 8, layers + 1, wire)
        elif ethertype in MPLS:
            return _mpls(frame, x + 2, layers, wire)
        else:
            return "not_ip"


def _ppp(frame: bytes, x: int, layers: int, wire: int) -> Packet | str:
    protocol = frame[x]
    if protocol & 1:  # compressed to one byte (RFC 1661 6.5)
        x += 1
    else:
        protocol = (protocol << 8) | frame[x + 1]
        x += 2
    if protocol == PPP_IPV4:
        return _ipv4(frame, x, wire)
    if protocol == PPP_IPV6:
        return _ipv6(frame, x, wire)
    return _mpls(frame, x, layers, wire) if protocol in PPP_MPLS else "not_ip"


def _mpls(frame: bytes, x: int, layers: int, wire: int) -> Packet | str:
    bottom = 0
    while not bottom:
        if layers == MAX_LAYERS:
            return "too_deep"
        layers += 1
        bottom = frame[x + 2] & 1
        x += 4
    nibble = frame[x] >> 4
    if nibble == 4 and x + ((frame[x + 2] << 8) | frame[x + 3]) <= wire:
        return _ipv4(frame, x, wire)
    if nibble == 6 and x + 40 + ((frame[x + 4] << 8) | frame[x + 5]) <= wire:
        return _ipv6(frame, x, wire)
    # A slice, since a frame of which only the link headers were kept ends here.
    if nibble == 0 and int.from_bytes(frame[x + 16 : x + 18], "big") in ETHERTYPES:
        x += 4
    return _ethertype(frame, (frame[x + 12] << 8) | frame[x + 13], x + 12, layers, wire)


def _bare_ip(frame: bytes, x: int, wire: int) -> Packet | str:
    version = frame[x] >> 4
    if version == 4:
        return _ipv4(frame, x, wire)
    return _ipv6(frame, x, wire) if version == 6 else "not_ip"


def _ipv4(frame: bytes, x: int, wire: int) -> Packet | str:
    header = (frame[x] & 15) << 2
    if frame[x] >> 4 != 4 or header < 20:
        return "bad_ip"
    if ((frame[x + 6] << 8) | frame[x + 7]) & FRAGMENTED:
        return "fragment"
    # Segmentation offload leaves 0 where the packet is longer than the field can say.
    total = (frame[x + 2] << 8) | frame[x + 3] or wire - x
    return _transport(frame, frame[x + 9], x + header, x + total, frame[x + 12 : x + 20], frame[x + 8])


def _ipv6(frame: bytes, x: int, wire: int) -> Packet | str:
    if frame[x] >> 4 != 6:
        return "bad_ip"
    length = (frame[x + 4] << 8) | frame[x + 5]
    end = x + 40 + length if length else wire
    following, at = frame[x + 6], x + 40
    for _ in range(MAX_EXTENSIONS):
        if following not in EXTENSIONS:
            break
        following, at = frame[at], at + ((frame[at + 1] + 1) << 3)
    return _transport(frame, following, at, end, frame[x + 8 : x + 40], frame[x + 7])


def _transport(frame: bytes, protocol: int, at: int, end: int, addresses: bytes, ttl: int) -> Packet | str:
    if protocol == FRAGMENT_HEADER:
        return "fragment"
    if protocol not in _TRANSPORTS:
        return "not_tcp_udp"
    if len(frame) < at + _TRANSPORTS[protocol]:
        return "truncated"
    return protocol, addresses, ttl, at, end

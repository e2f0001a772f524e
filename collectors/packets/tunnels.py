"""Copies of traffic inside other packets: what a mirror port, a tap or a mobile core wraps around a frame.

GRE is RFC 2784 and 2890 (an Ethernet frame or an IP packet inside), ERSPAN draft-foschiano-erspan-03 over GRE, VXLAN
RFC 7348, Geneve RFC 8926, GTP-U TS 29.281 5, TZSP as Wireshark's dissector and RouterOS know it. This is the reference
for the filter's `tunnel_blocks`. One tunnel is opened, never one inside another.
"""

from __future__ import annotations

GRE_PROTOCOL = 47
BRIDGED = 0x6558  # an Ethernet frame (transparent Ethernet bridging)
ERSPAN_2, ERSPAN_3 = 0x88BE, 0x22EB

# A header of GRE that can be read: no routing, version 0 (1 is that of PPTP). Then a checksum, a key, a number, 4 bytes
# each: a bit of the flags, and how far it has to be shifted to say 4.
GRE_UNREADABLE = 0x4007
GRE_OPTIONS = (13, 11, 10)
GRE_NUMBERED = 0x1000

# Destination port -> encapsulation.
PORTS = {4789: "vxlan", 8472: "vxlan", 6081: "geneve", 2152: "gtpu", 37008: "tzsp"}

GTP_DATA = 255  # T-PDU
MAX_GTP_EXTENSIONS = 4
MAX_TZSP_TAGS = 8
TZSP_PADDING, TZSP_END = 0, 1

_IPV4, _IPV6 = 0x0800, 0x86DD

# An ethertype, and the offset from which what it announces begins two bytes on.
Inside = tuple[int, int]


def inside(frame: bytes, protocol: int, at: int, encapsulations: frozenset[str]) -> Inside | str | None:
    """What is in the tunnel whose GRE or UDP header is at ``at``; a reason if nothing; None where it is no tunnel.

    Raises IndexError where the frame ends too early.
    """
    if protocol == GRE_PROTOCOL:
        return _gre(frame, at, encapsulations)
    name = PORTS.get(frame[at + 2] << 8 | frame[at + 3])
    return _OF_UDP[name](frame, at + 8) if name and name in encapsulations else None


def _gre(frame: bytes, at: int, encapsulations: frozenset[str]) -> Inside | str | None:
    flags, kind = frame[at] << 8 | frame[at + 1], frame[at + 2] << 8 | frame[at + 3]
    if flags & GRE_UNREADABLE:
        return "not_ip"
    at += 4 + sum(flags >> shift & 4 for shift in GRE_OPTIONS)
    if kind in (ERSPAN_2, ERSPAN_3):
        if "erspan" not in encapsulations:
            return "not_ip"
        return _ethernet(frame, _behind_erspan(frame, at, kind, flags))
    if "gre" not in encapsulations:
        return "not_ip"
    return _announced(frame, kind, at)


def _behind_erspan(frame: bytes, at: int, kind: int, flags: int) -> int:
    if kind == ERSPAN_2:
        return at + 8 if flags & GRE_NUMBERED else at  # type I has no header of its own
    return at + (20 if frame[at + 11] & 1 else 12)  # a subheader of the platform


def _vxlan(frame: bytes, at: int) -> Inside | str:
    return _ethernet(frame, at + 8) if frame[at] & 0x08 else "not_ip"


def _geneve(frame: bytes, at: int) -> Inside | str:
    if frame[at] & 0xC0:
        return "not_ip"
    return _announced(frame, frame[at + 2] << 8 | frame[at + 3], at + 8 + ((frame[at] & 0x3F) << 2))


def _gtpu(frame: bytes, at: int) -> Inside | str:
    if frame[at] & 0xF0 != 0x30 or frame[at + 1] != GTP_DATA:
        return "not_ip"
    if not frame[at] & 7:
        return _by_version(frame, at + 8)
    following = frame[at + 11] if frame[at] & 4 else 0
    at += 12
    for _ in range(MAX_GTP_EXTENSIONS):
        if not following:
            break
        at += frame[at] << 2
        following = frame[at - 1]
    return "too_deep" if following else _by_version(frame, at)


def _tzsp(frame: bytes, at: int) -> Inside | str:
    """Version 1, a packet that was received, Ethernet; then tags up to that of their end."""
    if frame[at : at + 4] != b"\x01\x00\x00\x01":
        if len(frame) < at + 4:
            raise IndexError
        return "not_ip"
    at += 4
    for _ in range(MAX_TZSP_TAGS):
        tag = frame[at]
        if tag == TZSP_END:
            return _ethernet(frame, at + 1)
        at += 1 if tag == TZSP_PADDING else 2 + frame[at + 1]
    return "too_deep"


_OF_UDP = {"vxlan": _vxlan, "geneve": _geneve, "gtpu": _gtpu, "tzsp": _tzsp}


def _announced(frame: bytes, kind: int, at: int) -> Inside:
    """``at`` is where what is announced by an ethertype begins."""
    return _ethernet(frame, at) if kind == BRIDGED else (kind, at - 2)


def _ethernet(frame: bytes, at: int) -> Inside:
    return frame[at + 12] << 8 | frame[at + 13], at + 12


def _by_version(frame: bytes, at: int) -> Inside | str:
    version = frame[at] >> 4
    return (_IPV4 if version == 4 else _IPV6, at - 2) if version in (4, 6) else "not_ip"

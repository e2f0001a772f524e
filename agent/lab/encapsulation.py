"""What may lie around an IP packet at an ISP's edge, written as words: ``"qinq:200 vlan:101 pppoe:17"``.

======== ========= =====================================================================================
word     argument  is
======== ========= =====================================================================================
vlan     VLAN id   an IEEE 802.1Q tag (TPID 0x8100); two of them give the QinQ of older equipment
qinq     VLAN id   an IEEE 802.1ad service tag (TPID 0x88a8)
q9100    VLAN id   the service tag with the pre-standard TPID 0x9100
pppoe    session   a PPPoE session (RFC 2516) with PPP in it
mpls     label     one label stack entry (RFC 3032); the innermost of a run is the bottom of the stack
ethernet -         an Ethernet frame in a pseudowire, directly below the labels (RFC 4448)
control  -         the same with a control word (RFC 4448 4.6)
======== ========= =====================================================================================

The words stand from the outermost to the innermost. Where the link itself is not Ethernet, its name is the first word:
``raw``, ``null``, ``sll`` or ``sll2``.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scapy.packet import Packet

# The LINKTYPE_ values of https://www.tcpdump.org/linktypes.html
LINKTYPES = {"null": 0, "ethernet": 1, "raw": 101, "sll": 113, "sll2": 276}

_IPV4, _IPV6, _PPPOE, _MPLS = 0x0800, 0x86DD, 0x8864, 0x8847
_TAGS = {"vlan": 0x8100, "qinq": 0x88A8, "q9100": 0x9100}
_PPP = {_IPV4: 0x0021, _IPV6: 0x0057, _MPLS: 0x0281}  # RFC 1332, RFC 5072, RFC 3032 4.3
_NO_TYPE = 0  # a pseudowire's frame is announced by its label and not by a type
# Locally administered addresses: the customer's equipment, and the router. Their first nibble is none of 0, 4 and 6,
# so that a pseudowire without control word can be told from one with it, and from IP (RFC 4928).
_MACS = ("2e:00:5e:10:00:01", "2e:00:5e:10:00:02")


def link_of(stack: str) -> str:
    """The name of the link below a stack: a key of LINKTYPES."""
    first = stack.split(" ", 1)[0]
    return first if first in LINKTYPES else "ethernet"


def wrap(packet: Packet, stack: str, from_server: bool) -> bytes:
    """The frame around an IP packet. Raises ValueError for a word that is not in the table above."""
    link = link_of(stack)
    words = stack.removeprefix(link).split()
    kind = _IPV6 if packet.name == "IPv6" else _IPV4
    for word in reversed(words):
        packet, kind = _layer(word, packet, kind, from_server)
    if link == "ethernet":
        return bytes(_ethernet(packet, kind, from_server))
    return _header(link, kind) + bytes(packet)


def _layer(word: str, inside: Packet, kind: int, from_server: bool) -> tuple[Packet, int]:
    """One layer around ``inside``, whose type is ``kind``, and the type by which the layer around it names this one."""
    from scapy.contrib.mpls import MPLS, EoMCW
    from scapy.layers.l2 import Dot1Q
    from scapy.layers.ppp import PPP, PPPoE

    name, _, number = word.partition(":")
    if name in _TAGS:
        return Dot1Q(vlan=int(number), type=kind) / inside, _TAGS[name]
    if name == "pppoe":
        return PPPoE(sessionid=int(number)) / PPP(proto=_PPP[kind]) / inside, _PPPOE
    if name == "mpls":
        return MPLS(label=int(number), s=int(kind != _MPLS), ttl=61) / inside, _MPLS
    if name == "ethernet":
        return _ethernet(inside, kind, from_server), _NO_TYPE
    if name == "control":
        return EoMCW(seq=0) / _ethernet(inside, kind, from_server), _NO_TYPE
    raise ValueError(f"{word!r} is no encapsulation; one of vlan:N qinq:N q9100:N pppoe:N mpls:N ethernet control is")


def _ethernet(inside: Packet, kind: int, from_server: bool) -> Packet:
    from scapy.layers.l2 import Ether

    source, target = _MACS if from_server else _MACS[::-1]
    return Ether(src=source, dst=target, type=kind) / inside


def _header(link: str, kind: int) -> bytes:
    """The link header of a capture that is not of Ethernet (https://www.tcpdump.org/linktypes.html)."""
    if link == "sll":
        return struct.pack("!HHH8sH", 0, 1, 6, bytes(8), kind)
    if link == "sll2":
        return struct.pack("!HHIHBB8s", kind, 0, 2, 1, 0, 6, bytes(8))
    if link == "null":
        # The address family in the byte order of the machine that captured: AF_INET, and AF_INET6 of Linux.
        return struct.pack("<I", 10 if kind == _IPV6 else 2)
    return b""

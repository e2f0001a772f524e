"""The first look at a frame: whether it is of a server that has told enough, by a few bytes of its head.

Most frames that a filter admits on a busy line are of servers that are known by then. This answers for the heads that
most frames have (Ethernet with one tag or a PPPoE session at most, IPv4 without options, IPv6 without extensions), in a
third of the time that decoding takes; it never says yes where the long way would have told something.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collectors.packets.admit import CLIENT_HELLO, HANDSHAKE
from collectors.telling import CLIENT, ENOUGH, HOUR

if TYPE_CHECKING:
    from collectors.packets.reassembly import Reassembly
    from collectors.telling import Telling

_TCP, _SYN = 6, 0x02
_LEAST = 86  # bytes: the longest of these heads, with a TCP header of 20 bytes and six of payload
_TAG, _SESSION = b"\x81\x00", b"\x88\x64"
# An ethertype, or a PPP protocol, and what it says follows.
_FOUR, _SIX = frozenset((b"\x08\x00", b"\x00\x21")), frozenset((b"\x86\xdd", b"\x00\x57"))


class Glance:
    """Asks the memory of who has told enough, and the table of streams, without an object for the frame."""

    def __init__(self, telling: Telling, reassembly: Reassembly) -> None:
        self._telling = telling
        self._quiet = telling.quiet
        self._streams = reassembly.streams

    def enough(self, time: float, data: bytes) -> bool:
        """Whether an Ethernet frame begins a stream of a server of which enough was heard."""
        if len(data) < _LEAST:
            return False
        kind, ip = data[12:14], 14
        if kind == _TAG:
            kind, ip = data[16:18], 18
        elif kind == _SESSION:
            kind, ip = data[20:22], 22
        if kind in _FOUR:
            if data[ip] != 0x45 or data[ip + 9] != _TCP or data[ip + 6] & 0x3F or data[ip + 7]:
                return False
            source, destination, ports = ip + 12, ip + 16, ip + 20
        elif kind in _SIX and data[ip + 6] == _TCP:
            source, destination, ports = ip + 8, ip + 24, ip + 40
        else:
            return False
        payload = ports + (data[ports + 12] >> 2 & 0x3C)
        if data[ports + 13] & _SYN or payload + 6 > len(data):
            return False
        if data[payload] == HANDSHAKE and data[payload + 5] == CLIENT_HELLO:
            server = data[destination:ports] + data[ports + 2 : ports + 4]
            quiet = self._quiet.get(server + CLIENT)
        else:
            server = data[source:destination] + data[ports : ports + 2]
            quiet = self._quiet.get(server + data[payload : payload + 1])
        if quiet is None or quiet[0] < ENOUGH or time - quiet[1] >= HOUR:
            return False
        # What goes on with a stream that is being read may begin like anything.
        if data[source : ports + 4] in self._streams:
            return False
        self._telling.pass_over(server, time)
        return True

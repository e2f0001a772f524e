"""Network interfaces as the kernel tells of them by rtnetlink(7): name, state, kind, counters. Read only.

One AF_NETLINK socket asks, and hears of changes; so the capture role needs neither an INET socket nor a file.
"""

from __future__ import annotations

import contextlib
import socket
from struct import Struct, error, pack, unpack_from
from typing import TYPE_CHECKING, NamedTuple

from collectors.packets.decode import ETHERNET

if TYPE_CHECKING:
    from collections.abc import Iterator

_NETLINK_ROUTE, _GROUP_LINK = 0, 1
_NEWLINK, _GETLINK, _ERROR = 16, 18, 2
_REQUEST = 1
_IFNAME, _STATS64 = 3, 23
_message = Struct("=IHHII").unpack_from  # length, type, flags, sequence number, port
_information = Struct("=BxHiII").unpack_from  # family, hardware type, index, flags, change
_HEAD, _INFORMATION = 16, 16
_UP, _RUNNING = 0x1, 0x40
# struct rtnl_link_stats64: received, sent, and (from the 15th on) lost for want of room on the card.
_PACKETS = "=2Q"
_LOST_AT = 14 * 8

RAW_IP = 101
# Hardware type (include/uapi/linux/if_arp.h) -> link type of what a packet socket gets there. Tunnels and PPP hand over
# their packets from the IP header on.
LINK_TYPES = {
    1: ETHERNET, 772: ETHERNET,
    512: RAW_IP, 768: RAW_IP, 769: RAW_IP, 776: RAW_IP, 778: RAW_IP, 823: RAW_IP, 65_534: RAW_IP,
}  # fmt: skip


class Link(NamedTuple):
    """One interface. ``received`` and ``sent`` are frames since it was made, ``missed`` what its card had no room for.

    ``number`` is its index, and ``kind`` its hardware type: a key of LINK_TYPES where it can be looked at.
    """

    name: str
    number: int
    kind: int
    up: bool
    received: int
    sent: int
    missed: int


class Links:
    """Asks the kernel about interfaces. ``fileno`` becomes readable when one of them changes."""

    def __init__(self) -> None:
        self._ask = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_ROUTE)
        self._ask.settimeout(1.0)
        self._news = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_ROUTE)
        self._news.bind((0, _GROUP_LINK))
        self._news.settimeout(0)

    def fileno(self) -> int:
        return self._news.fileno()

    def changed(self) -> bool:
        """Whether anything changed since this was last asked; what it was has to be asked for."""
        changed = False
        # ENOBUFS: more changed than the kernel would keep, which is a change too.
        with contextlib.suppress(BlockingIOError):
            while self._heard():
                changed = True
        return changed

    def _heard(self) -> bool:
        try:
            return bool(self._news.recv(65_536))
        except BlockingIOError:
            raise
        except OSError:
            return True

    def named(self, name: str) -> Link | None:
        """The interface of that name, or None."""
        text = name.encode() + b"\0"
        return self._asked(0, pack("=HH", 4 + len(text), _IFNAME) + text + bytes(-len(text) % 4))

    def numbered(self, number: int) -> Link | None:
        """The interface of that index, whatever it is called by now, or None."""
        return self._asked(number, b"")

    def close(self) -> None:
        self._ask.close()
        self._news.close()

    def _asked(self, index: int, attribute: bytes) -> Link | None:
        body = pack("=BxHiII", socket.AF_UNSPEC, 0, index, 0, 0) + attribute
        self._ask.send(pack("=IHHII", _HEAD + len(body), _GETLINK, _REQUEST, 1, 0) + body)
        try:
            return link(self._ask.recv(65_536))
        except (error, UnicodeDecodeError):
            return None


def link(message: bytes) -> Link | None:
    """The interface that an answer tells of; None where it says that there is none. Raises struct.error."""
    _, kind, *_ = _message(message)
    if kind != _NEWLINK:
        return None
    _, hardware, index, flags, _ = _information(message, _HEAD)
    name, received, sent, missed = "", 0, 0, 0
    for attribute, value in _attributes(message, _HEAD + _INFORMATION):
        if attribute == _IFNAME:
            name = value.rstrip(b"\0").decode()
        elif attribute == _STATS64:
            received, sent = unpack_from(_PACKETS, value)
            missed = sum(unpack_from("=2Q", value, _LOST_AT))
    return Link(name, index, hardware, flags & (_UP | _RUNNING) == _UP | _RUNNING, received, sent, missed)


def _attributes(message: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    while at + 4 <= len(message):
        length, kind = unpack_from("=HH", message, at)
        if length < 4:
            return
        yield kind & 0x3FFF, message[at + 4 : at + length]
        at += length + 3 & ~3

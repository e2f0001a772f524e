"""What passes an interface of TCP, whoever sent it: AF_PACKET (packet(7)), with the kernel's own times."""

from __future__ import annotations

import socket
import threading
import time
from struct import Struct
from typing import NamedTuple

FIN, SYN, RST, ACK = 1, 2, 4, 16
_ALL = 0x0003  # ETH_P_ALL
_TIMES = 35  # SO_TIMESTAMPNS of asm-generic/socket.h, and the message that it makes
_BUFFER_FORCE = 33  # SO_RCVBUFFORCE
_PACKET, _STATISTICS = 263, 6  # SOL_PACKET, PACKET_STATISTICS
_BUFFER = 32 << 20
_SNAP = 128
_TIME, _COUNTS = Struct("qq"), Struct("II")
_TCP = Struct("!HHIIBB")

Flow = tuple[str, int, str, int]


class Segment(NamedTuple):
    """``time``: seconds of CLOCK_MONOTONIC; ``payload``: bytes of it."""

    time: float
    flow: Flow
    flags: int
    sequence: int
    payload: int


class Capture:
    """Begins when it is made, in the namespace of the thread that makes it."""

    def __init__(self, interface: str) -> None:
        self.segments: list[Segment] = []
        self.lost = 0
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, _BUFFER_FORCE, _BUFFER)
        self._socket.setsockopt(socket.SOL_SOCKET, _TIMES, 1)
        self._socket.bind((interface, 0))
        self._socket.settimeout(0.2)
        self._over = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> list[Segment]:
        """All that was seen, in its order."""
        self._over = True
        self._thread.join()
        self.lost = _COUNTS.unpack(self._socket.getsockopt(_PACKET, _STATISTICS, _COUNTS.size))[1]
        self._socket.close()
        return self.segments

    def _run(self) -> None:
        between = time.time_ns() - time.monotonic_ns()
        while True:
            try:
                frame, more, _, _ = self._socket.recvmsg(_SNAP, 64)
            except TimeoutError:
                if self._over:
                    return
                continue
            between = _between(between)
            stamp = next((_TIME.unpack(data) for _, kind, data in more if kind == _TIMES), None)
            if stamp and (found := parsed(frame, (stamp[0] * 1_000_000_000 + stamp[1] - between) / 1e9)):
                self.segments.append(found)


def _between(before: int) -> int:
    """What lies between wall time, which the kernel stamps and somebody may set, and the other clock: nanoseconds.

    As it was before, where this thread was put aside in the middle of asking.
    """
    first, wall, second = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
    return wall - first if second - first < 20_000 else before


def parsed(frame: bytes, when: float) -> Segment | None:
    """The TCP segment that begins in these bytes; its payload by the lengths that it says."""
    kind, ip = frame[12:14], frame[14:]
    if kind == b"\x08\x00" and ip[9] == socket.IPPROTO_TCP:
        head = (ip[0] & 15) * 4
        size, family, near, far = int.from_bytes(ip[2:4]) - head, socket.AF_INET, ip[12:16], ip[16:20]
    elif kind == b"\x86\xdd" and ip[6] == socket.IPPROTO_TCP:
        head, size, family, near, far = 40, int.from_bytes(ip[4:6]), socket.AF_INET6, ip[8:24], ip[24:40]
    else:
        return None
    source, port, sequence, _, offset, flags = _TCP.unpack_from(ip, head)
    flow = (socket.inet_ntop(family, near), source, socket.inet_ntop(family, far), port)
    return Segment(when, flow, flags, sequence, size - (offset >> 4) * 4)

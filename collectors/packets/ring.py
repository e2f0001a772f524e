"""A packet socket with its filter and a TPACKET_V3 ring, read through mmap.

Sources: packet(7) and Documentation/networking/packet_mmap.rst of Linux; include/uapi/linux/if_packet.h has the
layouts. The kernel writes frames into blocks and hands over one when it is full, or when its time is
up. A block that Python has read is given back by one store of its status word.

Nothing is received before the filter stands: the socket is made without a protocol, the filter attached and locked,
and only then is it bound. A locked filter can neither be taken off nor replaced, by nobody in this process.
"""

from __future__ import annotations

import mmap
import socket
import time
from array import array
from struct import Struct, pack, unpack
from typing import TYPE_CHECKING, NamedTuple

from collectors.packets.interface import LINK_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from collectors.packets.assembler import Instruction
    from collectors.packets.interface import Link

    Look = Callable[[float, int, int, bytes], str | None]

BLOCK = 1 << 18  # bytes

_SOL_PACKET = 263
_ADD_MEMBERSHIP, _RX_RING, _STATISTICS, _VERSION, _FANOUT, _IGNORE_OUTGOING = 1, 5, 6, 10, 18, 23
_SO_ATTACH_FILTER, _SO_LOCK_FILTER = 26, 44
_TPACKET_V3 = 2
_MR_PROMISC = 1
_FANOUT_HASH = 0  # by flow, the same for both directions
_ETH_P_ALL = 3
_FRAME = 2_048  # bytes; TPACKET_V3 packs frames of any length, but wants a divisor of the block here

# Block: status, frames in it, where the first is. Frame: the next one, seconds, nanoseconds, kept, on the wire, status,
# where its link header is.
_block = Struct("=8xIII").unpack_from
_frame = Struct("=IIIIIIH").unpack_from
_status = Struct("=8xI").unpack_from
_TO_KERNEL = bytes(4)
_USER = 1

# Of a frame's status: an outer tag was taken off (it stands in the frame's head); the segment is one that hardware is
# to cut, or that GRO has put together.
_TAGGED, _SUPER_SEGMENT = 0x10, 0x100
_NOTABLE = _TAGGED | _SUPER_SEGMENT


class Shape(NamedTuple):
    """How a ring is made. ``mib`` of memory; ``block_ms`` after which a block that is not full is handed over;
    ``fanout`` is the number of a group of sockets that share the traffic, or None."""

    mib: int = 32
    block_ms: int = 50
    promiscuous: bool = True
    ignore_outgoing: bool = False
    fanout: int | None = None


class Ring:
    """One socket's ring, made by ``open_ring``; ``close`` gives its memory back.

    Its first frames came after ``since``, and every frame after ``bound`` is in it (seconds since the epoch). A block
    that is not full is handed over after ``block_seconds``.
    """

    def __init__(
        self,
        connection: socket.socket,
        memory: mmap.mmap,
        link: int,
        binding: tuple[float, float],
        block_seconds: float,
    ) -> None:
        self.since, self.bound = binding
        self.block_seconds = block_seconds
        self.counts = {"tagged": 0, "super_segments": 0}
        self._socket = connection
        self._memory = memory
        self._link = link
        self._blocks = len(memory) // BLOCK
        self._at = 0
        self._unread = 0
        self._counted = (0, 0, 0)

    def fileno(self) -> int:
        return self._socket.fileno()

    def read(self, look: Look, drops: dict[str, int]) -> int:
        """Let ``look`` see every frame of the next block; how many there were, or -1 where no block is ready.

        ``look`` takes time (seconds since the epoch), link type, length on the wire and bytes, and gives the reason why
        a frame was not used, which is counted in ``drops``.
        """
        memory, link, start = self._memory, self._link, self._at * BLOCK
        status, frames, first = _block(memory, start)
        if not status & _USER:
            return -1
        at = start + first
        tagged = super_segments = 0
        for _ in range(frames):
            following, seconds, nanoseconds, kept, wire, what, head = _frame(memory, at)
            if what & _NOTABLE:
                tagged += what & _TAGGED != 0
                super_segments += what & _SUPER_SEGMENT != 0
            data = at + head
            reason = look(seconds + nanoseconds * 1e-9, link, wire, memory[data : data + kept])
            if reason:
                drops[reason] = drops.get(reason, 0) + 1
            at += following
        memory[start + 8 : start + 12] = _TO_KERNEL
        self._at = (self._at + 1) % self._blocks
        self._unread -= frames
        self.counts["tagged"] += tagged
        self.counts["super_segments"] += super_segments
        return int(frames)

    def fill(self) -> float:
        """The share of blocks that wait to be read, 0 to 1."""
        memory = self._memory
        waiting: int = sum(_status(memory, n * BLOCK)[0] & _USER for n in range(self._blocks))
        return waiting / self._blocks

    def statistics(self) -> tuple[int, int, int]:
        """What the kernel counted since this was last asked: frames that the filter admitted, with those for which
        there was no room; those; and how often the ring was full."""
        self._ask()
        counted, self._counted = self._counted, (0, 0, 0)
        return counted

    def unread(self) -> int:
        """Frames in the ring that were not read yet, with those of a block that the kernel has not handed over."""
        self._ask()
        return self._unread

    def _ask(self) -> None:
        # The kernel begins at 0 again whenever it is asked.
        admitted, drops, freezes = unpack("3I", self._socket.getsockopt(_SOL_PACKET, _STATISTICS, 12))
        before = self._counted
        self._counted = before[0] + admitted, before[1] + drops, before[2] + freezes
        self._unread += admitted - drops

    def error(self) -> int:
        """The error that waits on the socket (and is taken off it), such as ENETDOWN; 0 for none."""
        return self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def close(self) -> None:
        self._memory.close()
        self._socket.close()


_MISSING = (
    "CAP_NET_RAW is missing; give it by AmbientCapabilities=CAP_NET_RAW in the unit, by `setpriv --inh-caps=+net_raw "
    "--ambient-caps=+net_raw`, or by `setcap cap_net_raw+ep` on an interpreter of our own, or start as root"
)


def open_ring(link: Link, program: list[Instruction], shape: Shape) -> Ring:
    """A ring on an interface, receiving. Raises PermissionError without CAP_NET_RAW, OSError (ENODEV, ENOMEM)."""
    try:
        connection = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    except PermissionError:
        raise PermissionError(_MISSING) from None
    try:
        return _receiving(connection, link, program, shape)
    except BaseException:
        connection.close()
        raise


def _receiving(connection: socket.socket, link: Link, program: list[Instruction], shape: Shape) -> Ring:
    attach(connection, program)
    connection.setsockopt(socket.SOL_SOCKET, _SO_LOCK_FILTER, 1)
    connection.setsockopt(_SOL_PACKET, _VERSION, _TPACKET_V3)
    blocks = shape.mib * (1 << 20) // BLOCK
    request = pack("7I", BLOCK, blocks, _FRAME, BLOCK // _FRAME * blocks, shape.block_ms, 0, 0)
    connection.setsockopt(_SOL_PACKET, _RX_RING, request)
    if shape.ignore_outgoing:
        connection.setsockopt(_SOL_PACKET, _IGNORE_OUTGOING, 1)
    memory = mmap.mmap(connection.fileno(), BLOCK * blocks)
    try:
        since = time.time()
        connection.bind((link.name, _ETH_P_ALL))
        bound = time.time()
        if shape.promiscuous:
            connection.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, pack("iHH8s", link.number, _MR_PROMISC, 0, bytes(8)))
        if shape.fanout is not None:
            connection.setsockopt(_SOL_PACKET, _FANOUT, shape.fanout & 0xFFFF | _FANOUT_HASH << 16)
    except BaseException:
        memory.close()
        raise
    return Ring(connection, memory, LINK_TYPES[link.kind], (since, bound), shape.block_ms / 1000)


def attach(connection: socket.socket, program: list[Instruction]) -> None:
    """Give a socket a classic-BPF program as its filter. Raises OSError (EINVAL for a program that is none)."""
    code = array("B", b"".join(pack("HBBI", *instruction) for instruction in program))
    # struct sock_fprog: how many instructions, and a pointer to them, which is read before the call returns.
    connection.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, pack("HxxxxxxP", len(program), code.buffer_info()[0]))

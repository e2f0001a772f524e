"""Capture files, read in Python: pcap and pcapng, both byte orders, any time resolution, cut files.

Sources: draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng. This reader counts every frame, reads what libpcap
refuses (several interfaces with different link types), and is what libpcap's reader is held against in the tests.
"""

from __future__ import annotations

import mmap
import os
from struct import Struct, error
from typing import TYPE_CHECKING, NamedTuple

from agent.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_FRAME = 262_144  # MAXIMUM_SNAPLEN of libpcap: a longer record is damage, not a frame
SECTION, INTERFACE, OLD_PACKET, SIMPLE_PACKET, ENHANCED_PACKET = 0x0A0D0D0A, 1, 2, 3, 6
TIME_RESOLUTION, TIME_OFFSET = 9, 14

# Magic number in the file's byte order -> (seconds in one unit of the fraction, length of a record's header).
_PCAP = {0xA1B2C3D4: (1e-6, 16), 0xA1B23C4D: (1e-9, 16), 0xA1B2CD34: (1e-6, 24)}
_NG_ORDER = 0x1A2B3C4D
_HEAD = 24  # bytes: a pcap file's header, and more than pcapng needs to be known


class Frame(NamedTuple):
    """One captured frame: time in seconds since the epoch, link type, length on the wire, and what was kept of it."""

    time: float
    link: int
    wire: int
    data: bytes


class CaptureFile:
    """A capture file, opened. ``loss`` says after reading what could not be read, or is None."""

    def __init__(self, path: str) -> None:
        """Raises InputError where there is no readable capture."""
        self.path = path
        self.loss: str | None = None
        self.position = 0
        self._released = 0
        self.data = _contents(path)
        self.size = len(self.data)
        self.order, self.is_pcapng, self._magic = _format(path, self.data)

    @property
    def link(self) -> int:
        """The link type of a pcap file; its upper bits say how long the frame check sequence is."""
        value: int = Struct(self.order + "I").unpack_from(self.data, 20)[0]
        return value & 0xFFFF

    def let_go(self) -> None:
        """Give back the memory in which the kernel holds what was read; it counts as ours otherwise."""
        read = self.position & ~(mmap.PAGESIZE - 1)
        if isinstance(self.data, mmap.mmap) and read > self._released:
            self.data.madvise(mmap.MADV_DONTNEED, self._released, read - self._released)
            self._released = read

    def frames(self) -> Iterator[Frame]:
        """Every frame in order, as far as the file goes."""
        yield from (self._pcapng() if self.is_pcapng else self._pcap())

    def _lost(self, what: str, number: int) -> None:
        self.loss = f"{what} after frame {number}, at byte {self.position} of {self.size}; read up to there"

    def _pcap(self) -> Iterator[Frame]:
        fraction, head = _PCAP[self._magic]
        data, size, link = self.data, self.size, self.link
        record = Struct(self.order + "IIII").unpack_from
        at, number = 24, 0
        while at + head <= size:
            self.position = at
            seconds, part, kept, wire = record(data, at)
            at += head
            if kept > MAX_FRAME:
                self._lost(f"a record that claims {kept} bytes", number)
                return
            if at + kept > size:
                self._lost("the file is cut", number)
                return
            number += 1
            yield Frame(seconds + part * fraction, link, wire, data[at : at + kept])
            at += kept
        if at != size:
            self.position = at
            self._lost("the file is cut", number)

    def _pcapng(self) -> Iterator[Frame]:
        section = _Section(self.order)
        number = 0
        while self.position + 12 <= self.size:
            at = self.position
            if self.data[at : at + 4] == b"\x0a\x0d\x0d\x0a":
                section = _Section(_ng_order(self.data[at + 8 : at + 12]) or section.order)
            kind, length = section.two(self.data, at)
            if length < 12 or length % 4:
                self._lost(f"a block that claims {length} bytes", number)
                return
            if at + length > self.size:
                self._lost("the file is cut", number)
                return
            try:
                frame = section.block(kind, self.data[at + 8 : at + length - 4])
            except (error, IndexError, ValueError):
                self._lost(f"a malformed block of type {kind}", number)
                return
            if frame:
                number += 1
                yield frame
            self.position = at + length
        if self.position != self.size:
            self._lost("the file is cut", number)


class _Section:
    """One section of a pcapng file: its byte order, and the link type and clock of each of its interfaces."""

    def __init__(self, order: str) -> None:
        self.order = order
        self.two: Callable[..., tuple[int, int]] = Struct(order + "II").unpack_from
        self._interfaces: list[tuple[int, float, int, int]] = []

    def block(self, kind: int, body: bytes) -> Frame | None:
        if kind == ENHANCED_PACKET:
            interface, high, low, kept, wire = Struct(self.order + "IIIII").unpack_from(body)
            return self._frame(interface, (high << 32) | low, kept, wire, body[20:])
        if kind == SIMPLE_PACKET:
            (wire,) = Struct(self.order + "I").unpack_from(body)
            snap = self._interfaces[0][3]
            return self._frame(0, None, min(wire, snap) if snap else wire, wire, body[4:])
        if kind == OLD_PACKET:
            interface, _, high, low, kept, wire = Struct(self.order + "HHIIII").unpack_from(body)
            return self._frame(interface, (high << 32) | low, kept, wire, body[20:])
        if kind == INTERFACE:
            link, _, snap = Struct(self.order + "HHI").unpack_from(body)
            self._interfaces.append((link, *self._clock(body[8:]), snap))
        return None

    def _frame(self, interface: int, ticks: int | None, kept: int, wire: int, data: bytes) -> Frame:
        link, tick, offset, _ = self._interfaces[interface]
        if kept > len(data):
            raise ValueError("the packet is longer than its block")
        return Frame(0.0 if ticks is None else offset + ticks * tick, link, wire, data[:kept])

    def _clock(self, options: bytes) -> tuple[float, int]:
        """Seconds in a tick of this interface's clock, and seconds to add."""
        tick, offset, at = 1e-6, 0, 0
        while at + 4 <= len(options):
            code, length = Struct(self.order + "HH").unpack_from(options, at)
            value = options[at + 4 : at + 4 + length]
            if code == TIME_RESOLUTION and length == 1:
                tick = 2.0 ** -(value[0] & 0x7F) if value[0] & 0x80 else 10.0 ** -value[0]
            elif code == TIME_OFFSET and length == 8:
                (offset,) = Struct(self.order + "q").unpack(value)
            at += 4 + (length + 3 & ~3)
        return tick, offset


def _contents(path: str) -> bytes | mmap.mmap:
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size and _regular(file.fileno()):
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            # A pipe is read to its end, but not before its beginning is one of a capture: some devices have no end.
            head = file.read(_HEAD)
            _format(path, head)
            return head + file.read()
    except OSError as problem:
        raise InputError(f"{path}: {(problem.strerror or str(problem)).lower()}") from None


def _regular(descriptor: int) -> bool:
    from stat import S_ISREG

    return S_ISREG(os.fstat(descriptor).st_mode)


def _format(path: str, data: bytes | mmap.mmap) -> tuple[str, bool, int]:
    head = data[:_HEAD]
    for order in "<>":
        magic = int.from_bytes(head[:4], "little" if order == "<" else "big")
        if magic in _PCAP and len(head) == _HEAD:
            return order, False, magic
    if head[:4] == b"\x0a\x0d\x0d\x0a" and (turned := _ng_order(head[8:12])):
        return turned, True, SECTION
    if head[:2] == b"\x1f\x8b":
        raise InputError(f"{path}: is compressed; unpack it with gunzip first")
    raise InputError(f"{path}: is not a capture: a pcap or pcapng file is wanted" if head else f"{path}: is empty")


def _ng_order(magic: bytes) -> str | None:
    for order, name in (("<", "little"), (">", "big")):
        if int.from_bytes(magic, name) == _NG_ORDER:  # type: ignore[arg-type]
            return order
    return None

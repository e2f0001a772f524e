"""Where frames come from: a capture file through libpcap and the generated filter, or through our own reader."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from collectors.packets import admit, bpf
from collectors.packets.assembler import JEQ
from collectors.packets.decode import ETHERTYPE_AT, IP_AT
from collectors.packets.pcap import CaptureFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from collectors.packets.assembler import Instruction
    from collectors.packets.wanted import Wanted

# Below this many bytes our own reader is done before libpcap's binding is even imported.
WORTH_LIBPCAP = 2 << 20
# Where the IP header may be at the very start of a frame, the program's index register would be "two bytes before it",
# which the kernel takes and libpcap does not: it never wraps.
_FILTERED = frozenset((*ETHERTYPE_AT, *(link for link, at in IP_AT.items() if at >= 2)))
BATCH = 2_048  # frames between two looks at what was found
BATCH_BYTES = 8 << 20

FOLLOWED = 8  # flights at a time
# What stands in a program where a number to follow is filled in later. The tree of addresses never asks for equality,
# so that these stand nowhere else.
_BLANKS = tuple(range(0xFEED0000, 0xFEED0000 + FOLLOWED))
# Addresses at a time, by their length in bytes.
MUTED_4, MUTED_6 = 64, 32
_MUTED = ((4, MUTED_4), (16, MUTED_6))

# A handshake record with a hello or a certificate, and where in a frame a payload can begin.
_FLIGHT = re.compile(rb"\x16\x03[\x00-\x07]..[\x01\x02\x0b]", re.DOTALL)
_LEAST_HEADERS, _MOST_HEADERS = 40, 200


class Source(Protocol):
    """``size`` in bytes; ``loss`` says after reading what could not be read, or is None."""

    size: int

    @property
    def loss(self) -> str | None: ...

    def batches(self, take: Callable[..., object]) -> Iterator[int]:
        """Hand frames to ``take`` (time, link type, length on the wire, bytes), and yield the position now and then."""

    def follow(self, acknowledgements: tuple[int, ...]) -> None:
        """From now on also hand over what carries one of these (FOLLOWED at most) acknowledgement numbers."""

    def mute(self, servers: Iterable[bytes]) -> None:
        """From now on hand over nothing of port 443 of these packed addresses; MUTED_4 and MUTED_6 of them at most."""


def open_source(path: str, wanted: Wanted, *, counting: bool = False) -> Source:
    """The best source for a file. Raises InputError for one that is no capture."""
    file = CaptureFile(path)
    if not counting and not file.is_pcapng and file.size >= WORTH_LIBPCAP and file.link in _FILTERED:
        try:
            return LibpcapSource(file, wanted)
        except (ImportError, ValueError, OSError):
            # No wheel for this machine, or a variant that libpcap does not read.
            pass
    return FileSource(file)


class FileSource:
    """Our own reader: any file, any link types, every frame."""

    def __init__(self, file: CaptureFile) -> None:
        self._file = file
        self.size = file.size

    @property
    def loss(self) -> str | None:
        return self._file.loss

    def batches(self, take: Callable[..., object]) -> Iterator[int]:
        for number, frame in enumerate(self._file.frames(), 1):
            take(*frame)
            if number % BATCH == 0:
                self._file.let_go()
                yield self._file.position
        yield self.size

    def follow(self, acknowledgements: tuple[int, ...]) -> None:
        """Nothing to do: every frame is handed over as it is."""

    def mute(self, servers: Iterable[bytes]) -> None:
        """Nothing to do: what is handed over in vain costs little beside the reading."""


class LibpcapSource:
    """libpcap reads the file and applies the filter in C; only what is admitted reaches Python.

    It comes in batches, because what the reading of a file puts into the processor's caches displaces the rest of the
    program: a quarter of the time in all. Only a flight that goes on behind its frame cannot wait for its batch.
    """

    def __init__(self, file: CaptureFile, wanted: Wanted) -> None:
        import cypcap

        self._cypcap = cypcap
        self._link, self._wanted = file.link, wanted
        self.size = file.size
        self.loss: str | None = None
        self._acknowledgements: tuple[int, ...] = ()
        self._muted: tuple[bytes, ...] = ()
        self._programs: dict[bool, tuple[list[Instruction], list[tuple[int, int]]]] = {}
        try:
            self._pcap = cypcap.open_offline(file.path)
            self._set()
        except cypcap.Error as error:
            raise OSError(str(error)) from None
        self._position = _position_of(file.path)

    def batches(self, take: Callable[..., object]) -> Iterator[int]:
        link = self._link
        batch: list[tuple[float, int, int, bytes]] = []
        handed, weight = BATCH, 0

        def hand_over(header: Any, data: bytes) -> None:
            nonlocal handed, weight
            handed += 1
            weight += len(data)
            batch.append((header.ts, link, header.len, data))
            if weight > BATCH_BYTES or goes_on(data):
                _take_all(batch, take)
                weight = 0

        while handed == BATCH:
            handed = 0
            try:
                self._pcap.loop(BATCH, hand_over)
            except self._cypcap.Error as error:
                self.loss = f"{_said(error)}; read up to there"
                handed = 0
            _take_all(batch, take)
            weight = 0
            yield self._position()
        yield self.size

    def follow(self, acknowledgements: tuple[int, ...]) -> None:
        self._acknowledgements = acknowledgements
        self._set()

    def mute(self, servers: Iterable[bytes]) -> None:
        given = tuple(servers)
        muted = tuple(server for size, most in _MUTED for server in islice((s for s in given if len(s) == size), most))
        if muted != self._muted:
            self._muted = muted
            self._programs.clear()
            self._set()

    def _set(self) -> None:
        """Attach a program for what is followed and muted. What is followed changes often: only its places are."""
        following = bool(self._acknowledgements)
        if following not in self._programs:
            self._programs[following] = self._program(_BLANKS if following else ())
        program, places = self._programs[following]
        numbers = self._acknowledgements + _BLANKS[len(self._acknowledgements) :]
        for place, which in places:
            code, yes, no, _ = program[place]
            program[place] = (code, yes, no, numbers[which])
        self._pcap.setfilter(self._cypcap.BpfProgram(program))

    def _program(self, following: tuple[int, ...]) -> tuple[list[Instruction], list[tuple[int, int]]]:
        """A program for the muted servers, and each place of a number to follow with which one it is."""
        wanted = self._wanted
        if self._muted:
            wanted = wanted._replace(tiers=wanted.tiers.without(self._muted, https_only=True))
        program = bpf.generate(self._link, wanted, following=following).instructions
        # A number stands in the program more than once, for it asks in several places.
        places = [
            (at, following.index(k)) for at, (code, _, _, k) in enumerate(program) if code == JEQ and k in following
        ]
        return program, places


def _said(error: Exception) -> object:
    """libpcap's own words: cypcap 0.6 hands over the function that decodes them where it means its result."""
    words = error.args[-1]
    return words() if callable(words) else words


def goes_on(frame: bytes) -> bool:
    """Whether a TLS hello or a leaf certificate seems to begin in a frame and to end in a later one."""
    flight = _FLIGHT.search(frame, _LEAST_HEADERS, _MOST_HEADERS)
    if not flight:
        return False
    record, size = flight.start(), len(frame)
    while record + 9 <= size and frame[record] == admit.HANDSHAKE:
        end = record + 5 + (frame[record + 3] << 8 | frame[record + 4])
        message = record + 5
        while message + 10 <= size and message < end:
            if frame[message] == admit.CERTIFICATE:
                return message + 10 + int.from_bytes(frame[message + 7 : message + 10], "big") > size
            message += 4 + int.from_bytes(frame[message + 1 : message + 4], "big")
        if end > size:
            return True
        record = end
    return False


def _take_all(batch: list[tuple[float, int, int, bytes]], take: Callable[..., object]) -> None:
    for frame in batch:
        take(*frame)
    batch.clear()


def _position_of(path: str) -> Callable[[], int]:
    """How far libpcap has read a file: it does not say, but the kernel knows the position of its descriptor."""
    descriptor = _descriptor_of(path)

    def position() -> int:
        nonlocal descriptor
        try:
            return os.lseek(descriptor, 0, os.SEEK_CUR)
        except OSError:  # whoever else had the file open has closed it
            descriptor = _descriptor_of(path)
            return 0

    return position


def _descriptor_of(path: str) -> int:
    """A descriptor by which this process has a file open, -1 for none."""
    wanted = os.stat(path)
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        with suppress(OSError):
            found = os.fstat(descriptor)
            if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
                return descriptor
    return -1

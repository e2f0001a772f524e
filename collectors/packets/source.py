"""Where frames come from: a capture file through libpcap and the generated filter, or through our own reader."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from collectors.packets import bpf
from collectors.packets.decode import LINK_TYPES
from collectors.packets.pcap import CaptureFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from collectors.packets.admit import Prefixes

# Below this many bytes our own reader is done before libpcap's binding is even imported.
WORTH_LIBPCAP = 2 << 20
BATCH = 2048  # frames between two looks at what was found

# time, link type, length on the wire, bytes; and for a source that counts, the frame's number.
Take = "Callable[..., object]"


class Source(Protocol):
    """``counts_all``: hands over every frame, with its number. ``follows``: can be asked for more of a flow."""

    counts_all: bool
    follows: bool
    size: int
    loss: str | None

    def batches(self, take: Callable[..., object]) -> Iterator[int]:
        """Hand every frame to ``take`` and yield the position in the file now and then."""

    def follow(self, acknowledgements: tuple[int, ...]) -> None:
        """From now on also hand over what carries one of these acknowledgement numbers."""


def open_source(path: str, prefixes: Prefixes, *, counting: bool = False) -> Source:
    """The best source for a file. Raises InputError for one that is no capture."""
    file = CaptureFile(path)
    if not counting and not file.is_pcapng and file.size >= WORTH_LIBPCAP and file.link in LINK_TYPES:
        try:
            return LibpcapSource(file, prefixes)
        except (ImportError, ValueError, OSError):
            # No wheel for this machine, more prefixes than a program holds, or a variant that libpcap does not read.
            pass
    return FileSource(file, counting=counting)


class FileSource:
    """Our own reader: any file, any link types, every frame."""

    follows = True

    def __init__(self, file: CaptureFile, *, counting: bool) -> None:
        self._file = file
        self.counts_all = counting
        self.size = file.size

    @property
    def loss(self) -> str | None:
        return self._file.loss

    def batches(self, take: Callable[..., object]) -> Iterator[int]:
        number = 0
        for number, frame in enumerate(self._file.frames(), 1):
            if self.counts_all:
                take(*frame, number)
            else:
                take(*frame)
            if number % BATCH == 0:
                yield self._file.position
        yield self.size

    def follow(self, acknowledgements: tuple[int, ...]) -> None:
        """Nothing to do: every frame is handed over as it is."""


class LibpcapSource:
    """libpcap reads the file and applies the filter in C; only what is admitted reaches Python."""

    counts_all = False
    follows = True

    def __init__(self, file: CaptureFile, prefixes: Prefixes) -> None:
        import cypcap

        self._cypcap = cypcap
        self._link = file.link
        self.size = file.size
        self.loss: str | None = None
        self._filter = bpf.generate(self._link, prefixes, slots=8)
        try:
            self._pcap = cypcap.open_offline(file.path)
            self._pcap.setfilter(cypcap.BpfProgram(self._filter.program))
        except cypcap.Error as error:
            raise OSError(str(error)) from None
        self._position = _position_of(file.path)

    def batches(self, take: Callable[..., object]) -> Iterator[int]:
        link, taken = self._link, 0

        def hand_over(header, data: bytes) -> None:  # type: ignore[no-untyped-def]
            nonlocal taken
            taken += 1
            take(header.ts, link, header.len, data)

        while True:
            before = taken
            try:
                self._pcap.loop(BATCH, hand_over)
            except self._cypcap.Error as error:
                self.loss = f"{error}; read up to there"
                break
            if taken - before < BATCH:
                break
            yield self._position()
        yield self.size

    def follow(self, acknowledgements: tuple[int, ...]) -> None:
        self._pcap.setfilter(self._cypcap.BpfProgram(bpf.follow(self._filter, acknowledgements)))


def _position_of(path: str) -> Callable[[], int]:
    """How far libpcap has read a file: it does not say, but the kernel knows the position of its descriptor."""
    wanted = os.stat(path)
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        try:
            found = os.fstat(descriptor)
        except OSError:
            continue
        if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
            return lambda: os.lseek(descriptor, 0, os.SEEK_CUR)
    return lambda: 0

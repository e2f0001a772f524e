"""Where checkpoints go, so that the log cannot be made anew unseen: a file on another disk, and syslog.

Nothing here waits for a sink: a file is written by a thread of its own, as a disk that is far away may hang for ever,
and a syslog that does not take a message at once does not get it. What did not arrive is tried again.
"""

from __future__ import annotations

import contextlib
import os
import socket
from errno import EAGAIN, ENOSPC, EPROTOTYPE
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Protocol

from agent.audit.checkpoint import line

if TYPE_CHECKING:
    from agent.audit.log import Log

EVERY = 60.0  # seconds between two checkpoints
ENTRIES = 64  # entries after which there is one earlier
RETRY = 5.0  # seconds after one that did not arrive
_LATE = 10.0  # seconds after which a file that does not answer is one that failed
_LAST = 2.0  # seconds that the end waits for the last checkpoint to arrive
_NOTICE = 3 << 3 | 5  # RFC 5424 section 6.2.1: facility daemon, severity notice


class _Sink(Protocol):
    def tell(self, note: str, now: float) -> None: ...

    def told(self, now: float) -> tuple[float | None, int]:
        """When the last checkpoint that arrived was made, and how many failures there were since this was asked."""

    def end(self) -> None: ...


class Sinks:
    """The sinks of a configuration: path of a file, path of syslog's socket; "" where there is none.

    Times are seconds of a clock that only rises. ``failures``: checkpoints that did not reach a sink.
    """

    def __init__(self, file: str, syslog: str) -> None:
        self.failures = 0
        self._wanted = file, syslog
        self._sinks: list[_Sink] | None = None
        self._size = 0  # of the log, at the last checkpoint
        self._next = float("-inf")
        self._reached: float | None = None

    def take(self, file: str, syslog: str) -> None:
        """Others are configured; what has reached the ones before says nothing of these."""
        if (file, syslog) != self._wanted:
            self._end(0.0)
            self._wanted, self._next, self._reached = (file, syslog), float("-inf"), None

    def tend(self, log: Log, now: float, *, last: bool = False) -> None:
        """Send a checkpoint where one is due: at the start, after 64 entries, after a minute, and at the end."""
        self._collect(now)
        if last or now >= self._next or log.size - self._size >= ENTRIES:
            self._size, self._next = log.size, now + EVERY
            for sink in self._there():
                sink.tell(log.checkpoint(), now)
            self._collect(now)
        if last:
            self._end(now)

    def age(self, now: float) -> float | None:
        """Seconds since the last checkpoint that has reached a sink was made; None where none has yet."""
        self._collect(now)
        return None if self._reached is None else now - self._reached

    def _there(self) -> list[_Sink]:
        """The sinks, which are begun when they are first needed."""
        if self._sinks is None:
            file, syslog = self._wanted
            self._sinks = [*([_File(file)] if file else []), *([_Syslog(syslog)] if syslog else [])]
        return self._sinks

    def _collect(self, now: float) -> None:
        """Hear what became of what was sent."""
        for sink in self._sinks or ():
            reached, failures = sink.told(now)
            if reached is not None and (self._reached is None or reached > self._reached):
                self._reached = reached
            if failures:
                self.failures += failures
                self._next = min(self._next, now + RETRY)

    def _end(self, now: float) -> None:
        for sink in self._sinks or ():
            sink.end()
        self._collect(now)
        self._sinks = None


class _Syslog:
    """A syslog on this machine: one message for each checkpoint, as RFC 3164 has them and syslog(3) sends them.

    That it was taken is not that it was kept: what syslog does with it is the operator's to see to.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._reached: float | None = None
        self._failures = 0

    def tell(self, note: str, now: float) -> None:
        # The daemon behind it may have been started anew since: each message has a socket of its own.
        message = f"<{_NOTICE}>knockfirst[{os.getpid()}]: {line(note)}".encode()
        try:
            _send(self._path, message)
        except OSError:
            self._failures += 1
        else:
            self._reached = now

    def told(self, now: float) -> tuple[float | None, int]:
        failures, self._failures = self._failures, 0
        return self._reached, failures

    def end(self) -> None:
        pass


def _send(path: str, message: bytes) -> None:
    """Hand a message to the socket there, of whichever type it is, or raise OSError; never wait."""
    for kind, end in ((socket.SOCK_DGRAM, b""), (socket.SOCK_STREAM, b"\0")):
        with socket.socket(socket.AF_UNIX, kind) as out:
            out.settimeout(0)
            try:
                out.connect(path)
            except OSError as error:
                if error.errno == EPROTOTYPE and kind == socket.SOCK_DGRAM:
                    continue
                raise
            if out.send(message + end) != len(message + end):
                raise OSError(EAGAIN, "only a part of a message was taken")
            return


class _File:
    """A file that each checkpoint is appended to, by a thread that may hang without anybody else doing so."""

    def __init__(self, path: str) -> None:
        self._notes: SimpleQueue[tuple[str, float] | None] = SimpleQueue()
        self._done: SimpleQueue[tuple[float, bool]] = SimpleQueue()
        self._since: float | None = None  # when what is being written was handed over
        self._waiting: tuple[str, float] | None = None  # what is to be written after it: the newest says everything
        self._reached: float | None = None
        self._late = False
        self._thread = Thread(target=_append_each, args=(path, self._notes, self._done), daemon=True)
        self._thread.start()

    def tell(self, note: str, now: float) -> None:
        self._waiting = note, now
        self._go_on()

    def told(self, now: float) -> tuple[float | None, int]:
        failures = 0
        with contextlib.suppress(Empty):
            while True:
                made, arrived = self._done.get_nowait()
                self._reached = made if arrived else self._reached
                failures += not arrived and not self._late
                self._since = None
                self._go_on()
        if self._since is not None and now - self._since > _LATE and not self._late:
            self._late, failures = True, failures + 1
        return self._reached, failures

    def end(self) -> None:
        self._since = None
        self._go_on()
        self._notes.put(None)
        self._thread.join(_LAST)

    def _go_on(self) -> None:
        """Hand over what waits, unless something is being written."""
        if self._since is None and self._waiting is not None:
            self._since, self._late = self._waiting[1], False
            self._notes.put(self._waiting)
            self._waiting = None


def _append_each(
    path: str, notes: SimpleQueue[tuple[str, float] | None], done: SimpleQueue[tuple[float, bool]]
) -> None:
    end = _End()
    while (told := notes.get()) is not None:
        note, made = told
        try:
            _append(path, note, end)
        except OSError:
            end.forget()
            done.put((made, False))
        else:
            done.put((made, True))


class _End:
    """How the file ended when it was last left: note, inode and size. Where it still does, nothing need be added."""

    def __init__(self) -> None:
        self._is: tuple[str, int, int] | None = None

    def same(self, note: str, found: os.stat_result) -> bool:
        return self._is == (note, found.st_ino, found.st_size)

    def note(self, note: str, found: os.stat_result) -> None:
        self._is = note, found.st_ino, found.st_size

    def forget(self) -> None:
        self._is = None


def _append(path: str, note: str, end: _End) -> None:
    """Write a note behind what is there, whole or not at all, and see it to the disk. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY, 0o644)
    try:
        before = os.fstat(descriptor)
        if not end.same(note, before):
            data = b"\n" * bool(before.st_size) + note.encode()
            if os.write(descriptor, data) != len(data):
                os.ftruncate(descriptor, before.st_size)
                raise OSError(ENOSPC, os.strerror(ENOSPC))
        os.fsync(descriptor)
        end.note(note, os.fstat(descriptor))
    finally:
        os.close(descriptor)

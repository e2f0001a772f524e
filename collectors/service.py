"""The capture role: looks at the inputs that the agent names and tells it what is seen there.

It validates nothing that it sends (the agent does) and so needs no pydantic: the process with the packet door is small.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from agent import ipc
from agent.errors import InputError
from agent.ipc import Type
from agent.logfmt import Sample, begin

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator

    from agent.model import Observation

GONE = 75  # EX_TEMPFAIL of sysexits.h: the agent has gone; a new one will be there for the next capture process

_BEAT = 1.0  # seconds between two messages of counters

# What one message holds at most; the agent refuses more (agent/messages.py).
_MAX_BATCH = 256
_MAX_VALUE = 16 << 10
_MAX_BATCH_BYTES = 768 << 10


class Reads(Protocol):
    """The passive line: a capture file to observations, each fact once an hour. ``counts`` rise as it goes."""

    losses: list[str]

    @property
    def counts(self) -> dict[str, int]: ...

    def read(
        self, path: str, *, counting: bool = False, progress: Callable[[int], None] | None = None
    ) -> Iterator[Observation]: ...


class Capture:
    """Reads inputs through the line and tells the agent. ``clock`` only rises; in seconds."""

    def __init__(self, link: ipc.Link, line: Reads, log: logging.Logger, clock: Callable[[], float]) -> None:
        self._link = link
        self._line = line
        self._log = log
        self._clock = clock
        self._batch: list[dict[str, Any]] = []
        self._bytes = 0
        self._due = float("-inf")
        self._malformed = 0
        self._losses = 0
        self._sample = Sample()
        self._own = {"told_too_long": 0}

    def read(self, files: list[str], *, counting: bool) -> None:
        """Read every file to its end; one that cannot be read is logged and counted, and the others are read."""
        read = unreadable = 0
        self._tell_inputs(len(files), 0, 0)
        for path in files:
            try:
                for observation in self._line.read(path, counting=counting, progress=self._progress):
                    self._take(observation)
            except InputError as error:
                unreadable += 1
                self._log.error("input cannot be read", extra={"file": path, "error": str(error)})
            else:
                read += 1
                self._log.info("input read", extra={"file": path})
            self._beat()
            self._tell_inputs(len(files), read, unreadable)

    def _progress(self, at: int) -> None:
        """The line has come this far in a file: now and then what has gathered is sent."""
        if self._clock() >= self._due:
            self._beat()

    def _beat(self) -> None:
        self._due = self._clock() + _BEAT
        self._flush()
        counts = self._line.counts
        # Sent even if nothing moved: it says that capture lives, and finds out whether the agent does.
        self._link.send(Type.COUNTERS, {"counts": counts | self._own})
        self._log_faults(counts)

    def _take(self, observation: Observation) -> None:
        if len(observation.value) > _MAX_VALUE:
            self._own["told_too_long"] += 1
            return
        self._batch.append(written(observation))
        # JSON writes a character as six bytes at most; what servers say is far shorter than that.
        self._bytes += 6 * len(observation.value) + 256
        if len(self._batch) >= _MAX_BATCH or self._bytes > _MAX_BATCH_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._batch:
            batch, self._batch, self._bytes = self._batch, [], 0
            self._link.send(Type.OBSERVATIONS, {"told": batch})

    def _tell_inputs(self, files: int, read: int, unreadable: int) -> None:
        self._link.send(Type.INPUTS, {"files": files, "read": read, "unreadable": unreadable})

    def _log_faults(self, counts: dict[str, int]) -> None:
        malformed = {name: count for name, count in counts.items() if name.startswith("malformed_") and count}
        if sum(malformed.values()) > self._malformed and self._sample.lets(self._clock()):
            self._log.warning("malformed input so far", extra=malformed)
        self._malformed = sum(malformed.values())
        for loss in self._line.losses[self._losses :]:
            self._log.warning("input is damaged", extra={"loss": loss})
        self._losses = len(self._line.losses)


def written(observation: Observation) -> dict[str, Any]:
    """An observation as the agent takes it. What UTF-8 cannot hold is replaced: it would be refused."""
    server = observation.server
    return {
        "address": server.address,
        "port": server.port,
        "transport": server.transport,
        "kind": observation.kind,
        "value": observation.value.encode("utf-8", "replace").decode(),
        "time": observation.time,
        "collector": observation.collector,
        "frame": observation.frame,
    }


class Section(NamedTuple):
    """What this role is to do, as the agent says it first."""

    files: list[str]
    prefixes: tuple[str, ...]
    counting: bool
    log: dict[str, str]


def section(link: ipc.Link) -> Section | None:
    """The section that the agent sends; None if it has gone. Raises Unexpected."""
    received = link.receive()
    if received is None:
        return None
    body = received[1]
    files, prefixes, counting, log = (body.get(key) for key in ("files", "prefixes", "count_frames", "log"))
    settings = list(log.values()) if isinstance(log, dict) else None
    if not (_texts(files) and _texts(prefixes) and _texts(settings) and isinstance(counting, bool)):
        raise ipc.Unexpected("invalid", "SECTION: files, prefixes, count_frames and log are not what they must be")
    return Section(files, tuple(prefixes), counting, log)  # type: ignore[arg-type]


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def main(words: list[str]) -> int:
    """``agent=FD``: be the capture role. 75 when the agent has gone, 70 for a fault of ours."""
    from collectors.line import Line

    link = ipc.Link(ipc.inherited(words)["agent"], frozenset({Type.SECTION}))
    wanted = section(link)
    if wanted is None:
        return GONE
    log = begin("capture", wanted.log.get("level", "info"), wanted.log.get("format", "logfmt"))
    capture = Capture(link, Line(prefixes=wanted.prefixes), log, time.monotonic)
    try:
        capture.read(wanted.files, counting=wanted.counting)
        # Stay: a new agent knows nothing, and is told everything again by the capture process that comes with it.
        link.receive()
    except OSError:
        return GONE
    except Exception:
        log.exception("the capture role failed")
        return 70
    return GONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

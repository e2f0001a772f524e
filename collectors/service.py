"""The capture role: looks at the inputs that the agent names, and tells each fact once an hour instead of every time.

It validates nothing that it sends (the agent does) and so needs no pydantic: the process with the packet door is small.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

from agent import ipc
from agent.errors import InputError
from agent.ipc import Type
from agent.logfmt import Sample, begin

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator

    from agent.model import Observation

GONE = 75  # EX_TEMPFAIL of sysexits.h: the agent has gone; a new one will be there for the next capture process

MAX_TOLD = 131_072  # facts remembered; about 16 MiB
TELL_AGAIN = 3600.0  # seconds of the traffic's own time after which a fact is told once more

# What one message holds at most; the agent refuses more (agent/messages.py).
_MAX_BATCH = 256
_MAX_VALUE = 16 << 10
_MAX_BATCH_BYTES = 768 << 10


class Reads(Protocol):
    """The passive line: a capture file to observations. ``counts`` rise as it goes."""

    counts: dict[str, int]

    def read(self, path: str) -> Iterator[Observation]: ...


class Told:
    """Which facts were told, and when by the traffic's own clock: a bounded table, the oldest out first.

    A fact is kept as its hash, so that the table's size does not follow the length of what servers say. Python keys the
    hash of texts anew in each process: nobody can choose a banner that collides with another's.
    """

    def __init__(self, most: int = MAX_TOLD, again: float = TELL_AGAIN) -> None:
        self._most = most
        self._again = again
        self._told: dict[int, float] = {}
        self.counts = {"told": 0, "told_repeats": 0, "told_evicted": 0}

    def tells(self, observation: Observation) -> bool:
        """True if the fact is to be told now; a repeat within the hour, on either side of it, is only counted."""
        fact = hash((observation.server, observation.kind, observation.value))
        last = self._told.pop(fact, None)
        if last is not None and abs(observation.time - last) < self._again:
            self._told[fact] = last
            self.counts["told_repeats"] += 1
            return False
        if len(self._told) >= self._most:
            del self._told[next(iter(self._told))]
            self.counts["told_evicted"] += 1
        self._told[fact] = observation.time
        self.counts["told"] += 1
        return True


class Capture:
    """Reads inputs through the line and tells the agent. Another thread calls ``beat``, so the link has a lock."""

    def __init__(self, link: ipc.Link, line: Reads, told: Told, log: logging.Logger) -> None:
        self._link = link
        self._line = line
        self._told = told
        self._log = log
        self._lock = threading.Lock()
        self._batch: list[dict[str, Any]] = []
        self._bytes = 0
        self._last: dict[str, int] = {}
        self._sample = Sample()
        self._own = {"told_too_long": 0}

    def read(self, files: list[str]) -> None:
        """Read every file to its end; one that cannot be read is logged and counted, and the others are read."""
        read = unreadable = 0
        self._tell_inputs(len(files), 0, 0)
        for path in files:
            try:
                for observation in self._line.read(path):
                    self._take(observation)
            except InputError as error:
                unreadable += 1
                self._log.error("input cannot be read", extra={"file": path, "error": str(error)})
            else:
                read += 1
                self._log.info("input read", extra={"file": path, "told": self._told.counts["told"]})
            self.beat(time.monotonic())
            self._tell_inputs(len(files), read, unreadable)

    def beat(self, now: float) -> None:
        """Send what has gathered, and the counters if any has moved. ``now`` is a clock that only rises, in seconds."""
        # A copy of a dictionary is made in one step of the interpreter, so the reading thread may go on counting.
        counts = dict(self._line.counts) | self._told.counts | self._own
        with self._lock:
            self._flush()
            if counts != self._last:
                self._link.send(Type.COUNTERS, {"counts": counts})
        self._log_malformed(counts, now)
        self._last = counts

    def _take(self, observation: Observation) -> None:
        if not self._told.tells(observation):
            return
        if len(observation.value) > _MAX_VALUE:
            self._own["told_too_long"] += 1
            return
        with self._lock:
            self._batch.append(written(observation))
            # JSON writes a character as six bytes at most; a server's text is cut to far less than that.
            self._bytes += 6 * len(observation.value) + 256
            if len(self._batch) >= _MAX_BATCH or self._bytes > _MAX_BATCH_BYTES:
                self._flush()

    def _flush(self) -> None:
        if self._batch:
            batch, self._batch, self._bytes = self._batch, [], 0
            self._link.send(Type.OBSERVATIONS, {"told": batch})

    def _tell_inputs(self, files: int, read: int, unreadable: int) -> None:
        with self._lock:
            self._link.send(Type.INPUTS, {"files": files, "read": read, "unreadable": unreadable})

    def _log_malformed(self, counts: dict[str, int], now: float) -> None:
        risen = {
            name: count - self._last.get(name, 0)
            for name, count in counts.items()
            if name.startswith("malformed_") and count > self._last.get(name, 0)
        }
        if risen and self._sample.lets(now):
            self._log.warning("malformed input", extra=risen)


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


def section(link: ipc.Link) -> tuple[list[str], tuple[str, ...], dict[str, str]] | None:
    """Files, prefixes and log settings as the agent sends them first; None if it has gone. Raises Unexpected."""
    received = link.receive()
    if received is None:
        return None
    body = received[1]
    files, prefixes, log = body.get("files"), body.get("prefixes"), body.get("log")
    lists = (files, prefixes, list(log.values()) if isinstance(log, dict) else None)
    if not all(isinstance(texts, list) and all(isinstance(text, str) for text in texts) for texts in lists):
        raise ipc.Unexpected("invalid", "SECTION: files, prefixes and log are texts")
    return files, tuple(prefixes), log  # type: ignore[arg-type, return-value]


def _beat_for_ever(capture: Capture, seconds: float) -> None:
    """A file may say nothing for minutes; that capture lives and counts must not depend on it."""
    while True:
        time.sleep(seconds)
        try:
            capture.beat(time.monotonic())
        except OSError:
            os._exit(GONE)  # The agent has gone, and the reading thread would notice only at its next fact.


def main(words: list[str]) -> int:
    """``agent=FD``: be the capture role. 75 when the agent has gone, 70 for a fault of ours."""
    from collectors.line import Line

    link = ipc.Link(ipc.inherited(words)["agent"], frozenset({Type.SECTION}))
    wanted = section(link)
    if wanted is None:
        return GONE
    files, prefixes, settings = wanted
    log = begin("capture", settings.get("level", "info"), settings.get("format", "logfmt"))
    capture = Capture(link, Line(prefixes=prefixes), Told(), log)
    threading.Thread(target=_beat_for_ever, args=(capture, 1.0), daemon=True).start()
    try:
        capture.read(files)
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

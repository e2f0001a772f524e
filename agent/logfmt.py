"""Log lines on stderr: logfmt or JSON, one event a line, counted, and few of them where something happens often.

A line never holds a mail address, a customer or a server's address: those are in the inventory, not in the log.
"""

from __future__ import annotations

import json
import logging
import math
import re
import sys
import time
from collections import Counter
from traceback import extract_tb
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_BARE = re.compile(r"[\w.:/+@%*-]+", re.ASCII)
_PLACES = 20  # of an error: in a recursion without end there are a thousand
# The attributes that every record has; whatever else it has was given by the caller with `extra`.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Lines(logging.Formatter):
    """One record as one line: when, how serious, which role, what, and the caller's own fields."""

    def __init__(self, role: str, style: str) -> None:
        super().__init__()
        self._role = role
        self._json = style == "json"

    def format(self, record: logging.LogRecord) -> str:
        fields = self._fields(record)
        if self._json:
            told = {key: value if _is_json(value) else str(value) for key, value in fields.items()}
            return json.dumps(told, ensure_ascii=True, default=str)
        return " ".join(f"{key}={quoted(value)}" for key, value in fields.items())

    def _fields(self, record: logging.LogRecord) -> dict[str, Any]:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields: dict[str, Any] = {
            "ts": f"{stamp}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "role": self._role,
            "msg": record.getMessage(),
        }
        fields |= {key: value for key, value in vars(record).items() if key not in _OWN}
        if record.exc_info and record.exc_info[1]:
            fields["error"] = traced(record.exc_info[1])
        return fields


def _is_json(value: object) -> bool:
    """JSON has no word for infinity, nor for what is no number (RFC 8259, 6): Python would write one."""
    return not isinstance(value, float) or math.isfinite(value)


def traced(error: BaseException) -> str:
    """What kind of error, raised where, and after which other ones; the innermost places last.

    Not its words: those of an error that nobody foresaw may quote an address, or what a stranger said. They are told
    where they cannot (``plain``), and the kernel's.
    """
    words = error.strerror if isinstance(error, OSError) else str(error) if getattr(error, "plain", False) else ""
    frames = extract_tb(error.__traceback__)[-_PLACES:]
    places = ", ".join(f"{'/'.join(frame.filename.split('/')[-2:])}:{frame.lineno} {frame.name}" for frame in frames)
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    said = f"{type(error).__name__}{f': {words}' if words else ''} at {places or 'no place'}"
    return f"{said}; after {traced(before)}" if before else said


def quoted(value: object) -> str:
    """A logfmt value: bare where that is unambiguous, otherwise a JSON string, so that a line stays one line."""
    text = str(value)
    return text if _BARE.fullmatch(text) else json.dumps(text)


class Sample:
    """Lets three through in thirty seconds: a peer's faults are counted in full, and logged as a sample."""

    def __init__(self, most: int = 3, seconds: float = 30.0) -> None:
        self._most = most
        self._seconds = seconds
        self._since = float("-inf")
        self._let = 0

    def lets(self, now: float) -> bool:
        """Whether the event at ``now`` (seconds of a clock that only rises) is logged."""
        if now - self._since >= self._seconds:
            self._since, self._let = now, 0
        self._let += 1
        return self._let <= self._most


LEVELS = ("debug", "info", "warning", "error")
_MOST, _SECONDS = 20, 30.0  # of one event in so long; the others are counted
_EVENTS = 256  # that are told apart at once: what they are called is ours, and few
# Lines of this process by level, and those that were held back, since it began.
LINES: Counter[str] = Counter(dict.fromkeys((*LEVELS, "suppressed"), 0))


class Paced(logging.Filter):
    """Counts every line, and lets only some of one event through at a time; the next that goes says how many did not.

    ``clock`` only rises. What a person has to see is not held back by something else: each event has its own measure.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self._samples: dict[str, Sample] = {}
        self._held: Counter[str] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        event = str(record.msg)
        if len(self._samples) >= _EVENTS:
            self._samples.clear()
            self._held.clear()
        sample = self._samples.setdefault(event, Sample(_MOST, _SECONDS))
        if not sample.lets(self._clock()):
            self._held[event] += 1
            LINES["suppressed"] += 1
            return False
        if held := self._held.pop(event, 0):
            record.suppressed = held
        LINES[_level(record.levelno)] += 1
        return True


def _level(number: int) -> str:
    """The level, of LEVELS, that a record's number belongs to."""
    return LEVELS[min(max(number // 10 - 1, 0), len(LEVELS) - 1)]


_PACED = Paced(time.monotonic)  # it outlives a change of level or format


def begin(role: str, level: str = "info", style: str = "logfmt") -> logging.Logger:
    """Send this process's log to stderr in ``style``, and give the role's logger."""
    to_stderr = logging.StreamHandler(sys.stderr)
    to_stderr.setFormatter(Lines(role, style))
    to_stderr.addFilter(_PACED)
    logging.basicConfig(handlers=[to_stderr], level=level.upper(), force=True)
    # A log that cannot be written must not fill stderr with tracebacks about itself.
    logging.raiseExceptions = False
    return logging.getLogger(role)

"""Log lines on stderr: logfmt or JSON, one event a line, and few of them where a peer could cause many.

A line never holds a mail address, a customer or a server's address: those are in the inventory, not in the log.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from typing import Any

_BARE = re.compile(r"[\w.:/+@%*-]+", re.ASCII)
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
            return json.dumps(fields, ensure_ascii=True, default=str)
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
        if record.exc_info:
            fields["error"] = self.formatException(record.exc_info)
        return fields


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


def begin(role: str, level: str = "info", style: str = "logfmt") -> logging.Logger:
    """Send this process's log to stderr in ``style``, and give the role's logger."""
    to_stderr = logging.StreamHandler(sys.stderr)
    to_stderr.setFormatter(Lines(role, style))
    logging.basicConfig(handlers=[to_stderr], level=level.upper(), force=True)
    # A log that cannot be written must not fill stderr with tracebacks about itself.
    logging.raiseExceptions = False
    return logging.getLogger(role)

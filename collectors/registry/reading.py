"""What a file or another machine says, as rows. A reading is made before the register is touched."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.consent.rows import moment
from agent.consent.written import rfc3339
from agent.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_FILE = 1 << 30  # bytes

# Where a row stands, in the words of whoever wrote it, and the row: docs/registry.md.
Row = tuple[str, Any]


class Reading(NamedTuple):
    """``made``: of what time it is, RFC 3339. ``full``: what its mapping does not name is not so.

    ``faults`` grows while ``rows`` is read: what could not be read as a row at all.
    """

    made: str
    full: bool
    rows: Iterator[Row]
    faults: list[str]


def content(path: str, most: int = MAX_FILE) -> tuple[bytes, str]:
    """The bytes of a file, and when it was last changed, RFC 3339. Raises InputError."""
    try:
        # Not blocking, so that a pipe which nobody writes to is refused and not waited for.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise InputError(f"{path}: is not a file")
            read = file.read(most + 1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; name a file that can be read") from None
    if len(read) > most:
        raise InputError(f"{path}: larger than {most} bytes; divide it, or write JSON lines")
    return read, rfc3339(datetime.fromtimestamp(status.st_mtime, UTC))


def text(read: bytes, faults: list[str]) -> str:
    """The text of a file; what is no UTF-8 is a fault, and the lines that are stay readable."""
    try:
        return read.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError as error:
        line = read.count(b"\n", 0, error.start) + 1
        faults.append(f"line {line}: is not UTF-8; write the file as UTF-8")
        return read.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")


def time_of(written: Any, changed: str, faults: list[str], where: str) -> str:
    """The time that a file gives for itself, else when it was last changed."""
    if written is None:
        return changed
    try:
        return rfc3339(moment(str(written)))
    except ValueError as error:
        faults.append(f"{where}: {error}")
        return changed

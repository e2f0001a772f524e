"""What is shown to people on a terminal: tables, colour, progress. Plain text wherever it is not a terminal.

Widths are in columns; texts are taken as one column per character.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# ECMA-48 8.3.117, Select Graphic Rendition.
_SGR = {"bold": 1, "red": 31, "green": 32, "yellow": 33, "blue": 34, "magenta": 35, "cyan": 36, "grey": 90}
_COLOURED = re.compile(r"(\x1b\[\d{1,2}m)(.*)\x1b\[0m", re.DOTALL)
_RESET = "\x1b[0m"
_GAP = "  "
_NARROWEST = 6  # A column that is narrower than this is of no use to a reader.


def coloured(stream: TextIO) -> bool:
    """Whether to colour what goes there: a terminal, and its owner did not say NO_COLOR (no-color.org)."""
    from os import environ

    return _terminal(stream) and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def colour(text: str, name: str, on: bool) -> str:
    """``text`` in the colour ``name`` (a key of the table above; any other leaves it plain) where ``on``."""
    code = _SGR.get(name)
    return f"\x1b[{code}m{text}{_RESET}" if on and code and text else text


def printable(text: str) -> str:
    """``text`` with a replacement for whatever could move the cursor: it may come from a stranger's server."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], width: int = 100) -> str:
    """Columns under their headers, at most ``width`` wide: the widest columns are wrapped. No newline at the end.

    A cell may be the result of ``colour``; any other control characters in it are made visible.
    """
    cells = [[_split(cell) for cell in row] for row in (headers, *rows)]
    widths = _fit([max(len(text) for _, text in column) for column in zip(*cells, strict=True)], width)
    lines = [line for row in cells for line in _lines(row, widths)]
    head = len(_lines(cells[0], widths))
    return "\n".join([*lines[:head], _GAP.join("-" * w for w in widths), *lines[head:]])


def _split(cell: str) -> tuple[str, str]:
    """The start of the colour of a cell, and its text."""
    found = _COLOURED.fullmatch(cell)
    return (found[1], printable(found[2])) if found else ("", printable(cell))


def _fit(widths: list[int], width: int) -> list[int]:
    room = max(width - len(_GAP) * (len(widths) - 1), _NARROWEST * len(widths))
    excess = sum(widths) - room
    while excess > 0:
        # The widest column gives until it is as wide as the next one, and so on: narrow columns stay whole.
        widest = max(widths)
        runner_up = max((w for w in widths if w < widest), default=0)
        at = widths.index(widest)
        taken = min(excess, max(1, widest - runner_up))
        widths[at] -= taken
        excess -= taken
    return widths


def _lines(row: Sequence[tuple[str, str]], widths: Sequence[int]) -> list[str]:
    wrapped = [_wrap(text, w) for (_, text), w in zip(row, widths, strict=True)]
    lines = []
    for i in range(max(map(len, wrapped))):
        parts = []
        for (start, _), cell, w in zip(row, wrapped, widths, strict=True):
            text = cell[i] if i < len(cell) else ""
            parts.append((f"{start}{text}{_RESET}" if start and text else text) + " " * (w - len(text)))
        lines.append(_GAP.join(parts).rstrip())
    return lines


def _wrap(text: str, width: int) -> list[str]:
    """Lines of at most ``width``, broken at spaces where there are any, inside a word where not."""
    lines: list[str] = []
    while len(text) > width:
        at = text.rfind(" ", 0, width + 1)
        at = at if at > 0 else width
        lines.append(text[:at].rstrip())
        text = text[at:].lstrip()
    return [*lines, text]


def _terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # It is closed.
        return False


class Progress:
    """One line that says how far a long task is, on a terminal; nothing at all anywhere else.

    ``total`` is in the task's own unit (bytes, frames); 0 where it is not known. ``clock`` gives seconds.
    """

    _PERIOD = 0.1  # Seconds between two drawings: a reader sees no more, and a terminal is slow.
    _BAR = 30

    def __init__(self, stream: TextIO, total: int, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._total, self._what, self._clock = stream, total, what, clock
        self._on = _terminal(stream)
        self._due = 0.0
        self._drawn = False

    def update(self, done: int) -> None:
        """``done`` of ``total`` are behind us. Cheap enough to call for every step."""
        if not self._on:
            return
        now = self._clock()
        if now < self._due and self._drawn:
            return
        self._due = now + self._PERIOD
        self._drawn = True
        self._stream.write(f"\r\x1b[K{printable(self._what)[:40]} {self._bar(done)}")
        self._stream.flush()

    def _bar(self, done: int) -> str:
        if self._total <= 0:
            return f"{done:,}"
        share = min(max(done / self._total, 0.0), 1.0)
        filled = round(share * self._BAR)
        return f"[{'#' * filled}{'.' * (self._BAR - filled)}] {share:4.0%}"

    def close(self) -> None:
        """Take the line away again, so that what follows starts on a clean one."""
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
        self._on = self._drawn = False

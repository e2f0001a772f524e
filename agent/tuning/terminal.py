"""A whole terminal to draw on, given back as it was: the alternate screen of xterm, and nothing of curses.

Control functions are those of ECMA-48 and, for the alternate screen and the cursor, xterm's (ctlseqs, DECSET 1049, 25).
"""

from __future__ import annotations

import os
import select
import signal
import socket
import termios
import tty
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, TextIO

from agent.screen import colour

if TYPE_CHECKING:
    from collections.abc import Sequence

_ENTER = "\x1b[?1049h\x1b[?25l"
_LEAVE = "\x1b[?25h\x1b[?1049l"
_HOME = "\x1b[H"
_TO_END_OF_LINE = "\x1b[K"
_TO_END = "\x1b[J"

_SMALLEST = 1, 1
_ENDING = (b"q", b"Q", b"\x04", b"")  # Ctrl-D among them, and the end of what can be typed


class Ended(Exception):  # noqa: N818 - it is no fault
    """A signal has asked the program to end."""


class Terminal:
    """``with Terminal(sys.stdout) as terminal``: draw, wait, and whatever happens, leave it as it was found."""

    def __init__(self, stream: TextIO, keys: TextIO | None = None) -> None:
        self._stream = stream
        self._keys = keys if keys is not None and _is_terminal(keys) else None
        self._before: dict[int, Any] = {}
        self._settings: list[Any] | None = None

    def __enter__(self) -> Self:
        # A signal writes here, so that a wait ends when the window has another size.
        self._woken, self._wakes = socket.socketpair()
        self._woken.settimeout(0)
        self._wakes.settimeout(0)
        self._wakeup = signal.set_wakeup_fd(self._wakes.fileno(), warn_on_full_buffer=False)
        caught = {signal.SIGINT: _end, signal.SIGTERM: _end, signal.SIGWINCH: _nothing, signal.SIGTSTP: self._suspend}
        self._before = {number: signal.signal(number, catcher) for number, catcher in caught.items()}
        try:
            self._enter()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        number: int
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # A second Ctrl-C must not leave the terminal half given back.
        self._leave()
        for number, catcher in self._before.items():
            signal.signal(number, catcher)
        signal.set_wakeup_fd(self._wakeup)
        self._woken.close()
        self._wakes.close()

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines, as they are at this moment."""
        try:
            found = os.get_terminal_size(self._stream.fileno())
        except OSError:
            return 80, 24
        return max(found.columns, _SMALLEST[0]), max(found.lines, _SMALLEST[1])

    def draw(self, lines: Sequence[str], *, on: bool) -> None:
        """Show these lines, which fit, instead of what is there: over it, in one write, so that nothing flickers."""
        # In the last column the cursor stays on what was written there, so that nothing may be taken away behind it.
        rest = [_TO_END_OF_LINE if len(text) < self.size[0] else "" for text in lines]
        drawn = [colour(text, _shade(at, text), on=on) + rest[at] for at, text in enumerate(lines)]
        self._stream.write(_HOME + "\r\n".join(drawn) + _TO_END)
        self._stream.flush()

    def wait(self, seconds: float) -> bool:
        """Wait that long, or until the window has another size; True if a key says that it is to end."""
        keys = self._keys
        listened: list[socket.socket | TextIO] = [self._woken, *([keys] if keys else [])]
        ready, _, _ = select.select(listened, [], [], seconds)
        if self._woken in ready:
            with suppress(BlockingIOError):
                self._woken.recv(4096)
        return keys is not None and keys in ready and os.read(keys.fileno(), 64)[:1] in _ENDING

    def _enter(self) -> None:
        if self._keys is not None:
            self._settings = termios.tcgetattr(self._keys)
            tty.setcbreak(self._keys)  # What is typed is not echoed into the picture.
        self._stream.write(_ENTER)
        self._stream.flush()

    def _leave(self) -> None:
        if self._keys is not None and self._settings is not None:
            with suppress(termios.error):
                termios.tcsetattr(self._keys, termios.TCSADRAIN, self._settings)
        with suppress(OSError):
            self._stream.write(_LEAVE)
            self._stream.flush()

    def _suspend(self, *_: object) -> None:
        """Ctrl-Z: give the terminal back for as long as we are stopped."""
        self._leave()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        # Here we go on.
        signal.signal(signal.SIGTSTP, self._suspend)
        self._enter()


def _shade(at: int, text: str) -> str:
    return "bold" if at < 2 else "red" if text.startswith("loses: ") else ""


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:
        return False


def _end(*_: object) -> None:
    raise Ended


def _nothing(*_: object) -> None:
    """The wakeup descriptor has it."""

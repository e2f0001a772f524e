"""A terminal to draw on, in this process: keys, signals and sizes, and what was there before is there again."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import threading
import time
from typing import TYPE_CHECKING, TextIO

import pytest

from agent.__main__ import main
from agent.tuning.terminal import Ended, Terminal
from tests.tuned import ENTER, LAST, LEAVE, answering, said

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Pair:
    """A pseudo-terminal: the program's end as files, ours as a descriptor."""

    def __init__(self) -> None:
        self.ours, theirs = pty.openpty()
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 40, 0, 0))
        self.writes: TextIO = os.fdopen(theirs, "w", newline="")
        self.reads: TextIO = os.fdopen(os.dup(theirs))

    def read(self) -> str:
        """What is there, as soon as there is something."""
        assert select.select([self.ours], [], [], 60.0)[0]
        return os.read(self.ours, 65_536).decode()

    def written(self) -> str:
        """All that was written until now."""
        os.write(self.writes.fileno(), LAST.encode())
        text = ""
        while not text.endswith(LAST):
            text += self.read()
        return text.removesuffix(LAST)

    def settings(self) -> list[object]:
        return termios.tcgetattr(self.writes)


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    before = made.settings()
    catchers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGWINCH, signal.SIGTSTP)]
    yield made
    assert made.settings() == before
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGWINCH, signal.SIGTSTP)] == catchers
    made.writes.close()
    made.reads.close()
    os.close(made.ours)


@pytest.mark.parametrize(("typed", "ends"), [(b"q", True), (b"Q", True), (b"\x04", True), (b"x", False), (b"", False)])
def test_keys(pair: Pair, typed: bytes, ends: bool) -> None:
    with Terminal(pair.writes, pair.reads) as terminal:
        os.write(pair.ours, typed)
        assert terminal.wait(60.0 if typed else 0.05) is ends


def test_a_picture_fills_what_it_has_and_clears_the_rest(pair: Pair) -> None:
    with Terminal(pair.writes, pair.reads) as terminal:
        assert terminal.size == (40, 10)
        terminal.draw(["ab", "c" * 40, "loses: x"], on=True)
    assert pair.written() == (
        f"{ENTER}\x1b[H\x1b[1mab\x1b[0m\x1b[K\r\r\n\x1b[1m{'c' * 40}\x1b[0m\r\r\n"
        f"\x1b[31mloses: x\x1b[0m\x1b[K\x1b[J{LEAVE}"
    )


def test_another_size_ends_the_wait_and_a_signal_the_program(pair: Pair) -> None:
    began = time.monotonic()
    with Terminal(pair.writes, pair.reads) as terminal:
        os.kill(os.getpid(), signal.SIGWINCH)
        assert terminal.wait(200.0) is False
    assert time.monotonic() - began < 60
    for number in (signal.SIGINT, signal.SIGTERM):
        with pytest.raises(Ended), Terminal(pair.writes, pair.reads) as terminal:
            os.kill(os.getpid(), number)
            terminal.wait(200.0)
    assert pair.written().endswith(LEAVE)


def test_what_is_raised_inside_leaves_it_as_it_was(pair: Pair) -> None:
    with pytest.raises(ZeroDivisionError), Terminal(pair.writes, pair.reads):
        raise ZeroDivisionError
    assert pair.written() == ENTER + LEAVE


def test_without_keys_and_without_a_size(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as file, Terminal(file, file) as terminal:
        assert terminal.size == (80, 24)
        assert terminal.wait(0.01) is False


def test_the_whole_command(pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    written = ""

    def watch() -> None:
        nonlocal written
        while written.count("\x1b[J") < 3:
            written += pair.read()
        os.write(pair.ours, b"q")

    with answering(tmp_path / "control", said(), said(), b"\xff" * 64, said()):
        monkeypatch.setattr(sys, "stdout", pair.writes)
        monkeypatch.setattr(sys, "stdin", pair.reads)
        watching = threading.Thread(target=watch)
        watching.start()
        code = main(["top", "--control", str(tmp_path / "control"), "--interval", "0.1"])
        watching.join(60)
    monkeypatch.undo()
    assert code == 0
    assert "knockfirst  00:16:40 UTC" in written
    assert "eth1" in written

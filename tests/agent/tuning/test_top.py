"""`top` on a terminal of its own: what it writes there, and that the terminal is given back however it ends."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING

import pytest

from agent.__main__ import main
from tests.tuned import ENTER, LAST, LEAVE, answering, later, said

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Screen:
    """A program at the other end of a pseudo-terminal, and what it has written."""

    def __init__(self, *words: str, columns: int = 100, rows: int = 20) -> None:
        self.ours, theirs = pty.openpty()
        self.written = ""
        self.resize(columns, rows)
        self.before = termios.tcgetattr(theirs)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "agent", "top", *words], stdin=theirs, stdout=theirs, stderr=theirs,
            process_group=0, env=os.environ | {"TERM": "xterm"},
        )  # fmt: skip
        self.theirs = theirs

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, what: Callable[[], bool], seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < deadline, self.written
            if select.select([self.ours], [], [], 0.05)[0]:
                self.written += os.read(self.ours, 65_536).decode()

    @property
    def pictures(self) -> list[list[str]]:
        """Each as lines, when it is complete; colours left out."""
        inside = self.written.partition(ENTER)[2].partition(LEAVE)[0]
        complete = [text for text in inside.split("\x1b[H")[1:] if text.endswith("\x1b[J")]
        return [re.split(r"\r+\n", re.sub(r"\x1b\[\d*[mKJ]", "", text)) for text in complete]

    def ended(self) -> int:
        self.until(lambda: self.process.poll() is not None)
        os.write(self.theirs, LAST.encode())  # what the program wrote is all before it
        self.until(lambda: self.written.endswith(LAST))
        self.written = self.written.removesuffix(LAST)
        return self.process.returncode

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.ours)
        os.close(self.theirs)


def control(path: Path) -> tuple[str, str, str, str]:
    return "--control", str(path / "control"), "--interval", "0.1"


ENDS: dict[str, Callable[[Screen], object]] = {
    "q": lambda screen: os.write(screen.ours, b"q"),
    "Ctrl-D": lambda screen: os.write(screen.ours, b"\x04"),
    "SIGINT": lambda screen: screen.process.send_signal(signal.SIGINT),
    "SIGTERM": lambda screen: screen.process.send_signal(signal.SIGTERM),
}


@pytest.mark.parametrize("end", ENDS)
def test_the_terminal_is_given_back(tmp_path: Path, end: str) -> None:
    before = said()
    with answering(tmp_path / "control", before, later(before, counts={"drop_ring": 9})):
        screen = Screen(*control(tmp_path))
        try:
            screen.until(lambda: len(screen.pictures) >= 2)
            assert not termios.tcgetattr(screen.theirs)[3] & termios.ECHO
            ENDS[end](screen)
            assert screen.ended() == 0
            assert screen.written.startswith(ENTER)
            assert screen.written.endswith(LEAVE)
            assert termios.tcgetattr(screen.theirs) == screen.before
            assert any(line.startswith("eth1") for line in screen.pictures[0])
            assert "\x1b[31mloses: ring of eth1" in screen.written
        finally:
            screen.close()


def test_a_window_of_another_size_is_drawn_anew_at_once(tmp_path: Path) -> None:
    with answering(tmp_path / "control", said()):
        screen = Screen(*control(tmp_path)[:2], "--interval", "3600")
        try:
            screen.until(lambda: len(screen.pictures) == 1)
            assert max(map(len, screen.pictures[0])) > 30
            screen.resize(30, 3)
            screen.process.send_signal(signal.SIGWINCH)
            screen.until(lambda: len(screen.pictures) == 2)
            assert len(screen.pictures[1]) == 3
            assert max(map(len, screen.pictures[1])) == 30
            assert screen.pictures[1][-1] == "(2 more lines)"
        finally:
            screen.close()


def test_a_picture_is_drawn_over_the_one_before_and_never_onto_an_empty_screen(tmp_path: Path) -> None:
    with answering(tmp_path / "control", said()):
        screen = Screen(*control(tmp_path))
        try:
            screen.until(lambda: len(screen.pictures) >= 3)
            assert "\x1b[2J" not in screen.written
        finally:
            screen.close()


def test_a_daemon_that_has_gone_is_said_and_waited_for(tmp_path: Path) -> None:
    screen = None
    try:
        with answering(tmp_path / "control", said(), said(), b"\xff" * 64):
            screen = Screen(*control(tmp_path))
            screen.until(lambda: bool(screen.pictures) and screen.pictures[-1][0].startswith("loses: "))
            assert any(line.startswith("eth1") for line in screen.pictures[-1]), "the last picture stays"
        (tmp_path / "control").unlink()
        with answering(tmp_path / "control", said()):
            screen.until(lambda: screen.pictures[-1][0].startswith("knockfirst "))
    finally:
        if screen:
            screen.close()


def test_stopped_and_continued(tmp_path: Path) -> None:
    with answering(tmp_path / "control", said()):
        screen = Screen(*control(tmp_path))
        try:
            screen.until(lambda: bool(screen.pictures))
            screen.process.send_signal(signal.SIGTSTP)
            screen.until(lambda: screen.written.endswith(LEAVE))
            assert termios.tcgetattr(screen.theirs) == screen.before
            stopped = os.waitid(os.P_PID, screen.process.pid, os.WSTOPPED)
            assert stopped is not None
            assert stopped.si_status == signal.SIGTSTP
            screen.process.send_signal(signal.SIGCONT)
            screen.until(lambda: screen.written.count(ENTER) == 2 and screen.written.endswith("\x1b[J"))
        finally:
            screen.close()


def test_without_a_terminal_there_is_a_line_for_each_interval(tmp_path: Path) -> None:
    before = said()
    with answering(tmp_path / "control", before, later(before)):
        command = [sys.executable, "-m", "agent", "top", *control(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            lines = [process.stdout.readline() for _ in range(3)]
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
    assert all(re.match(r"\d\d:\d\d:\d\d offered=\d", line) for line in lines)
    assert "offered=10000.0 " in lines[0]


@pytest.mark.parametrize(("more", "read"), [((), str.splitlines), (("--json",), json.loads)])
def test_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], read: Callable[[str], object]
) -> None:
    with answering(tmp_path / "control", said()):
        assert main(["top", *control(tmp_path), "--once", *more]) == 0
    out = capsys.readouterr().out
    assert "eth1" in out
    assert "\x1b" not in out
    assert read(out)


def test_where_no_daemon_answers_the_terminal_is_left_alone(tmp_path: Path) -> None:
    screen = Screen("--control", str(tmp_path / "none"))
    try:
        assert screen.ended() == 69
        assert "\x1b" not in screen.written
        assert screen.written.startswith("knockfirst top: ")
    finally:
        screen.close()


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "x", "1e9"])
def test_an_interval_that_is_none(capsys: pytest.CaptureFixture[str], seconds: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["top", "--interval", seconds])
    assert ended.value.code == 2
    assert "--interval" in capsys.readouterr().err

"""A role's process: how it is started, when it is started again, how it is ended."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

LEAST_WAIT = 0.2  # seconds before the first restart in a row; each following one waits twice as long
MOST_WAIT = 30.0
_ALIVE = 10.0  # a role that lived this many seconds did start; the next restart is a first one again
_GRACE = 5.0  # seconds between asking a role to end and making it


class Role(NamedTuple):
    """A role: its name, the module that is it, and the door by which it reaches the agent ("" for the agent)."""

    name: str
    module: str
    door: str


class Child:
    """One role's process over its restarts. Times are seconds of the monotonic clock."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self.process: subprocess.Popen[bytes] | None = None
        self.lifeline: socket.socket | None = None
        self.started = 0.0
        self.failures = 0
        self.due = 0.0

    def ended(self, now: float) -> int | None:
        """The exit code once after the process has ended, and when it is to be started again; otherwise None."""
        code = self.process.poll() if self.process else None
        if code is None:
            return None
        self.process = None
        self.failures = 1 if now - self.started >= _ALIVE else self.failures + 1
        self.due = now + min(MOST_WAIT, LEAST_WAIT * 2 ** (self.failures - 1))
        return code


def spawn(module: str, handed: dict[str, socket.socket]) -> subprocess.Popen[bytes]:
    """Start ``python -m module`` with these sockets, the module taken from where our own code is.

    In a process group of its own, so that Ctrl-C on a terminal reaches the supervisor alone; without the current
    directory on its path (-P), so that no file lying about there is taken for one of ours.
    """
    here = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(  # noqa: S603  (our own interpreter and our own words)
        [sys.executable, "-P", "-m", module, *(f"{name}={s.fileno()}" for name, s in handed.items())],
        pass_fds=tuple(s.fileno() for s in handed.values()),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": path},
        process_group=0,
    )


def end(child: Child) -> None:
    """Ask the process to end, and make it end after a while."""
    if child.process is not None:
        child.process.terminate()
        try:
            child.process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
        child.process = None
    if child.lifeline is not None:
        child.lifeline.close()
        child.lifeline = None

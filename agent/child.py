"""A role's process: how it is started, when it is started again, how it is ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from agent import ipc
from agent.ipc import Type

if TYPE_CHECKING:
    from agent.cast import Role

LEAST_WAIT = 0.1  # seconds before the first restart in a row; each following one waits twice as long
MOST_WAIT = 30.0

# What a role ends with (sysexits.h), where it is not at fault.
GONE = 75  # EX_TEMPFAIL: its agent has gone
NOT_PERMITTED = 77  # EX_NOPERM: it lacks a right, and will the next time

_UP = 1.0  # a role that lived this many seconds did come up: whoever killed it then, it was not its own fault
_KILLED_WAIT = 0.5  # seconds before the restart of one that was killed before that
_ALIVE = 10.0  # a role that lived this many seconds was well; its next failure is a first one again
_GRACE = 5.0  # seconds between asking a role to end and making it


class Child:
    """One role's process over its restarts. Times are seconds of the monotonic clock."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self.process: subprocess.Popen[bytes] | None = None
        self.lifeline: socket.socket | None = None
        self.reader = ipc.Reader(frozenset())
        self.started = 0.0
        self.failures = 0
        self.due = 0.0
        self.retiring: float | None = None
        self.not_permitted = False

    def ended(self, now: float, *, orphaned: bool = False) -> int | None:
        """The exit code once after the process has ended, and when it is to be started again; otherwise None.

        ``orphaned``: the agent that it was connected to is not there any more.
        """
        code = self.process.poll() if self.process else None
        if code is None:
            return None
        self.process = None
        lived = now - self.started
        self.not_permitted = code == NOT_PERMITTED
        self.due = now + self._wait(code, lived, orphaned=orphaned)
        self.retiring = None
        return code

    def _wait(self, code: int, lived: float, *, orphaned: bool) -> float:
        if self.retiring is not None or (code == GONE and orphaned):
            return 0.0
        if code == NOT_PERMITTED:
            return MOST_WAIT
        if code < 0 and lived >= _UP:
            self.failures = 0
            return LEAST_WAIT
        if code == -signal.SIGKILL:
            # Nobody does that to himself: whoever kills at random strikes while a role starts, too.
            return _KILLED_WAIT
        self.failures = 1 if lived >= _ALIVE else self.failures + 1
        return float(min(MOST_WAIT, LEAST_WAIT * 2 ** (self.failures - 1)))

    def retire(self, now: float) -> None:
        """End the process from ``now`` on, that it be started again; called until it has ended."""
        if self.process is None:
            self.retiring = None  # It has ended by itself meanwhile.
        if self.process is None or self.retiring is None or now < self.retiring:
            return
        if now >= self.retiring + _GRACE:
            self.process.kill()
        else:
            self.process.terminate()

    def tell(self, kind: Type, body: dict[str, Any]) -> None:
        """Tell the agent. One that died at once, or does not listen, is killed: the next is told from the start."""
        if self.lifeline is None or self.process is None:
            return
        try:
            ipc.Link(self.lifeline, frozenset()).send(kind, body)
        except OSError:
            self.process.kill()


class Command(NamedTuple):
    """A program, its words (the first is the name that it goes by), and its environment."""

    program: str
    words: list[str]
    environment: dict[str, str]


def itself(module: str, *words: str) -> Command:
    """``python -m module``: our own interpreter, and the module from where our code is.

    Without the current directory on its path (-P), so that no file lying about there is taken for one of ours. Where
    we may not reach the interpreter by its name any more, for rights were given up, the kernel knows it by ours.
    """
    here = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))
    program = sys.executable if os.access(sys.executable, os.X_OK) else "/proc/self/exe"
    return Command(program, [sys.executable, "-P", "-m", module, *words], os.environ | {"PYTHONPATH": path})


def spawn(module: str, handed: dict[str, socket.socket]) -> subprocess.Popen[bytes]:
    """Start a module of ours with these sockets.

    In a process group of its own, so that Ctrl-C on a terminal reaches the supervisor alone.
    """
    command = itself(module, *(f"{name}={s.fileno()}" for name, s in handed.items()))
    return subprocess.Popen(  # noqa: S603  (our own interpreter and our own words)
        command.words,
        executable=command.program,
        pass_fds=tuple(s.fileno() for s in handed.values()),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env=command.environment,
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

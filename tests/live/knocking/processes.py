"""The agent's part and the prober as processes, between which and the test there are sockets, as under a supervisor."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

from agent import ipc
from agent.ipc import Type
from tests.live.world import PATIENCE, ROOT, World, ended

if TYPE_CHECKING:
    from pathlib import Path

_DOORS = ("control", "exporter", "prober")


class Part:
    """The agent's part and the prober as processes in the router's namespace, which are killed and started anew."""

    def __init__(self, world: World, directory: Path) -> None:
        self._world = world
        self._directory = directory
        self.kills: Counter[str] = Counter()
        self._listeners = {name: self._listening(name) for name in _DOORS}
        self._agent: subprocess.Popen[bytes] | None = None
        self._prober: subprocess.Popen[bytes] | None = None
        self._lifeline: socket.socket | None = None
        self.control: ipc.Link | None = None
        self.exporter: ipc.Link | None = None

    def _listening(self, name: str) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self._directory / name))
        listener.listen(16)
        return listener

    def start(self) -> None:
        """Start the agent's part, and let everybody in to it who was with the one before."""
        handed = {name: listener.fileno() for name, listener in self._listeners.items()}
        words = [str(self._directory), *(f"{name}={number}" for name, number in handed.items())]
        self._agent = self._spawned("tests.live.knocking.part", words, [*handed.values()])
        self.control = self._link("control", frozenset({Type.REPLY, Type.END}))
        self.exporter = self._link("exporter", frozenset({Type.NOTED, Type.SECTION}))
        if self._prober is None or self._prober.poll() is not None:
            self._begin_prober()
            return
        assert self._lifeline
        with self._door("prober") as link:
            ipc.hand_over(self._lifeline, link)

    def _begin_prober(self) -> None:
        self._lifeline, theirs = socket.socketpair()
        with theirs, self._door("prober") as link:
            words = [f"agent={link.fileno()}", f"lifeline={theirs.fileno()}"]
            self._prober = self._spawned("probes.service", words, [link.fileno(), theirs.fileno()])

    def _spawned(self, module: str, words: list[str], descriptors: list[int]) -> subprocess.Popen[bytes]:
        with self._world.inside("router"), (self._directory / f"{module}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-P", "-m", module, *words],
                pass_fds=descriptors, cwd="/", env={"PYTHONPATH": str(ROOT)}, stderr=log,
            )  # fmt: skip

    def _door(self, name: str) -> socket.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.connect(str(self._directory / name))
        return made

    def _link(self, name: str, accepted: frozenset[Type]) -> ipc.Link:
        connection = self._door(name)
        connection.settimeout(30)
        return ipc.Link(connection, accepted)

    def kill(self, who: str, after: float = 0.0) -> None:
        """kill -9 in so many seconds, wherever it is then."""
        process = self._agent if who == "agent" else self._prober
        assert process
        self.kills[who] += 1
        if after:
            time.sleep(after)
        process.kill()

    def stop_prober(self) -> None:
        """It does nothing any more, and nobody can tell."""
        assert self._prober
        self._prober.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._prober.pid, os.WSTOPPED)

    def wake_prober(self) -> None:
        assert self._prober
        self._prober.send_signal(signal.SIGCONT)

    def mend(self) -> None:
        """Start again what was killed, as a supervisor does."""
        assert self._agent
        if self._agent.poll() is None and self._prober and self._prober.poll() is not None:
            self._begin_prober()

    def again(self) -> None:
        """The agent's part has gone, for it was killed; anything else is a fault."""
        assert self._agent
        assert self._agent.wait(PATIENCE) == -signal.SIGKILL, self.said()
        for link in (self.control, self.exporter):
            if link:
                link.close()
        # Whoever connected and was not let in is not there any more.
        for listener in self._listeners.values():
            listener.settimeout(0)
            with contextlib.suppress(OSError):
                while True:
                    listener.accept()[0].close()
            listener.settimeout(None)
        self.start()

    def said(self) -> str:
        return "".join(path.read_text()[-4000:] for path in self._directory.glob("*.log"))

    def end(self) -> None:
        for process in (self._agent, self._prober):
            if process:
                ended(process)
        for one in (*self._listeners.values(), self._lifeline, self.control, self.exporter):
            if one:
                one.close()

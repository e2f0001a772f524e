"""``knockfirst run``: starts the roles as child processes, hands them their sockets, and restarts what dies.

The supervisor opens every socket and the roles none: it listens for the exporter, listens at the agent's doors, and
connects each role to its door before the role starts. Listeners stay open here, so that a restarted agent finds its
doors where they were; the roles that were connected to the old one end by themselves and are started anew.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from agent import ipc
from agent.child import MOST_WAIT, Child, Role, end, spawn
from agent.config import Config, load
from agent.errors import InputError
from agent.ipc import Type
from agent.logfmt import begin
from agent.sockets import door, listen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

INTERRUPTED = 130  # what shells say of SIGINT: a `--once` that has not read everything is no success
FAILED = 70  # EX_SOFTWARE of sysexits.h: a role of ours cannot be kept alive

_PATIENCE = 8  # restarts in a row after which the supervisor gives up, so that what supervises it learns of it
_LOOK = 0.1  # seconds between two looks at the children

_ANSWERS = frozenset({Type.STATUS, Type.ASSESSMENT, Type.END})


# The agent is first: nobody can be connected to a door behind which nobody is.
ROLES = (
    Role("agent", "agent.service", ""),
    Role("exporter", "exporters.service", "exporter"),
    Role("capture", "collectors.service", "capture"),
)
_DOORS = ("capture", "exporter", "control")


class Daemon:
    """The roles at work. ``with Daemon(config) as daemon:`` starts them, and ends them on the way out.

    ``patience``: failures in a row of one role before ``failed`` is set; 1 for a run that is to end by itself.
    """

    def __init__(self, config: Config, patience: int = _PATIENCE) -> None:
        self._config = config
        self._patience = patience
        self._log = logging.getLogger("supervisor")
        self._children = [Child(role) for role in ROLES]
        self._listeners: dict[str, socket.socket] = {}
        self._directory: Path | None = None
        self._watcher = threading.Thread(target=self._watch, name="watch", daemon=True)
        self._stop = threading.Event()
        self._given_up = False
        self.failed = threading.Event()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def metrics_url(self) -> str:
        """Where the metrics are, with the port that was really taken."""
        host, port = self._listeners["listen"].getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/metrics"

    @property
    def control_path(self) -> str:
        """Path of the control socket."""
        return self._config.agent.control or str(self._runtime() / "control")

    def start(self) -> None:
        """Open the sockets and start every role. Raises ConfigError where an address or path cannot be had."""
        self._listeners["listen"] = listen(self._config.exporter.listen)
        for name in _DOORS:
            self._listeners[name] = door(self.control_path if name == "control" else str(self._runtime() / name))
        for child in self._children:
            self._begin(child)
        self._watcher.start()

    def stop(self) -> None:
        """End every role, the last started first, and take away what was made for them. May be called twice."""
        self._stop.set()
        if self._watcher.is_alive():
            self._watcher.join()
        for child in reversed(self._children):
            end(child)
        for name, listener in self._listeners.items():
            listener.close()
            if name == "control":
                Path(self.control_path).unlink(missing_ok=True)
        self._listeners.clear()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    def status(self, timeout: float = 10.0) -> dict[str, Any]:
        """The agent's own account: ready, not_ready, finished, unreadable, servers. Raises OSError while it is away."""
        for kind, body in self._asked({"what": "status"}, timeout):
            if kind is Type.STATUS:
                return body
        raise ConnectionError("the agent went away in the middle of its answer")

    def assessments(self, timeout: float = 60.0) -> list[dict[str, Any]]:
        """What is believed of every server, in the form of ``agent.report.as_json``. Raises OSError."""
        return [body for kind, body in self._asked({"what": "assessments"}, timeout) if kind is Type.ASSESSMENT]

    def wait_ready(self, timeout: float) -> bool:
        """True as soon as the metrics can be relied on; False after ``timeout`` seconds, or if a role cannot live."""
        return self._wait("ready", timeout)

    def wait_finished(self, timeout: float | None) -> bool:
        """True as soon as every input has been read and is shown; False as in ``wait_ready``, or once stopped."""
        return self._wait("finished", timeout)

    def wait_end(self) -> None:
        """Return when the daemon was given up or a role cannot be kept alive."""
        while self._at_work():
            time.sleep(_LOOK)

    def give_up(self) -> None:
        """End every wait. Only a flag, because it is called from a signal's catcher, where no lock may be taken."""
        self._given_up = True

    def _at_work(self) -> bool:
        return not (self._given_up or self._stop.is_set() or self.failed.is_set())

    def _wait(self, what: str, timeout: float | None) -> bool:
        deadline = None if timeout is None else time.monotonic() + timeout
        while self._at_work():
            with contextlib.suppress(OSError):
                if self.status()[what]:
                    return True
            if deadline is not None and time.monotonic() >= deadline:
                return False
            time.sleep(_LOOK)
        return False

    def _asked(self, question: dict[str, Any], timeout: float) -> Iterator[tuple[Type, dict[str, Any]]]:
        link = ipc.connect(self.control_path, _ANSWERS, timeout)
        try:
            link.send(Type.ASK, question)
            while (received := link.receive()) is not None:
                yield received
                if received[0] in (Type.STATUS, Type.END):
                    return
            raise ConnectionError("the agent went away in the middle of its answer")
        finally:
            link.close()

    def _runtime(self) -> Path:
        """A directory that only we may enter (mkdtemp makes it so), for the doors."""
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="knockfirst-", dir=os.environ.get("RUNTIME_DIRECTORY")))
        return self._directory

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK):
            now = time.monotonic()
            for child in self._children:
                code = child.ended(now)
                if code is not None:
                    self._lost(child, code)
                elif child.process is None and now >= child.due and not self.failed.is_set():
                    self._begin(child)

    def _lost(self, child: Child, code: int) -> None:
        self._log.warning(
            "role ended", extra={"name_of_role": child.role.name, "exit": code, "in_a_row": child.failures}
        )
        if child.failures >= self._patience:
            self._log.error("role cannot be kept alive", extra={"name_of_role": child.role.name})
            self.failed.set()

    def _begin(self, child: Child) -> None:
        child.started = time.monotonic()
        try:
            self._start_agent(child) if child.role.name == "agent" else self._start_role(child)
        except OSError as error:
            child.failures += 1
            child.due = child.started + MOST_WAIT
            self._log.error("role cannot be started", extra={"name_of_role": child.role.name, "error": str(error)})

    def _start_agent(self, child: Child) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            handed = {name: self._listeners[name] for name in _DOORS} | {"supervisor": theirs}
            child.process = spawn(child.role.module, handed)
        if child.lifeline is not None:
            child.lifeline.close()
        child.lifeline = ours
        ours.settimeout(MOST_WAIT)
        try:
            ipc.Link(ours, frozenset()).send(Type.CONFIGURATION, self._config.model_dump(mode="json"))
        except OSError:
            # It died at once or does not listen; either way the watcher finds it dead and starts another.
            child.process.kill()

    def _start_role(self, child: Child) -> None:
        link = ipc.connect(str(self._runtime() / child.role.door), frozenset())
        link.connection.settimeout(None)
        handed = {"agent": link.connection}
        if child.role.name == "exporter":
            handed["listen"] = self._listeners["listen"]
        try:
            child.process = spawn(child.role.module, handed)
        finally:
            link.close()


def main(words: list[str]) -> int:
    """``run [--config FILE] [--once] [FILE...]``. 0, 2, 70, 78 or 130: docs/operating.md."""
    import argparse

    parser = argparse.ArgumentParser(prog="knockfirst run", description="Run the daemon: look, and serve metrics.")
    parser.add_argument("--config", metavar="FILE", help="configuration file (TOML); without it, the defaults")
    parser.add_argument("--once", action="store_true", help="end when every file has been read, instead of serving on")
    parser.add_argument("files", nargs="*", metavar="FILE", help="capture files, instead of those of the configuration")
    wanted = parser.parse_args(words)
    config = configured(wanted.config, wanted.files)
    begin("supervisor", config.log.level, config.log.format)
    return run(config, once=wanted.once)


def configured(path: str | None, files: Sequence[str]) -> Config:
    """The configuration with the command line's files in place of its own. Raises ConfigError."""
    config = load(path) if path else Config()
    if files:
        absolute = tuple(str(Path(name).absolute()) for name in files)
        config = config.model_copy(update={"capture": config.capture.model_copy(update={"files": absolute})})
    if not config.capture.files:
        where = f"{path}: capture.files: empty" if path else "nothing to look at"
        raise InputError(f"{where}; name capture files there or on the command line")
    return config


def run(config: Config, *, once: bool) -> int:
    """Be the daemon until a signal, the end of the inputs (``once``) or a failure; gives the exit code."""
    log = logging.getLogger("supervisor")
    daemon = Daemon(config, patience=1 if once else _PATIENCE)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: daemon.give_up())
    with daemon:
        log.info("started", extra={"metrics": daemon.metrics_url, "files": len(config.capture.files)})
        if once:
            return _once(daemon, log)
        daemon.wait_end()
        log.info("ending")
        return FAILED if daemon.failed.is_set() else 0


def _once(daemon: Daemon, log: logging.Logger) -> int:
    if not daemon.wait_finished(None):
        return FAILED if daemon.failed.is_set() else INTERRUPTED
    status = daemon.status()
    log.info("everything read", extra={"servers": status["servers"], "unreadable": status["unreadable"]})
    return InputError.exit_code if status["unreadable"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

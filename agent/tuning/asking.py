"""How a command finds the running daemon and asks it how it is."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from agent import ipc
from agent.diagnosis import Diagnosis
from agent.errors import UnavailableError
from agent.ipc import Type

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

SYSTEM = "/run/knockfirst"  # RuntimeDirectory= of the units, and of a daemon in a container

_SECONDS = 10.0  # for each wait; an agent with very many servers needs a while for its first answer
_ANSWERS = frozenset({Type.DIAGNOSIS})


class Daemon:
    """A running daemon's control socket at ``path``, connected once it is asked."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._link: ipc.Link | None = None

    def ask(self) -> Diagnosis:
        """How it is now. Raises UnavailableError if it does not answer, or not as this version does."""
        try:
            self._link = self._link or ipc.connect(self.path, _ANSWERS, _SECONDS)
            self._link.send(Type.ASK, {"what": "diagnosis"})
            answer = self._link.receive()
            if answer is not None:
                return Diagnosis.model_validate(answer[1])
        except OSError as error:
            self.close()
            raise UnavailableError(
                f"{self.path}: no daemon answers: {error.strerror or error}; start one, or name its socket"
            ) from None
        except (ValueError, ipc.Unexpected):
            pass  # What was said is not shown: nobody knows what it is.
        self.close()
        raise UnavailableError(f"{self.path}: what answers is of another version; restart the daemon")

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None


def add_options(parser: ArgumentParser) -> None:
    """The options that say which daemon is meant."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--config", metavar="FILE", help="the daemon's configuration file, which names its socket")
    which.add_argument("--control", metavar="PATH", help="the daemon's control socket")


def found(options: Namespace) -> Daemon:
    """The daemon that the options mean, else the newest of ours that runs. Raises UnavailableError, ConfigError."""
    if options.control:
        return Daemon(options.control)
    if options.config:
        from agent.config import load

        control = load(options.config).agent.control
        if control:
            return Daemon(control)
    return Daemon(path_found())


def path_found() -> str:
    """The control socket of the newest of our daemons that runs. Raises UnavailableError."""
    for path in _candidates():
        if _answers(path):
            return path
    places = ", ".join(map(str, _places()))
    raise UnavailableError(
        f"no daemon of ours is running (looked in {places}); start it, or name its socket by --control"
    )


def _places() -> list[Path]:
    """Where a daemon makes its directory: as systemd says, as its unit says, or among what is temporary."""
    named = os.environ.get("RUNTIME_DIRECTORY")
    return [*([Path(named)] if named else []), Path(SYSTEM), Path(tempfile.gettempdir())]


def _candidates() -> Iterator[str]:
    for place in _places()[:-1]:
        if (place / "control").is_socket():  # the agent's own unit makes no directory below it
            yield str(place / "control")
    for place in _places():
        # Anybody may make a directory among what is temporary: only our own is believed there.
        ours = place == Path(tempfile.gettempdir())
        made = [(directory, stat) for directory in place.glob("knockfirst-*") if (stat := _stat(directory))]
        made.sort(key=lambda directory: -directory[1].st_mtime)
        yield from (str(directory / "control") for directory, stat in made if not ours or stat.st_uid == os.geteuid())


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except OSError:
        return None


def _answers(path: str) -> bool:
    try:
        ipc.connect(path, _ANSWERS, _SECONDS).close()
    except OSError:
        return False
    return True


def seconds(text: str) -> float:
    """An option's number of seconds, from a tenth to an hour. Raises ValueError."""
    value = float(text)
    if not 0.1 <= value <= 3600:
        raise ValueError(text)
    return value

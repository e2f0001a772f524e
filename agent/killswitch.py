"""The kill switch is a file: while it is there, nobody is knocked at. Command, signal and hand do the same to it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import ConfigError
from agent.keeping import directory_of

if TYPE_CHECKING:
    from agent.sections import Config

FILE = "kill-switch"


def place(config: Config) -> Path | None:
    """Where the file is: as configured, else in the state directory; None without either, where nobody can knock."""
    if config.probe.kill_switch:
        return Path(config.probe.kill_switch)
    directory = directory_of(config.agent)
    return directory / FILE if directory is not None else None


def state(path: Path) -> bool | None:
    """Whether it is on; None where that cannot be seen, which is as good as on."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    except OSError:
        return None
    return True


def throw(path: Path) -> None:
    """Put the file in its place, durably; one that is there is enough. Raises ConfigError: then it is not on."""
    try:
        if not os.path.lexists(path):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
        _flushed(path.parent)
    except OSError as error:
        raise ConfigError(f"{path}: the kill switch is NOT on: {error.strerror}; see probe.kill_switch") from None


def _flushed(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

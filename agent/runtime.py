"""The daemon's own directory, for its doors; and those that killed daemons have left behind."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

_NAME = "knockfirst-"
_LOCK = "lock"


class Runtime:
    """A directory that only our user may enter, made when it is first asked for, below ``$RUNTIME_DIRECTORY``.

    Its lock is held as long as this process lives: a directory whose lock can be had is that of a dead daemon.
    """

    def __init__(self) -> None:
        self._directory: Path | None = None
        self._lock = -1

    def path(self, name: str) -> str:
        """The path of something in it."""
        if self._directory is None:
            self._directory = self._made()
        return str(self._directory / name)

    def remove(self) -> None:
        """Take it away with all that is in it. May be called twice."""
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            os.close(self._lock)
            self._directory = None

    def _made(self) -> Path:
        parent = os.environ.get("RUNTIME_DIRECTORY") or tempfile.gettempdir()
        remove_dead(Path(parent))
        # mkdtemp makes it so that only we may enter.
        made = Path(tempfile.mkdtemp(prefix=_NAME, dir=parent))
        self._lock = os.open(made / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        if not (made / _LOCK).exists():
            # Another daemon, that starts just now, had the lock first and took the directory for a dead one's.
            os.close(self._lock)
            return self._made()
        return made


def remove_dead(parent: Path) -> None:
    """Take away the directories of our user's daemons that are no more; whatever cannot be judged is left alone."""
    for directory in parent.glob(f"{_NAME}*"):
        try:
            status = directory.lstat()
            if status.st_uid != os.geteuid() or not directory.is_dir() or directory.is_symlink():
                continue
            lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue
        else:
            shutil.rmtree(directory, ignore_errors=True)
        finally:
            os.close(lock)

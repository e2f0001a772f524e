"""The prefix files as they change: looked at four times a second, taken when two looks found them the same.

A file that is faulty, unreadable or gone leaves its last good set in force, and is counted. One that never was good
leaves nobody to be looked at, and nobody to be knocked at: who has objected is not known then.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from agent.errors import ConfigError
from agent.prefixes import Signature, read, signature
from agent.privacy import Ranges

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

LOOK = 0.25  # seconds between two looks


class Watched:
    """The sets in prefix files. Times are seconds of a clock that only rises."""

    def __init__(
        self,
        paths: Mapping[str, str],
        log: logging.Logger,
        before: Watched | None = None,
        without: str = "nobody is looked or knocked at",
    ) -> None:
        """``paths``: key of the configuration -> path, "" for no file and so for the empty set.

        ``before``: what was watched until now; its sets stay until they can be replaced. ``without``: what follows
        where a file never was good.
        """
        self._without = without
        self.failures: int = before.failures if before else 0
        # The last look that found every file as it was read; what has changed did so after it.
        self.since = 0.0
        self._log = log
        known: dict[str, _File] = before._files if before else {}
        self._files: dict[str, _File] = {key: _of(known.get(key), path) for key, path in paths.items() if path}

    @property
    def files(self) -> int:
        """How many there are."""
        return len(self._files)

    @property
    def failing(self) -> int:
        """How many files cannot be used as they are now."""
        return sum(bool(file.fault) for file in self._files.values())

    @property
    def known(self) -> bool:
        """Whether of every file something is in force."""
        return all(file.taken is not None for file in self._files.values())

    def get(self, key: str) -> Ranges | None:
        """The set of a key that is in force; None while nothing is known of its file."""
        file = self._files.get(key)
        if file is None:
            return []
        return None if file.taken is None else file.ranges

    def look(self, now: float) -> bool:
        """Look at every file once; True if a set was replaced."""
        taken = False
        resting = True
        for key, file in self._files.items():
            taken |= self._look(key, file)
            resting &= file.seen == file.tried
        if resting:
            self.since = now
        return taken

    def _look(self, key: str, file: _File) -> bool:
        found = _found(file.path)
        changing, file.seen = found != file.seen, found
        if changing or found == file.tried:
            return False
        file.tried = found
        try:
            file.ranges, file.taken = read(file.path, key)
        except ConfigError as error:
            self._failed(file, str(error))
            return False
        file.tried = file.taken  # Where it has changed since it was found, the next looks will tell.
        if file.fault:
            self._log.info("prefix file can be used again", extra={"key": key, "file": file.path})
        file.fault = ""
        return True

    def _failed(self, file: _File, fault: str) -> None:
        file.fault = fault
        self.failures += 1
        kept = "the last good set stays in force" if file.taken else self._without
        self._log.error("prefix file cannot be used", extra={"error": fault, "consequence": kept})


class _File:
    """One file: its last good set, the state it was taken in, the last that was tried, and the last that was seen."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.ranges: Ranges = []
        self.taken: Signature | None = None
        self.tried: Signature | str = "never"
        self.seen: Signature | str = "never"
        self.fault = ""


def _of(known: _File | None, path: str) -> _File:
    """The file as it is watched already, or a new one that keeps the set of the one that it replaces."""
    if known and known.path == path:
        return known
    new = _File(path)
    if known:
        new.ranges, new.taken = known.ranges, known.taken
    return new


def _found(path: str) -> Signature | str:
    try:
        return signature(os.stat(path))
    except OSError as error:
        return str(error)

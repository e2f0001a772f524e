"""Groups of customers, by the operator's own prefix files: how many servers each has, and no group that is too small.

Each server counts once: in the first group by name that holds its address, else among the others. Of a group with fewer
servers than the least that may be shown, nothing is shown: its servers count among the others. How many servers there
are in all is no secret (they are counted by product), so who sees all groups but one sees that one as well: where the
others would be few, the smallest group that is shown joins them, and where there is none, they are not shown either.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from agent.errors import ConfigError
from agent.prefixes import read
from agent.privacy import minus, one, union
from agent.watch import Watched

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

    from agent.privacy import Ranges

OTHER = "other"
MOST = 256  # groups: each is a label value
_END = ".txt"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_KEY = "exporter.groups"


class Size(NamedTuple):
    """The servers of a group that are believed to be Exchange, and those of them with a known hole that is open."""

    servers: int
    exposed: int


def named(directory: str) -> dict[str, str]:
    """The groups of a directory: name -> path. Raises ConfigError for a file that cannot be one.

    What does not end in .txt is something else, and let be.
    """
    try:
        files = sorted(name for name in os.listdir(directory) if name.endswith(_END) and not name.startswith("."))
    except OSError as error:
        remedy = "name a directory of prefix files that the daemon's user may read, or leave the key out"
        raise ConfigError(f"{_KEY}: {directory}: {error.strerror}; {remedy}") from None
    if len(files) > MOST:
        raise ConfigError(f"{_KEY}: {directory}: {len(files)} groups, and at most {MOST} are counted; join some")
    made = {name.removesuffix(_END): os.path.join(directory, name) for name in files}
    for name, path in made.items():
        if name == OTHER or not _NAME.fullmatch(name):
            raise ConfigError(
                f"{_KEY}: {path}: cannot be the name of a group; write a small letter and up to 31 small letters, "
                f"digits, _ or - before {_END}, and not {OTHER!r}, which is the rest"
            )
    return made


def usable(directory: str) -> None:
    """Raise ConfigError where a directory of groups, or a file in it, cannot be used. "" is none."""
    faults = []
    for name, path in named(directory).items() if directory else ():
        try:
            read(path, f"{_KEY} ({name})")
        except ConfigError as error:
            faults.append(str(error))
    if faults:
        raise ConfigError("\n".join(faults))


class Groups:
    """The groups as their files change. A file that cannot be used leaves its last good set in force, and is told."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._paths: dict[str, str] = {}
        self._watched = Watched({}, log)
        self._fault = ""
        self._taken: list[Ranges | None] = []
        self._starts: list[int] = []
        self._ends: list[tuple[int, str]] = []

    @property
    def failing(self) -> int:
        """How many of the files cannot be used as they are now; the directory counts as one."""
        return self._watched.failing + bool(self._fault)

    def look(self, directory: str, now: float) -> None:
        """Look at the directory, and at every file in it; two looks that find a file the same take it."""
        try:
            paths = named(directory) if directory else {}
        except ConfigError as error:
            if str(error) != self._fault:
                self._log.error("groups cannot be used", extra={"error": str(error)})
            self._fault = str(error)
        else:
            self._fault = ""
            if paths != self._paths:
                self._paths, self._watched = paths, Watched(_keys(paths), self._log, self._watched, _NOT_COUNTED)
        self._watched.look(now)
        taken = [self._watched.get(key) for key in _keys(self._paths)]
        if taken != self._taken:
            self._taken = taken
            self._arrange()

    def of(self, address: str) -> str:
        """The name of the group that an address is in."""
        at = one(address)[0]
        found = bisect_right(self._starts, at) - 1
        if found < 0 or self._ends[found][0] < at:
            return OTHER
        return self._ends[found][1]

    def __bool__(self) -> bool:
        return bool(self._paths)

    def _arrange(self) -> None:
        """All ranges in one line, none of them in two groups."""
        before: Ranges = []
        rows: list[tuple[int, int, str]] = []
        for name, ranges in zip(self._paths, self._taken, strict=True):
            rows += [(first, last, name) for first, last in minus(ranges or [], before)]
            before = union(before, ranges or [])
        rows.sort()
        self._starts = [first for first, _, _ in rows]
        self._ends = [(last, name) for _, last, name in rows]


_NOT_COUNTED = "nobody is counted in this group"


def _keys(paths: Mapping[str, str]) -> dict[str, str]:
    return {f"{_KEY} ({name})": path for name, path in paths.items()}


def folded(sizes: Mapping[str, Size], least: int) -> dict[str, Size]:
    """What may be shown of these groups: none with fewer than ``least`` servers, and none that follows from the rest.

    Pure, and the same for the same sizes.
    """
    shown = {name: size for name, size in sizes.items() if name != OTHER and size.servers >= least}
    others = [size for name, size in sizes.items() if name not in shown]
    rest = Size(sum(size.servers for size in others), sum(size.exposed for size in others))
    if 0 < rest.servers < least and shown:
        joining = shown.pop(min(shown, key=lambda name: (shown[name].servers, name)))
        rest = Size(rest.servers + joining.servers, rest.exposed + joining.exposed)
    if rest.servers >= least:
        shown[OTHER] = rest
    return dict(sorted(shown.items()))

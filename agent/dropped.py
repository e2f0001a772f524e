"""The directory into which files with objections are dropped: each is taken when two looks found it the same.

One prefix a line, ``#`` begins a comment, the word ``headers`` behind a prefix says that not even headers may be looked
at. A line that cannot be read keeps no other from counting. What was taken is moved to ``taken/``, with a file beside
it that says what became of each line. A file that cannot be read stays where it is, is logged once and counted.
"""

from __future__ import annotations

import os
import stat
from ipaddress import IPv6Network, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from agent.prefixes import Signature, signature
from agent.privacy import one
from agent.sections import prefix

if TYPE_CHECKING:
    import logging

MAX_FILE = 256 << 10  # bytes: some ten thousand prefixes
TAKEN = "taken"
_BOM = b"\xef\xbb\xbf"
# Names under which files are written that are not yet whole.
_UNFINISHED = (".new", ".tmp", ".part", ".swp", "~")


class Line(NamedTuple):
    """A line of a dropped file: ``fault`` says what would be right where it is none."""

    number: int
    prefix: str
    headers: bool
    fault: str = ""


class Dropped(NamedTuple):
    """A file that came to rest."""

    name: str
    lines: list[Line]


class Drop:
    """One directory, "" for none. Constructing it touches nothing."""

    def __init__(self, directory: str, log: logging.Logger) -> None:
        self._directory = Path(directory) if directory else None
        self._log = log
        self._seen: dict[str, Signature] = {}
        self._tried: dict[str, Signature] = {}
        self._failing: set[str] = set()
        self._lost = False
        self.failures = 0

    @property
    def failing(self) -> int:
        """How many files, or the directory itself, cannot be used as they are now."""
        return len(self._failing) + self._lost

    def look(self) -> list[Dropped]:
        """The files that two looks found the same, each once as it is."""
        if self._directory is None:
            return []
        now = self._listed(self._directory)
        resting = [name for name, found in now.items() if self._seen.get(name) == found != self._tried.get(name)]
        self._seen = now
        self._tried = {name: tried for name, tried in self._tried.items() if name in now}
        self._failing &= now.keys()
        return [dropped for name in sorted(resting) if (dropped := self._read(name, now[name]))]

    def again(self, name: str) -> None:
        """What was in it could not be put on record: it is tried again at the next look."""
        self._tried.pop(name, None)

    def taken(self, name: str, outcome: list[str]) -> None:
        """All that is in it is on record: it goes to the others, with what became of each line beside it."""
        assert self._directory
        place = self._directory / TAKEN
        try:
            place.mkdir(mode=0o750, exist_ok=True)
            to = _free(place, name)
            (place / f"{to}.outcome").write_text("".join(f"{line}\n" for line in outcome))
            os.rename(self._directory / name, place / to)
        except OSError as error:
            # It counts all the same, and is not read again before it changes.
            self._fault(name, f"cannot be moved to {TAKEN}: {error.strerror}")

    def _listed(self, directory: Path) -> dict[str, Signature]:
        try:
            with os.scandir(directory) as entries:
                found = {entry.name: entry.stat(follow_symlinks=False) for entry in entries if _whole(entry.name)}
        except FileNotFoundError as error:
            # A file that went away between the two calls is no fault of the directory's.
            return self._seen if directory.is_dir() else self._away(error)
        except OSError as error:
            return self._away(error)
        self._lost = False
        return {name: signature(status) for name, status in found.items() if not stat.S_ISDIR(status.st_mode)}

    def _away(self, error: OSError) -> dict[str, Signature]:
        if not self._lost:
            self.failures += 1
            self._log.error("dropped objections cannot be listed", extra={"error": error.strerror})
        self._lost = True
        return {}

    def _read(self, name: str, found: Signature) -> Dropped | None:
        assert self._directory
        self._tried[name] = found
        try:
            content = _content(self._directory / name)
        except OSError as error:
            self._fault(name, error.strerror or str(error))
            return None
        if len(content) > MAX_FILE:
            self._fault(name, f"larger than {MAX_FILE} bytes; split it")
            return None
        self._failing.discard(name)
        return Dropped(name, parsed(content))

    def _fault(self, name: str, why: str) -> None:
        self._failing.add(name)
        self.failures += 1
        # Its name may be that of a person; whoever dropped it finds it where it was.
        self._log.error("a dropped file is left where it is", extra={"error": why})


def _whole(name: str) -> bool:
    return not name.startswith(".") and not name.endswith(_UNFINISHED)


def _content(path: Path) -> bytes:
    """At most one byte more than may be. Raises OSError, also for what is no file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("is no regular file")
        return file.read(MAX_FILE + 1)


def _free(place: Path, name: str) -> str:
    """A name that nothing has there."""
    number, to = 1, name
    while os.path.lexists(place / to):
        number += 1
        to = f"{name}.{number}"
    return to


def parsed(content: bytes) -> list[Line]:
    """Every line that says something."""
    lines = []
    for number, line in enumerate(content.removeprefix(_BOM).replace(b"\r", b"\n").split(b"\n"), 1):
        words = line.partition(b"#")[0].decode("utf-8", "replace").split()
        if words:
            lines.append(_line(number, words))
    return lines


def _line(number: int, words: list[str]) -> Line:
    try:
        written = canonical(words[0])
    except ValueError as error:
        return Line(number, "", headers=False, fault=str(error))
    if words[1:] not in ([], ["headers"]):
        # Somebody says no to this prefix; what else he says is not understood, so it is taken for all that there is.
        return Line(number, written, headers=True, fault="behind the prefix only the word headers is known")
    return Line(number, written, headers=len(words) > 1)


def canonical(text: str) -> str:
    """A prefix in its one form; an address is the prefix of it alone. Raises ValueError: what would be right."""
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    one(text)
    network = ip_network(prefix(text))
    if isinstance(network, IPv6Network) and network.prefixlen >= 96 and network.network_address.ipv4_mapped:
        # RFC 4291 2.5.5.2: who copies it from a log means the IPv4 address.
        return f"{network.network_address.ipv4_mapped}/{network.prefixlen - 96}"
    return str(network)

"""Prefix files: one prefix a line, ``#`` begins a comment. Read as a whole, watched, and taken when they are at rest.

Nothing is ever half taken: a file that is faulty, unreadable or gone leaves the set that was read from it in force.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from agent.errors import ConfigError
from agent.privacy import EVERYBODY, Ranges, Sets, cidrs, largest, minus, one, tiers, union

if TYPE_CHECKING:
    from agent.sections import Config

MAX_FILE = 16 << 20  # bytes: a million prefixes

KEYS = ("customers", "consented", "announced", "objected", "excluded")

# Bytes of JSON that one tier may have: two of them, and the rest of a section, fit into its message (agent/ipc.py).
ROOM = 2_300_000

_BOM = b"\xef\xbb\xbf"

# What tells one state of a file from another: device, inode, size, and the times of its last change in nanoseconds, of
# what is in it and of what is said of it (who may read it, for one).
Signature = tuple[int, int, int, int, int]


class Looked(NamedTuple):
    """Who is looked at, as prefixes: ``handshakes`` with first bytes, ``headers`` without, ``resolvers`` for DNS."""

    handshakes: list[str]
    headers: list[str]
    resolvers: list[str]


def looked(config: Config, files: Sets) -> Looked:
    """What the configuration makes of the sets in its prefix files."""
    inline = list(map(one, config.capture.prefixes))
    everybody = not (config.capture.interfaces or inline or config.privacy.customers)
    customers = EVERYBODY if everybody else union(inline, files.customers)
    whole, heads = tiers(config.privacy.handshakes, files._replace(customers=customers))
    handshakes, fit = largest(whole, ROOM)
    if not fit:
        heads = union(heads, minus(whole, union(map(one, handshakes))))
    resolvers = minus(union(map(one, config.capture.resolvers)), files.excluded)
    return Looked(handshakes, largest(heads, ROOM)[0], cidrs(resolvers))


def sets(config: Config) -> Sets:
    """Every prefix file of the configuration. Raises ConfigError, which names the first fault of each file."""
    made, faults = {}, []
    for key in KEYS:
        path = getattr(config.privacy, key)
        try:
            made[key] = read(path, f"privacy.{key}")[0] if path else []
        except ConfigError as error:
            faults.append(str(error))
    if faults:
        raise ConfigError("\n".join(faults))
    return Sets(**made)


def paths(config: Config) -> dict[str, str]:
    """Key -> path of every prefix file of the ``[privacy]`` section, "" where there is none."""
    return {f"privacy.{key}": getattr(config.privacy, key) for key in KEYS}


def usable(config: Config, where: str) -> None:
    """Raise ConfigError where the configuration would look at strangers, or a prefix file of it cannot be used."""
    if config.capture.interfaces and not (config.capture.prefixes or config.privacy.customers):
        raise ConfigError(
            f"{where}: capture.prefixes: empty, and privacy.customers too: on interfaces, customers alone are "
            "looked at; name their prefixes, or 0.0.0.0/0 and ::/0 for everybody"
        )
    sets(config)


def read(path: str, key: str) -> tuple[Ranges, Signature]:
    """The set in one file, and the state of the file it was read from. Raises ConfigError: key, file, line, remedy."""
    try:
        # Not blocking, so that a pipe which nobody writes to is refused and not waited for.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            before = os.fstat(file.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise ConfigError(f"{key}: {path}: is not a file; name a file with one prefix a line")
            content = file.read(MAX_FILE + 1)
    except OSError as error:
        remedy = "name a file that the daemon's user may read, or leave the key out"
        raise ConfigError(f"{key}: {path}: {error.strerror}; {remedy}") from None
    if len(content) > MAX_FILE:
        raise ConfigError(f"{key}: {path}: larger than {MAX_FILE} bytes; name a file with one prefix a line")
    try:
        return parse(content), signature(before)
    except ValueError as error:
        raise ConfigError(f"{key}: {path}: {error}") from None


def parse(content: bytes) -> Ranges:
    """The set that the bytes of a file hold. Raises ValueError, which names the line and what would be right.

    What is written there it does not quote: that is somebody's, and the error comes into the log.
    """
    ranges = []
    for number, line in enumerate(content.removeprefix(_BOM).split(b"\n"), 1):
        written = line.partition(b"#")[0].strip()
        if written:
            try:
                ranges.append(one(written.decode("ascii")))
            except UnicodeDecodeError:
                raise ValueError(f"line {number}: is not a prefix; write digits and dots") from None
            except ValueError as error:
                raise ValueError(f"line {number}: {str(error).partition('; the prefix is ')[0]}") from None
    return union(ranges)


def signature(status: os.stat_result) -> Signature:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns

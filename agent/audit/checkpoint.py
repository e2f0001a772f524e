"""What a log says of itself at one moment: https://c2sp.org/tlog-checkpoint, as a signed note."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, NamedTuple

from agent.audit.signing import opened, sign, unbase64
from agent.audit.tree import SIZE
from agent.errors import Malformed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.audit.signing import Key

_SIZE = re.compile(r"0|[1-9][0-9]{0,17}")


_HASH, _ED25519 = "[A-Za-z0-9+/]{43}=", "[A-Za-z0-9+/]{91}="  # a signature has the key's id before it
_NOTE = re.compile(
    rf"^[^\n]+\n(?:{_SIZE.pattern})\n{_HASH}\n\n\u2014 [^\n ]+ {_ED25519}\n(?:\u2014 [^\n ]+ [A-Za-z0-9+/]+=*\n)*",
    re.MULTILINE,
)
_LINE = re.compile(rf"audit checkpoint: (\S+) ({_SIZE.pattern}) ({_HASH}) ({_ED25519})")


class Checkpoint(NamedTuple):
    """Name of the log, how many entries it had, and the root over them."""

    origin: str
    size: int
    root: bytes

    def signed(self, key: Key) -> str:
        """The note of it."""
        return sign(f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n", key)


def read(note: str, vkeys: Iterable[str]) -> Checkpoint:
    """The checkpoint of a note that one of these keys signed. Raises Malformed."""
    lines = opened(note, vkeys).split("\n")
    if len(lines) < 4 or not lines[0] or not _SIZE.fullmatch(lines[1]):
        raise Malformed("a note that is no checkpoint")
    try:
        root = unbase64(lines[2])
    except ValueError:
        root = b""
    if len(root) != SIZE:
        raise Malformed("a checkpoint whose root is no hash")
    return Checkpoint(lines[0], int(lines[1]), root)


def line(note: str) -> str:
    """The checkpoint of a note of ours in one line, for syslog."""
    origin, size, root, _, signature = note.split("\n")[:5]
    return f"audit checkpoint: {origin} {size} {root} {signature.rpartition(' ')[2]}"


def found(text: str) -> list[str]:
    """Every note of a checkpoint in what a sink has kept, a file of them or lines of syslog's; the rest is skipped."""
    lines = (f"{name}\n{size}\n{root}\n\n\u2014 {name} {by}\n" for name, size, root, by in _LINE.findall(text))
    return [*_NOTE.findall(text), *lines]

"""What a log says of itself at one moment: https://c2sp.org/tlog-checkpoint, as a signed note."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, NamedTuple

from agent.audit.signing import opened, sign
from agent.audit.tree import SIZE
from agent.errors import Malformed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.audit.signing import Key

_SIZE = re.compile(r"0|[1-9][0-9]{0,17}")


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
        root = base64.b64decode(lines[2], validate=True)
    except (binascii.Error, ValueError):
        root = b""
    if len(root) != SIZE:
        raise Malformed("a checkpoint whose root is no hash")
    return Checkpoint(lines[0], int(lines[1]), root)

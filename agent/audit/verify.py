"""The whole log held against itself and against what was signed: every leaf, every commitment, every checkpoint.

It reads the files alone, beside a daemon that goes on, or a copy of them somewhere else; it changes nothing.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, NamedTuple

from agent.audit.canon import commitment
from agent.audit.checkpoint import Checkpoint, read
from agent.audit.database import reading
from agent.audit.keys import Keys, unsealed
from agent.audit.signing import Key, private_key
from agent.audit.tree import SIZE, Tree, leaf_hash
from agent.errors import InputError, Malformed
from agent.schema import AUDIT, KEYS, SIGNING_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from agent.audit.keys import Customer

_ROWS = (
    "SELECT e.number, e.leaf, CAST(e.canon AS BLOB), s.owner, s.blob"
    " FROM entries e LEFT JOIN sealed s ON s.number = e.number ORDER BY e.number"
)
_TEXTS = "SELECT CAST(canon AS BLOB) FROM entries WHERE number >= ? AND number < ? ORDER BY number"
_LAST = 1 << 62
_MOST = 20  # faults that are told

Row = tuple[int, bytes, bytes, "int | None", "bytes | None"]


class Verified(NamedTuple):
    """``faults``: what does not verify, in words, the first in the log first; none where everything does.

    ``opened``: entries whose private part was opened and is what they committed to; ``erased``: entries whose is gone.
    """

    size: int
    opened: int
    erased: int
    checkpoints: int
    vkey: str
    head: str
    faults: list[str]


def verified(
    directory: Path,
    notes: Sequence[str] = (),
    vkey: str = "",
) -> Verified:
    """Read all of a log. ``notes``: checkpoints kept outside; ``vkey``: the key they are signed with, where known.

    Raises InputError where there is no log that could be read.
    """
    with ExitStack() as stack:
        log = stack.enter_context(closing(reading(directory / AUDIT)))
        keys = stack.enter_context(closing(Keys(directory / KEYS)))
        if (directory / KEYS).exists():
            keys.read(reading(directory / KEYS))
        walk = _Walk(keys.owner, lambda number: _still_sealed(directory, number))
        try:
            log.execute("BEGIN")
            head = log.execute("SELECT note FROM head").fetchone()
            if head is None:
                raise InputError(f"{directory / AUDIT}: a log without a head; is it one of ours?")
            vkey = vkey or key_of(directory, head[0])
            signed = _signed([head[0], *notes], vkey, walk.faults)
            _walked(walk, log, signed)
        except sqlite3.Error as error:
            raise InputError(f"{directory / AUDIT}: cannot be read: {error}") from None
    return Verified(walk.tree.size, walk.opened, walk.erased, len(signed), vkey, head[0], walk.faults[:_MOST])


def key_of(directory: Path, note: str) -> str:
    """The vkey of the key file there, under the name that a note's log has. Raises ConfigError."""
    return Key(note.partition("\n")[0], private_key(directory / SIGNING_KEY, make=False)).vkey


def _signed(notes: Sequence[str], vkey: str, faults: list[str]) -> list[Checkpoint]:
    """The checkpoints of the notes that this key signed, the smallest first; of the others a fault."""
    good, bad = {}, 0
    for note in notes:
        try:
            checkpoint = read(note, (vkey,))
        except Malformed:
            bad += 1
        else:
            good[checkpoint.size, checkpoint.root] = checkpoint
    if bad:
        faults.append(f"{bad} of {len(notes)} checkpoints are not signed with {vkey}")
    return sorted(good.values(), key=lambda checkpoint: checkpoint.size)


def _walked(walk: _Walk, log: sqlite3.Connection, signed: list[Checkpoint]) -> None:
    """Read every entry, and hold the tree against each checkpoint as it gets to its size."""
    left = signed.copy()
    good = 0
    rows: Iterator[Row] = iter(log.execute(_ROWS))
    while True:
        while left and left[0].size == walk.tree.size:
            checkpoint = left.pop(0)
            if walk.tree.root() == checkpoint.root:
                good = checkpoint.size
            else:
                walk.faults.append(
                    f"entries {good} to {checkpoint.size - 1}: one is not what a checkpoint of {checkpoint.size} signed"
                )
        if (row := next(rows, None)) is None:
            break
        walk.entry(*row)
    walk.end()
    for checkpoint in left:
        walk.faults.append(f"entries {walk.tree.size} to {checkpoint.size - 1} are missing, and were signed")
    if not any(checkpoint.size == walk.tree.size for checkpoint in signed):
        walk.faults.append(f"entry {max((c.size for c in signed), default=0)} and those behind it were never signed")


class _Walk:
    """What was found so far, entry by entry."""

    def __init__(self, owner: Callable[[int], Customer | None], still_sealed: Callable[[int], bool]) -> None:
        self.tree = Tree()
        self.faults: list[str] = []
        self.opened = self.erased = 0
        self._told_erased = 0  # entries that the log says were erased
        self._owner = owner
        self._still_sealed = still_sealed

    def entry(self, number: int, leaf: bytes, text: bytes, owner: int | None, blob: bytes | None) -> None:
        """One row: its place, its hash, and what it committed to."""
        place = self.tree.size
        if number != place:
            self._fault(place, f"it is missing: entry {number} comes in its place")
        hashed = leaf_hash(text)
        if hashed != leaf:
            self._fault(place, "its text is not what was hashed")
        self.tree.append(hashed)
        try:
            entry = json.loads(text)
            if entry["n"] != number:
                self._fault(place, f"its text is that of entry {entry['n']}")
            self._private(place, entry["commit"], owner, blob)
            if entry["kind"] == "customer.erased":
                self._told_erased += entry["public"]["entries"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            self._fault(place, f"it cannot be read: {error}")

    def end(self) -> None:
        if self.erased != self._told_erased:
            self.faults.append(
                f"the private part of {self.erased} entries is gone, where {self._told_erased} are said to be erased"
            )

    def _private(self, place: int, commit: str | None, owner: int | None, blob: bytes | None) -> None:
        if owner is None or blob is None:
            self.erased += commit is not None
            return
        customer = self._owner(owner)
        if customer is None:
            if self._still_sealed(place):  # otherwise it was erased while this reads: its entry comes behind the end
                self._fault(place, "the key that it is sealed under is not there")
            return
        salt, private = unsealed(customer, place, blob)
        if commitment(salt, private) != commit:
            self._fault(place, "its private part is not what it committed to")
        self.opened += 1

    def _fault(self, place: int, what: str) -> None:
        if len(self.faults) < _MOST:
            self.faults.append(f"entry {place}: {what}")


def _still_sealed(directory: Path, number: int) -> bool:
    with closing(reading(directory / AUDIT)) as log:
        return log.execute("SELECT 1 FROM sealed WHERE number = ?", (number,)).fetchone() is not None


class Compared(NamedTuple):
    """Two checkpoints of a log, and the proof (RFC 9162 section 2.1.4) that the first begins the second.

    ``faults``: why it does not, in words.
    """

    first: Checkpoint
    second: Checkpoint
    path: list[bytes]
    faults: list[str]


def compared(directory: Path, notes: tuple[str, str], vkey: str = "") -> Compared:
    """Hold two checkpoints against the log that is there, and so against each other.

    Raises InputError for a checkpoint that is not signed with the key, or a log that cannot be read.
    """
    vkey = vkey or key_of(directory, notes[0])
    try:
        first, second = sorted((read(note, (vkey,)) for note in notes), key=lambda checkpoint: checkpoint.size)
    except Malformed as error:
        raise InputError(f"a checkpoint that {vkey} did not sign: {error}") from None
    with closing(reading(directory / AUDIT)) as log:
        leaves = b"".join(leaf_hash(text) for (text,) in log.execute(_TEXTS, (0, second.size)))
    tree = Tree(leaves[at : at + SIZE] for at in range(0, len(leaves), SIZE))
    if tree.size < second.size:
        return Compared(first, second, [], [f"the log has {tree.size} entries; a checkpoint signed {second.size}"])
    nodes = tree.nodes(lambda start, end: leaves[start * SIZE : end * SIZE])
    faults = [
        f"the first {checkpoint.size} entries of the log are not those that its checkpoint signed"
        for checkpoint in (first, second)
        if nodes.root(checkpoint.size) != checkpoint.root
    ]
    return Compared(first, second, [] if faults else nodes.consistency(first.size, second.size), faults)


def exported(directory: Path, start: int) -> Iterator[bytes]:
    """The canonical leaf of each entry from that number on. Raises InputError."""
    with closing(reading(directory / AUDIT)) as log:
        try:
            for (text,) in log.execute(_TEXTS, (start, _LAST)):
                yield text
        except sqlite3.Error as error:
            raise InputError(f"{directory / AUDIT}: cannot be read: {error}") from None

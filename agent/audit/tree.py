"""Merkle tree hashing: RFC 9162 section 2.1, with SHA-256. A hash is 32 bytes; a list of leaves is of leaf hashes.

``Tree`` grows and keeps what its root needs, and one hash for each thousand leaves; from these and the leaves around
one place ``Nodes`` makes proofs, without all of the list being read.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

SIZE = 32
_BITS = 10
BLOCK = 1 << _BITS  # leaves
EMPTY = sha256(b"").digest()  # the root of no leaves at all


def leaf_hash(data: bytes) -> bytes:
    return sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


class Tree:
    """The root of a list that grows."""

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self.size = 0
        # The complete subtrees, one for each 1 in the binary size; the largest, which begins the list, is first.
        self._peaks: list[bytes] = []
        self._blocks = bytearray()  # the root of every whole block
        for leaf in leaves:
            self.append(leaf)

    def append(self, leaf: bytes) -> None:
        rest, level = self.size, 0
        while rest & 1:
            leaf = node_hash(self._peaks.pop(), leaf)
            rest, level = rest >> 1, level + 1
            if level == _BITS:
                self._blocks += leaf
        self._peaks.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        if not self._peaks:
            return EMPTY
        *others, found = self._peaks
        for peak in reversed(others):
            found = node_hash(peak, found)
        return found

    def copy(self) -> Tree:
        """The same list, to be gone on with apart from this one."""
        other = Tree()
        other.size, other._peaks, other._blocks = self.size, self._peaks.copy(), self._blocks.copy()
        return other

    def nodes(self, leaves: Callable[[int, int], bytes]) -> Nodes:
        """What proofs are made of. ``leaves``: the hashes from one place up to another, one behind the other."""
        return Nodes(self.size, bytes(self._blocks), leaves)


class Nodes:
    """The complete subtrees of a list of leaves, hashed when they are asked for."""

    def __init__(self, size: int, blocks: bytes, leaves: Callable[[int, int], bytes]) -> None:
        self.size = size
        self._above = _levels(blocks)
        # Proofs of many leaves are asked for in their order, and each also needs the last block.
        self._block = lru_cache(4)(lambda n: _levels(leaves(n * BLOCK, min((n + 1) * BLOCK, size))))

    def root(self, size: int) -> bytes:
        """The root of the first ``size`` leaves."""
        return self._hash(0, size) if size else EMPTY

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """The proof that a leaf is in the tree of that size: PATH(m, D_n) of section 2.1.3.1."""
        start, end, path = 0, size, []
        while end - start > 1:
            middle = start + _split(end - start)
            if index < middle:
                path.append(self._hash(middle, end))
                end = middle
            else:
                path.append(self._hash(start, middle))
                start = middle
        return path[::-1]

    def consistency(self, first: int, second: int) -> list[bytes]:
        """The proof that the tree of the first size begins that of the second: SUBPROOF of section 2.1.4.1."""
        if first in (0, second):
            return []
        start, end, path, whole = 0, second, [], True
        while first != end:
            middle = start + _split(end - start)
            if first <= middle:
                path.append(self._hash(middle, end))
                end = middle
            else:
                path.append(self._hash(start, middle))
                start, whole = middle, False
        return [*([] if whole else [self._hash(start, end)]), *reversed(path)]

    def _hash(self, start: int, end: int) -> bytes:
        """The root of the leaves from ``start`` up to ``end``, as it occurs in a tree."""
        count = end - start
        if count & (count - 1) == 0:
            return self._complete(count.bit_length() - 1, start)
        middle = start + _split(count)
        return node_hash(self._hash(start, middle), self._hash(middle, end))

    def _complete(self, level: int, start: int) -> bytes:
        """The root of the 2 ** ``level`` leaves from ``start`` on, which is a multiple of that."""
        if level >= _BITS:
            within, at = self._above[level - _BITS], start >> level
        else:
            within, at = self._block(start >> _BITS)[level], (start & BLOCK - 1) >> level
        return within[at * SIZE : (at + 1) * SIZE]


def _levels(leaves: bytes) -> list[bytes]:
    """Leaves, the hashes of pairs of them, of pairs of these, and so on: those of complete subtrees."""
    levels = [leaves]
    while len(below := levels[-1]) >= 2 * SIZE:
        pairs = range(0, len(below) - 2 * SIZE + 1, 2 * SIZE)
        levels.append(b"".join([sha256(b"\1" + below[at : at + 2 * SIZE]).digest() for at in pairs]))
    return levels


def included(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether ``path`` proves that the leaf is at that place in the tree: section 2.1.3.2."""
    if not 0 <= index < size:
        return False
    place, last = index, size - 1
    for sibling in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            leaf = node_hash(sibling, leaf)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            leaf = node_hash(leaf, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and leaf == root


def consistent(first: int, second: int, first_root: bytes, second_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether ``path`` proves that the first tree is the beginning of the second: section 2.1.4.2.

    The empty tree begins every tree, and needs no proof.
    """
    if not 0 <= first <= second:
        return False
    if first in (0, second):
        return not path and first_root == (second_root if first == second else EMPTY)
    hashes = [first_root, *path] if first & (first - 1) == 0 else list(path)
    return bool(hashes) and _climbed(first - 1, second - 1, hashes) == (first_root, second_root)


def _climbed(place: int, last: int, hashes: list[bytes]) -> tuple[bytes, bytes] | None:
    """Both roots that a consistency proof leads to; None where it is not of the right length."""
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return None
        if place & 1 or place == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        place, last = place >> 1, last >> 1
    return (old, new) if last == 0 else None


def _split(count: int) -> int:
    """The largest power of two that is less than ``count``."""
    return 1 << (count - 1).bit_length() - 1

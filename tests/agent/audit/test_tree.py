"""The Merkle tree: published vectors, the definitions of RFC 9162 as they are written, and proofs of nothing else."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.audit.tree import BLOCK, EMPTY, SIZE, Nodes, Tree, consistent, included, leaf_hash, node_hash

# The vectors of the Certificate Transparency reference implementation
# (https://github.com/transparency-dev/merkle, testonly/constants.go): leaves, and the root over each number of them.
DATA = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    bytes.fromhex(text)
    for text in (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]
NODE = {
    "0:1": "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "1:2": "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "2:3": "0298d122906dcfc10892cb53a73992fc5b9f493ea4c9badb27b791b4127a7fe7",
    "3:4": "07506a85fd9dd2f120eb694f86011e5bb4662e5c415a62917033d4a9624487e7",
    "4:5": "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    "0:2": "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "2:4": "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "4:6": "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    "6:8": "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "0:4": "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4:8": "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
}
# Of the same tree: which subtrees a proof is made of (RFC 9162 sections 2.1.3 and 2.1.4 draw such trees).
INCLUSION = [
    (0, 1, []),
    (0, 8, ["1:2", "2:4", "4:8"]),
    (5, 8, ["4:5", "6:8", "0:4"]),
    (2, 3, ["0:2"]),
    (1, 5, ["0:1", "2:4", "4:5"]),
]
CONSISTENCY = [
    (1, 1, []),
    (1, 8, ["1:2", "2:4", "4:8"]),
    (2, 5, ["2:4", "4:5"]),
    (6, 8, ["4:6", "6:8", "0:4"]),
    (3, 4, ["2:3", "3:4", "0:2"]),
    (4, 8, ["4:8"]),
]


def nodes_of(leaves: list[bytes]) -> Nodes:
    return Tree(leaves).nodes(lambda start, end: b"".join(leaves[start:end]))


def mth(leaves: list[bytes]) -> bytes:
    """MTH of section 2.1.1, as it is written there."""
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return node_hash(mth(leaves[:k]), mth(leaves[k:]))


VECTORS = [leaf_hash(data) for data in DATA]


@pytest.mark.parametrize("size", range(9))
def test_published_roots(size: int) -> None:
    assert Tree(VECTORS[:size]).root() == ROOTS[size]
    assert nodes_of(VECTORS).root(size) == ROOTS[size]


@pytest.mark.parametrize(("index", "size", "path"), INCLUSION)
def test_published_inclusion(index: int, size: int, path: list[str]) -> None:
    hashes = [bytes.fromhex(NODE[node]) for node in path]
    assert nodes_of(VECTORS).inclusion(index, size) == hashes
    assert included(VECTORS[index], index, size, hashes, ROOTS[size])


@pytest.mark.parametrize(("first", "second", "path"), CONSISTENCY)
def test_published_consistency(first: int, second: int, path: list[str]) -> None:
    hashes = [bytes.fromhex(NODE[node]) for node in path]
    assert nodes_of(VECTORS).consistency(first, second) == hashes
    assert consistent(first, second, ROOTS[first], ROOTS[second], hashes)


def made(count: int) -> list[bytes]:
    return [leaf_hash(str(n).encode()) for n in range(count)]


MANY = made(2 * BLOCK + 77)
NODES = nodes_of(MANY)
SIZES = st.one_of(st.integers(1, 70), st.integers(BLOCK - 2, BLOCK + 2), st.integers(2 * BLOCK - 1, len(MANY)))


@given(SIZES)
@settings(max_examples=60, deadline=None)
def test_the_root_is_that_of_the_definition_however_it_is_had(size: int) -> None:
    wanted = mth(MANY[:size])
    assert Tree(MANY[:size]).root() == wanted
    assert NODES.root(size) == wanted


@given(SIZES, st.data())
@settings(max_examples=150, deadline=None)
def test_a_leaf_is_proved_where_it_is_and_nowhere_else(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    path, root = NODES.inclusion(index, size), NODES.root(size)
    assert included(MANY[index], index, size, path, root)
    other = data.draw(st.integers(0, size).filter(lambda n: n != index))
    assert not included(MANY[index], other, size, path, root)
    assert not included(MANY[other % size] if other % size != index else EMPTY, index, size, path, root)
    assert not included(MANY[index], index, size, [*path, EMPTY], root)
    assert not included(MANY[index], index, size, path, EMPTY)
    if path:
        assert not included(MANY[index], index, size, path[:-1], root)
        at = data.draw(st.integers(0, len(path) - 1))
        assert not included(MANY[index], index, size, [*path[:at], EMPTY, *path[at + 1 :]], root)


@given(SIZES, st.data())
@settings(max_examples=150, deadline=None)
def test_a_tree_is_proved_to_begin_another_and_no_other(second: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(1, second))
    path, old, new = NODES.consistency(first, second), NODES.root(first), NODES.root(second)
    assert consistent(first, second, old, new, path)
    assert not consistent(first, second, EMPTY, new, path)
    assert not consistent(first, second, old, EMPTY, path)
    assert not consistent(first, second, old, new, [*path, EMPTY])
    if path:
        assert not consistent(first, second, old, new, path[:-1])
        at = data.draw(st.integers(0, len(path) - 1))
        assert not consistent(first, second, old, new, [*path[:at], EMPTY, *path[at + 1 :]])


def test_the_empty_tree_begins_every_other() -> None:
    assert NODES.consistency(0, 9) == []
    assert consistent(0, 9, EMPTY, NODES.root(9), [])
    assert not consistent(0, 9, NODES.root(9), NODES.root(9), [])
    assert not consistent(9, 3, NODES.root(9), NODES.root(3), [])


@given(st.lists(st.binary(max_size=4), min_size=1, max_size=40, unique=True), st.data())
@settings(max_examples=200)
def test_a_changed_removed_added_or_reordered_entry_changes_the_root(entries: list[bytes], data: st.DataObject) -> None:
    def root(of: list[bytes]) -> bytes:
        return Tree(map(leaf_hash, of)).root()

    at = data.draw(st.integers(0, len(entries) - 1))
    to = data.draw(st.integers(0, len(entries) - 1).filter(lambda n: n != at) if len(entries) > 1 else st.just(at))
    swapped = entries.copy()
    swapped[at], swapped[to] = swapped[to], swapped[at]
    others = [
        entries[:at] + entries[at + 1 :],
        [*entries[:at], entries[at] + b"!", *entries[at + 1 :]],
        [*entries[:at], b"new!!", *entries[at:]],
        [*entries, entries[at]],
        *([swapped] if at != to else []),
    ]
    assert root(entries) not in {root(other) for other in others}


def test_a_copy_goes_on_apart() -> None:
    tree = Tree(MANY[: BLOCK - 1])
    other = tree.copy()
    other.append(MANY[BLOCK - 1])
    assert (tree.size, tree.root()) == (BLOCK - 1, mth(MANY[: BLOCK - 1]))
    assert (other.size, other.root()) == (BLOCK, mth(MANY[:BLOCK]))
    assert len(EMPTY) == SIZE

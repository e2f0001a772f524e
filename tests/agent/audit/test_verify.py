"""Verifying a whole log: it is accepted as it was written, and every change of it is found and named."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.audit.entry import Item
from agent.audit.tree import Tree, consistent, leaf_hash
from agent.audit.verify import compared, exported, verified
from agent.errors import ConfigError, InputError
from agent.schema import AUDIT, SIGNING_KEY
from tests.agent.audit.logs import intent, opened, outcome, small_disk

SIZE = 40


class Kept:
    """A log, with a checkpoint after every eighth entry as a sink has kept them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        log = opened(directory)
        self.notes = []
        for number in range(0, SIZE, 2):
            log.append([intent(f"C-{number % 7}"), outcome(number, f"C-{number % 7}")])
            if log.size % 8 == 0:
                self.notes.append(log.checkpoint())
        self.key = log._signed_with
        log.close()

    def copy(self, to: Path) -> Path:
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(self.directory, to)
        return to


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return Kept(tmp_path_factory.mktemp("log"))


def changed(directory: Path, *statements: tuple[str, tuple[object, ...]], name: str = AUDIT) -> None:
    connection = sqlite3.connect(directory / name)
    with connection:
        for statement, values in statements:
            connection.execute(statement, values)
    connection.close()


def test_a_log_as_it_was_written(kept: Kept) -> None:
    told = verified(kept.directory, kept.notes)
    assert told.faults == []
    assert (told.size, told.opened, told.erased, told.checkpoints) == (SIZE, SIZE, 0, 5)
    assert told.vkey == kept.key.vkey and told.head == kept.notes[-1]
    assert verified(kept.directory, vkey=kept.key.vkey).faults == []


def test_a_copy_without_keys_on_a_disk_that_is_only_read(kept: Kept, tmp_path: Path) -> None:
    with small_disk(tmp_path, "4m"):
        shutil.copy(kept.directory / AUDIT, tmp_path)
        subprocess.run(["mount", "-o", "remount,ro", tmp_path], check=True)
        with pytest.raises(ConfigError, match="the key that the log is signed with"):
            verified(tmp_path)
        told = verified(tmp_path, kept.notes, kept.key.vkey)
        assert (told.size, told.opened, told.checkpoints) == (SIZE, 0, 5)
        assert told.faults[0] == "entry 0: the key that it is sealed under is not there"
        assert [path.name for path in tmp_path.iterdir()] == [AUDIT]


def test_it_reads_beside_a_log_that_goes_on(tmp_path: Path) -> None:
    log = opened(tmp_path, intent("C-1"), outcome(0, "C-1"))
    for number in range(2, 20, 2):
        assert verified(tmp_path).faults == []
        log.append([intent("C-1"), outcome(number, "C-1")])
    log.erase("C-1")
    told = verified(tmp_path)
    assert (told.faults, told.erased, told.size) == ([], 20, 21)
    log.close()


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_changed_removed_or_reordered_entry_is_found_by_its_number(
    kept: Kept, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """By somebody who can write the database, and knows how to hash a text, but does not have the key."""
    copy = kept.copy(tmp_path_factory.getbasetemp() / "changed")
    at = data.draw(st.integers(0, SIZE - 1))
    what = data.draw(
        st.sampled_from(["text", "hash", "both", "private", "owner", "removed", "closed up", "exchanged", "cut"])
    )
    connection = sqlite3.connect(copy / AUDIT)
    (text,) = connection.execute("SELECT canon FROM entries WHERE number = ?", (at,)).fetchone()
    connection.close()
    where = data.draw(st.integers(0, len(text) - 1))
    other = text[:where] + chr(ord(text[where]) ^ 1) + text[where + 1 :]
    to = data.draw(st.integers(0, SIZE - 1).filter(lambda n: n != at))
    move = "UPDATE entries SET number = ? WHERE number = ?"
    statements: dict[str, list[tuple[str, tuple[object, ...]]]] = {
        "text": [("UPDATE entries SET canon = ? WHERE number = ?", (other, at))],
        "hash": [("UPDATE entries SET leaf = ? WHERE number = ?", (leaf_hash(b"x"), at))],
        "both": [("UPDATE entries SET canon = ?, leaf = ? WHERE number = ?", (other, leaf_hash(other.encode()), at))],
        "private": [("UPDATE sealed SET blob = (SELECT blob FROM sealed WHERE number = ?) WHERE number = ?", (to, at))],
        "owner": [("UPDATE sealed SET owner = owner + 1 WHERE number = ?", (at,))],
        "removed": [("DELETE FROM entries WHERE number = ?", (at,)), ("DELETE FROM sealed WHERE number = ?", (at,))],
        "closed up": [
            ("DELETE FROM entries WHERE number = ?", (at,)),
            ("UPDATE entries SET number = number - 1 - 1000 WHERE number > ?", (at,)),
            ("UPDATE entries SET number = number + 1000 WHERE number < 0", ()),
        ],
        "exchanged": [(move, (-1, at)), (move, (at, to)), (move, (to, -1))],
        "cut": [("DELETE FROM entries WHERE number >= ?", (at,))],
    }  # fmt: skip
    changed(copy, *statements[what])
    told = verified(copy, kept.notes)
    assert told.faults
    first = min(at, to) if what == "exchanged" else at
    named = [word for word in told.faults[0].replace(":", "").split() if word.isdecimal()]
    assert int(named[0]) <= first <= int(named[1] if told.faults[0].startswith("entries") else named[0])


def test_a_private_part_that_was_taken_away_is_not_taken_for_an_erasure(kept: Kept, tmp_path: Path) -> None:
    copy = kept.copy(tmp_path / "copy")
    changed(copy, ("DELETE FROM sealed WHERE number = 5", ()))
    assert verified(copy).faults == ["the private part of 1 entries is gone, where 0 are said to be erased"]


def test_a_log_made_anew_with_its_own_key_is_found_by_the_checkpoints_outside(kept: Kept, tmp_path: Path) -> None:
    (tmp_path / SIGNING_KEY).write_text(kept.key.private.private_bytes_raw().hex())
    log = opened(tmp_path, *[Item("log.started")] * SIZE)
    log.close()
    assert verified(tmp_path).faults == []
    told = verified(tmp_path, kept.notes)
    assert told.faults[0] == "entries 0 to 7: one is not what a checkpoint of 8 signed"
    with pytest.raises(InputError, match="did not sign"):
        compared(tmp_path, (kept.notes[0], kept.notes[1].replace("16", "17", 1)))


def test_a_log_that_was_cut_and_signed_anew_is_found_by_the_checkpoints_outside(kept: Kept, tmp_path: Path) -> None:
    (tmp_path / SIGNING_KEY).write_text(kept.key.private.private_bytes_raw().hex())
    opened(tmp_path, Item("log.started")).close()
    told = verified(tmp_path, kept.notes[-1:])
    assert told.faults == ["entries 1 to 39 are missing, and were signed"]


def test_what_another_key_signed_is_a_fault(kept: Kept, tmp_path: Path) -> None:
    log = opened(tmp_path, Item("log.started"))
    told = verified(kept.directory, [*kept.notes, log.checkpoint()])
    assert told.faults == [f"1 of 7 checkpoints are not signed with {kept.key.vkey}"]
    assert "1 of 1 checkpoints" in verified(kept.directory, vkey=log.vkey).faults[0]
    log.close()


@pytest.mark.parametrize("content", [None, b"", b"not a database " * 500])
def test_what_is_no_log_is_said_so(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / AUDIT).write_bytes(content)
    for read in (verified, lambda directory: list(exported(directory, 0))):
        with pytest.raises(InputError, match=str(tmp_path / AUDIT)):
            read(tmp_path)  # type: ignore[operator]


def test_texts_that_are_no_text_are_a_fault(kept: Kept, tmp_path: Path) -> None:
    copy = kept.copy(tmp_path / "copy")
    changed(copy, ("UPDATE entries SET canon = CAST(x'ff00fe' AS TEXT) WHERE number = 3", ()))
    assert verified(copy).faults[0] == "entry 3: its text is not what was hashed"


def test_what_is_exported_is_what_is_hashed_and_nothing_private(kept: Kept) -> None:
    leaves = list(exported(kept.directory, 0))
    assert [json.loads(leaf)["n"] for leaf in leaves] == list(range(SIZE))
    assert list(exported(kept.directory, 38)) == leaves[38:]
    assert b"192.0.2." not in b"".join(leaves) and b"C-1" not in b"".join(leaves)


def test_two_checkpoints_are_compared(kept: Kept) -> None:
    told = compared(kept.directory, (kept.notes[3], kept.notes[1]))
    assert (told.first.size, told.second.size, told.faults) == (16, 32, [])
    assert consistent(16, 32, told.first.root, told.second.root, told.path)
    leaves = [leaf_hash(leaf) for leaf in exported(kept.directory, 0)]
    assert told.second.root == Tree(leaves[:32]).root()

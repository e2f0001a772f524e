"""The log: what is appended is there, whole, in its place; what could not be is not; and what was changed is seen."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import rfc8785

from agent.audit.entry import KINDS, Entry, Item
from agent.audit.log import AuditError, Log
from agent.audit.tree import EMPTY, Tree, leaf_hash
from agent.errors import ConfigError
from agent.schema import AUDIT, KEYS, SIGNING_KEY
from tests.agent.audit.logs import BOOT, Clock, intent, log_in, opened, outcome, small_disk

STARTED = Item("log.started")


def canons(directory: Path) -> list[str]:
    connection = sqlite3.connect(directory / AUDIT)
    try:
        return [text for (text,) in connection.execute("SELECT canon FROM entries ORDER BY number")]
    finally:
        connection.close()


def altered(directory: Path, *statements: str, name: str = AUDIT) -> None:
    connection = sqlite3.connect(directory / name)
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_a_new_log_is_ours_alone_and_empty(tmp_path: Path) -> None:
    log = opened(tmp_path)
    assert (log.size, log.root(), list(log.read())) == (0, EMPTY, [])
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    assert {AUDIT, KEYS, SIGNING_KEY} <= {path.name for path in tmp_path.iterdir()}
    log.close()


def test_what_is_appended_is_read_back_the_same_before_and_after_it_is_opened_again(tmp_path: Path) -> None:
    items = [STARTED, intent("C-1"), outcome(1, "C-1"), Item("register.read", {"uid": 0, "what": "show"}, "C-2")]
    clock = Clock()
    log = log_in(tmp_path, clock)
    log.open()
    entries = log.append(items)
    clock.wall, clock.steady = clock.wall - 7200.0, clock.steady + 1.0  # the wall clock was put back
    entries += log.append([Item("log.stopped")])
    assert [entry.number for entry in entries] == list(range(5))
    assert entries[0].time == 1_795_000_000.123 and entries[4].time == 1_794_992_800.123
    for _ in range(2):
        found = list(log.read())
        assert [(e.number, e.kind, e.time) for e in found] == [
            (entry.number, item.kind, entry.time)
            for entry, item in zip(entries, [*items, Item("log.stopped")], strict=True)
        ]
        assert [e.public for e in found[:4]] == [item.public for item in items]
        assert [(e.customer, e.private) for e in found] == [
            ("", None), ("C-1", items[1].private), ("C-1", items[2].private), ("C-2", {}), ("", None),
        ]  # fmt: skip
        assert list(log.whole()) == found
        assert [e.number for e in log.read({"probe.intent", "log.stopped"})] == [1, 4]
        assert [e.number for e in log.read(start=3)] == [3, 4]
        log.close()
        log = log_in(tmp_path, clock)
        log.open()
    assert log.root() == Tree(entry.leaf for entry in entries).root()
    log.close()


def test_leaves_are_canonical_json_and_hashed_as_rfc_9162_says(tmp_path: Path) -> None:
    public = {
        "reason": 'pace \u20ac \U0001f600 "\\\x7f\x01\n\u2028',
        "count": 2**53 - 1,
        "b": [True, None, -1],
        "a": {},
    }
    log = opened(tmp_path)
    entries = log.append([Item("probe.denied", public), intent("C-1")])
    texts = canons(tmp_path)
    for text, entry in zip(texts, entries, strict=True):
        assert text.encode() == rfc8785.dumps(json.loads(text))
        assert leaf_hash(text.encode()) == entry.leaf
    assert json.loads(texts[0]) == {
        "v": 1, "n": 0, "kind": "probe.denied", "time": "2026-11-18T11:06:40.123Z", "mono": 1_000_500, "boot": BOOT,
        "synced": True, "public": public, "commit": None,
    }  # fmt: skip
    assert len(json.loads(texts[1])["commit"]) == 64 and "192.0.2.7" not in texts[1]
    log.close()


NO_ENTRIES = [
    Item("probe.guessed"),
    Item("log.started", {"ratio": 0.5}),
    Item("log.started", {"caf\u00e9": 1}),
    Item("log.started", {"n": 2**53}),
    Item("log.started", {"text": "\ud800"}),
    Item("log.started", {}, "", {"address": "192.0.2.7"}),
    Item("log.started", {}, "C-1", {"at": ...}),  # nor anything else that JSON has no word for
]


@pytest.mark.parametrize("item", NO_ENTRIES, ids=str)
def test_what_has_no_place_in_a_log_takes_nothing_else_with_it(tmp_path: Path, item: Item) -> None:
    log = opened(tmp_path, STARTED)
    before = log.checkpoint()
    with pytest.raises(ValueError):
        log.append([STARTED, item])
    assert (log.size, log.checkpoint(), len(list(log.read()))) == (1, before, 1)
    log.append([STARTED])
    assert log.size == 2
    log.close()


def test_a_probe_without_an_outcome_has_an_unknown_one_when_the_log_is_next_opened(tmp_path: Path) -> None:
    opened(tmp_path, intent("C-1", probe="p-0"), intent("C-2", "2001:db8::7", "p-1"), outcome(0, "C-1")).close()
    log = opened(tmp_path)
    (unknown,) = log.read(start=3)
    assert unknown.kind == "probe.outcome" and unknown.customer == "C-2"
    assert unknown.public == {"intent": 1, "id": "p-1", "outcome": "unknown", "connections": None, "ms": None}
    assert unknown.private and (unknown.private["address"], unknown.private["port"]) == ("2001:db8::7", 443)
    log.close()
    log = opened(tmp_path)
    assert log.size == 4
    log.close()


def test_killed_between_intent_and_outcome(tmp_path: Path) -> None:
    """What ``append`` returned from is there, after a kill in the middle of what comes behind."""
    script = f"""
import os, sys, time
from pathlib import Path
from tests.agent.audit.logs import intent, log_in
log = log_in(Path({str(tmp_path)!r}))
log.open()
for number in range(1000):
    log.append([intent("C-1")])
    print(number, flush=True)
"""
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert child.stdout
    seen = -1
    while seen < 20:
        seen = int(child.stdout.readline())
    child.send_signal(signal.SIGKILL)
    seen = max([seen, *map(int, child.stdout.read().split())])
    child.wait(60)
    log = opened(tmp_path)
    intents = list(log.read({"probe.intent"}))
    assert len(intents) in (seen + 1, seen + 2)
    assert [entry.public["intent"] for entry in log.read({"probe.outcome"})] == [entry.number for entry in intents]
    assert {entry.public["outcome"] for entry in log.read({"probe.outcome"})} == {"unknown"}
    log.close()


def test_a_log_that_cannot_be_written_says_so_and_goes_on_when_it_can(tmp_path: Path) -> None:
    log = opened(tmp_path, STARTED)
    before = log.checkpoint()
    log._db.execute("PRAGMA query_only = ON")
    for _ in range(3):
        with pytest.raises(AuditError, match="readonly"):
            log.append([STARTED, intent("C-1")])
    assert (log.size, log.checkpoint()) == (1, before)
    log._db.execute("PRAGMA query_only = OFF")
    (entry,) = log.append([intent("C-1")])
    assert entry.number == 1 and [e.number for e in log.read()] == [0, 1]
    log.close()
    opened(tmp_path).close()


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    with small_disk(tmp_path, "4m"):
        log = opened(tmp_path, STARTED)
        (tmp_path / "ballast").write_bytes(bytes(2 << 20))
        full = 0
        while full < 3:
            size, root = log.size, log.root()
            try:
                (entry,) = log.append([Item("probe.denied", {"reason": "x" * 2000}, f"C-{size}")])
            except AuditError as error:
                full += 1
                assert "full" in str(error)
                assert (log.size, log.root(), len(list(log.read()))) == (size, root, size)
            else:
                assert entry.number == size
            assert size < 1000
        (tmp_path / "ballast").unlink()
        for _ in range(20):
            log.append([intent("C-1")])
        log.close()
        log = opened(tmp_path)
        assert [entry.number for entry in log.read()] == list(range(size + 40))
        log.close()


CHANGES = [
    ("the last entry is cut off", ["DELETE FROM entries WHERE number = 2"], "2 entries, where 3 were signed"),
    ("all are", ["DELETE FROM entries"], "0 entries, where 3 were signed"),
    ("the head too", ["DELETE FROM entries WHERE number = 2", "DELETE FROM head"], "is not signed with"),
    ("one was added", ["INSERT INTO entries SELECT 3, leaf, canon FROM entries WHERE number = 2"], "4 entries, where"),
    ("a hash was changed", ["UPDATE entries SET leaf = zeroblob(32) WHERE number = 1"], "not those that were signed"),
    ("two were exchanged", [
        "UPDATE entries SET number = 9 WHERE number = 0", "UPDATE entries SET number = 0 WHERE number = 1",
        "UPDATE entries SET number = 1 WHERE number = 9",
    ], "not those that were signed"),
    ("the head was changed", ["UPDATE head SET note = replace(note, '3', '2')"], "not signed with"),
    ("the head is nothing", ["UPDATE head SET note = ''"], "not signed with"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "statements", "said"), CHANGES, ids=[change[0] for change in CHANGES])
def test_a_log_that_was_changed_does_not_open(tmp_path: Path, what: str, statements: list[str], said: str) -> None:
    opened(tmp_path, STARTED, STARTED, Item("log.stopped")).close()
    altered(tmp_path, *statements)
    with pytest.raises(ConfigError, match=said) as caught:
        opened(tmp_path)
    assert str(caught.value).startswith(f"agent.state: {tmp_path / AUDIT}: not the log as it was left: ")


def test_a_log_without_its_keys_does_not_open(tmp_path: Path) -> None:
    opened(tmp_path, intent("C-1"), outcome(0, "C-1")).close()
    for name, said in ((SIGNING_KEY, "the key that the log is signed with"), (KEYS, "keys are not there")):
        kept = (tmp_path / name).rename(tmp_path / f"{name}.kept")
        with pytest.raises(ConfigError, match=said):
            opened(tmp_path)
        kept.rename(tmp_path / name)
    altered(tmp_path, "DELETE FROM customers", name=KEYS)
    with pytest.raises(ConfigError, match="the keys of 1 customers are not there"):
        opened(tmp_path)


def test_another_key_is_not_the_logs(tmp_path: Path) -> None:
    opened(tmp_path, STARTED).close()
    (tmp_path / SIGNING_KEY).write_text("ab" * 32)
    with pytest.raises(ConfigError, match="not signed with"):
        opened(tmp_path)
    (tmp_path / SIGNING_KEY).write_text("no key")
    with pytest.raises(ConfigError, match="not a key of 64 hex digits"):
        opened(tmp_path)


def test_a_log_keeps_its_name(tmp_path: Path) -> None:
    log = opened(tmp_path, STARTED, origin="isp.example/old")
    log.close()
    log = opened(tmp_path, STARTED, origin="isp.example/new")
    assert log.origin == "isp.example/old" and log.checkpoint().startswith("isp.example/old\n2\n")
    log.close()
    with pytest.raises(ConfigError, match=r"audit\.origin: 'two words'"):
        opened(tmp_path, origin="two words")
    unnamed = tmp_path / "unnamed"
    unnamed.mkdir()
    log = opened(unnamed, origin="")
    assert log.origin.startswith("knockfirst/")
    log.close()


def test_a_key_without_an_entry_is_gone_when_the_log_is_next_opened(tmp_path: Path) -> None:
    log = opened(tmp_path, intent("C-1"), outcome(0, "C-1"))
    log._db.execute("PRAGMA query_only = ON")
    with pytest.raises(AuditError):
        log.append([intent("nobody@customer.example")])
    log.close()
    opened(tmp_path).close()
    assert b"nobody@customer" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_every_kind_can_be_put_on_record(tmp_path: Path) -> None:
    log = opened(tmp_path, *(Item(kind, {"intent": 0}, "C-1", {}) for kind in KINDS))
    assert [entry.kind for entry in log.read()] == list(KINDS)
    assert all(isinstance(entry, Entry) for entry in log.append([STARTED]))
    log.close()


def test_a_log_is_closed_and_opened_as_often_as_one_likes(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    log.close()
    for number in range(3):
        log.open()
        assert log.append([STARTED])[0].number == number
        log.close()
        log.close()
    assert isinstance(log, Log)

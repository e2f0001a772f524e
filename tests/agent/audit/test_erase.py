"""What was erased is nowhere in the files any more, and the log is what it was: a search of the bytes, not of rows."""

from __future__ import annotations

import base64
import sqlite3
from pathlib import Path

import pytest

from agent.audit.entry import Item
from agent.audit.log import AuditError
from agent.audit.verify import verified
from agent.schema import AUDIT, KEYS
from tests.agent.audit.logs import intent, log_in, opened, outcome

REF = "customer-7041/huisartsenpraktijk"
ADDRESS = "203.0.113.241"
CONTACT = "postmaster@praktijk.example"


def with_everybody(directory: Path) -> None:
    """A log in which the customer is between, before and behind others, often enough for pages to be split."""
    log = opened(directory)
    for number in range(300):
        who = REF if number % 7 == 3 else f"C-{number % 50}"
        where = ADDRESS if who == REF else f"198.51.100.{number % 250}"
        (entry,) = log.append([intent(who, where)])
        log.append(
            [outcome(entry.number, who), Item("record.contacts", {}, who, {"mail": [CONTACT if who == REF else ""]})]
        )
    log.close()


def key_of(directory: Path, ref: str) -> bytes:
    connection = sqlite3.connect(directory / KEYS)
    try:
        return bytes(connection.execute("SELECT key FROM customers WHERE ref = ?", (ref,)).fetchone()[0])
    finally:
        connection.close()


def sealed_of(directory: Path, customer: int) -> list[bytes]:
    connection = sqlite3.connect(directory / AUDIT)
    try:
        return [blob for (blob,) in connection.execute("SELECT blob FROM sealed WHERE owner = ?", (customer,))]
    finally:
        connection.close()


def searched(directory: Path, *words: bytes) -> list[tuple[str, bytes]]:
    found = []
    for path in sorted(directory.iterdir()):
        data = path.read_bytes()
        found += [
            (path.name, word)
            for word in words
            for form in (word, word.hex().encode(), base64.b64encode(word))
            if form in data
        ]
    return found


@pytest.mark.parametrize("closed", [True, False])
def test_an_erased_customer_is_in_no_file(tmp_path: Path, closed: bool) -> None:
    with_everybody(tmp_path)
    log = log_in(tmp_path)
    log.open()
    size, root = log.size, log.root()
    key = key_of(tmp_path, REF)
    owner = log._keys.customer(REF)
    assert owner
    blobs = sealed_of(tmp_path, owner.number)
    words = [REF.encode(), ADDRESS.encode(), CONTACT.encode(), key]
    assert {word for _, word in searched(tmp_path, *words)} >= {REF.encode(), key}
    own = {entry.number for entry in log.read() if entry.customer == REF}
    assert len(blobs) == len(own) == 129

    log.erase(REF)
    if closed:
        log.close()
    assert searched(tmp_path, *words, *(blob[:40] for blob in blobs)) == []
    if closed:
        log.open()
    erased = list(log.read(start=size))
    assert [(entry.kind, entry.public, entry.customer) for entry in erased] == [
        ("customer.erased", {"entries": 129}, "")
    ]
    assert log._tree.nodes(log._leaves).root(size) == root
    assert list(log.whole()) == list(log.read())
    for entry in log.read():
        assert (entry.private is None and entry.customer == "") == (entry.number in own or entry.number == size)
    assert REF not in log._keys.refs() and "C-1" in log._keys.refs()
    log.erase(REF)
    log.erase("nobody")
    assert log.size == size + 1
    log.close()
    told = verified(tmp_path)
    assert (told.faults, told.erased, told.size) == ([], 129, size + 1)


def test_it_can_be_a_customer_again_with_another_key(tmp_path: Path) -> None:
    log = opened(tmp_path, intent("C-1"), outcome(0, "C-1"))
    key = key_of(tmp_path, "C-1")
    log.erase("C-1")
    log.append([intent("C-1", "192.0.2.99")])
    assert key_of(tmp_path, "C-1") != key
    assert [entry.private and entry.private["address"] for entry in log.read()] == [None, None, None, "192.0.2.99"]
    log.close()


def test_an_erasure_that_fails_is_tried_again(tmp_path: Path) -> None:
    log = opened(tmp_path, intent("C-1"), outcome(0, "C-1"))
    for connection in (log._db, log._keys._db):
        connection.execute("PRAGMA query_only = ON")
        with pytest.raises(AuditError):
            log.erase("C-1")
        connection.execute("PRAGMA query_only = OFF")
    log.close()
    log.open()  # the key was left without anything sealed under it, and goes now
    assert log._keys.refs() == []
    assert [entry.public for entry in log.read({"customer.erased"})] == [{"entries": 2}]
    log.close()
    assert verified(tmp_path).faults == []


def test_a_reader_that_is_in_the_way_delays_the_truncation_and_no_more(tmp_path: Path) -> None:
    log = opened(tmp_path, intent("C-1"), outcome(0, "C-1"), intent("C-2"), outcome(2, "C-2"))
    blob = sealed_of(tmp_path, log._keys.made(["C-1"])["C-1"].number)[0]
    reader = sqlite3.connect(tmp_path / AUDIT, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM entries").fetchone()
    log.erase("C-1")
    assert searched(tmp_path, blob) and log._traces
    reader.close()
    log.append([Item("log.stopped")])
    assert not searched(tmp_path, blob) and not log._traces
    log.close()

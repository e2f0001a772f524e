"""The customers' keys, in a database of their own: what is sealed under one that was shredded nobody opens any more.

A customer has a random number, which is all that the log's database knows of him, and a key (ChaCha20-Poly1305,
RFC 8439). Sealed: 12 random bytes of nonce, then 32 of salt and the private JSON, encrypted; the entry's number is
authenticated with them, so that what was sealed for one place opens at no other.
"""

from __future__ import annotations

import json
import secrets
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from agent.schema import opened

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection
    from pathlib import Path

    from agent.schema import Step

STEPS: tuple[Step, ...] = (
    (
        "CREATE TABLE customers (number INTEGER PRIMARY KEY, ref TEXT NOT NULL UNIQUE,"
        " key BLOB NOT NULL CHECK (length(key) = 32)) STRICT",
    ),
    (
        # Who is being erased: what was begun is ended, whatever dies meanwhile.
        "CREATE TABLE doomed (number INTEGER PRIMARY KEY REFERENCES customers (number), how TEXT NOT NULL) STRICT",
    ),
)
_BY_REF = "SELECT number, ref, key FROM customers WHERE ref = ?"
_BY_NUMBER = "SELECT number, ref, key FROM customers WHERE number = ?"
_BY_NUMBERS = "SELECT number, ref, key FROM customers WHERE number IN (SELECT value FROM json_each(?))"

SALT = 32
_NONCE = 12
_CACHED = 4096  # customers, about 1 kB each


class Customer(NamedTuple):
    """Who is behind a number, and the cipher of his key."""

    number: int
    ref: str
    cipher: ChaCha20Poly1305


class Keys:
    """The keys in the file at ``path``. Its methods raise sqlite3.Error; ``open`` ConfigError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._by_ref: Callable[[str], Customer | None] = _none
        self._by_number: Callable[[int], Customer | None] = _none

    def open(self) -> None:
        self._connection = opened(self._path, STEPS)
        # An entry is never on disk before the key that it is sealed under.
        self._connection.execute("PRAGMA synchronous = FULL")
        self._forget()

    def read(self, connection: sqlite3.Connection) -> None:
        """Look keys up in a database that is only read."""
        self._connection = connection
        self._forget()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def customer(self, ref: str) -> Customer | None:
        return self._by_ref(ref)

    def owner(self, number: int) -> Customer | None:
        return self._by_number(number)

    def owners(self, numbers: Collection[int]) -> dict[int, Customer]:
        """Those of these numbers that there are, looked up at once."""
        rows = self._db.execute(_BY_NUMBERS, (json.dumps(list(numbers)),))
        return {row[0]: _customer(row) for row in rows}

    def all_owners(self) -> Callable[[Collection[int]], dict[int, Customer]]:
        """``owners`` as of now, for who will ask of everybody: the keys are read once, and gone with what is given."""
        known = {row[0]: row for row in self._db.execute("SELECT number, ref, key FROM customers")}
        return lambda numbers: {number: _customer(known[number]) for number in numbers if number in known}

    def made(self, refs: Collection[str]) -> dict[str, Customer]:
        """These customers; those that there were not are made, durably."""
        found = {ref: self._by_ref(ref) for ref in refs}
        if new := [ref for ref, customer in found.items() if customer is None]:
            rows = [(secrets.randbits(62), ref, secrets.token_bytes(32)) for ref in new]
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.executemany("INSERT INTO customers (number, ref, key) VALUES (?, ?, ?)", rows)
            self._forget()
            found.update((row[1], _customer(row)) for row in rows)
        return {ref: customer for ref, customer in found.items() if customer}

    def doom(self, number: int, how: str) -> None:
        """Note, durably, that a customer is to be erased, and how."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("INSERT OR REPLACE INTO doomed (number, how) VALUES (?, ?)", (number, how))

    def doomed(self) -> list[tuple[str, str]]:
        """Those who are to be erased, and how."""
        return self._db.execute("SELECT c.ref, d.how FROM doomed d JOIN customers c ON c.number = d.number").fetchall()

    def shred(self, numbers: Collection[int]) -> None:
        """Overwrite these keys and delete them, in the file and in its write-ahead log."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            for number in numbers:
                self._db.execute("DELETE FROM doomed WHERE number = ?", (number,))
                self._db.execute("UPDATE customers SET key = zeroblob(32), ref = number WHERE number = ?", (number,))
                self._db.execute("DELETE FROM customers WHERE number = ?", (number,))
        self._forget()
        # What was moved about in a page while rows came and went is gone only when the page is made anew.
        self._db.execute("VACUUM")
        self.truncate()

    def truncate(self) -> bool:
        """Empty the write-ahead log; False where somebody reads the keys just now, who is in the way."""
        busy, _, _ = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

    def numbers(self) -> set[int]:
        return {number for (number,) in self._db.execute("SELECT number FROM customers")}

    def refs(self) -> list[str]:
        return [ref for (ref,) in self._db.execute("SELECT ref FROM customers ORDER BY ref")]

    @property
    def _db(self) -> sqlite3.Connection:
        assert self._connection is not None, "the keys are not open"
        return self._connection

    def _forget(self) -> None:
        """Look everything up anew: what was cached may be gone."""
        self._by_ref = lru_cache(_CACHED)(lambda ref: self._one(_BY_REF, ref))
        self._by_number = lru_cache(_CACHED)(lambda number: self._one(_BY_NUMBER, number))

    def _one(self, query: str, value: str | int) -> Customer | None:
        row = self._db.execute(query, (value,)).fetchone()
        return _customer(row) if row else None


def sealed(customer: Customer, number: int, salt: bytes, private: bytes) -> bytes:
    """Salt and private JSON of the entry of that number, for this customer's key alone."""
    nonce = secrets.token_bytes(_NONCE)
    return nonce + customer.cipher.encrypt(nonce, salt + private, _place(number))


def unsealed(customer: Customer, number: int, blob: bytes) -> tuple[bytes, bytes]:
    """Salt and private JSON. Raises ValueError where this is not what was sealed for that place and customer."""
    try:
        plain = customer.cipher.decrypt(blob[:_NONCE], blob[_NONCE:], _place(number))
    except InvalidTag:
        raise ValueError(f"entry {number}: its private part does not open with its customer's key") from None
    return plain[:SALT], plain[SALT:]


def _place(number: int) -> bytes:
    return number.to_bytes(8, "big")


def _customer(row: tuple[int, str, bytes]) -> Customer:
    return Customer(row[0], row[1], ChaCha20Poly1305(row[2]))


def _none(_: str | int) -> Customer | None:
    return None

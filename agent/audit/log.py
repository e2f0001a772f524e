"""The log: entries that are only ever added, each durable when ``append`` returns, hashed into one tree.

``audit.sqlite`` has the leaves as they are hashed and, apart, what is sealed; ``keys.sqlite`` the customers' keys
(agent/audit/keys.py). Each transaction also writes the head, a checkpoint signed with the log's key: a log that was
cut, or changed by somebody without that key, does not open. Whoever opens it has the state directory locked before
(agent/schema.py).
"""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import contextmanager, suppress
from socket import gethostname
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.audit import canon
from agent.audit.checkpoint import Checkpoint, read
from agent.audit.clock import boot, synced
from agent.audit.database import database
from agent.audit.entry import KINDS, Entry, Item
from agent.audit.keys import SALT, Customer, Keys, sealed, unsealed
from agent.audit.rows import READ, READ_ALL, opened
from agent.audit.signing import Key, private_key, usable
from agent.audit.tree import Tree, leaf_hash
from agent.errors import ConfigError, Malformed
from agent.schema import AUDIT, KEYS, SIGNING_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from pathlib import Path

    from agent.audit.entry import Opened
    from agent.audit.tree import Nodes

_PAGE = 1024  # entries read in one turn: no read lasts, so that what was erased can be truncated at once
_INTENT, _OUTCOME = "probe.intent", "probe.outcome"
_OF_OWNER = "SELECT number FROM sealed WHERE owner = ? ORDER BY number"
_LEAVES = "SELECT leaf FROM entries WHERE number >= ? AND number < ? ORDER BY number"


class Own(NamedTuple):
    """An entry as its customer may see it: the text of its leaf, and what that commits to."""

    number: int
    canon: str
    salt: bytes
    private: bytes


class AuditError(Exception):
    """The log could not be written, or read: nothing of what was to be appended is in it, and it can be tried again."""


class Log:
    """The audit log of a state directory.

    ``origin`` is the name that a new log gets, "" for ``knockfirst/`` and the host's name; one that there is keeps its
    own. Once it is open, ``origin`` is its name.
    ``now`` gives seconds since the epoch, ``monotonic`` those of a clock that only rises.
    """

    def __init__(
        self,
        directory: Path,
        *,
        origin: str,
        now: Callable[[], float],
        monotonic: Callable[[], float],
        synced: Callable[[], bool | None] = synced,
        boot: Callable[[], str] = boot,
    ) -> None:
        self.origin = origin
        self._path = directory / AUDIT
        self._key_path = directory / SIGNING_KEY
        self._keys_path = directory / KEYS
        self._keys = Keys(self._keys_path)
        self._now = now
        self._monotonic = monotonic
        self._synced = synced
        self._boot = boot
        self._booted = ""
        self._connection: sqlite3.Connection | None = None
        self._tree = Tree()
        self._key: Key | None = None
        self._head = ""
        self._traces = False  # whether what was erased may still be in the write-ahead log

    def open(self) -> None:
        """Make the log where there is none, or see that it is the one that was left, and end what was cut short.

        Raises ConfigError where it is not whole; then nothing is changed.
        """
        try:
            self._connection = database(self._path, self._plant)
            self._booted = self._boot()
            self._take_key()
            self._check_head()
            if not self._keys_path.exists() and self._db.execute("SELECT 1 FROM sealed").fetchone():
                raise self._keyless("the customers' keys are not there")
            self._keys.open()
            self._finish()
        except (sqlite3.Error, AuditError) as error:
            self.close()
            raise ConfigError(
                f"agent.state: {self._path}: {error}; make room, and let the daemon's user write"
            ) from None
        except ConfigError:
            self.close()
            raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._keys.close()

    @property
    def size(self) -> int:
        return self._tree.size

    def root(self) -> bytes:
        return self._tree.root()

    def checkpoint(self) -> str:
        """The signed checkpoint of the log as it is."""
        return self._head

    @property
    def vkey(self) -> str:
        """What its checkpoints are checked with."""
        return self._signed_with.vkey

    def append(self, items: Sequence[Item]) -> list[Entry]:
        """Put these on record, all or none: they are on disk when this returns.

        Raises AuditError where they could not be, and ValueError for an item that has no place in a log.
        """
        with _wrapped():
            owners = self._keys.made({item.customer for item in items if item.customer})
            with self._transaction() as tree:
                added = self._added(tree, items, owners)
        if self._traces:
            with suppress(sqlite3.Error):  # what was appended is there, whatever becomes of this
                self._truncate()
        return added

    def read(self, kinds: Collection[str] | None = None, start: int = 0, end: int | None = None) -> Iterator[Opened]:
        """The entries from number ``start`` on, up to ``end``, in order; of these kinds alone where they are given.

        What is appended meanwhile comes too. Raises AuditError.
        """
        while start < (self.size if end is None else min(end, self.size)):
            with _wrapped():
                until = start + _PAGE if end is None else min(start + _PAGE, end)
                rows = self._db.execute(READ, (start, until)).fetchall()
                found = list(opened(rows, self._keys.owners, kinds))
            yield from found
            start += _PAGE

    def whole(self) -> Iterator[Opened]:
        """All entries, as ``read`` gives them, in half of the time: for who lets nobody append or erase meanwhile.

        Raises AuditError.
        """
        with _wrapped():
            owners, cursor = self._keys.all_owners(), self._db.execute(READ_ALL)
            while rows := cursor.fetchmany(_PAGE):
                yield from opened(rows, owners)

    def entry(self, number: int) -> Opened | None:
        """The entry of that number; None where there is none. Raises AuditError."""
        with _wrapped():
            rows = self._db.execute(READ, (number, number + 1)).fetchall()
            return next(opened(rows, self._keys.owners), None)

    def knows(self, customer: str) -> bool:
        """Whether any entry is this customer's. Raises AuditError."""
        with _wrapped():
            return self._keys.customer(customer) is not None

    def own(self, customer: str) -> Iterator[Own]:
        """The entries of a customer as he may see them, in order. Raises AuditError."""
        with _wrapped():
            found = self._keys.customer(customer)
            numbers = self._db.execute(_OF_OWNER, (found.number,)).fetchall() if found else []
        for (number,) in numbers:
            with _wrapped():
                _, text, _, blob = self._db.execute(READ, (number, number + 1)).fetchone()
                assert found is not None
                yield Own(number, text, *unsealed(found, number, blob))

    def has(self, item: Item, start: int) -> bool:
        """Whether that was put on record of its customer, as number ``start`` or later. Raises AuditError."""
        wanted = canon.canonical(item.private or {})
        return any(
            own.number >= start and own.private == wanted and canon.kind_of(own.canon) == item.kind
            for own in self.own(item.customer)
        )

    def nodes(self) -> Nodes:
        """What proofs about the log as it is are made of. Asking it raises AuditError."""
        return self._tree.nodes(self._leaves)

    def doom(self, customer: str, how: dict[str, Any]) -> None:
        """Note that a customer is to be erased, and how, so that it is ended whatever dies: ``doomed`` has it then.

        Raises AuditError.
        """
        with _wrapped():
            found = self._keys.customer(customer)
            if found is not None:
                self._keys.doom(found.number, canon.canonical(how).decode())

    def doomed(self) -> list[tuple[str, dict[str, Any]]]:
        """Those whose erasure was begun and has not been ended, and how. Raises AuditError."""
        with _wrapped():
            return [(ref, canon.parsed(how)) for ref, how in self._keys.doomed()]

    def erase(self, customer: str, public: dict[str, Any] | None = None) -> None:
        """Make everything private of a customer unreadable for ever: his key, and what is sealed under it.

        A customer who is not known has nothing to be erased. ``public``: what more the log says of it. Raises
        AuditError; then it is to be tried again.
        """
        with _wrapped():
            found = self._keys.customer(customer)
            if found is None:
                return
            if self._db.execute("SELECT 1 FROM sealed WHERE owner = ?", (found.number,)).fetchone():
                self._erased(found.number, public or {})
            self._keys.shred([found.number])
            self._truncate()

    @property
    def _db(self) -> sqlite3.Connection:
        assert self._connection is not None, "the log is not open"
        return self._connection

    @property
    def _signed_with(self) -> Key:
        assert self._key is not None, "the log is not open"
        return self._key

    @contextmanager
    def _transaction(self) -> Iterator[Tree]:
        """All of it or nothing, with the head that belongs to it. What is appended goes to the tree that is given."""
        tree = self._tree.copy()
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield tree
            head = self._note(tree)
            self._db.execute("INSERT OR REPLACE INTO head (one, note) VALUES (1, ?)", (head,))
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self._tree, self._head = tree, head

    def _note(self, tree: Tree) -> str:
        return Checkpoint(self.origin, tree.size, tree.root()).signed(self._signed_with)

    def _added(self, tree: Tree, items: Sequence[Item], owners: dict[str, Customer]) -> list[Entry]:
        ms = canon.milliseconds(self._now())
        common = {
            "v": 1, "time": canon.written(ms), "mono": canon.milliseconds(self._monotonic()),
            "boot": self._booted, "synced": self._synced(),
        }  # fmt: skip
        added = []
        for item in items:
            number = tree.size
            leaf = self._put(number, item, owners.get(item.customer), common)
            tree.append(leaf)
            added.append(Entry(number, leaf, ms / 1000))
        return added

    def _put(self, number: int, item: Item, owner: Customer | None, common: dict[str, Any]) -> bytes:
        """Write one entry; its leaf hash."""
        if item.kind not in KINDS or (owner is None and item.private is not None):
            raise ValueError(f"{item.kind}: no kind of entry, or something private that is nobody's")
        commit = None
        if owner is not None:
            salt, private = secrets.token_bytes(SALT), canon.canonical(item.private or {})
            commit = canon.commitment(salt, private)
        text = canon.canonical({**common, "n": number, "kind": item.kind, "public": item.public, "commit": commit})
        leaf = leaf_hash(text)
        self._db.execute("INSERT INTO entries (number, leaf, canon) VALUES (?, ?, ?)", (number, leaf, text.decode()))
        if owner is not None:
            blob = sealed(owner, number, salt, private)
            self._db.execute("INSERT INTO sealed (number, owner, blob) VALUES (?, ?, ?)", (number, owner.number, blob))
        if item.kind == _INTENT:
            self._db.execute("INSERT INTO unanswered (number) VALUES (?)", (number,))
        elif item.kind == _OUTCOME:
            self._db.execute("DELETE FROM unanswered WHERE number = ?", (item.public.get("intent"),))
        return leaf

    def _plant(self, connection: sqlite3.Connection) -> None:
        self._tree = Tree(leaf for (leaf,) in connection.execute("SELECT leaf FROM entries ORDER BY number"))

    def _take_key(self) -> None:
        """The key that the log is signed with; a new log has a new one."""
        self.origin = self.origin or f"knockfirst/{gethostname()}"
        if not usable(self.origin):
            raise ConfigError(f"audit.origin: {self.origin!r}: no space and no plus sign may be in the name of a log")
        self._key = Key(self.origin, private_key(self._key_path, make=self.size == 0))

    def _check_head(self) -> None:
        """See that the log is the one that this key signed last, and take its name. Raises ConfigError."""
        row = self._db.execute("SELECT note FROM head").fetchone()
        if row is None and self.size == 0:
            with self._transaction():
                return
        try:
            note = row[0] if row else ""
            key = Key(note.partition("\n")[0], self._signed_with.private)
            head = read(note, (key.vkey,))
        except Malformed as error:
            raise self._not_whole(f"its last checkpoint is not signed with {self._key_path} ({error})") from None
        if head.size != self.size:
            raise self._not_whole(f"{self.size} entries, where {head.size} were signed")
        if head.root != self.root():
            raise self._not_whole(f"its {self.size} entries are not those that were signed")
        self.origin, self._key, self._head = head.origin, key, note

    def _not_whole(self, what: str) -> ConfigError:
        return ConfigError(
            f"agent.state: {self._path}: not the log as it was left: {what}; "
            "`knockfirst audit verify` says more; put it back from a copy, or move it away to begin anew"
        )

    def _keyless(self, what: str) -> ConfigError:
        return ConfigError(
            f"agent.state: {self._keys_path}: {what}, and so what is sealed under them cannot be read; put the file "
            "back, or move it and the log away to begin anew"
        )

    def _finish(self) -> None:
        """End what a crash cut short: keys whose customer has no entry, or none any more; probes without outcome."""
        owners = {owner for (owner,) in self._db.execute("SELECT DISTINCT owner FROM sealed")}
        keys = self._keys.numbers()
        if gone := len(owners - keys):
            raise self._keyless(f"the keys of {gone} customers are not there")
        if unused := keys - owners:
            self._keys.shred(sorted(unused))
        if items := [self._unknown(number) for (number,) in self._db.execute("SELECT number FROM unanswered")]:
            self.append(items)

    def _unknown(self, number: int) -> Item:
        """What is said of a probe that nobody knows the end of: it may have been sent, or not."""
        rows = self._db.execute(READ, (number, number + 1)).fetchall()
        (intent,) = opened(rows, self._keys.owners)
        public = {
            "intent": number,
            "id": intent.public.get("id"),
            "outcome": "unknown",
            "connections": None,
            "ms": None,
        }
        if intent.private is None:
            return Item(_OUTCOME, public)
        told = {key: intent.private.get(key) for key in ("address", "port")}
        return Item(_OUTCOME, public, intent.customer, {**told, "detail": "the agent ended before the probe did"})

    def _erased(self, owner: int, public: dict[str, Any]) -> None:
        """Delete what is sealed for a customer, and say so, without who it was."""
        with self._transaction() as tree:
            gone = self._db.execute("DELETE FROM sealed WHERE owner = ?", (owner,)).rowcount
            self._added(tree, [Item("customer.erased", {**public, "entries": gone})], {})
        self._db.execute("PRAGMA incremental_vacuum").fetchall()

    def _truncate(self) -> None:
        """Empty the write-ahead logs. Where somebody reads the log just now, the next append tries again."""
        busy, _, _ = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self._traces = not self._keys.truncate() or bool(busy)

    def _leaves(self, start: int, end: int) -> bytes:
        with _wrapped():
            return b"".join(leaf for (leaf,) in self._db.execute(_LEAVES, (start, end)))


@contextmanager
def _wrapped() -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise AuditError(f"audit log: {error}") from error

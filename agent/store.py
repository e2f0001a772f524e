"""What was observed, on disk: servers, and the facts of each, within bounds of number and age.

Beliefs are not in it. They are derived from the observations by the book whenever these are loaded, so that a new book
judges old facts anew and no belief outlives its reasons.

Nothing is written where a fact is taken; ``commit`` writes what was taken since, in one transaction. So a kill costs
what was not committed and nothing else. Times are seconds since the epoch.
"""

from __future__ import annotations

import os
from collections import Counter
from contextlib import contextmanager
from functools import lru_cache
from sys import intern
from typing import TYPE_CHECKING, Any, Literal

from agent.model import Endpoint, Observation
from agent.schema import DATABASE, STEPS, lock, opened
from agent.waiting import Fact, Seen, Waiting

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from agent.schema import Step

BATCH = 512  # facts written, or deleted, in one transaction: a few tens of milliseconds
_PAGE = 16  # servers loaded in one turn
_FEW = 64  # servers deleted in one transaction; each has at most some tens of facts

Reason = Literal["age", "rows"]
REASONS: tuple[Reason, ...] = ("age", "rows")

_FACTS = (
    "SELECT o.id, s.id, s.address, o.port, o.transport, o.kind, o.value"
    " FROM observations o JOIN servers s ON s.id = o.server"
)
_TOO_OLD = "WHERE o.last_seen < ? ORDER BY o.last_seen LIMIT ?"
_OLDEST = "ORDER BY o.last_seen, o.id LIMIT ?"
_OF_OLDEST_SERVERS = (
    "WHERE s.id IN (SELECT id FROM servers ORDER BY last_seen, id LIMIT ?) ORDER BY s.last_seen, s.id LIMIT ?"
)
_NEXT_SERVERS = "SELECT last_seen, id FROM servers WHERE (last_seen, id) > (?, ?) ORDER BY last_seen, id LIMIT ?"
_OF_SERVERS = (
    "SELECT s.address, o.port, o.transport, o.kind, o.value,"
    " CASE o.origin WHEN 'active' THEN o.last_seen ELSE o.first_seen END, o.origin, o.collector"
    " FROM servers s JOIN observations o ON o.server = s.id"
    " WHERE (s.last_seen, s.id) > (?, ?) AND (s.last_seen, s.id) <= (?, ?) AND o.last_seen >= ?"
    " ORDER BY s.last_seen, s.id, o.id"
)
_SEEN_AGAIN = (
    "UPDATE observations SET last_seen = max(last_seen, ?)"
    " WHERE server = ? AND port = ? AND transport = ? AND kind = ? AND value = ?"
)
_NEW = (
    "INSERT INTO observations"
    " (server, port, transport, kind, value, origin, collector, first_seen, last_seen)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_ALL_OF = (
    "SELECT s.address, o.port, o.transport, o.kind, o.value, o.origin, o.collector, o.first_seen, o.last_seen"
    " FROM servers s JOIN observations o ON o.server = s.id WHERE s.id = ? ORDER BY o.id"
)
_EMPTIED = "DELETE FROM servers WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM observations WHERE server = ?1)"


class Store:
    """The state directory's database. ``observations`` and ``servers`` are the rows that it holds as of a commit.

    At most ``max_observations`` and ``max_servers`` of them: those seen last stay. ``deleted`` counts observations.
    """

    def __init__(self, directory: Path, max_observations: int, max_servers: int) -> None:
        self._directory = directory
        self._max_observations = max_observations
        self._max_servers = max_servers
        self._lock: int | None = None
        self._connection: sqlite3.Connection | None = None
        self.waiting = Waiting()
        self.observations = 0
        self.servers = 0
        self.deleted: Counter[str] = Counter(dict.fromkeys(REASONS, 0))

    def open(self, steps: tuple[Step, ...] = STEPS) -> None:
        """Lock the directory and open the file in it. Raises ConfigError that names it and says what would be right."""
        self._lock = lock(self._directory)
        try:
            self._connection = opened(self._directory / DATABASE, steps)
        except BaseException:
            self.close()
            raise
        self.recount()

    def recount(self) -> None:
        """See how many rows there are: another connection may have erased some. Raises sqlite3.Error."""
        (self.observations,) = self._db.execute("SELECT count(*) FROM observations").fetchone()
        (self.servers,) = self._db.execute("SELECT count(*) FROM servers").fetchone()

    def close(self) -> None:
        """Let go of file and lock; what was not committed is lost. May be called twice."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def due(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self.waiting) or self.behind

    @property
    def behind(self) -> bool:
        """Whether one commit will not do for what waits, or more is kept than should be."""
        surplus = self.observations > self._max_observations or self.servers > self._max_servers
        return surplus or self.waiting.facts > BATCH or self.waiting.forgotten > _FEW

    def commit(self) -> list[Fact]:
        """Write what waits, BATCH facts at most, and delete what is then beyond the bounds, about as many.

        The facts that are no longer there for that. Raises sqlite3.Error; then nothing has changed, and it may be
        tried again.
        """
        facts, forgotten = self.waiting.batch(BATCH, _FEW)
        with self._transaction():
            for address in forgotten:
                self._delete_server(address)
            servers = {fact.server.address: self._server(fact.server.address, seen) for fact, seen in facts}
            for fact, seen in facts:
                self._write(servers[fact.server.address], fact, seen)
            deleted = self._trim()
        self.waiting.done(facts, forgotten)
        return self._absent(deleted)

    def expire(self, before: float, most: int = BATCH) -> list[Fact]:
        """Delete so many facts last seen before that time, the oldest first, and servers that have none left.

        The facts that are no longer there for that. Raises sqlite3.Error, as ``commit`` does.
        """
        with self._transaction():
            deleted = self._delete(_TOO_OLD, (before, most), "age")
        return self._absent(deleted)

    def erase(self, wanted: Callable[[str], bool]) -> None:
        """Delete all that is known of these addresses, so that nothing of it is left in the file.

        The file is made anew for that: some four seconds for a million facts. Raises sqlite3.Error; then it is to be
        tried again.
        """
        self.waiting.drop(wanted)
        erased(self._db, wanted)
        self.recount()

    def facts(self, wanted: Callable[[str], bool]) -> list[tuple[Any, ...]]:
        """All that is known of these addresses, what waits included (``facts``). Raises sqlite3.Error."""
        while self.waiting:
            self.commit()
        return list(facts(self._db, wanted))

    def load(self, since: float) -> Iterator[list[Observation]]:
        """Every fact last seen at that time or later, as it was first seen; the servers seen last come last.

        What a probe has learnt comes as it was last seen: the latest answer is how things stand.
        Some servers at a time, so that others have their turn; what is seen again meanwhile may come twice. Raises
        sqlite3.Error.
        """
        # The same few words and endpoints are in every row; one of each in memory makes that a third.
        same: Callable[[Any], Any] = intern
        endpoint = lru_cache(256)(Endpoint)
        after = float("-inf"), 0
        while servers := self._db.execute(_NEXT_SERVERS, (*after, _PAGE)).fetchall():
            rows = self._db.execute(_OF_SERVERS, (*after, *servers[-1], since)).fetchall()
            after = servers[-1]
            yield [
                Observation(endpoint(address, port, same(transport)), same(kind), value, first, same(origin), same(by))
                for address, port, transport, kind, value, first, origin, by in rows
            ]

    def last_success(self, job: str) -> float:
        """When a job was last done to its end; 0 if never."""
        found = self._db.execute("SELECT last_success FROM jobs WHERE name = ?", (job,)).fetchone()
        return float(found[0]) if found else 0.0

    def succeeded(self, job: str, time: float) -> None:
        """Note that a job was done to its end. Raises sqlite3.Error."""
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO jobs (name, last_success) VALUES (?, ?)", (job, time))

    def size(self) -> int:
        """Bytes on disk, the write-ahead log included."""
        paths = (self._directory / DATABASE, self._directory / f"{DATABASE}-wal")
        return sum(path.stat().st_size for path in paths if path.exists())

    @property
    def _db(self) -> sqlite3.Connection:
        assert self._connection is not None, "the store is not open"
        return self._connection

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of it or nothing: rows, and what is counted of them."""
        before = self.observations, self.servers, self.deleted.copy()
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException:
            self.observations, self.servers, self.deleted = before
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _absent(self, deleted: list[Fact]) -> list[Fact]:
        """Those of the deleted facts that have not been seen again meanwhile."""
        return [fact for fact in deleted if fact not in self.waiting]

    def _server(self, address: str, seen: Seen) -> int:
        """The row of a server, which is made where there is none."""
        found = self._db.execute("SELECT id FROM servers WHERE address = ?", (address,)).fetchone()
        if found:
            return int(found[0])
        self.servers += 1
        made = self._db.execute(
            "INSERT INTO servers (address, first_seen, last_seen) VALUES (?, ?, ?)", (address, seen.first, seen.last)
        )
        assert made.lastrowid is not None
        return made.lastrowid

    def _write(self, server: int, fact: Fact, seen: Seen) -> None:
        key = (server, fact.server.port, fact.server.transport, fact.kind, fact.value)
        if self._db.execute(_SEEN_AGAIN, (seen.last, *key)).rowcount == 0:
            self._db.execute(_NEW, (*key, seen.origin, seen.collector, seen.first, seen.last))
            self.observations += 1
        self._db.execute("UPDATE servers SET last_seen = max(last_seen, ?) WHERE id = ?", (seen.last, server))

    def _delete_server(self, address: str) -> None:
        gone = self._db.execute(
            "DELETE FROM observations WHERE server = (SELECT id FROM servers WHERE address = ?)", (address,)
        ).rowcount
        self.observations -= gone
        self.deleted["rows"] += gone
        self.servers -= self._db.execute("DELETE FROM servers WHERE address = ?", (address,)).rowcount

    def _trim(self) -> list[Fact]:
        """Delete what is beyond the bounds, seen longest ago first."""
        deleted = []
        if (surplus := self.servers - self._max_servers) > 0:
            deleted += self._delete(_OF_OLDEST_SERVERS, (surplus, BATCH), "rows")
        if (surplus := self.observations - self._max_observations) > 0:
            deleted += self._delete(_OLDEST, (min(surplus, BATCH),), "rows")
        return deleted

    def _delete(self, which: str, values: tuple[Any, ...], reason: Reason) -> list[Fact]:
        """Delete the facts that the clause names, and the servers that are left with none."""
        found = self._db.execute(f"{_FACTS} {which}", values).fetchall()
        self._db.executemany("DELETE FROM observations WHERE id = ?", [(row[0],) for row in found])
        emptied = self._db.executemany(_EMPTIED, [(server,) for server in {row[1] for row in found}])
        self.observations -= len(found)
        self.servers -= max(0, emptied.rowcount)
        self.deleted[reason] += len(found)
        return [Fact(Endpoint(*row[2:5]), *row[5:]) for row in found]


def erased(connection: sqlite3.Connection, wanted: Callable[[str], bool]) -> None:
    """Delete the servers at these addresses and their facts from a store, and make its file anew."""
    found = [row for row in connection.execute("SELECT id, address FROM servers").fetchall() if wanted(row[1])]
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("DELETE FROM observations WHERE server = ?", [(number,) for number, _ in found])
        connection.executemany("DELETE FROM servers WHERE id = ?", [(number,) for number, _ in found])
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    # What was moved about in a page while rows came and went is gone only when the page is made anew; on disk, because
    # in memory it would take as much again as the file.
    connection.execute("PRAGMA temp_store = FILE")
    try:
        connection.execute("VACUUM")
    finally:
        connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def facts(connection: sqlite3.Connection, wanted: Callable[[str], bool]) -> Iterator[tuple[Any, ...]]:
    """Every fact of the servers at these addresses: address, port, transport, kind, value, origin, collector, and when
    it was first and last seen.
    """
    for number, address in connection.execute("SELECT id, address FROM servers ORDER BY id").fetchall():
        if wanted(address):
            yield from connection.execute(_ALL_OF, (number,)).fetchall()


@contextmanager
def beside(directory: Path) -> Iterator[sqlite3.Connection | None]:
    """The store's file, opened by whoever has the directory locked already; None where there is none.

    Raises ConfigError.
    """
    path = directory / DATABASE
    connection = opened(path) if path.exists() else None
    try:
        yield connection
    finally:
        if connection is not None:
            connection.close()

"""The log's database: its tables, how it is opened by the one who writes it, and how by those who only read."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from agent.errors import InputError
from agent.schema import opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.schema import Step

STEPS: tuple[Step, ...] = (
    (
        "CREATE TABLE entries (number INTEGER PRIMARY KEY, leaf BLOB NOT NULL CHECK (length(leaf) = 32),"
        " canon TEXT NOT NULL) STRICT",
        # The private parts. Of an erased customer there are none; his entries stay, and tell nothing of him.
        "CREATE TABLE sealed (number INTEGER PRIMARY KEY REFERENCES entries (number), owner INTEGER NOT NULL,"
        " blob BLOB NOT NULL) STRICT",
        "CREATE INDEX sealed_by_owner ON sealed (owner)",
        "CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), note TEXT NOT NULL) STRICT",
        # Intents that have no outcome yet, so that these are found without reading everything.
        "CREATE TABLE unanswered (number INTEGER PRIMARY KEY REFERENCES entries (number)) STRICT",
    ),
)


def database(path: Path, read: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection:
    """Opened, and looked through for damage, while ``read`` is called. Raises ConfigError and sqlite3.Error."""
    connection = opened(path, STEPS, read)
    # Not even a power cut may cost what was appended.
    connection.execute("PRAGMA synchronous = FULL")
    if not connection.execute("PRAGMA auto_vacuum").fetchone()[0]:
        # A whole VACUUM of a large log would keep everybody waiting; pages that were freed can go without one.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("VACUUM")
    return connection


def reading(path: Path) -> sqlite3.Connection:
    """A database of a state directory, or of a copy of one, to be read. Raises InputError."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; name the directory of the log with --state DIR")
    # A copy on a disk that nobody may write to has no write-ahead log, and there cannot be made one.
    options = ["mode=ro"] if path.with_name(f"{path.name}-wal").exists() else ["mode=ro", "mode=ro&immutable=1"]
    for option in options:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?{option}", uri=True, isolation_level=None)
        try:
            connection.execute("PRAGMA busy_timeout = 2000")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.Error as error:
            connection.close()
            why = error
        else:
            return connection
    raise InputError(f"{path}: cannot be read: {why}; is it a log, and may you read it?")

"""The store's file: who may have it open, which version it is of, and how an older one becomes the present one.

SQLite in WAL mode (https://sqlite.org/wal.html): a process may be killed between any two instructions, and the next
that opens the file finds every transaction that was committed and nothing of one that was not.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DATABASE = "knockfirst.sqlite"
LOCK = "lock"
# The audit log, the customers' keys, the key that the log is signed with (agent/audit), and agent/pseudonym.py's;
# what was found at customers, and the key that it is sealed under (agent/cases).
AUDIT = "audit.sqlite"
KEYS = "keys.sqlite"
SIGNING_KEY = "signing.key"
PSEUDONYM_KEY = "pseudonym.key"
FINDINGS = "findings.sqlite"
FINDINGS_KEY = "findings.key"
_DATABASES = (DATABASE, AUDIT, KEYS, FINDINGS)
_SECRETS = (SIGNING_KEY, PSEUDONYM_KEY, FINDINGS_KEY)
_OURS = frozenset(
    (
        LOCK,
        *(f"{name}{end}" for name in _SECRETS for end in ("", ".new")),
        *(f"{name}{end}" for name in _DATABASES for end in ("", "-wal", "-shm")),
    )
)

Step = tuple[str, ...]

# Each step makes the next version out of the one before, all of its statements or none of them. A step that was
# released is never changed. REAL times are seconds since the epoch.
STEPS: tuple[Step, ...] = (
    (
        "CREATE TABLE servers (id INTEGER PRIMARY KEY, address TEXT NOT NULL UNIQUE,"
        " first_seen REAL NOT NULL, last_seen REAL NOT NULL) STRICT",
        "CREATE INDEX servers_by_last_seen ON servers (last_seen)",
        "CREATE TABLE observations (id INTEGER PRIMARY KEY,"
        " server INTEGER NOT NULL REFERENCES servers (id) ON DELETE CASCADE,"
        " port INTEGER NOT NULL CHECK (port BETWEEN 0 AND 65535),"
        " transport TEXT NOT NULL CHECK (transport IN ('tcp', 'udp')),"
        " kind TEXT NOT NULL, value TEXT NOT NULL,"
        " origin TEXT NOT NULL CHECK (origin IN ('passive', 'active')), collector TEXT NOT NULL,"
        " first_seen REAL NOT NULL, last_seen REAL NOT NULL CHECK (last_seen >= first_seen),"
        " UNIQUE (server, port, transport, kind, value)) STRICT",
        "CREATE INDEX observations_by_last_seen ON observations (last_seen)",
        "CREATE TABLE jobs (name TEXT PRIMARY KEY, last_success REAL NOT NULL) STRICT",
    ),
)

_PATIENCE = 0.2  # seconds that whoever has it locked is waited for

_SETTINGS = (
    "PRAGMA journal_mode = WAL",
    # A power cut may then cost the last commits, but harms nothing, and a commit seldom waits for the disk.
    "PRAGMA synchronous = NORMAL",
    f"PRAGMA busy_timeout = {1000 * _PATIENCE:.0f}",
    "PRAGMA foreign_keys = ON",
    # What is deleted is personal data: its bytes are overwritten, not only forgotten.
    "PRAGMA secure_delete = ON",
    # Whoever commits the page that reaches this many writes them all back: few at a time, so that no commit is long.
    "PRAGMA wal_autocheckpoint = 256",
    "PRAGMA journal_size_limit = 4194304",
    "PRAGMA temp_store = MEMORY",
)


def _nothing(connection: sqlite3.Connection) -> None:
    """Nothing is read meanwhile."""


class HeldError(ConfigError):
    """Another process has the store open."""


def lock(directory: Path) -> int:
    """Make the state directory (0700) ours alone for as long as the descriptor that is given stays open.

    Raises ConfigError where the directory cannot be had or is open to others, and HeldError where another agent has it.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _close_to_others(directory)
        descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(
            f"agent.state: {directory}: {error.strerror}; name a directory that the daemon's user may write to"
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise HeldError(
            f"agent.state: {directory}: another agent has this store open; stop it or name another directory"
        ) from None
    return descriptor


def _close_to_others(directory: Path) -> None:
    """Take others' rights to a directory away where nothing is in it but the store. Raises ConfigError, OSError."""
    if not directory.stat().st_mode & 0o077:
        return
    others = [path.name for path in directory.iterdir() if path.name not in _OURS]
    if others:
        raise ConfigError(
            f"agent.state: {directory}: others may enter it, and it holds more than the store ({others[0]!r}); "
            "name a directory for the store alone, or take their rights away: chmod 0700"
        )
    directory.chmod(0o700)


def opened(
    path: Path, steps: tuple[Step, ...] = STEPS, read: Callable[[sqlite3.Connection], None] = _nothing
) -> sqlite3.Connection:
    """The database at ``path``, made (0600) or brought up to the version that ``steps`` end at.

    ``read`` is called while it is looked through for damage, which takes long where it is large; nothing of what that
    reads may be relied on before this returns. Raises ConfigError where it is newer than that, not a store, damaged, or
    cannot be written.
    """
    connection = None
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        path.chmod(0o600)
        # One thread has it at a time, though not always the one that opened it.
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        version = _version(connection, path, len(steps))
        for setting in _SETTINGS:
            connection.execute(setting)
        _migrate(connection, version, steps)
        with _looked_through(path):
            read(connection)
    except (OSError, sqlite3.Error, ConfigError) as error:
        if connection is not None:
            connection.close()
        raise _fault(path, error) from None
    return connection


@contextmanager
def _looked_through(path: Path) -> Iterator[None]:
    """Look for damage in a thread, with a connection of its own, until the end of this. Raises sqlite3.Error for it."""
    faults: list[sqlite3.Error] = []

    def look() -> None:
        try:
            with closing(sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)) as connection:
                if (found := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                    faults.append(sqlite3.DatabaseError(found))
        except sqlite3.Error as error:
            faults.append(error)

    thread = threading.Thread(target=look, name="look", daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        if faults:  # whatever came of reading it
            raise faults[0]


def _version(connection: sqlite3.Connection, path: Path, known: int) -> int:
    """The version of a database that is ours. Raises ConfigError, with nothing changed, where it is not."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version == 0 and connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        raise ConfigError(f"agent.state: {path}: another program's database; name a directory for the store alone")
    if version > known:
        raise ConfigError(
            f"agent.state: {path}: version {version}, and this program knows up to {known}; "
            "run the program that wrote it, or move the file away to begin anew"
        )
    return version


def _migrate(connection: sqlite3.Connection, version: int, steps: tuple[Step, ...]) -> None:
    for number, step in enumerate(steps[version:], version + 1):
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement in step:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")


def _fault(path: Path, error: Exception) -> ConfigError:
    if isinstance(error, ConfigError):
        return error
    if isinstance(error, OSError):
        return ConfigError(f"agent.state: {path}: {error.strerror}; the daemon's user must be able to write it")
    if isinstance(error, sqlite3.OperationalError):
        return ConfigError(
            f"agent.state: {path}: {error}; make room, let the daemon's user write there, "
            "and close what else has it open"
        )
    what = " ".join(str(error).split())
    return ConfigError(
        f"agent.state: {path}: damaged ({what}); move it and what is named after it (-wal, -shm) away to begin anew"
    )

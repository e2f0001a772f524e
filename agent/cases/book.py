"""The findings store: events of cases, only ever added, each durable when ``put`` returns, sealed for its customer.

``findings.sqlite`` is a list of whom to break into, to whoever could read it: no address, name or finding is in it in
clear, and the key it is sealed under (``findings.key``, or systemd's credential `findings`) is the agent's alone.
Cases are a fold over it, made when it is opened. Whoever opens it has the state directory locked before
(agent/schema.py). Times are seconds since the epoch.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from agent.audit.entry import Item
from agent.cases.case import Case, Event, applied, opened
from agent.cases.sealing import SALT, Owner, Sealing, sealed, unsealed
from agent.errors import ConfigError
from agent.keyfile import entrusted
from agent.schema import FINDINGS, FINDINGS_KEY
from agent.schema import opened as database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from agent.schema import Step

STEPS: tuple[Step, ...] = (
    (
        "CREATE TABLE customers (number INTEGER PRIMARY KEY, ref BLOB NOT NULL UNIQUE CHECK (length(ref) = 16),"
        " salt BLOB NOT NULL CHECK (length(salt) = 32)) STRICT",
        "CREATE TABLE events (number INTEGER PRIMARY KEY, kase BLOB NOT NULL CHECK (length(kase) = 8),"
        " owner INTEGER NOT NULL REFERENCES customers (number) ON DELETE CASCADE, blob BLOB NOT NULL) STRICT",
        "CREATE INDEX events_by_case ON events (kase)",
        "CREATE INDEX events_by_owner ON events (owner)",
        # Who has the token of a case that is deleted may still say no: a no is always believed.
        "CREATE TABLE stops (digest BLOB PRIMARY KEY, owner INTEGER NOT NULL REFERENCES customers (number)"
        " ON DELETE CASCADE, blob BLOB NOT NULL, until REAL NOT NULL) STRICT",
        "CREATE INDEX stops_by_owner ON stops (owner)",
        "CREATE TABLE jobs (name TEXT PRIMARY KEY, last_success REAL NOT NULL) STRICT",
    ),
    (
        # What the log is to have of what happened: written with the event, so that no end of the agent is between them.
        "CREATE TABLE owed (number INTEGER PRIMARY KEY, owner INTEGER NOT NULL REFERENCES customers (number)"
        " ON DELETE CASCADE, blob BLOB NOT NULL) STRICT",
        "CREATE INDEX owed_by_owner ON owed (owner)",
    ),
    (
        # What was said in messages, word for word, each with the event by which it may go out. Read when asked for.
        "CREATE TABLE texts (number INTEGER PRIMARY KEY REFERENCES events (number) ON DELETE CASCADE,"
        " kase BLOB NOT NULL CHECK (length(kase) = 8),"
        " owner INTEGER NOT NULL REFERENCES customers (number) ON DELETE CASCADE, blob BLOB NOT NULL) STRICT",
        "CREATE INDEX texts_by_case ON texts (kase)",
        "CREATE INDEX texts_by_owner ON texts (owner)",
    ),
)
CREDENTIAL = "findings"
ANSWER = "answer"  # what a token is for
_UNUSED = (
    "DELETE FROM customers WHERE number = ?1 AND NOT EXISTS (SELECT 1 FROM events WHERE owner = ?1)"
    " AND NOT EXISTS (SELECT 1 FROM owed WHERE owner = ?1)"
    " AND NOT EXISTS (SELECT 1 FROM stops WHERE owner = ?1)"
)


class BookError(Exception):
    """The findings store could not be written or read: nothing was changed, and it can be tried again."""


class Held(NamedTuple):
    """Whose a token is; ``case`` is "" for one that has been deleted."""

    customer: str
    case: str


class Owed(NamedTuple):
    """What the log is to have; ``size``: how many entries it had when that came to be."""

    item: Item
    size: int


class Told(NamedTuple):
    """What a message said: of which step, and when it was let go out."""

    time: float
    step: str
    text: str


class Book:
    """The findings store of a state directory. ``cases``: every case that there is, by its id; ``owed``: what the log
    is still to have of them, in order.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / FINDINGS
        self._key_path = directory / FINDINGS_KEY
        self._connection: sqlite3.Connection | None = None
        self._sealing = Sealing(b"")
        self._last = 0
        self._owners: dict[str, Owner] = {}
        self._tokens: dict[bytes, Held] = {}
        self._of: defaultdict[str, list[str]] = defaultdict(list)  # address -> cases
        self._traces = False  # whether what was deleted may still be in the write-ahead log
        self._owes = 0
        self.cases: dict[str, Case] = {}
        self.owed: dict[int, Owed] = {}

    def open(self) -> None:
        """Make the store where there is none, or fold what is in it. Raises ConfigError where it cannot be used."""
        there = self._path.exists()
        key = entrusted(CREDENTIAL, self._key_path, "the key of the findings store", make=not there)
        self._sealing = Sealing(key)
        try:
            self._connection = database(self._path, STEPS)
            # What was begun is on disk before anybody outside hears of it.
            self._connection.execute("PRAGMA synchronous = FULL")
            self._load()
        except (sqlite3.Error, ValueError, LookupError, TypeError) as error:
            self.close()
            raise ConfigError(
                f"agent.state: {self._path}: {error}; is {self._key_path.name} the key that it was written with? Put "
                "that back, or move both away to begin anew"
            ) from None
        except ConfigError:
            self.close()
            raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def begin(self, told: Event) -> Case:
        """A new case, of an ``opened`` event. Raises BookError."""
        return self.put(self.fresh(), told)

    def fresh(self) -> str:
        """An id that no case has."""
        return secrets.token_hex(8)

    def put(
        self, ident: str, *events: Event, owed: Callable[[Case], Item] | None = None, size: int = 0, text: str = ""
    ) -> Case:
        """Put these on record, all or none, and let them count: the case as it then is. Raises BookError.

        ``owed`` gives what the log, of so many entries, is to have of it: no less on record, until it is ``paid``.
        ``text``: what the message says that the last event is about.
        """
        case = self.cases.get(ident)
        made = case
        for told in events:
            made = opened(ident, told) if made is None else applied(made, told)
        assert made is not None
        with self._transaction():
            owner = self._owner(made.customer)
            for number, told in enumerate(events, self._last + 1):
                blob = sealed(owner, _place(number, ident), list(told))
                self._db.execute("INSERT INTO events VALUES (?, ?, ?, ?)", (number, _bytes(ident), owner.number, blob))
            if text:
                place, said = self._last + len(events), [events[-1].time, events[-1].body["id"], text]
                blob = sealed(owner, _text(place, ident), said)
                self._db.execute("INSERT INTO texts VALUES (?, ?, ?, ?)", (place, _bytes(ident), owner.number, blob))
            debt = Owed(owed(made), size) if owed else None
            if debt:
                blob = sealed(owner, _debt(self._owes + 1), [*debt.item, size])
                self._db.execute("INSERT INTO owed VALUES (?, ?, ?)", (self._owes + 1, owner.number, blob))
        if debt:
            self._owes += 1
            self.owed[self._owes] = debt
        self._last += len(events)
        self._owners[made.customer] = owner
        self._keep(made)
        return made

    def paid(self, numbers: Iterable[int]) -> None:
        """The log has these. Raises BookError: then they are on disk as owed, and are not any more."""
        gone = [(number,) for number in numbers]
        for (number,) in gone:
            self.owed.pop(number, None)
        with self._transaction():
            self._db.executemany("DELETE FROM owed WHERE number = ?", gone)

    def at(self, address: str) -> list[Case]:
        """The cases of an address, whoever's they are, as they were opened."""
        return [self.cases[ident] for ident in self._of.get(address, ())]

    def events(self, ident: str) -> list[Event]:
        """What happened to a case, in order. Raises BookError."""
        case = self.cases[ident]
        with _wrapped():
            owner = self._owner(case.customer)
            rows = self._db.execute("SELECT number, blob FROM events WHERE kase = ? ORDER BY number", (_bytes(ident),))
            return [Event(*unsealed(owner, _place(number, ident), blob)) for number, blob in rows]

    def texts(self, ident: str) -> list[Told]:
        """What the messages of a case said, in order. Raises BookError."""
        with _wrapped():
            owner = self._owner(self.cases[ident].customer)
            rows = self._db.execute("SELECT number, blob FROM texts WHERE kase = ? ORDER BY number", (_bytes(ident),))
            return [Told(*unsealed(owner, _text(number, ident), blob)) for number, blob in rows]

    def token(self, ident: str, purpose: str = ANSWER) -> str:
        """By which the customer may answer for a case, without a login; or for what else has an id, for a purpose."""
        return self._sealing.token(ident, purpose)

    def digest(self, token: str) -> bytes:
        """What a token is looked up by, so that the time that takes tells nothing of any."""
        return self._sealing.digest(token)

    def holder(self, token: str) -> Held | None:
        """Whose a token is; None where it is nobody's."""
        return self._tokens.get(self._sealing.digest(token))

    def delete(self, ident: str, until: float) -> None:
        """Delete a case. Its token says no until then, and nothing else. Raises BookError."""
        case = self.cases[ident]
        digest = self._sealing.digest(self.token(ident))
        with self._transaction():
            owner = self._owner(case.customer)
            self._db.execute("DELETE FROM events WHERE kase = ?", (_bytes(ident),))
            blob = sealed(owner, digest, {"customer": case.customer})
            self._db.execute("INSERT OR REPLACE INTO stops VALUES (?, ?, ?, ?)", (digest, owner.number, blob, until))
        self._drop(case)
        self._tokens[digest] = Held(case.customer, "")
        self._traces = True

    def expire(self, now: float) -> None:
        """Delete the tokens that have had their day, and the keys that open nothing any more. Raises BookError."""
        with self._transaction():
            gone = self._db.execute("SELECT digest, owner FROM stops WHERE until <= ?", (now,)).fetchall()
            self._db.executemany("DELETE FROM stops WHERE digest = ?", [(digest,) for digest, _ in gone])
            unused = {number for _, number in gone}
            self._db.executemany(_UNUSED, [(number,) for number in unused])
        for digest, _ in gone:
            self._tokens.pop(digest, None)
        self._owners = {ref: owner for ref, owner in self._owners.items() if owner.number not in unused}
        self._traces |= bool(gone)

    def erase(self, customer: str) -> int:
        """Make everything of a customer unreadable for ever: his salt, and what is sealed under it. How many cases.

        Raises BookError; then it is to be tried again.
        """
        ref = self._sealing.reference(customer)
        with self._transaction():
            self._db.execute("UPDATE customers SET salt = zeroblob(32) WHERE ref = ?", (ref,))
            self._db.execute("DELETE FROM customers WHERE ref = ?", (ref,))
        self._owners.pop(customer, None)
        self.owed = {number: owed for number, owed in self.owed.items() if owed.item.customer != customer}
        his = [case for case in self.cases.values() if case.customer == customer]
        for case in his:
            self._drop(case)
        self._tokens = {digest: held for digest, held in self._tokens.items() if held.customer != customer}
        with _wrapped():
            # What was moved about in a page while rows came and went is gone only when the page is made anew.
            self._db.execute("VACUUM")
        self._traces = True
        self.truncate()
        return len(his)

    def truncate(self) -> None:
        """Empty the write-ahead log, if what was deleted may still be in it. Raises BookError."""
        if self._traces:
            with _wrapped():
                busy, _, _ = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            self._traces = bool(busy)

    def last_success(self, job: str) -> float:
        """When a job was last done to its end; 0 if never."""
        found = self._db.execute("SELECT last_success FROM jobs WHERE name = ?", (job,)).fetchone()
        return float(found[0]) if found else 0.0

    def succeeded(self, job: str, time: float) -> None:
        """Note that a job was done to its end. Raises BookError."""
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO jobs VALUES (?, ?)", (job, time))

    @property
    def _db(self) -> sqlite3.Connection:
        assert self._connection is not None, "the findings store is not open"
        return self._connection

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with _wrapped():
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _load(self) -> None:
        rows = self._db.execute("SELECT number, salt FROM customers")
        owners = {number: self._sealing.owner(number, salt) for number, salt in rows}
        for number, kase, owner, blob in self._db.execute("SELECT * FROM events ORDER BY number"):
            ident = kase.hex()
            told = Event(*unsealed(owners[owner], _place(number, ident), blob))
            case = self.cases.get(ident)
            self.cases[ident] = opened(ident, told) if case is None else applied(case, told)
            self._owners.setdefault(self.cases[ident].customer, owners[owner])
            self._last = number
        for case in list(self.cases.values()):
            self._keep(case)
        for digest, owner, blob in self._db.execute("SELECT digest, owner, blob FROM stops"):
            customer = unsealed(owners[owner], digest, blob)["customer"]
            self._owners.setdefault(customer, owners[owner])
            self._tokens[digest] = Held(customer, "")
        for number, owner, blob in self._db.execute("SELECT number, owner, blob FROM owed ORDER BY number"):
            *written, size = unsealed(owners[owner], _debt(number), blob)
            self.owed[number] = Owed(Item(*written), size)
            self._owners.setdefault(self.owed[number].item.customer, owners[owner])
            self._owes = number

    def _owner(self, customer: str) -> Owner:
        """Within a transaction: the customer, who is made where there is none."""
        if customer in self._owners:
            return self._owners[customer]
        ref = self._sealing.reference(customer)
        row = self._db.execute("SELECT number, salt FROM customers WHERE ref = ?", (ref,)).fetchone()
        if row is None:
            row = (secrets.randbits(62), secrets.token_bytes(SALT))
            self._db.execute("INSERT INTO customers (number, ref, salt) VALUES (?, ?, ?)", (row[0], ref, row[1]))
        return self._sealing.owner(*row)

    def _keep(self, case: Case) -> None:
        self.cases[case.id] = case
        if case.id not in self._of[case.address]:
            self._of[case.address].append(case.id)
            self._tokens[self._sealing.digest(self.token(case.id))] = Held(case.customer, case.id)

    def _drop(self, case: Case) -> None:
        del self.cases[case.id]
        self._of[case.address].remove(case.id)
        if not self._of[case.address]:
            del self._of[case.address]
        self._tokens.pop(self._sealing.digest(self.token(case.id)), None)


def _place(number: int, ident: str) -> bytes:
    return number.to_bytes(8, "big") + _bytes(ident)


def _text(number: int, ident: str) -> bytes:
    return b"text" + _place(number, ident)


def _debt(number: int) -> bytes:
    return b"owed" + number.to_bytes(8, "big")


def _bytes(ident: str) -> bytes:
    return bytes.fromhex(ident)


@contextmanager
def _wrapped() -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error, ValueError) as error:
        raise BookError(f"findings store: {error}") from error

"""The office: the log, and what is folded from it: register, history, what is published. One writer, in one thread.

The agent has it open while it runs; where none runs, a command has, for as long as it takes, under the store's lock.
"""

from __future__ import annotations

from secrets import token_hex
from typing import TYPE_CHECKING, NamedTuple

from agent import killswitch, requests
from agent.audit.clock import synced
from agent.audit.entry import KINDS, Item, Opened
from agent.audit.log import AuditError, Log
from agent.audit.sinks import Sinks
from agent.config import fingerprint
from agent.consent.arming import Published, missing
from agent.consent.gate import ConsentGate
from agent.consent.history import History
from agent.consent.register import Register
from agent.consent.tokens import Tokens
from agent.consent.unmatched import Unmatched
from agent.consent.written import BODIES
from agent.erasing import Erasing
from agent.errors import ConfigError
from agent.leave import Conditions, Limits
from agent.pseudonym import Pseudonyms, opened
from agent.watch import Watched

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Collection, Iterator, Sequence
    from pathlib import Path

    from agent.audit.entry import Entry
    from agent.cases.book import Book
    from agent.cases.tells import Tells
    from agent.erasing import Observed
    from agent.inventory import Seen
    from agent.leave import Grant, Refusal, Request, Sighting
    from agent.privacy import Ranges
    from agent.sections import Config

DAY = 86_400.0
_STEP = 1.0  # seconds by which a clock that is well may be set back
_RETRY = 5.0  # seconds after a write that failed, in which the log is taken for unwritable


class Who(NamedTuple):
    """Who gives an order: user and process, as the kernel says."""

    uid: int
    pid: int


class Office:
    """``now``: seconds since the epoch; ``monotonic``: CLOCK_MONOTONIC. ``sighting``: what is known of a server."""

    def __init__(
        self,
        config: Config,
        directory: Path,
        *,
        log: logging.Logger,
        now: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self.config = config
        self.directory = directory
        self.now = now
        self._monotonic = monotonic
        self.log = Log(directory, origin=config.audit.origin, now=now, monotonic=monotonic)
        self.sinks = Sinks(config.audit.file, config.audit.syslog)
        self.register = Register()
        self.history = History()
        self.published = Published()
        self.tokens = Tokens()
        self.unmatched = Unmatched()
        self.requests = requests.Requests()
        self.gate = ConsentGate(self, monotonic, lambda: token_hex(16))
        # Objections since these were last seen to: the ids, and whether not even headers may be looked at.
        self.objected: list[tuple[str, bool]] = []
        # Knocks, where there is a prober to do it; None where there is no agent.
        self.knock: Callable[[Request], Grant | Refusal] | None = None
        # Ends at once what is under way at a customer's, and keeps what was seen, where there is an agent.
        self.let_be: Callable[[str], None] | None = None
        self.observed: Observed | None = None
        # Lets go of what looking has in memory of addresses whose customer is erased, where there is an agent.
        self.let_go: Callable[[Ranges], None] | None = None
        self.erasing = Erasing(self)
        # Telling customers, where there is an agent that does it.
        self.telling: Tells | None = None
        self.sighting: Callable[[str, int], Sighting | None] = _not_seen
        # All that looking knows, where there is an agent.
        self.seen: Callable[[], Seen] | None = None
        self._watched = Watched(_paths(config), log)
        self._logger = log
        self._failed_at = float("-inf")
        self._latest = float("-inf")
        self._pseudonyms: Pseudonyms | None = None
        self._book: Book | None = None
        self.switched_on = False  # whether the log says that the kill switch is on
        # Asked of each of a million entries, most of which concern the register alone.
        self._folds: dict[str, list[Callable[[Opened], None]]] = {
            kind: [fold for kinds, fold in self._folding() if kind in kinds] for kind in KINDS
        }
        self._owed: list[Item] = []  # what the agent says of itself and could not put on record yet
        self.failures = 0

    def open(self) -> None:
        """Read the whole log. Raises ConfigError where it cannot be used, or is not what was written."""
        self.log.open()
        if self.config.audit.origin not in ("", self.log.origin):
            said = {"origin": self.log.origin, "audit.origin": self.config.audit.origin}
            self._logger.warning("the log keeps the name that it was begun with", extra=said)
        try:
            self.register.load(self._remembered())
        except (AuditError, LookupError, TypeError, ValueError) as error:
            self.log.close()
            raise ConfigError(
                f"agent.state: {self.directory}: the log cannot be read ({type(error).__name__}); `knockfirst audit "
                "verify` says more; put it back from a copy, or move it away to begin anew"
            ) from None
        self.objected.clear()
        try:
            self.erasing.finish()
        except ConfigError:
            self.close()
            raise
        self.look()

    def begin(self) -> None:
        """An agent has it from now on. That is put on record, if not now then as soon as it can be.

        Raises ConfigError where the findings store, or the key of the pseudonyms, cannot be used.
        """
        _ = self.pseudonyms, self.book
        self._say(Item("log.started", {"sha256": fingerprint(self.config)}))

    def end(self) -> None:
        """The agent lets go of it."""
        self._say(Item("log.stopped"))
        self.close()

    def close(self) -> None:
        self.sinks.tend(self.log, self._monotonic(), last=True)
        self.log.close()
        if self._book is not None:
            self._book.close()
            self._book = None

    def take(self, config: Config) -> None:
        """Another configuration is in force."""
        if (sha256 := fingerprint(config)) != fingerprint(self.config):
            self._say(Item("config.changed", {"sha256": sha256}))
        self.config = config
        self._watched = Watched(_paths(config), self._logger, self._watched)
        self.sinks.take(config.audit.file, config.audit.syslog)
        self.look()

    def record(self, items: Sequence[Item]) -> list[Entry]:
        """Put these on record, all or none, and let them count.

        Raises AuditError where the log cannot be written, and ValueError for what has no place in it.
        """
        if empty := [item.kind for item in items if item.kind in BODIES and not item.private]:
            raise ValueError(f"{empty[0]}: nothing is said of anybody")  # such a log could not be read again
        try:
            entries = self.log.append(items)
        except AuditError:
            self.failures += 1
            self._failed_at = self._monotonic()
            raise
        self._failed_at = float("-inf")
        for item, entry in zip(items, entries, strict=True):
            # Of a customer something private is always read back, if only that there is nothing.
            private = item.private or {} if item.customer else None
            self._fold(Opened(entry.number, item.kind, entry.time, item.public, item.customer, private))
        return entries

    def forget(self, customer: str, asked: Sequence[str]) -> None:
        """As if nothing were known of a customer, nor of how it went at the addresses where he was asked.

        The log is not changed by it: agent/erasing.py does that.
        """
        gone = Opened(self.log.size, "customer.erased", self.now(), {}, customer, {"asked": list(asked)})
        for fold in (self.register, self.history, self.tokens, self.requests):
            fold.apply(gone)

    @property
    def pseudonyms(self) -> Pseudonyms:
        """The servers' names for who need not know their addresses. Opened when first wanted: raises ConfigError."""
        days = self.config.exporter.pseudonym_days
        self._pseudonyms = self._pseudonyms.lasting(days) if self._pseudonyms else opened(self.directory, days)
        return self._pseudonyms

    @property
    def book(self) -> Book:
        """The cases, and what is kept of them. Opened when first wanted: raises ConfigError."""
        if self._book is None:
            from agent.cases.book import Book

            book = Book(self.directory)
            book.open()
            self._book = book
        return self._book

    def look(self) -> bool:
        """Look at the files that the operator may change at any time; True if another set is in force."""
        return self._watched.look(self._monotonic())

    def tend(self) -> bool:
        """Do what is due: checkpoints, what is owed to the log, and a look at the files, of which it tells."""
        changed = self.look()
        if self._owed and self.writable():
            self._pay()
        if not (self.erasing.tend(self._monotonic()) and self.erasing.retire(self._monotonic())):
            self._logger.error("a customer who is to be erased cannot be; trying again")
        self.sinks.tend(self.log, self._monotonic())
        return changed

    def writable(self) -> bool:
        """Whether the log can be written, as far as is known: what failed a moment ago is not tried for a while."""
        return self._monotonic() - self._failed_at >= _RETRY

    @property
    def kill_switch(self) -> Path:
        """The file that stops every probe while it is there."""
        return killswitch.place(self.config) or self.directory / killswitch.FILE

    def killed(self) -> bool | None:
        """Whether the kill switch is on; None where that cannot be seen."""
        return killswitch.state(self.kill_switch)

    def limits(self) -> Limits:
        """What the configuration makes of the numbers."""
        consent, probe = self.config.consent, self.config.probe
        return Limits(
            announce=consent.announce_days * DAY,
            mapping=consent.mapping_hours * 3600.0,
            quarantine=consent.quarantine_days * DAY,
            checkpoint=self.config.audit.checkpoint_minutes * 60.0,
            recheck=probe.recheck_hours * 3600.0,
            per_minute=probe.per_minute,
            terms_objection=consent.terms_objection,
        )

    def conditions(self) -> Conditions:
        """What holds of this machine now."""
        probe = self.config.probe
        now = self.now()
        return Conditions(
            time=now,
            clock_synced=self._clock_synced(now),
            killed=self.killed(),
            missing=missing(self.config, self.register, self.published, now),
            audit_writable=self.writable(),
            checkpoint_age=self.sinks.age(self._monotonic()),
            denied=self._watched.get("probe.deny"),
            route_check=bool(self.config.consent.routed),
            routed=self._watched.get("consent.routed"),
            laboratory=probe.laboratory,
            limits=self.limits(),
        )

    def _folding(self) -> Iterator[tuple[Collection[str], Callable[[Opened], None]]]:
        """What is folded beside the register, and of which kinds of entries."""
        for fold in (self.history, self.published, self.tokens, self.unmatched):
            yield fold.KINDS, fold.apply
        yield requests.KINDS, self.requests.apply
        yield ("kill_switch.on", "kill_switch.off"), self._note_switch

    def _note(self, entry: Opened) -> None:
        """Let an entry count with everybody whom its kind concerns, but for the register."""
        for fold in self._folds.get(entry.kind, ()):
            fold(entry)
        if entry.time > self._latest:  # noqa: PLR1730  (a call of each of a million entries takes a while)
            self._latest = entry.time

    def _note_switch(self, entry: Opened) -> None:
        self.switched_on = entry.kind == "kill_switch.on"

    def _clock_synced(self, now: float) -> bool | None:
        """Whether this is the time; None where that is not known. A log that knows of a later one says that it is not.

        A laboratory knocks at nobody's door but its own, and may have no other clock than this one.
        """
        if now < self._latest - _STEP:
            return False
        return True if self.config.probe.laboratory else synced()

    def _say(self, item: Item) -> None:
        """What the agent says of itself; nothing waits for it, and of each kind the last word is enough."""
        self._owed = [*(owed for owed in self._owed if owed.kind != item.kind), item]
        self._pay()

    def _pay(self) -> None:
        try:
            self.record(self._owed)
        except AuditError as error:
            self._logger.error("the log cannot be written, and nobody is knocked at", extra={"error": str(error)})
        else:
            self._owed.clear()

    def _remembered(self) -> Iterator[Opened]:
        """The log, entry by entry; what is not the register's is folded on the way."""
        for entry in self.log.whole():
            self._note(entry)
            yield entry

    def _fold(self, entry: Opened) -> None:
        self.register.apply(entry)
        self._note(entry)
        if entry.kind == "record.objected" and entry.private:
            self.objected.append((entry.private["objection_id"], bool(entry.private.get("headers"))))


def _paths(config: Config) -> dict[str, str]:
    return {"probe.deny": config.probe.deny, "consent.routed": config.consent.routed}


def _not_seen(address: str, port: int) -> Sighting | None:
    return None

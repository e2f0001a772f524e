"""Erasing a customer: all of what is kept of him, in every store, and out of what is known in memory.

What is begun is ended. It is noted with his key that he is to be erased; then go what was found at him, what was seen
of servers that were his alone, and last what the log has sealed for him, with his key and the note. A crash before the
note leaves everything as it was; after it, whoever opens the log next ends it before anything else. Of the entries of
the log the leaves stay, which commit to what nobody can read any more.

An objection that stands goes with him, or goes on without him: then its prefixes alone are put on record as those of an
objection of nobody known, by which nobody looks at them, whoever has them.
"""

from __future__ import annotations

import os
import sqlite3
from bisect import bisect_right
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from uuid import uuid4

from agent.audit.canon import kind_of, parsed
from agent.audit.log import AuditError
from agent.cases.book import BookError
from agent.consent.objection import objection
from agent.errors import ConfigError
from agent.privacy import cidrs, common, minus, one, union
from agent.schema import FINDINGS
from agent.store import beside, erased

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from agent.audit.entry import Item
    from agent.consent.state import Range
    from agent.office import Office
    from agent.privacy import Ranges

# Why: this is public in the log and stays for ever, so that it is no place for a text.
REASONS = ("request", "contract_ended", "mistake", "retention")
_AGAIN = 60.0  # seconds until what could not be ended is tried again, and until the next one is erased
_HOUR = 3600.0
_MONTH = 31 * 86_400.0
_FAULTS = (AuditError, BookError, ConfigError, sqlite3.Error, OSError)


class UnfinishedError(ConfigError):
    """An erasure was begun, and what is left of it could not be done yet."""


class Observed(Protocol):
    """What was seen of servers, as the agent keeps it (agent.keeping.Keeping)."""

    def erase(self, wanted: Callable[[str], bool]) -> None: ...

    def facts(self, wanted: Callable[[str], bool]) -> list[tuple[Any, ...]]: ...


class Erased(NamedTuple):
    """What an erasure came to: entries of the log that nobody can read any more, and the objections that go on."""

    entries: int
    kept: dict[str, list[str]]  # id -> prefixes


class _Plan(NamedTuple):
    customer: str
    how: dict[str, Any]
    entries: int
    alone: Ranges
    asked: tuple[str, ...]
    kept: tuple[Item, ...]


class Erasing:
    """Of one office. ``how``, as it is noted: {"uid", "reason" of REASONS, "keep": ids for objections that go on}."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._left: dict[str, _Plan] = {}
        self._begun: dict[str, float] = {}  # whose is not at its end -> when it was begun, in seconds since the epoch
        self._due = self._next = float("-inf")
        self.last_success = 0.0  # when nobody was left whom ``retire`` had to erase; 0 for never

    def erase(self, customer: str, *, uid: int, reason: str, keep: bool) -> Erased:
        """Erase a customer of the log. ``keep``: whether his objections go on without him.

        Raises AuditError: then nothing was done; and UnfinishedError: then it will be ended as soon as it can be.
        """
        office = self._office
        if office.let_be is not None:
            office.let_be(customer)
        how = {"uid": uid, "reason": reason, "keep": [str(uuid4()), str(uuid4())] if keep else []}
        plan = self._plan(customer, how)
        office.log.doom(customer, how)
        self._left[customer] = plan
        self._begun.setdefault(customer, office.now())
        try:
            self._end(plan)
        except _FAULTS as error:
            raise UnfinishedError(
                f"the erasure was begun and is not at its end: {error}; make room or mend the disk: what is left is "
                "done by itself, by the daemon each minute, and by whoever opens the store next"
            ) from None
        return Erased(plan.entries, {item.private["objection_id"]: item.private["prefixes"] for item in plan.kept})  # type: ignore[index]

    def finish(self) -> None:
        """End what was begun before the log was opened. Raises UnfinishedError."""
        try:
            for customer, how in self._office.log.doomed():
                self._end(self._plan(customer, how))
        except _FAULTS as error:
            raise UnfinishedError(
                f"agent.state: {self._office.directory}: an erasure was begun and cannot be ended: {error}; make room, "
                "and let the daemon's user write"
            ) from None

    def tend(self, monotonic: float) -> bool:
        """Try once more what could not be ended; False where it failed again."""
        if not self._left or monotonic < self._due:
            return True
        self._due = monotonic + _AGAIN
        ended = [self._ended(plan) for plan in list(self._left.values())]  # one does not wait for another
        return all(ended)

    def retire(self, monotonic: float) -> bool:
        """Erase who has had no contract for as long as the configuration says, one at a time; False where that failed.

        It counts from when the end was put on record, whatever date was given for it, and by a clock that is known to
        be right: what is erased does not come back.
        """
        office = self._office
        months = office.config.audit.keep_months
        if not months or monotonic < self._next:
            return True
        self._next = monotonic + _AGAIN
        if office.conditions().clock_synced is not True:
            return True
        try:
            ref = next((ref for ref in office.register.refs() if self._had_his_time(ref, months)), None)
            if ref is None:
                self.last_success, self._next = office.now(), monotonic + _HOUR
            else:
                self.erase(ref, uid=os.getuid(), reason="retention", keep=True)
        except (AuditError, UnfinishedError):
            return False
        return True

    def body(self) -> float | None:
        """When nobody was left to be erased but by order, for a snapshot; None where nobody is."""
        return self.last_success if self._office.config.audit.keep_months else None

    def unended(self) -> dict[str, Any]:
        """How many erasures were begun and are not at their end, and since when the oldest is; for a snapshot."""
        return {"erasures_unended": len(self._begun), "erasure_oldest": min(self._begun.values(), default=None)}

    def _had_his_time(self, ref: str, months: int) -> bool:
        """Whether a contract that has ended did so long enough ago, and nothing says that there is another."""
        folded = self._office.register.folded(ref)
        if folded is None or not folded.stopped or folded.ended() is None or folded.prefixes:
            return False
        entries = [self._office.log.entry(stop.number) for stop in folded.stopped]
        heard = max((max(entry.time, stop.at) for entry, stop in zip(entries, folded.stopped, strict=True) if entry),
                    default=float("inf"))  # fmt: skip
        return heard <= self._office.now() - months * _MONTH

    def _plan(self, customer: str, how: dict[str, Any]) -> _Plan:
        entries = 0
        prefixes: list[Range] = []
        asked: dict[str, None] = {}
        for own in self._office.log.own(customer):
            entries += 1
            kind = kind_of(own.canon)
            if kind == "mapping.asserted":
                prefixes += [one(text) for text in parsed(own.private.decode())["prefixes"]]
            elif kind == "probe.intent":
                asked[parsed(own.private.decode())["address"]] = None
        kept = tuple(self._kept(customer, how))
        return _Plan(customer, how, entries, alone(self._office, customer, prefixes), tuple(asked), kept)

    def _kept(self, customer: str, how: dict[str, Any]) -> Iterable[Item]:
        """His objections that stand, by their prefixes alone: of looking at handshakes, and of looking at all."""
        for ident, headers in zip(how["keep"], (False, True), strict=False):
            if found := standing(self._office, customer, headers=headers):
                yield objection(
                    None, cidrs(found), at=self._office.now(), ident=ident, headers=headers, channel="command",
                    by=f"uid {how['uid']}",
                )  # fmt: skip

    def _ended(self, plan: _Plan) -> bool:
        try:
            self._end(plan)
        except _FAULTS:
            return False
        return True

    def _end(self, plan: _Plan) -> None:
        """Each step may have been done before; done again, it does nothing."""
        office = self._office
        if new := [item for item in plan.kept if office.register.customer(item.customer) is None]:
            office.record(new)
        office.forget(plan.customer, plan.asked)
        if office.telling is not None:
            office.telling.erased(plan.customer)
        elif (office.directory / FINDINGS).exists():
            office.book.erase(plan.customer)
        his = inside(plan.alone)
        if office.observed is not None:
            office.observed.erase(his)
        else:
            with beside(office.directory) as connection:
                if connection is not None:
                    erased(connection, his)
        if office.let_go is not None:
            office.let_go(plan.alone)
        public = {"uid": plan.how["uid"], "reason": plan.how["reason"], "objections_kept": len(plan.kept)}
        office.log.erase(plan.customer, public)
        self._left.pop(plan.customer, None)
        self._begun.pop(plan.customer, None)


def standing(office: Office, customer: str, *, headers: bool) -> Ranges:
    """Where objections of a customer stand: those that reach the headers, or the others."""
    known = office.register.customer(customer)
    found = [one for one in known.objections if one.lifted is None and one.headers is headers] if known else []
    return union(*(office.register.objected_ranges(each.id) for each in found))


def alone(office: Office, customer: str, prefixes: Iterable[Range]) -> Ranges:
    """As much of these prefixes as nobody else has now."""
    now, whole = office.now(), union(prefixes)
    others = [
        (first, last)
        for prefix in whole
        for text in cidrs([prefix])
        for first, last, holds in office.register.segments(one(text))
        if any(each.customer != customer and (each.until is None or each.until > now) for each in holds)
    ]
    return minus(whole, common(whole, union(others)))


def inside(ranges: Ranges) -> Callable[[str], bool]:
    """Whether an address, in its canonical text, is in a set (sorted and disjoint)."""
    ends = [end for first, last in ranges for end in (first, last + 1)]
    return lambda address: bisect_right(ends, one(address)[0]) & 1 == 1

"""One customer, folded from what happened: whatever takes permission away is believed at once, and anything else late.

Two orders are kept apart: ``at``, when something is said to have happened, and the number of its entry, in which order
it was heard of. What undoes a no (a new record after a withdrawal, a resumption, a lifted objection) has to come after
it in both. So the order of arrival can only ever take permission away, beside an arrival in the order of the dates.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.consent import reading
from agent.consent.narrowing import narrowed
from agent.consent.reading import seconds
from agent.consent.state import Announcement, Customer, Objection

if TYPE_CHECKING:
    from agent.audit.entry import Opened
    from agent.consent.state import Range, Record, Scope, SubjectKind


class Said(NamedTuple):
    """Something that happened at ``at`` and was heard of with entry ``number``. ``record``: which one it is about."""

    at: float
    number: int
    record: str | None = None


class Ended(NamedTuple):
    """The end of a record, or of all that there were: withdrawn, refused, expired, invalidated, replaced."""

    at: float
    number: int
    record: str | None
    kind: str

    def ends(self, given: Given) -> bool:
        if self.record is not None:
            return self.record == given.record.id
        return given.record.at <= self.at or given.number < self.number


class Given(NamedTuple):
    record: Record
    number: int
    subject: SubjectKind


class Objected(NamedTuple):
    """An objection, and every prefix that it has named, also where it is one to everything."""

    objection: Objection
    number: int
    named: tuple[Range, ...] = ()


class Lift(NamedTuple):
    """That an objection was taken back by a record of the customer with that reference."""

    at: float
    number: int
    objection: str
    record: str
    customer: str


class Folded:
    """A customer as the events so far make him; ``customer()`` is what others see."""

    __slots__ = (
        "_seen", "announced", "contacts", "ends", "given", "lifts", "narrowings", "objected", "prefixes", "ref",
        "resumed", "stopped", "suspended",
    )  # fmt: skip

    def __init__(self, ref: str) -> None:
        self.ref = ref
        self.given: tuple[Given, ...] = ()
        self.announced: tuple[Announcement, ...] = ()
        self.prefixes: tuple[Range, ...] = ()  # that any source says are his
        self.ends: tuple[Ended, ...] = ()
        self.narrowings: tuple[tuple[str, Scope], ...] = ()
        self.objected: tuple[Objected, ...] = ()
        self.lifts: tuple[Lift, ...] = ()  # by a record of his
        self.suspended: tuple[Said, ...] = ()
        self.resumed: tuple[Said, ...] = ()
        self.stopped: tuple[Said, ...] = ()  # the contract
        # Of the last word on contacts: its time, its entry, and the kinds of verified ways.
        self.contacts: tuple[float, int, tuple[str, ...]] = (float("-inf"), -1, ())
        self._seen: Customer | None = None

    def changed(self) -> None:
        self._seen = None

    def customer(self) -> Customer:
        """The customer as he is now: one object until something changes."""
        if self._seen is None:
            self._seen = self.made()
        return self._seen

    def made(self) -> Customer:
        return self._seen or Customer(
            self.ref,
            self.subject(),
            self.records(),
            self.announced,
            tuple([each.objection for each in self.objected]),
            self.contacts[2],
            self.is_suspended(),
            self.ended(),
        )

    def subject(self) -> SubjectKind | None:
        """As the latest record says; of two of one time, a natural person rather than a legal one."""
        if not self.given:
            return None
        return max(self.given, key=lambda each: (each.record.at, each.subject != "legal_person", each.subject)).subject

    def records(self) -> tuple[Record, ...]:
        if not (self.ends or self.narrowings or self.stopped):
            return tuple([each.record for each in self.given])
        return tuple(map(self._as_it_is, self.given))

    def _as_it_is(self, given: Given) -> Record:
        record = given.record
        scopes = [scope for named, scope in self.narrowings if named == record.id]
        if scopes:
            record = record._replace(scope=reduce(narrowed, scopes, record.scope))
        ends = [end.at for end in self.ends if end.ends(given)]
        ends += [end.at for end in self.stopped if record.at <= end.at or given.number < end.number]
        return record._replace(ended=min(ends)) if ends else record

    def is_suspended(self) -> bool:
        return any(not any(_after(back, stop) for back in self.resumed) for stop in self.suspended)

    def ended(self) -> float | None:
        """Since when there is no contract; a verified record that is newer in every way says that there is one."""
        left = [end.at for end in self.stopped if not any(_renews(given, end) for given in self.given)]
        return min(left) if left else None

    def give(self, entry: Opened, written: dict[str, Any]) -> None:
        record = reading.record(written, entry.time, entry.sealed, self.prefixes)
        subject: SubjectKind = reading.shared(written["subject_kind"])
        told = written.get("announcement")
        if told:
            self.announce(reading.announcement(told, entry.time))
        self.tell(record.at, entry.number, written["contacts"])
        before = written.get("prev_record")
        if before is not None:
            self.ends += (Ended(record.at, entry.number, before, "replaced"),)
        for each in self.given:
            if each.record.id == record.id:
                if (
                    each.record.hash != record.hash
                ):  # one name for two texts: neither can be told to have been agreed to
                    self.ends += (Ended(min(each.record.at, record.at), entry.number, record.id, "ambiguous"),)
                    self.given += (Given(record, entry.number, subject),)
                return
        self.given += (Given(record, entry.number, subject),)

    def announce(self, told: Announcement) -> None:
        """Of one text by one way at one time, "no" is believed over "yes", and "yes" over "unknown"."""
        for place, each in enumerate(self.announced):
            if (each.sent, each.sha256, each.channel) == (told.sent, told.sha256, told.channel):
                worse = max(each, told, key=lambda one: _CERTAINTY[one.delivered])
                self.announced = (*self.announced[:place], worse, *self.announced[place + 1 :])
                return
        self.announced += (told,)

    def tell(self, at: float, number: int, contacts: list[dict[str, Any]]) -> None:
        """The latest word on who is to be told; of two of one time, only what both say."""
        ways = reading.channels(contacts)
        if at == self.contacts[0]:
            ways = tuple(way for way in ways if way in self.contacts[2])
        if at >= self.contacts[0]:
            self.contacts = (at, number, ways)

    def object(self, objection: Objection, number: int) -> bool:
        """Whether it is news. One name for two texts means both."""
        for place, each in enumerate(self.objected):
            if each.objection.id != objection.id:
                continue
            joined = _joined(each.objection, objection)
            named = tuple(sorted({*each.named, *(objection.prefixes or ())}))
            if named == each.named and joined == each.objection._replace(lifted=None, received=joined.received):
                return False
            both = Objected(joined, max(each.number, number), named)
            self.objected = (*self.objected[:place], both, *self.objected[place + 1 :])
            return True
        self.objected += (Objected(objection, number, objection.prefixes or ()),)
        return True

    def lifted(self, place: int, lifts: list[tuple[Lift, Folded]]) -> bool:
        """Whether one of these has lifted an objection that stands; from then on it does not."""
        objected = self.objected[place]
        times = [lift.at for lift, giver in lifts if giver.may_lift(lift, objected, self.ref)]
        lifted = min(times) if times else None
        if objected.objection.lifted == lifted:
            return False
        changed = objected._replace(objection=objected.objection._replace(lifted=lifted))
        self.objected = (*self.objected[:place], changed, *self.objected[place + 1 :])
        self.changed()
        return True

    def may_lift(self, lift: Lift, objected: Objected, ref: str) -> bool:
        """Whether a record of ours takes an objection back: newer in every way, verified, and its giver's to take back.

        An objection of nobody known is taken back by whoever has a record of all that it names.
        """
        objection, number = objected.objection, objected.number
        if lift.at <= objection.at or lift.number < number:
            return False
        for given in self.given:
            record = given.record
            if record.id != lift.record or not record.verified or record.at <= objection.at or given.number < number:
                continue
            if any(end.record == record.id and end.kind in _NEVER_WAS for end in self.ends):
                return False
            return self.ref == ref or (ref == f"objector/{objection.id}" and _inside(objected, record))
        return False


# What says that a record never was one, so that nothing that rests on it stands.
_NEVER_WAS = ("invalidated", "ambiguous")

_CERTAINTY = {"unknown": 0, "yes": 1, "no": 2}


def _after(back: Said, stop: Said) -> bool:
    return back.at > stop.at and back.number > stop.number


def _renews(given: Given, end: Said) -> bool:
    return bool(given.record.verified) and given.record.at > end.at and given.number > end.number


def _joined(one: Objection, other: Objection) -> Objection:
    prefixes = None
    if one.prefixes is not None and other.prefixes is not None:
        prefixes = tuple(sorted({*one.prefixes, *other.prefixes}))
    return Objection(
        one.id,
        prefixes,
        one.headers or other.headers,
        max(one.at, other.at),
        min(one.received, other.received),
        one.verified or other.verified,
    )


def _inside(objected: Objected, record: Record) -> bool:
    return objected.objection.prefixes is not None and all(
        any(low <= first and last <= high for low, high in record.scope.prefixes) for first, last in objected.named
    )


def objection(written: dict[str, Any], received: float) -> Objection:
    prefixes = written.get("prefixes")
    return Objection(
        written["objection_id"],
        None if prefixes is None else tuple(sorted(set(reading.ranges(prefixes)))),
        written.get("headers", False),
        seconds(written["at"]),
        received,
        written.get("verified", False),
    )

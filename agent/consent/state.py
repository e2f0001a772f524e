"""What the register knows, as named tuples: the result of the fold, never stored. ``agent.consent.register`` makes it.

Addresses are numbers on the line of ``agent.privacy`` (IPv6 first, IPv4 beyond), prefixes ranges on it, both ends
included. Times are seconds since the epoch; ``received`` is when the register heard of something, ``at`` when that is
said to have happened.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Basis = Literal["explicit", "service_contract", "terms_objection"]
SubjectKind = Literal["legal_person", "natural_person", "sole_trader"]
Holding = Literal["static", "dynamic", "shared", "unknown"]
Range = tuple[int, int]


class Hours(NamedTuple):
    """On these days of the week (0 is Monday), from ``start`` up to, not including, ``end``: minutes of the day.

    Where ``end`` is not after ``start``, they go on to that minute of the next day.
    """

    days: frozenset[int]
    start: int
    end: int


class Scope(NamedTuple):
    """What a record covers. ``hours`` empty: none at all; ``per_day``: the most probes of a host in a day."""

    prefixes: tuple[Range, ...]
    ports: tuple[int, ...]
    tiers: tuple[str, ...]
    probes: tuple[str, ...]
    hours: tuple[Hours, ...]
    zone: str
    per_day: int
    excluded: tuple[Range, ...] = ()


class Record(NamedTuple):
    """A consent record as it is in force or not: ``hash`` is the SHA-256 (hex) of its canonical JSON as it was given.

    ``documents``: kind of each text that was shown -> its SHA-256. ``verified``: how the grantor was checked, "" if he
    was not. ``ended``: when it was withdrawn, invalidated or replaced; None while it was not.
    """

    id: str
    hash: str
    basis: Basis
    scope: Scope
    documents: tuple[tuple[str, str], ...]
    verified: str
    at: float
    received: float
    valid_from: float
    valid_until: float
    ended: float | None = None


class Announcement(NamedTuple):
    """A text that was sent to a customer. Only one that was delivered ("yes") counts, from ``sent`` on.

    What came back is "no" for good, whatever else is said of the same text on the same way.
    """

    sent: float
    received: float
    delivered: Literal["yes", "no", "unknown"]
    sha256: str
    channel: str = ""


class Objection(NamedTuple):
    """A no. ``prefixes`` None: everything of this customer's. ``headers``: also from passive looking at headers.

    ``lifted``: when a new, verified record took it back; None while it stands.
    """

    id: str
    prefixes: tuple[Range, ...] | None
    headers: bool
    at: float
    received: float
    verified: bool
    lifted: float | None = None


class Mapped(NamedTuple):
    """That a prefix is a customer's, as a source asserts it. ``since``: when this source first gave it to him.

    ``before``: when the address was taken from another customer, where it was: the quarantine counts from there.
    ``session``: the live session of a dynamic address. ``until``: None without an end.
    """

    prefix: Range
    customer: str
    kind: Holding
    source: str
    since: float
    before: float | None = None
    until: float | None = None
    session: str | None = None


class Customer(NamedTuple):
    """All that is known of one customer, but for who his contacts are: ``channels`` are the kinds of them, verified.

    ``suspended``: the operator has stopped everything here. ``ended``: since when there is no contract.
    """

    ref: str
    subject: SubjectKind | None = None
    records: tuple[Record, ...] = ()
    announcements: tuple[Announcement, ...] = ()
    objections: tuple[Objection, ...] = ()
    channels: tuple[str, ...] = ()
    suspended: bool = False
    ended: float | None = None

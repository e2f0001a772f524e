"""A question that is answered with leave, and changes of one thing in it each: what the tables of tests are made of."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from agent.audit.entry import Opened
from agent.consent.decide import decide
from agent.consent.history import History
from agent.consent.state import Announcement, Customer, Hours, Mapped, Objection, Range, Record, Scope
from agent.leave import BUILD, HANDSHAKE, Conditions, Leave, Limits, Refusal, Request, Sighting
from agent.privacy import one, union

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()  # a Tuesday
DAY = 86_400.0
HOUR = 3600.0
HOST = "192.0.2.1"
HASHES = {"terms": "a" * 64, "faq": "b" * 64, "objection_page": "c" * 64}

SCOPE = Scope(
    (one("192.0.2.0/24"), one("2001:db8::/48")), (443,), (HANDSHAKE, BUILD), ("exchange-http",),
    (Hours(frozenset(range(5)), 9 * 60, 17 * 60),), "Europe/Amsterdam", 1,
)  # fmt: skip
RECORD = Record(
    "r-1", "d" * 64, "explicit", SCOPE, tuple(HASHES.items()), "portal_login",
    NOW - 40 * DAY, NOW - 40 * DAY, NOW - 40 * DAY, NOW + 300 * DAY,
)  # fmt: skip
ANNOUNCEMENT = Announcement(NOW - 31 * DAY, NOW - 31 * DAY, "yes", "e" * 64)
CUSTOMER = Customer("c-1", "legal_person", (RECORD,), (ANNOUNCEMENT,), (), ("mail", "phone"))
OBJECTION = Objection("o-1", None, False, NOW, NOW, False)
MAPPED = tuple(
    Mapped(one(prefix), "c-1", "static", "crm", NOW - 400 * DAY) for prefix in ("192.0.2.0/24", "2001:db8::/48")
)
SIGHTING = Sighting("mail.example.nl", ("f" * 64,), ("exchange",), False, NOW - HOUR)
CONDITIONS = Conditions(NOW, True, False, (), True, 60.0, [], False, [], True, Limits())
REQUEST = Request(HOST, 443, "exchange-http", "schedule", SIGHTING)


class Books(NamedTuple):
    """A register that knows this and no more."""

    mapped: tuple[Mapped, ...] = MAPPED
    people: tuple[Customer, ...] = (CUSTOMER,)
    objecting: tuple[tuple[Range, Objection], ...] = ()
    documents: dict[str, str] = {sha256: kind for kind, sha256 in HASHES.items()}  # noqa: RUF012
    syncs: dict[str, float] = {"crm": NOW - HOUR}  # noqa: RUF012

    def holders(self, address: int) -> tuple[Mapped, ...]:
        return tuple(each for each in self.mapped if each.prefix[0] <= address <= each.prefix[1])

    def objections(self, address: int) -> tuple[Objection, ...]:
        return tuple(each for prefix, each in self.objecting if prefix[0] <= address <= prefix[1])

    def customer(self, ref: str) -> Customer | None:
        return next((each for each in self.people if each.ref == ref), None)

    def synced(self, source: str) -> float | None:
        return self.syncs.get(source)


class Asked(NamedTuple):
    """All that a decision is made of; ``entries``: of probes, from which its history is folded."""

    books: Books = Books()
    entries: tuple[Opened, ...] = ()
    request: Request = REQUEST
    conditions: Conditions = CONDITIONS

    @property
    def history(self) -> History:
        made = History()
        for entry in self.entries:
            made.apply(entry)
        return made

    def decided(self) -> Leave | Refusal:
        return decide(self.books, self.history, self.request, self.conditions)


Change = Callable[[Asked], Asked]


def changed(*changes: Change) -> Asked:
    """The question that is answered with leave, and then with these changes."""
    asked = Asked()
    for change in changes:
        asked = change(asked)
    return asked


def request(**fields: Any) -> Change:
    return lambda asked: asked._replace(request=asked.request._replace(**fields))


def seen(**fields: Any) -> Change:
    """What looking knows, otherwise."""
    return lambda asked: request(sighting=(asked.request.sighting or SIGHTING)._replace(**fields))(asked)


def now(**fields: Any) -> Change:
    """Conditions, otherwise."""
    return lambda asked: asked._replace(conditions=asked.conditions._replace(**fields))


def limits(**fields: Any) -> Change:
    return lambda asked: now(limits=asked.conditions.limits._replace(**fields))(asked)


def books(**fields: Any) -> Change:
    return lambda asked: asked._replace(books=asked.books._replace(**fields))


def mapped(**fields: Any) -> Change:
    """What every source says of whose the addresses are, otherwise."""
    return lambda asked: books(mapped=tuple(each._replace(**fields) for each in asked.books.mapped))(asked)


def also(prefix: str, **fields: Any) -> Change:
    """One more says something of whose an address is."""
    more = MAPPED[0]._replace(prefix=one(prefix), **fields)
    return lambda asked: books(mapped=(more, *asked.books.mapped))(asked)


def customer(**fields: Any) -> Change:
    return lambda asked: books(people=tuple(each._replace(**fields) for each in asked.books.people))(asked)


def record(**fields: Any) -> Change:
    """Every record, otherwise."""
    return lambda asked: books(
        people=tuple(
            each._replace(records=tuple(one._replace(**fields) for one in each.records)) for each in asked.books.people
        )
    )(asked)


def scope(**fields: Any) -> Change:
    return lambda asked: books(
        people=tuple(
            each._replace(records=tuple(one._replace(scope=one.scope._replace(**fields)) for one in each.records))
            for each in asked.books.people
        )
    )(asked)


def entry(kind: str, number: int, ago: float, customer: str, public: dict[str, Any], private: Any) -> Opened:
    return Opened(number, kind, NOW - ago, public, customer, private)


def intent(number: int, ago: float, address: str = HOST, customer: str = "c-1") -> Opened:
    """A probe that began so many seconds ago."""
    public = {"probe": "exchange-http", "id": f"{number:08x}", "why": "schedule"}
    return entry("probe.intent", number, ago, customer, public, {"address": address, "port": 443})


def outcome(
    of: int, ago: float, became: str, address: str = HOST, customer: str = "c-1", ms: int = 100, statuses: Any = (401,)
) -> Opened:
    """What became of it, so many seconds ago."""
    public = {"intent": of, "id": f"{of:08x}", "outcome": became, "connections": 1, "ms": ms}
    private = {"address": address, "port": 443, "statuses": list(statuses), "detail": ""}
    return entry("probe.outcome", of + 1_000_000, ago, customer, public, private)


def probe(number: int, ago: float, became: str = "confirmed", **more: Any) -> tuple[Opened, Opened]:
    """Begun so many seconds ago, and over ten seconds later."""
    where = {name: more[name] for name in ("address", "customer") if name in more}
    return intent(number, ago, **where), outcome(number, ago - 10, became, **more)


def had(*probes: tuple[Opened, ...] | Opened) -> Change:
    """These are on record."""
    entries = tuple(e for each in probes for e in ((each,) if isinstance(each, Opened) else each))
    return lambda asked: asked._replace(entries=(*asked.entries, *entries))


def denied(*prefixes: str) -> list[tuple[int, int]]:
    return union(map(one, prefixes))

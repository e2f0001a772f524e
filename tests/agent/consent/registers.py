"""Registers for tests: events as they are written, one by one or at random, and the entries that they become.

The world is small, so that things meet: three customers, prefixes that lie in each other, two sources, forty days.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from hypothesis import strategies as st

from agent.audit.entry import Opened
from agent.consent.register import Register
from agent.consent.written import body, rfc3339
from agent.privacy import one

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BEGIN = datetime(2026, 9, 1, tzinfo=UTC)
DAY = 86_400.0
CUSTOMERS = ("c-1", "c-2", "c-3")
SOURCES = ("crm", "netbox")
PREFIXES = (
    "192.0.2.0/24", "192.0.2.0/25", "192.0.2.0/28", "192.0.2.128/25", "198.51.100.0/24", "198.51.100.7/32",
    "2001:db8::/32", "2001:db8:1::/48",
)  # fmt: skip
ADDRESSES = tuple(
    one(text)[0]
    for text in (
        "192.0.2.1",
        "192.0.2.17",
        "192.0.2.129",
        "198.51.100.1",
        "198.51.100.7",
        "203.0.113.1",
        "2001:db8::1",
        "2001:db8:1::1",
    )
)
TERMS = "a" * 64


class Event(NamedTuple):
    """What is put on record: of a customer (then ``written`` is private), or of nobody."""

    kind: str
    written: dict[str, Any]
    customer: str = ""


def day(number: float) -> str:
    """The time so many days after the beginning, as it is written."""
    return rfc3339(BEGIN + timedelta(days=number))


def at(number: float) -> float:
    """The same time in seconds since the epoch."""
    return (BEGIN + timedelta(days=number)).timestamp()


def name(number: int) -> str:
    """An id, of a record or an objection."""
    return f"00000000-0000-4000-8000-{number:012d}"


def scope(*prefixes: str, **changes: Any) -> dict[str, Any]:
    return {
        "prefixes": list(prefixes) or ["192.0.2.0/24"],
        "ports": [443],
        "tiers": ["passive.handshake", "active.build"],
        "probes": ["exchange-http"],
        "window": {"hours": ["daily 00:00-24:00"], "tz": "Europe/Amsterdam"},
        **changes,
    }


def record(customer: str, number: int = 1, created: float = 0, *prefixes: str, **changes: Any) -> dict[str, Any]:
    """``consent-record/1``, explicit and verified, from its creation on for 180 days."""
    return {
        "schema": "consent-record/1",
        "record_id": name(number),
        "created_at": day(created),
        "created_by": "crm/portal",
        "customer_ref": customer,
        "subject_kind": "legal_person",
        "basis": "explicit",
        "authority": {"kind": "owner"},
        "grantor": {"role": "it", "verified_by": "portal_login"},
        "documents": [{"kind": "terms", "version": "1", "lang": "nl", "sha256": TERMS, "published_at": day(-90)}],
        "scope": scope(*prefixes),
        "contacts": [{"role": "security", "channel": "mail", "address": "s@example.nl", "verified_at": day(0)}],
        "valid_from": day(created),
        "valid_until": day(created + 180),
        "withdrawal": {"url": "https://isp.example/stop"},
        **changes,
    }


def given(customer: str, number: int = 1, created: float = 0, *prefixes: str, **changes: Any) -> Event:
    return Event("record.given", record(customer, number, created, *prefixes, **changes), customer)


def told(customer: str, sent: float = 0, **changes: Any) -> Event:
    written = {"channel": "mail", "sent_at": day(sent), "delivered": "yes", "sha256": "b" * 64, **changes}
    return Event("record.announced", written, customer)


def mapped(customer: str, since: float = 0, *prefixes: str, source: str = "crm", **changes: Any) -> Event:
    written = {"source": source, "at": day(since), "prefixes": list(prefixes) or ["192.0.2.0/24"], **changes}
    return Event("mapping.asserted", written, customer)


def unmapped(customer: str, when: float, *prefixes: str, source: str = "crm") -> Event:
    written = {"source": source, "at": day(when), "prefixes": list(prefixes) or ["192.0.2.0/24"]}
    return Event("mapping.withdrawn", written, customer)


def objected(customer: str, number: int, when: float, *prefixes: str, **changes: Any) -> Event:
    """To these prefixes, or to everything."""
    written = {"at": day(when), "objection_id": name(number), "prefixes": list(prefixes) or None, **changes}
    return Event("record.objected", written, customer)


def lifted(customer: str, objection: int, by: int, when: float) -> Event:
    return Event(
        "record.objection_lifted", {"at": day(when), "objection_id": name(objection), "record_id": name(by)}, customer
    )


def said(kind: str, customer: str, when: float, number: int | None = None, **more: Any) -> Event:
    """``record.<kind>``, of one record or of all."""
    named = {} if number is None else {"record_id": name(number)}
    return Event(f"record.{kind}", {"at": day(when), **named, **more}, customer)


def synced(when: float, source: str = "crm") -> Event:
    return Event("mapping.synced", {"source": source, "at": day(when), "prefixes": 1})


def published(sha256: str = TERMS, kind: str = "terms") -> Event:
    return Event(
        "document.published",
        {"kind": kind, "version": "1", "lang": "nl", "sha256": sha256, "published_at": day(-90)},
    )


def opened(events: Iterable[Event], received: float | Sequence[float] = 40, start: int = 0) -> list[Opened]:
    """The entries that these become, in this order; ``received``: days after the beginning, of all or of each."""
    made = []
    for place, (kind, written, customer) in enumerate(events):
        day_number = received if isinstance(received, int | float) else received[place]
        public, private = ({}, body(kind, written)) if customer else (written, None)
        made.append(Opened(start + place, kind, at(day_number), public, customer, private))
    return made


def register(events: Iterable[Event], received: float | Sequence[float] = 40) -> Register:
    made = Register()
    made.load(opened(events, received))
    return made


# At random.
_days = st.integers(0, 40)
_customers = st.sampled_from(CUSTOMERS)
_numbers = st.integers(1, 5)
_some_prefixes = st.lists(st.sampled_from(PREFIXES), min_size=1, max_size=3, unique=True)
_verified = st.sampled_from(("portal_login", "none"))
_scopes = st.builds(
    lambda prefixes, tiers, hours, exclude: scope(
        *prefixes, tiers=tiers, exclude=exclude, window={"hours": hours, "tz": "Europe/Amsterdam"}
    ),
    _some_prefixes,
    st.sampled_from((["active.build"], ["passive.handshake"], ["passive.handshake", "active.build"])),
    st.sampled_from((["daily 00:00-24:00"], ["Mon-Fri 09:00-17:00"], ["Sat,Sun 22:00-06:00", "Mon 12:00-13:00"])),
    st.sampled_from(([], ["192.0.2.0/28"])),
)
_given = st.builds(
    lambda customer, number, created, scope, verified, basis, prev: given(
        customer,
        # The names of one customer's records are his own: a name is a UUID, which nobody else comes upon.
        number + 10 * CUSTOMERS.index(customer),
        created,
        scope=scope,
        basis=basis,
        grantor={"role": "it", "verified_by": verified},
        **({} if prev is None else {"prev_record": name(prev + 10 * CUSTOMERS.index(customer))}),
    ),
    _customers,
    _numbers,
    _days,
    _scopes,
    _verified,
    st.sampled_from(("explicit", "explicit", "service_contract", "terms_objection")),
    st.none() | _numbers,
)
_ends = st.builds(
    lambda kind, customer, when, number: said(
        kind, customer, when, None if number is None else number + 10 * CUSTOMERS.index(customer)
    ),
    st.sampled_from(
        ("withdrawn", "refused", "expired", "invalidated", "suspended", "resumed", "contract_ended", "confirmed")
    ),
    _customers,
    _days,
    st.none() | _numbers,
)
_narrowed = st.builds(
    lambda customer, when, number, scope: said(
        "narrowed", customer, when, number + 10 * CUSTOMERS.index(customer), scope=scope
    ),
    _customers,
    _days,
    _numbers,
    _scopes,
)
_objected = st.builds(
    lambda customer, number, when, prefixes, headers: objected(customer, number, when, *prefixes, headers=headers),
    st.sampled_from((*CUSTOMERS, f"objector/{name(1)}")),
    _numbers,
    _days,
    st.just([]) | _some_prefixes,
    st.booleans(),
)
_lifted = st.builds(
    lambda customer, objection, by, when: lifted(customer, objection, by + 10 * CUSTOMERS.index(customer), when),
    _customers,
    _numbers,
    _numbers,
    _days,
)
_told = st.builds(
    lambda customer, sent, delivered: told(customer, sent, delivered=delivered),
    _customers,
    _days,
    st.sampled_from(("yes", "no", "unknown")),
)
_mapped = st.builds(
    lambda customer, since, prefixes, source, kind, until: mapped(
        customer,
        since,
        *prefixes,
        source=source,
        kind=kind,
        **({} if until is None else {"valid_until": day(until)}),
    ),
    _customers,
    _days,
    _some_prefixes,
    st.sampled_from(SOURCES),
    st.sampled_from(("static", "static", "static", "dynamic", "shared", "unknown")),
    st.none() | st.integers(20, 60),
)
_unmapped = st.builds(
    lambda customer, when, prefixes, source: unmapped(customer, when, *prefixes, source=source),
    _customers,
    _days,
    _some_prefixes,
    st.sampled_from(SOURCES),
)
_synced = st.builds(synced, _days, st.sampled_from(SOURCES))

events = st.lists(
    st.one_of(
        _given, _given, _ends, _narrowed, _objected, _lifted, _told, _mapped, _mapped, _unmapped, _synced,
        st.just(published()),
    ),
    max_size=24,
)  # fmt: skip


@st.composite
def objection_stories(draw: st.DrawFn) -> list[Event]:
    """A customer who agreed, then objected or withdrew, and perhaps came back: where orders matter most."""
    story = [mapped("c-1"), told("c-1"), synced(40), published(), given("c-1", 1, draw(st.integers(0, 10)))]
    story.append(objected("c-1", 1, draw(st.integers(5, 20))))
    story.append(given("c-1", 2, draw(st.integers(5, 30)), grantor={"role": "it", "verified_by": draw(_verified)}))
    story.append(lifted("c-1", 1, 2, draw(st.integers(5, 40))))
    return story + draw(st.lists(st.one_of(_ends, _narrowed, _unmapped), max_size=4))


@st.composite
def registers(draw: st.DrawFn) -> Register:
    """Any register that a log could fold to, with entries received on the fortieth day."""
    return register(draw(events))

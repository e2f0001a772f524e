"""What holds of every decision: nothing unknown is taken for good, an objection wins, no record means no leave."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.consent.decide import decide, inputs
from agent.consent.explain import first
from agent.consent.history import History
from agent.consent.state import Hours
from agent.leave import MEANINGS, Conditions, Leave, Refusal, Request
from agent.privacy import cidrs, one
from tests.agent.consent import registers
from tests.agent.consent.asking import (
    ANNOUNCEMENT,
    CUSTOMER,
    DAY,
    HOST,
    HOUR,
    NOW,
    OBJECTION,
    RECORD,
    SIGHTING,
    Change,
    books,
    changed,
    customer,
    denied,
    had,
    mapped,
    now,
    probe,
    record,
    request,
    scope,
    seen,
)  # fmt: skip

EXCLUDING = RECORD._replace(id="r-2", scope=RECORD.scope._replace(excluded=(one(HOST),)))
EVERYBODY = [one("0.0.0.0/0")]
SIX = "2001:db8::1"
OTHERS = CUSTOMER._replace(ref="c-2")


UNKNOWN: dict[str, Change] = {
    "sighting": request(sighting=None),
    "sighting.last_seen": seen(last_seen=None),
    "sighting.build_known": seen(build_known=None),
    "sighting.certificates and products": seen(certificates=(), products=()),
    "address": request(address=""),
    "probe": request(probe=""),
    "port": request(port=0),
    "clock_synced": now(clock_synced=None),
    "killed": now(killed=None),
    "missing": now(missing=None),
    "audit_writable": now(audit_writable=None),
    "checkpoint_age": now(checkpoint_age=None),
    "denied": now(denied=None),
    "routed": now(routed=None),
    "time": now(time=float("nan")),
    "mapping": books(mapped=()),
    "mapping.kind": mapped(kind="unknown"),
    "mapping.since": mapped(since=float("nan")),
    "mapping.customer": mapped(customer=""),
    "customers": books(people=()),
    "documents": books(documents={}),
    "synced": books(syncs={}),
    "subject": customer(subject=None),
    "records": customer(records=()),
    "announcements": customer(announcements=()),
    "delivered": customer(announcements=(ANNOUNCEMENT._replace(delivered="unknown"),)),
    "sent": customer(announcements=(ANNOUNCEMENT._replace(sent=float("nan")),)),
    "channels": customer(channels=()),
    "suspended": customer(suspended=None),
    "record.basis": record(basis=""),
    "record.documents": record(documents=()),
    "record.verified": record(verified=""),
    "record.received": record(received=float("nan")),
    "record.valid_from": record(valid_from=float("nan")),
    "record.valid_until": record(valid_until=float("nan")),
    "scope.prefixes": scope(prefixes=()),
    "scope.ports": scope(ports=()),
    "scope.tiers": scope(tiers=()),
    "scope.probes": scope(probes=()),
    "scope.hours": scope(hours=()),
    "scope.zone": scope(zone=""),
    "scope.per_day": scope(per_day=0),
}

# Changes that leave a question answered with leave: other hosts, other times, other ways of being in order.
ALLOWED = st.tuples(
    st.sampled_from((request(), request(address=SIX), request(address="192.0.2.254"), request(why="command"))),
    st.sampled_from((now(), now(time=NOW + HOUR), now(checkpoint_age=0.0), now(denied=denied("198.51.100.0/24")))),
    st.sampled_from((mapped(), mapped(kind="static", before=NOW - 90 * DAY), mapped(until=NOW + DAY))),
    st.sampled_from((
        record(), record(basis="service_contract"), record(valid_until=NOW + 2 * HOUR), scope(zone="UTC"),
        scope(hours=(Hours(frozenset(range(7)), 0, 1440),)),
    )),
    st.sampled_from((had(), had(probe(1, 2 * DAY, "timeout")), had(probe(1, 3 * DAY), probe(2, DAY)))),
)  # fmt: skip
_checked: Change = now(route_check=True, routed=[*EVERYBODY, one("::/0")][::-1])


@settings(max_examples=60, deadline=None)
@given(ALLOWED)
def test_nothing_unknown_is_taken_for_good(changes: tuple[Change, ...]) -> None:
    asked = changed(_checked, *changes)
    assert isinstance(asked.decided(), Leave)
    for name, change in UNKNOWN.items():
        assert isinstance(change(asked).decided(), Refusal), name


@settings(max_examples=60, deadline=None)
@given(ALLOWED, st.sampled_from((HOST, SIX)), st.booleans())
def test_an_objection_wins_over_everything(changes: tuple[Change, ...], host: str, verified: bool) -> None:
    """Whoever's it is, however wide, verified or not."""
    asked = changed(*changes, request(address=host))
    objection = OBJECTION._replace(verified=verified, prefixes=(one(host),))
    for change in (
        books(objecting=((one(host), objection),)),
        customer(objections=(objection,)),
        customer(objections=(objection._replace(prefixes=None),)),
    ):
        answer = change(asked).decided()
        assert isinstance(answer, Refusal)
        assert answer.reason == "objection"


@settings(max_examples=60, deadline=None)
@given(ALLOWED, st.lists(st.sampled_from(sorted(UNKNOWN)), max_size=3))
def test_a_decision_is_pure_and_agrees_with_its_inputs(changes: tuple[Change, ...], unknown: list[str]) -> None:
    asked = changed(*changes, *(UNKNOWN[name] for name in unknown))
    history = asked.history
    before = deepcopy((asked, vars(history)["flights"]))
    answers = [decide(asked.books, history, asked.request, asked.conditions) for _ in range(2)]
    told = [inputs(asked.books, history, asked.request, asked.conditions) for _ in range(2)]
    assert answers[0] == answers[1]
    assert told[0] == told[1]
    assert repr(before) == repr((asked, history.flights))
    reason = answers[0].reason if isinstance(answers[0], Refusal) else None
    shown = first(told[0])
    assert (shown.reason if shown else None) == reason


def _covering(register: Any, address: int, time: float) -> bool:
    """Whether any record at all could cover the address now, said as plainly as can be."""
    return any(
        held.customer == customer.ref and low <= address <= high and record.ended is None
        and record.valid_from <= time < record.valid_until
        for held in register.holders(address)
        for customer in register.customers()
        for record in customer.records
        for low, high in record.scope.prefixes
    )  # fmt: skip


_conditions = st.builds(
    Conditions,
    time=st.integers(35 * 24, 45 * 24).map(lambda hours: registers.at(hours / 24)),
    clock_synced=st.just(True),
    killed=st.just(False),
    missing=st.just(()),
    audit_writable=st.just(True),
    checkpoint_age=st.just(0.0),
    denied=st.just([]),
    laboratory=st.just(True),
)
_texts = [registers.published("c" * 64, "objection_page"), registers.published("b" * 64, "faq"), registers.published()]
_documents = [
    {"kind": kind, "version": "1", "lang": "nl", "sha256": sha256, "published_at": registers.day(-90)}
    for kind, sha256 in (("terms", registers.TERMS), ("faq", "b" * 64), ("objection_page", "c" * 64))
]
_contacts = [
    {"role": "security", "channel": channel, "address": "s", "verified_at": registers.day(0)}
    for channel in ("mail", "phone")
]


def _completed(events: list[registers.Event]) -> list[registers.Event]:
    """With texts, contacts and fresh sources, so that what remains of reasons is what is tried."""
    whole = [
        each._replace(written=each.written | {"documents": _documents, "contacts": _contacts})
        if each.kind == "record.given"
        else each
        for each in events
    ]
    return [*whole, *_texts, *(registers.synced(40, source) for source in registers.SOURCES)]


@settings(max_examples=300, deadline=None)
@given(registers.events.map(_completed), st.sampled_from(registers.ADDRESSES), _conditions)
def test_no_register_gives_leave_without_a_record(
    events: list[registers.Event], address: int, conditions: Conditions
) -> None:
    register = registers.register(events)
    text = cidrs([(address, address)])[0].partition("/")[0]
    answer = decide(register, History(), Request(text, 443, "exchange-http", "schedule", SIGHTING), conditions)
    if isinstance(answer, Leave):
        assert _covering(register, address, conditions.time)
        assert not register.objections(address)
        assert {held.customer for held in register.holders(address)} == {answer.customer}


def test_a_whole_register_gives_leave() -> None:
    """Else the property above would hold of nothing."""
    events = _completed([registers.mapped("c-1"), registers.told("c-1"), registers.given("c-1")])
    register = registers.register(events)
    conditions = Conditions(registers.at(40.5), True, False, (), True, 0.0, [], laboratory=True)
    request = Request(HOST, 443, "exchange-http", "schedule", SIGHTING)
    assert isinstance(decide(register, History(), request, conditions), Leave)
    objecting = registers.register([*events, registers.objected("c-1", 1, 40)])
    assert decide(objecting, History(), request, conditions) == Refusal("objection", MEANINGS["objection"])

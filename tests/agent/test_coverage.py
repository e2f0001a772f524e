"""Whether there is leave to knock at a server, and what a customer has said: a class each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.coverage import CUSTOMERS, SERVERS, of_customer, of_server
from agent.privacy import one
from tests.agent.consent import registers as r

if TYPE_CHECKING:
    from agent.consent.register import Register

NET, HOST = "192.0.2.0/24", "192.0.2.1"
MAPPED = r.mapped("c-1", 0, NET)
PROBES = {"scope": r.scope(NET, tiers=["active.build"])}
ELSEWHERE = {"scope": r.scope("198.51.100.0/24", tiers=["active.build"])}
LOOKS = {"scope": r.scope(NET, tiers=["passive.handshake"])}

SERVER_CASES = [
    ("nothing is known", [], "unmapped"),
    ("whose it is is known", [MAPPED], "lacking"),
    ("two have it", [MAPPED, r.mapped("c-2", 0, NET, source="netbox")], "unmapped"),
    ("a record", [MAPPED, r.given("c-1", 1, 10, NET, **PROBES)], "given"),
    ("a record for looking alone", [MAPPED, r.given("c-1", 1, 10, NET, **LOOKS)], "lacking"),
    ("a record that has ended", [MAPPED, r.given("c-1", 1, 10, NET, **PROBES), r.said("withdrawn", "c-1", 20, 1)],
     "lacking"),
    ("a record of another prefix", [MAPPED, r.given("c-1", 1, 10, **ELSEWHERE)], "lacking"),
    ("an objection", [MAPPED, r.given("c-1", 1, 10, NET, **PROBES), r.objected("c-1", 1, 20, NET)], "objection"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "events", "expected"), SERVER_CASES, ids=lambda value: str(value)[:30])
def test_a_server(what: str, events: list[r.Event], expected: str) -> None:
    assert of_server(r.register(events, 40), HOST, r.at(45)) == expected, what


def test_what_is_no_address_is_nobodys() -> None:
    assert of_server(r.register([MAPPED]), "mail.example", r.at(45)) == "unmapped"


CUSTOMER_CASES = [
    ([MAPPED], "none"),
    ([MAPPED, r.told("c-1", 5)], "told"),
    ([MAPPED, r.told("c-1", 5, delivered="no")], "none"),
    ([MAPPED, r.given("c-1", 1, 10)], "given"),
    ([MAPPED, r.given("c-1", 1, 10), r.said("withdrawn", "c-1", 20, 1)], "lapsed"),
    ([MAPPED, r.given("c-1", 1, 10), r.objected("c-1", 1, 20)], "objection"),
]  # fmt: skip


@pytest.mark.parametrize(("events", "expected"), CUSTOMER_CASES, ids=lambda value: str(value)[:30])
def test_a_customer(events: list[r.Event], expected: str) -> None:
    customer = r.register(events, 40).customer("c-1")
    assert customer is not None
    assert of_customer(customer, r.at(45)) == expected


@settings(max_examples=60, deadline=None)
@given(r.registers(), st.sampled_from(("192.0.2.1", "192.0.2.129", "198.51.100.7", "2001:db8::1")), st.integers(0, 400))
def test_whoever_has_leave_has_no_objection_over_him(register: Register, address: str, when: int) -> None:
    told = of_server(register, address, r.at(when))
    assert told in SERVERS
    assert (told == "objection") == bool(register.objections(one(address)[0]))
    assert {of_customer(customer, r.at(when)) for customer in register.customers()} <= set(CUSTOMERS)


DISPUTES = [
    ([MAPPED], 0),
    ([MAPPED, r.mapped("c-2", 0, "198.51.100.0/24")], 0),
    # Of one source a longer prefix is a part that was given away, and not a dispute.
    ([MAPPED, r.mapped("c-2", 0, "192.0.2.128/25")], 0),
    ([MAPPED, r.mapped("c-2", 0, "192.0.2.128/25", source="netbox")], 1),
    ([MAPPED, r.mapped("c-1", 0, "192.0.2.128/25", source="netbox")], 0),
    ([MAPPED, r.mapped("c-2", 0, NET)], 1),
    ([MAPPED, r.mapped("c-2", 0, NET, source="netbox"), r.mapped("c-3", 0, NET, source="ipam")], 1),
    ([MAPPED, r.mapped("c-2", 0, NET, source="netbox"), r.unmapped("c-2", 3, NET, source="netbox")], 0),
    ([MAPPED, r.mapped("c-2", 0, NET, valid_until=r.day(20))], 0),
    ([MAPPED, r.mapped("c-2", 0, NET, valid_until=r.day(60))], 1),
]  # fmt: skip


@pytest.mark.parametrize(("events", "expected"), DISPUTES, ids=lambda value: str(value)[:40])
def test_prefixes_that_two_are_said_to_have(events: list[r.Event], expected: int) -> None:
    register = r.register(events, 40)
    assert sum(register.disputed(ref, r.at(45)) for ref in register.refs()) == expected
    assert register.disputed("nobody", r.at(45)) == 0


@settings(max_examples=80, deadline=None)
@given(r.registers())
def test_disputes_are_those_of_a_look_at_all_that_is_said(register: Register) -> None:
    """Of each prefix: what covers it whole, of each source the longest."""
    now = r.at(40)
    said = {mapped for ref in register.refs() for mapped in register.mapped(ref)}
    disputed = set()
    for prefix in {mapped.prefix for mapped in said if mapped.until is None or mapped.until > now}:
        over = [m for m in said if m.prefix[0] <= prefix[0] and prefix[1] <= m.prefix[1]]
        least = {m.source: min(w.prefix[1] - w.prefix[0] for w in over if w.source == m.source) for m in over}
        holders = {
            m.customer
            for m in over
            if m.prefix[1] - m.prefix[0] == least[m.source] and (m.until is None or m.until > now)
        }
        disputed |= {prefix} if len(holders) > 1 else set()
    assert sum(register.disputed(ref, now) for ref in register.refs()) == len(disputed)

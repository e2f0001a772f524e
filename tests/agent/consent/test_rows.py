"""Rows of an import: what is taken, what is not and in which words, and what a faulty no still says."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.consent.rows import WHATS, Event, Mapping, Origin, check, salvaged
from tests.registry import MADE, NOW, event, mapping, objection, record

ORIGIN = Origin("crm", datetime.fromisoformat(MADE), NOW.timestamp())

GOOD: list[tuple[dict[str, Any], Any]] = [
    (mapping("192.0.2.0/24", "C-1"), Mapping("192.0.2.0/24", "C-1")),
    (mapping("192.0.2.7", "C-1"), Mapping("192.0.2.7/32", "C-1")),
    (mapping("2001:DB8:0::/48", "C-1", "shared"), Mapping("2001:db8::/48", "C-1", "shared")),
    (
        mapping("192.0.2.0/24", "C-1", "dynamic", valid_until="2026-11-24T10:00:00+01:00", session="s1"),
        Mapping("192.0.2.0/24", "C-1", "dynamic", "2026-11-24T09:00:00Z", "s1"),
    ),
    (mapping("192.0.2.0/24", "C-1", valid_until=None), Mapping("192.0.2.0/24", "C-1")),
]

BAD: list[tuple[Any, str]] = [
    ([], "is not an object; write the fields between { and }"),
    ({"what": "house"}, f"what: 'house' is nothing that is imported; that is one of {', '.join(WHATS)}"),
    ({"what": []}, f"what: [] is nothing that is imported; that is one of {', '.join(WHATS)}"),
    ({"what": "mapping", "customer": "C-1"}, "prefix: is not there; every mapping has a prefix and a customer"),
    (
        mapping("192.0.2.1/24", "C-1"),
        "prefix: '192.0.2.1/24' has bits set behind its length; the prefix is 192.0.2.0/24",
    ),
    (mapping("0.0.0.0/0", "C-1"), "prefix: '0.0.0.0/0' is larger than a customer's; at most /8 is taken"),
    (mapping("2001::/15", "C-1"), "prefix: '2001::/15' has bits set behind its length; the prefix is 2000::/15"),
    (mapping("2000::/15", "C-1"), "prefix: '2000::/15' is larger than a customer's; at most /16 is taken"),
    (
        mapping("192.0.2.0/24", "Jan Jansen"),
        "customer: is no reference; write 1 to 64 letters, digits and . _ : @ / -",
    ),
    (mapping("192.0.2.0/24", "C-1", "fixed"), "kind: Input should be 'static', 'dynamic', 'shared' or 'unknown'"),
    (mapping("192.0.2.0/24", "C-1", color="red"), "color: is no field of a mapping; leave it out"),
    (
        mapping("192.0.2.0/24", "C-1", valid_until="2026-11-24T10:00:00"),
        "valid_until: names no zone; write it like 2026-11-24T08:00:00Z",
    ),
    (record(scope={}), "scope.prefixes: Field required; scope.ports: Field required; scope.tiers: Field required"),
    (record(colour="red"), "colour: is no field of this; leave it out"),
    (record(valid_until="2028-10-01T00:00:00Z"), "is valid for more than 12 months; no record is without an end"),
    (
        record(created_at="2026-11-25T08:00:00Z"),
        "created_at: 2026-11-25T08:00:00Z has not come yet; write when it happened",
    ),
    (
        event("forgotten"),
        "event: 'forgotten' is none of requested, confirmed, resumed, refused, withdrawn, narrowed, expired, "
        "suspended, contract_ended, invalidated",
    ),
    (event("narrowed"), "record_id: Field required; scope: Field required"),
    (objection(None), "customer: names neither a customer nor prefixes; write whose no it is, or to what"),
    (
        objection(at="2026-12-01T00:00:00Z"),
        "at: 2026-12-01T00:00:00Z has not come yet; write when it happened",
    ),
    ({"what": "entry", "kind": "probe.intent", "body": {}}, "kind: 'probe.intent' is no event of a record"),
    ({"what": "entry", "kind": "mapping.asserted", "body": {}}, "kind: 'mapping.asserted' is no event of a record"),
]

# A faulty row -> kind and customer of what counts of it, and what is in that.
NOS: list[tuple[Any, str, str, dict[str, Any]]] = [
    (objection(at="yesterday"), "record.objected", "C-1", {"at": MADE}),
    (objection(at="2036-01-01T00:00:00Z"), "record.objected", "C-1", {"at": MADE}),
    (objection(prefixes=["192.0.2.0/33"], headers=True), "record.objected", "C-1", {"headers": True}),
    (objection(prefixes=["192.0.2.0/24", "?"]), "record.objected", "C-1", {"prefixes": None}),
    (objection(prefixes=["192.0.2.0/24"], x=1), "record.objected", "C-1", {"prefixes": ["192.0.2.0/24"]}),
    (objection("no name", prefixes=["192.0.2.0/24", "?"]), "record.objected", "obj", {"prefixes": ["192.0.2.0/24"]}),
    (objection(prefixes="192.0.2.0/24"), "record.objected", "C-1", {"prefixes": None}),
    (event("withdrawn", at=""), "record.withdrawn", "C-1", {"at": MADE}),
    (event("withdrawn", record_id="1"), "record.withdrawn", "C-1", {"record_id": None}),
    (
        event("withdrawn", at="?", record_id=record()["record_id"]),
        "record.withdrawn",
        "C-1",
        {"record_id": record()["record_id"]},
    ),
    (event("narrowed", record_id=record()["record_id"]), "record.withdrawn", "C-1", {"at": MADE}),
    (
        {"what": "entry", "kind": "record.objected", "customer": "C-1", "body": {"at": 1}},
        "record.objected",
        "C-1",
        {"prefixes": None},
    ),
]


@pytest.mark.parametrize(("row", "expected"), GOOD)
def test_good(row: dict[str, Any], expected: Any) -> None:
    assert check(row, ORIGIN) == expected


@pytest.mark.parametrize(("row", "message"), BAD)
def test_bad(row: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        check(row, ORIGIN)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(("row", "kind", "customer", "said"), NOS)
def test_a_no_counts_as_far_as_it_can_be_read(row: Any, kind: str, customer: str, said: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        check(row, ORIGIN)
    event = salvaged(row, ORIGIN)
    assert event is not None and event.kind == kind and event.customer.startswith(customer) and event.taking
    body = json.loads(event.written)
    assert {key: body.get(key) for key in said} == said


@pytest.mark.parametrize(
    "row", [record(basis="?"), event("resumed", at="?"), mapping("?", "C-1"), objection(None), None]
)
def test_what_gives_is_never_salvaged(row: Any) -> None:
    assert salvaged(row, ORIGIN) is None


def test_an_objection_without_an_id_has_one_of_what_it_says() -> None:
    one, again, other = (check(row, ORIGIN) for row in (objection(), objection(), objection(prefixes=["192.0.2.0/24"])))
    assert one == again != other


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(["192.0.2.0/24", "C-1", MADE]),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["customer", "prefixes", "prefix", "at", "kind", "body", "event", "headers", "record_id", "x"]
            ),
            below,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(st.sampled_from([*WHATS, "x"]), JSON)
def test_anything_is_a_row_or_a_fault(what: str, fields: Any) -> None:
    row = {"what": what, **fields} if isinstance(fields, dict) else fields
    try:
        assert isinstance(check(row, ORIGIN), Mapping | Event)
    except (ValueError, TypeError):
        no = salvaged(row, ORIGIN)
        assert no is None or no.taking

"""The one table of checks: its order, and that each stands on its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agent.consent.case import Case, holds, number
from agent.consent.checks import CHECKS
from agent.consent.explain import WORDS
from agent.leave import MEANINGS, OUTCOME_MEANINGS, OUTCOMES, REASONS
from agent.privacy import one, union
from tests.agent.consent.asking import RECORD, Asked, changed, customer, request
from tests.agent.consent.test_decide import TABLE

OPERATING = Path(__file__).parents[3] / "docs" / "operating.md"


def test_they_come_in_the_order_of_the_closed_list() -> None:
    assert [check.reason for check in CHECKS] == [reason for reason in REASONS if reason != "not_recorded"]
    assert WORDS.keys() == {check.reason for check in CHECKS}


@pytest.mark.parametrize(("changes", "reason"), [pytest.param(c, r, id=name) for name, c, r in TABLE if r])
def test_each_finds_its_own_whatever_the_others_say(changes: tuple[object, ...], reason: str) -> None:
    """Asked alone, without those before it."""
    asked = changed(*changes)  # type: ignore[arg-type]
    case = Case(asked.books, asked.history, asked.request, asked.conditions)
    assert not dict(CHECKS)[reason](case)


def test_of_an_address_that_is_none_no_check_of_it_passes() -> None:
    asked = changed(request(address="mail.example.nl"))
    case = Case(asked.books, asked.history, asked.request, asked.conditions)
    about_it = {
        "not_an_address", "special_address", "deny_list", "objection", "unmapped", "mapping_conflict", "shared",
        "dynamic", "mapping_stale", "quarantine", "contract_ended", "suspended", "no_contact", "not_announced",
        "announcement_period", "no_record", "scope_address", "scope_excluded", "rate", "cool_down_host", "breaker_host",
        "breaker_customer", "in_flight",
    }  # fmt: skip
    assert not [reason for reason, passes in CHECKS if reason in about_it and passes(case)]


def test_a_check_that_nothing_passes_leaves_the_records_for_the_next() -> None:
    asked = Asked()
    case = Case(asked.books, asked.history, asked.request, asked.conditions)
    assert not case.leave_those(lambda record: False)
    assert case.records == (RECORD,)


def test_records_that_do_not_fit_are_left_out() -> None:
    other = RECORD._replace(id="r-2")
    asked = changed(customer(records=(RECORD, other)))
    case = Case(asked.books, asked.history, asked.request, asked.conditions)
    assert case.leave_those(lambda record: record.id == "r-2")
    assert case.records == (other,)


@pytest.mark.parametrize("text", ["192.0.2.1", "255.255.255.255", "2001:db8::1", "::", "::1", "1::8", "1:0:0:1::"])
def test_a_canonical_address_is_its_number(text: str) -> None:
    assert number(text) == one(text)[0]


@pytest.mark.parametrize(
    "text",
    ["", " ", "192.0.2.1 ", "192.0.2", "192.0.2.01", "0xc0000201", "192.0.2.256", "a.nl", "::ffff:192.0.2.1",
     "::1.2.3.4", "0:0:0:0:0:0:0:1", "2001:0db8::1", "2001:DB8::1", "fe80::1%lo", "[::1]", "::1/128", "1:2::3::4",
     "\u0661.1.1.1", "\ud800", "192.0.2.1\n"],
)  # fmt: skip
def test_anything_else_is_none(text: str) -> None:
    assert number(text) is None


@pytest.mark.parametrize(
    ("address", "inside"),
    [("192.0.2.0", True), ("192.0.2.7", True), ("192.0.2.8", False), ("192.0.1.255", False), ("203.0.113.9", True),
     ("2001:db8::", True), ("2001:db9::", False), ("255.255.255.255", False), ("::", False)],
)  # fmt: skip
def test_a_set_holds(address: str, inside: bool) -> None:
    ranges = union(map(one, ("192.0.2.0/29", "203.0.113.9", "2001:db8::/32")))
    assert holds(ranges, one(address)[0]) is inside
    assert not holds([], one(address)[0])


def _rows(heading: str) -> dict[str, str]:
    """The first two columns of the table under a heading of docs/operating.md."""
    part = OPERATING.read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return {found[1]: found[2] for found in re.finditer(r"^\| `(\w+)` \| ([^|]*?) \|", part, re.MULTILINE)}


def test_the_documentation_has_every_reason_as_it_is_told() -> None:
    assert _rows("Why nobody knocked") == MEANINGS
    assert list(_rows("Why nobody knocked")) == list(REASONS)


def test_every_outcome_can_be_said_in_short() -> None:
    assert tuple(OUTCOME_MEANINGS) == OUTCOMES

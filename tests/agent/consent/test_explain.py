"""Every input in words: for every question, whatever is wrong with it, and nothing left that nobody can read."""

from __future__ import annotations

import math

import pytest

from agent.consent import explain
from agent.consent.case import Case
from agent.consent.checks import CHECKS
from agent.consent.explain import WORDS, Input, inputs
from agent.consent.phrases import lasting, when
from tests.agent.consent.asking import (
    DAY,
    NOW,
    Asked,
    also,
    books,
    changed,
    customer,
    had,
    mapped,
    now,
    probe,
    record,
    request,
    scope,
)  # fmt: skip
from tests.agent.consent.test_decide import TABLE
from tests.agent.consent.test_decide_properties import UNKNOWN


def told(asked: Asked) -> dict[str, Input]:
    return {each.name: each for each in inputs(asked.books, asked.history, asked.request, asked.conditions)}


def test_leave_has_every_input_and_nothing_to_change() -> None:
    found = told(changed())
    assert len(found) == len(CHECKS) == len({words.name for words in WORDS.values()})
    assert all((each.reason, each.change, each.who) == (None, "", "") and each.value for each in found.values())


@pytest.mark.parametrize("changes", [pytest.param(c, id=name) for name, c, _ in TABLE])
def test_what_is_in_the_way_says_what_would_help_and_who(changes: tuple[object, ...]) -> None:
    for each in told(changed(*changes)).values():  # type: ignore[arg-type]
        assert each.value
        assert bool(each.reason) == bool(each.change) == bool(each.who)


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_known_is_said_so_and_ends_nothing(name: str) -> None:
    """Nor does any of the words stumble, where all of them are asked for at once."""
    asked = changed(UNKNOWN[name])
    case = Case(asked.books, asked.history, asked.request, asked.conditions)
    for words in WORDS.values():
        assert words.value(case)
        assert words.change(case)


@pytest.mark.parametrize(
    ("change", "name", "value", "helps"),
    [
        (books(mapped=()), "holder", "nobody says", "import whose address it is: knockfirst import"),
        (also("192.0.2.1", source="netbox", customer="c-2"), "holder", "c-2 by netbox, c-1 by crm", ""),
        (
            also("192.0.2.1", source="netbox", customer="c-2"),
            "sources",
            "2, naming 2 customers",
            "make the sources agree on whose address it is",
        ),
        (
            books(syncs={"crm": NOW - 2 * DAY}),
            "synchronised",
            "2 d ago, by all sources",
            "a full synchronisation of each source that names the address, not older than 1 d",
        ),
        (
            mapped(before=NOW - DAY),
            "hand-over",
            "went to this customer 2026-11-23 12:00 UTC",
            "wait until 2026-11-30 12:00 UTC",
        ),
        (
            customer(announcements=()),
            "announcement",
            "0 sent, none known to have arrived",
            "tell the customer, and put on record that it arrived: knockfirst consent announce record",
        ),
        (now(time=NOW - 5 * DAY), "time to object", "26 d of 30 d", "wait until 2026-11-23 12:00 UTC"),
        (
            record(basis="terms_objection"),
            "basis",
            "terms objection; the customer is legal person",
            "a record on an explicit basis, given by somebody who was verified",
        ),
        (
            now(time=NOW + DAY / 4),
            "hours",
            "Mon,Tue,Wed,Thu,Fri 09:00-17:00 (Europe/Amsterdam)",
            "wait until 2026-11-25 08:00 UTC",
        ),
        (had(probe(1, 3600)), "last probe", "2026-11-24 11:00 UTC", "wait until 2026-11-25 11:00 UTC"),
        (scope(ports=(8443, 444)), "scope: ports", "8443, 444", "a new record whose scope has the port in it"),
        (
            request(address="10.0.0.1"),
            "special range",
            "private use (10.0.0.0/8, RFC 1918); this is a laboratory",
            None,
        ),
    ],
)  # fmt: skip
def test_words(change: object, name: str, value: str, helps: str | None) -> None:
    each = told(changed(change))[name]  # type: ignore[arg-type]
    assert each.value == value
    assert helps is None or each.change == helps


def test_of_what_is_no_address_there_is_nothing_more_to_say() -> None:
    assert list(told(changed(request(address="mail.example.nl")))) == ["address"]


def test_of_nobody_there_are_no_records() -> None:
    found = told(changed(books(mapped=())))
    assert "holder" in found
    assert not {"sources", "contract", "records", "basis", "hours"} & found.keys()
    found = told(changed(customer(records=())))
    assert "records" in found
    assert not {"in force", "basis", "scope: ports", "hours"} & found.keys()


def test_the_first_in_the_way_is_the_refusal() -> None:
    asked = changed(now(killed=True), customer(records=()))
    found = explain.first(inputs(asked.books, asked.history, asked.request, asked.conditions))
    assert found
    assert (found.reason, found.change, found.who) == ("kill_switch", "knockfirst kill-switch off", "the operator")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59, "59 s"), (90, "1 min 30 s"), (3600, "1 h"), (90_000, "1 d 1 h"), (86_400 * 30, "30 d"),
     (-5, "0 s"), (math.nan, "a time not known"), (math.inf, "a time not known")],
)  # fmt: skip
def test_durations(seconds: float, words: str) -> None:
    assert lasting(seconds) == words


@pytest.mark.parametrize("time", [math.nan, math.inf, -math.inf, 1e30])
def test_no_time_is_said_so(time: float) -> None:
    assert when(time) == "at no time"

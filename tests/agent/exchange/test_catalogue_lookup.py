"""What a build is, and until when it is supported."""

from __future__ import annotations

from datetime import date

import pytest

from agent.build import Build, BuildRange, parse, span
from agent.exchange.catalogue import catalogue
from agent.model import Generation

TABLES = catalogue()


def build(text: str) -> Build:
    return Build(*map(int, text.split(".")))


def part(text: str) -> BuildRange:
    return BuildRange(*span(parse(text)), "cu")


@pytest.mark.parametrize(
    ("number", "found", "update", "exact"),
    [
        ("15.1.2507.16", "15.1.2507.16", "Nov22SU", True),
        ("15.1.2507.14", "15.1.2507.13", "Oct22SU", False),
        ("15.1.1415.9", "15.1.1415.8", "Mar21SU", False),
        ("15.2.858.2", "15.2.858.5", "RTM", True),
        ("15.2.858.3", "15.2.858.2", "RTM", False),
        ("14.3.400.0", "14.3.399.2", "RU21", False),
        ("14.3.328.5", "14.3.319.2", "RU15", False),
        ("15.1.225.17", "15.1.225.17", "RTM", True),
    ],
)
def test_a_build_is_found_or_the_one_below_it(number: str, found: str, update: str, exact: bool) -> None:
    known = TABLES.lookup(build(number))
    assert known is not None
    assert (str(known.build), known.update, known.exact) == (found, update, exact)


@pytest.mark.parametrize(
    "number",
    ["15.1.2507.5", "15.1.2507.76", "15.2.1000.1", "15.2.2800.1", "15.20.1.1", "8.3.1.1", "14.3.123.3", "0.0.0.0"],
)
def test_what_nothing_known_stands_for_is_not_found(number: str) -> None:
    assert TABLES.lookup(build(number)) is None


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("15.2.1118", "15.2.1118.7", "15.2.1118.40"),
        ("15.2.858", "15.2.858.2", "15.2.858.15"),
        ("15.1.225", "15.1.225.16", "15.1.225.42"),
        ("15.0.913", "15.0.913.22", "15.0.913.22"),
        ("15.1", "15.1.225.16", "15.1.2507.75"),
        ("15.2.1000", "15.2.1000.0", "15.2.1000.65535"),
        ("15.2.858.3", "15.2.858.3", "15.2.858.3"),
    ],
)
def test_a_range_shrinks_to_what_is_known_in_it(text: str, low: str, high: str) -> None:
    assert TABLES.clamp(part(text))[:2] == (build(low), build(high))


@pytest.mark.parametrize(
    ("of", "newest"),
    [("SE", "15.2.2562.53"), ("2019", "15.2.1748.53"), ("2010", "14.3.513.0"), ("2013", "15.0.1497.48")],
)
def test_the_newest_of_a_generation(of: Generation, newest: str) -> None:
    known = TABLES.newest(of)
    assert known is not None
    assert str(known.build) == newest


def test_the_newest_of_a_branch() -> None:
    known = TABLES.newest(build("15.2.1118.1"))
    assert known is not None
    assert str(known.build) == "15.2.1118.40"
    assert TABLES.newest(build("15.2.1119.1")) is None
    assert TABLES.newest("2003") is None


@pytest.mark.parametrize(
    ("number", "product"),
    [
        ("15.2.2562.17", "exchange"), ("6.5.7638.1", "exchange"), ("15.20.8000.21", "exchange-online"),
        ("15.3.1.1", "unknown"), ("9.0.0.0", "unknown"),
    ],
)  # fmt: skip
def test_the_product_of_a_number(number: str, product: str) -> None:
    assert TABLES.product_of(build(number)) == product
    assert (TABLES.generation_of(build(number)) is not None) == (product == "exchange")


@pytest.mark.parametrize(
    ("text", "at", "status"),
    [
        # The calendar: the last day of support is a day of support.
        ("15.1.2507.61", "2025-10-14", "supported"),
        ("15.1.2507.61", "2025-10-15", "end_of_support"),
        ("15.0.1497.48", "2023-04-11", "supported"),
        ("15.0.1497.48", "2023-04-12", "end_of_support"),
        ("14.3.513.0", "2026-11-23", "end_of_support"),
        ("8.3.517.0", "2026-11-23", "end_of_support"),
        ("8.3.517.0", "2017-04-11", "supported"),
        ("6.5.7638.1", "2014-04-09", "end_of_support"),
        ("6.0.6620.7", "2011-01-12", "end_of_support"),
        ("5.5.2653.13", "2006-01-11", "end_of_support"),
        ("15.2.2562.17", "2026-11-23", "supported"),
        ("15.2.2562.17", "2001-01-01", "supported"),
        # Extended security updates: only builds of the programme, only while it lasts.
        ("15.1.2507.63", "2025-10-15", "esu"),
        ("15.1.2507.75", "2026-10-31", "esu"),
        ("15.1.2507.75", "2026-11-01", "end_of_support"),
        ("15.1.2507.62", "2026-03-01", "end_of_support"),
        ("15.1.2507.64", "2026-03-01", "esu"),
        ("15.2.1544.37", "2026-03-01", "esu"),
        ("15.2.1748.42", "2026-03-01", "esu"),
        ("15.2.1748.39", "2026-03-01", "end_of_support"),
        ("15.2.1258.39", "2026-03-01", "end_of_support"),
        ("15.1.2375.37", "2026-03-01", "end_of_support"),
        # Newer than the table comes first where updates were still coming.
        ("15.2.2562.54", "2026-11-23", "newer_than_table"),
        ("15.2.2800.1", "2026-11-23", "newer_than_table"),
        ("15.1.2507.76", "2026-11-23", "newer_than_table"),
        ("15.2.1748.60", "2026-11-23", "newer_than_table"),
        ("15.2.2000.1", "2026-11-23", "newer_than_table"),
        ("15.2.1258.40", "2026-11-23", "end_of_support"),
        ("15.1.1913.13", "2026-11-23", "end_of_support"),
        ("15.0.1497.60", "2026-11-23", "end_of_support"),
        ("15.0.1600.1", "2026-11-23", "end_of_support"),
        ("15.0.1497.60", "2022-01-01", "newer_than_table"),
        ("15.2.1000.1", "2024-01-01", "supported"),
        # No product that the calendar knows.
        ("15.20.8000.21", "2026-11-23", "unknown"),
        ("15.3.1.1", "2026-11-23", "unknown"),
        ("0.0.0.0", "2026-11-23", "unknown"),
        # Ranges: what their builds agree on.
        ("15.1.2507", "2026-03-01", "unknown"),
        ("15.1.2507", "2026-11-23", "end_of_support"),
        ("15.2.1118", "2026-03-01", "end_of_support"),
        ("15.2", "2026-11-23", "unknown"),
        ("15.2.2562", "2026-11-23", "supported"),
        ("15.2.3000", "2026-11-23", "newer_than_table"),
    ],
)
def test_the_support_of_a_build(text: str, at: str, status: str) -> None:
    assert TABLES.status(part(text), date.fromisoformat(at)) == status


@pytest.mark.parametrize(
    ("text", "at", "status"),
    [
        ("15.1.2507.61", "2025-10-14", None),
        ("15.1.2507.61", "2025-10-15", "vulnerable"),
        ("15.1.2507.63", "2026-03-01", None),
        ("15.1.2507", "2026-03-01", "possible"),
        ("15.1.2507.76", "2026-10-31", None),
        ("15.1.2507.76", "2026-11-23", "vulnerable"),
        ("15.2", "2026-11-23", "unknown"),
        ("15.2.2562", "2026-11-23", None),
    ],
)
def test_the_end_of_support_is_a_finding(text: str, at: str, status: str | None) -> None:
    found = [f for f in TABLES.findings(part(text), date.fromisoformat(at)) if f.cve is None]
    assert [(f.name, f.status) for f in found] == ([("end of support", status)] if status else [])


@pytest.mark.parametrize(
    ("generation", "at", "status"),
    [
        ("2003", "2026-11-23", "vulnerable"),
        ("2016", "2025-10-14", None),
        ("2016", "2026-10-31", "possible"),
        ("2016", "2026-11-01", "vulnerable"),
        ("SE", "2039-01-01", None),
    ],
)
def test_a_generation_alone_tells_the_end_of_support(generation: Generation, at: str, status: str | None) -> None:
    found = TABLES.end_of_support(generation, date.fromisoformat(at))
    assert (found.status if found else None) == status


def test_the_same_question_shares_its_answer() -> None:
    at = date(2026, 11, 23)
    assert TABLES.findings(part("15.2.1118"), at) is TABLES.findings(part("15.2.1118"), at)

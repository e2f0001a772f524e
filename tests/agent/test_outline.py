"""What is said of a server in a few words: from the same facts as everything else, and worked out once for many."""

from __future__ import annotations

import re
from datetime import date

import pytest

from agent.build import Build, BuildRange, parse
from agent.exchange.catalogue import catalogue
from agent.model import Assessment, Finding, Status
from agent.outline import Holes, Outline, Outlines, holes, urgency, written

DAY = date(2026, 11, 1)
KNOWN = catalogue()
EXACT = BuildRange(Build(15, 1, 2507, 6), Build(15, 1, 2507, 6), "su")


def assessment(build: BuildRange | None, generation: str | None = "2016", *findings: Finding) -> Assessment:
    return Assessment(
        "192.0.2.1", (443,), "exchange", generation, "confirmed", 0.999, build, (), (), findings  # type: ignore[arg-type]
    )  # fmt: skip


def finding(status: Status, *, kev: bool = False, cve: str | None = "CVE-2021-34473") -> Finding:
    return Finding(cve, "", status, kev)


BUILDS = [
    ("exact, and known", EXACT, "15.1 (Build 2507.6)", "su"),
    ("exact, and not known", BuildRange(Build(15, 1, 2507, 7), Build(15, 1, 2507, 7), "su"), "", "su"),
    ("a cumulative update", BuildRange(Build(15, 1, 2507, 6), Build(15, 1, 2507, 99), "cu"), "", "cu"),
    ("none", None, "", "none"),
]


@pytest.mark.parametrize(("build", "text", "precision"), [row[1:] for row in BUILDS], ids=[row[0] for row in BUILDS])
def test_only_a_build_that_is_exact_and_in_the_catalogue_is_named(
    build: BuildRange | None, text: str, precision: str
) -> None:
    told = Outlines(KNOWN, DAY).of(assessment(build))
    assert (told.build, told.precision) == (text, precision)
    assert told.support == (KNOWN.status(build, DAY) if build else "none")


def test_no_build_is_written_as_an_address_is_and_each_can_be_read_again() -> None:
    dotted = [known.build for known in KNOWN.builds if all(part < 256 for part in known.build)]
    assert dotted, "there are builds that would pass for an address"
    for known in KNOWN.builds:
        text = written(known.build)
        assert Build(*parse(text)) == known.build
        assert not re.search(r"\d+\.\d+\.\d+", text)


def test_each_open_hole_counts_once_by_how_bad_it_is() -> None:
    found = (
        finding("vulnerable", cve=None), finding("vulnerable", kev=True), finding("vulnerable", kev=True),
        finding("vulnerable"), finding("possible", kev=True), finding("possible"), finding("possible"),
        finding("fixed", kev=True), finding("not_affected"), finding("fixed_if_configured"), finding("unknown"),
    )  # fmt: skip
    assert holes(found) == Holes(exploited=2, vulnerable=1, possible=3)
    assert Outlines(KNOWN, DAY).of(assessment(EXACT, "2016", *found)).holes == (2, 1, 3)


@pytest.mark.parametrize("found", [(), (finding("vulnerable", cve=None),)], ids=["nothing", "only the end of support"])
def test_where_no_build_tells_holes_are_not_none_but_unknown(found: tuple[Finding, ...]) -> None:
    assert holes(found) is None


def test_those_of_the_catalogue_are_those_of_its_findings() -> None:
    found = KNOWN.findings(EXACT, DAY)
    told = holes(found)
    assert told is not None
    open_ = [each for each in found if each.cve and each.status == "vulnerable"]
    assert told.exploited == sum(each.kev for each in open_) > 0
    assert told.exploited + told.vulnerable == len(open_)


def test_what_is_said_of_one_day_is_not_said_of_another() -> None:
    """Support ends while a server stays as it is."""
    before, after = (Outlines(KNOWN, day).of(assessment(EXACT)) for day in (date(2024, 1, 1), date(2030, 1, 1)))
    assert (before.support, after.support) == ("supported", "end_of_support")


def outline(told: Holes | None, support: str = "supported") -> Outline:
    return Outline("exchange", "2016", "", support, "su", "confirmed", told)


def test_the_most_urgent_come_first() -> None:
    order = [
        (outline(Holes(2, 0, 0)), 0.9), (outline(Holes(1, 9, 9)), 0.9), (outline(Holes(0, 2, 0)), 0.9),
        (outline(Holes(0, 1, 5)), 0.9), (outline(Holes(0, 0, 1)), 0.6), (outline(None, "end_of_support"), 0.9),
        (outline(Holes(0, 0, 0)), 0.99), (outline(None), 0.9),
    ]  # fmt: skip
    keys = [urgency(*row) for row in order]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)

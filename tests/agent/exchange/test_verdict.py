"""Edges of the rules that today's data do not reach: on made-up flaws."""

from __future__ import annotations

from datetime import date

import pytest

from agent.build import Build, BuildRange, Generation
from agent.exchange.catalogue import Catalogue, catalogue
from agent.exchange.known import Fix, Flaw, Lifecycle
from agent.exchange.verdict import Standing, verdict
from agent.model import Status

ENDED = date(2025, 10, 14)


def flaw(
    fixes: dict[Generation, tuple[Fix, ...]] | None = None,
    settings: dict[Generation, tuple[Fix, ...]] | None = None,
    published: date = date(2020, 1, 1),
) -> Flaw:
    affected = frozenset({*(fixes or {}), *(settings or {})})
    return Flaw(
        "CVE-1999-0001", "made up", published, None, False, True, affected, frozenset(), "Jan20SU", fixes or {},
        settings or {}, None, None, None,
    )  # fmt: skip


def standing(text: str, generation: Generation = "2019") -> Standing:
    low, high = catalogue().span_of(generation)
    return Standing(Build(*map(int, text.split("."))), generation, Lifecycle(low, high, ENDED), True, False)


@pytest.mark.parametrize(("published", "status"), [(ENDED, "not_affected"), (date(2025, 10, 15), "not_assessed")])
def test_the_last_day_of_support_is_still_assessed(published: date, status: Status) -> None:
    assert verdict(standing("15.2.986.5"), flaw(published=published)) == status


@pytest.mark.parametrize(
    ("build", "status"),
    [
        ("15.2.858.9", "vulnerable"),
        ("15.2.922.1", "vulnerable"),
        ("15.2.986.1", "possible"),
        ("15.2.999.1", "possible"),
    ],
)
def test_a_setting_is_in_the_branches_after_the_last_listed(build: str, status: Status) -> None:
    listed = (Fix(Build(15, 2, 858, 10)), Fix(Build(15, 2, 986, 1)))
    assert verdict(standing(build), flaw(settings={"2019": listed})) == status


def test_a_generation_without_any_fix_stays_vulnerable() -> None:
    assert verdict(standing("15.2.1748.53"), flaw(fixes={"2019": ()})) == "vulnerable"


def test_a_shown_number_is_judged_as_the_build_that_shows_it() -> None:
    real = catalogue()
    between = flaw(fixes={"2019": (Fix(Build(15, 2, 858, 4)),)})
    tables = Catalogue(real.builds, [between], real.lifecycles, real.reach)
    shown = Build(15, 2, 858, 2)
    assert tables.findings(BuildRange(shown, shown, "su"), ENDED)[0].status == "fixed"

"""What a message may tell: of what was shown, no more, and what to install."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from agent.cases.facts import MOST, Own, Papers, build_text, facts, fixed, install, judged, tellable
from agent.exchange.catalogue import catalogue
from agent.model import Endpoint, Observation
from agent.notice import Facts
from tests.agent.cases.servers import CURRENT, HOST, NOW, OLD, TODAY, assessed, began, windows

BEFORE_THE_END = date(2026, 10, 20)  # extended updates of 2016 and 2019 end eleven days later
OWN = Own("Example ISP", "abuse@isp.example", "nl")


def told(build: str, papers: Papers = Papers(), own: Own = OWN, **how: Any) -> Facts:  # noqa: B008
    return facts(began(), "tell", assessed(build, **how), catalogue(), TODAY, own, papers)


@pytest.mark.parametrize(
    ("build", "day", "kind", "what"),
    [
        ("15.2.2562.17", TODAY, "update", "15.2.2562.53"),
        ("15.1.2507.30", TODAY, "upgrade", "15.2.2562.53"),
        ("15.2.1118.7", TODAY, "upgrade", "15.2.2562.53"),
        ("15.0.1497.2", TODAY, "upgrade", "15.2.2562.53"),
        # Who is in the paid programme gets its updates; who is not, an upgrade.
        ("15.1.2507.69", BEFORE_THE_END, "update", "15.1.2507.75"),
        ("15.1.2507.30", BEFORE_THE_END, "upgrade", "15.2.2562.53"),
        (CURRENT, TODAY, "unknown", ""),
    ],
)
def test_what_to_install(build: str, day: date, kind: str, what: str) -> None:
    wanted = install(assessed(build, day=day), catalogue(), day)
    assert (wanted.kind, wanted.build) == (kind, what)
    assert bool(wanted.name) == bool(wanted.released) == (kind != "unknown")


def test_what_is_installed_would_open_no_case() -> None:
    wanted = install(assessed(OLD), catalogue(), TODAY)
    assert judged(assessed(wanted.build)).severity == ""


def test_what_was_asked_for_says_so_with_its_papers() -> None:
    said = told(OLD, Papers("r-1", "q-1", 17, 2))
    assert (said.origin, said.record, said.receipt, said.entry, said.requests) == ("active", "r-1", "q-1", 17, 2)
    assert (said.build, said.product) == (OLD, "Exchange Server 2016 CU19")
    assert said.ended == "2025-10-14" and said.seen == NOW and said.confidence == "confirmed"
    assert "http.header" in said.signs


def test_what_was_only_seen_says_so() -> None:
    said = told(OLD, origin="passive")
    assert (said.origin, said.record, said.entry, said.requests) == ("passive", "", None, 0)


def test_holes_are_listed_as_far_as_a_reader_can_take() -> None:
    said = told(OLD)
    assert len(said.holes) == MOST and said.more > 20
    assert said.holes[0].kev and "ProxyLogon" in [hole.name for hole in said.holes]
    assert "ProxyLogon" in said.exploited
    assert not any("end of support" in hole.name for hole in said.holes)


def test_a_hole_that_nobody_is_known_to_exploit_says_nothing_of_a_break_in() -> None:
    said = facts(
        began(exploited=[], holes=[]), "tell", assessed("15.1.2507.75"), catalogue(), TODAY, OWN, Papers()
    )  # fmt: skip
    assert said.exploited == [] and said.severity == "critical"


def test_what_was_exploited_is_told_when_it_is_fixed_too() -> None:
    said = facts(
        began(), "closing", assessed(CURRENT), catalogue(), TODAY, OWN._replace(deleted="2026-12-02"), Papers()
    )
    assert said.exploited == ["ProxyLogon"] and said.deleted == "2026-12-02"
    assert not [hole for hole in said.holes if hole.status == "vulnerable"]


def test_a_fix_has_to_be_shown() -> None:
    case = began()
    assert fixed(assessed(CURRENT), case)
    assert not fixed(assessed(OLD), case)
    assert not fixed(assessed(), case)  # less is known than before
    generation = assessed("", windows("2019"), day=date(2024, 1, 1))
    assert not fixed(generation, case)


@pytest.mark.parametrize(
    ("build", "until"),
    [("15.2.1748.10", "2025-10-14"), ("15.2.1748.999", "2026-10-31"), ("15.2.1544.999", "2026-10-31")],
)
def test_who_has_paid_for_more_is_told_when_that_ended_also_by_a_build_that_is_not_known_yet(
    build: str, until: str
) -> None:
    assert told(build).ended == until


def test_a_build_of_which_the_last_number_is_hidden_shows_no_fix_of_what_that_number_decides() -> None:
    holed = assessed("15.2.2562.17")  # SE without an update
    case = began(build="15.2.2562.17", holes=list(judged(holed).open), exploited=[])
    assert not fixed(holed, case)
    assert judged(assessed("15.2.2562")).severity == ""
    assert not fixed(assessed("15.2.2562"), case)
    assert fixed(assessed(CURRENT), case)
    assert fixed(assessed("15.2.2562"), began())  # what every SE has closed is closed, whichever it is


def test_a_supported_version_closes_what_was_about_support_alone() -> None:
    sign = Observation(Endpoint(HOST, 443), "http.header", f"X-OWA-Version: {CURRENT}", NOW, "passive", "test")
    assert fixed(assessed("", sign), began(build=""))


def test_who_is_only_suspected_is_not_told() -> None:
    other = assessed(OLD)
    assert tellable(other)
    assert not tellable(other._replace(product="iis-smtp"))
    seen = assessed()
    assert not tellable(seen._replace(verdict="probable"))
    assert tellable(other._replace(verdict="probable"))  # it was asked


def test_the_build_is_as_precise_as_it_was_shown() -> None:
    assert build_text(assessed(OLD)) == OLD
    assert build_text(assessed("15.1.2176", origin="passive")) == "15.1.2176"
    assert build_text(assessed()) == ""

"""What answers to probes say beyond their words: lone builds, updates, balancers, and builds never released."""

from __future__ import annotations

from datetime import date

import pytest

from agent.build import Build
from agent.exchange.active import LONE
from agent.exchange.assess import assess, evidence_of
from agent.exchange.catalogue import catalogue
from agent.exchange.fingerprint import book
from agent.inventory import Inventory
from agent.model import Assessment, Endpoint, Observation, Origin
from tests.belief import ADDRESS, observation

TODAY = date(2026, 11, 2)
DAY = 86_400.0
GREETING = observation(
    "smtp.greeting", "ex01.example.org Microsoft ESMTP MAIL Service ready at Mon, 2 Nov 2026 09:00:00 +0100"
)


def header(value: str, day: float = 0.0, port: int = 443, origin: Origin = "active") -> Observation:
    return Observation(Endpoint(ADDRESS, port), "http.header", value, 1e9 + day * DAY, origin, "exchange-http")


def answer(build: str, front_end: str = "EX01", day: float = 0.0) -> list[Observation]:
    """The facts of one probe's answer: all of one time."""
    own = [header(f"X-FEServer: {front_end}", day)] if front_end else [header("WWW-Authenticate: Negotiate", day)]
    return [header(f"X-OWA-Version: {build}", day), *own]


def believed(*seen: Observation) -> Assessment:
    matched = [e for o in seen for e in evidence_of(o, book())]
    return assess(ADDRESS, seen, matched, catalogue(), TODAY)


def lived(*answers: list[Observation]) -> Assessment:
    """As the agent goes through it: fact by fact, in time."""
    inventory = Inventory(book(), catalogue())
    for observations in answers:
        for one in observations:
            inventory.observe(one)
    found = inventory.assessment(ADDRESS, TODAY)
    assert found
    return found


def exact(found: Assessment) -> str | None:
    return str(found.build.low) if found.build and found.build.precision == "su" and found.build.exact else None


OLD, NEW = "15.2.1748.26", "15.2.1748.36"
POOLED = "2 builds were shown at this address; the lowest of them counts"


@pytest.mark.parametrize(
    ("answers", "build", "noted"),
    [
        ([answer(NEW)], NEW, False),
        # One front end: the latest answer is how things stand, up or down.
        ([answer(OLD), answer(NEW, day=1)], NEW, False),
        ([answer(NEW), answer(OLD, day=1)], OLD, False),
        ([answer(NEW), answer(OLD, day=1), answer(NEW, day=2)], NEW, False),
        # Two of them by turns: the lowest, whichever was met last.
        ([answer(OLD, "EX01"), answer(NEW, "EX02", 1)], OLD, True),
        ([answer(NEW, "EX02"), answer(OLD, "EX01", 1)], OLD, True),
        ([answer(OLD, "EX01"), answer(NEW, "EX02", 1), answer(NEW, "EX02", 2)], OLD, True),
        ([answer(OLD, "EX01"), answer(NEW, "EX02", 1), answer(NEW, "EX01", 2)], OLD, True),
        # One that does not name itself may be several.
        ([answer(OLD, ""), answer(NEW, "", 1)], OLD, True),
        ([answer(OLD, "EX01"), answer(NEW, "", 1)], OLD, True),
        # A proxy that begins to take the header away takes nothing of what is known.
        ([answer(OLD), [header("X-FEServer: EX01", 1)]], OLD, False),
        # Two in one answer.
        ([[*answer(NEW), header(f"X-OWA-Version: {OLD}")]], OLD, True),
    ],
)
def test_which_build_counts(answers: list[list[Observation]], build: str, noted: bool) -> None:
    found = lived(*answers)
    assert exact(found) == build
    assert (POOLED in found.notes) is noted
    assert "precision su: the front end showed its exact build to a probe" in found.notes


def test_a_higher_build_seen_on_another_port_does_not_hide_the_lower() -> None:
    assert exact(lived(answer(NEW), [o._replace(server=Endpoint(ADDRESS, 8443)) for o in answer(OLD)])) == OLD


@pytest.mark.parametrize(
    ("shown", "build"),
    [
        ("15.2.858.2", "15.2.858.5"),  # an alias of the table
        ("15.2.858.3", "15.2.858.5"),  # between an alias and what it stands for
        ("14.3.123.3", "14.3.123.4"),
        ("15.2.1748.30", "15.2.1748.26"),  # never released: the next lower
        ("15.2.1748.36", "15.2.1748.36"),
        ("15.2.1748.999", "15.2.1748.999"),  # newer than the table: never vulnerable for that
        ("15.2.1.1", "15.2.1.1"),  # below all that is known
        ("15.2.9999.1", "15.2.9999.1"),
    ],
)
def test_what_is_shown_stands_for_what_was_released(shown: str, build: str) -> None:
    found = believed(*answer(shown))
    assert exact(found) == build
    told = [note for note in found.notes if "no released build" in note]
    assert told == ([f"{shown} is no released build; it is taken for {build}"] if shown != build else [])
    assert catalogue().released(Build(*map(int, shown.split(".")))) == Build(*map(int, build.split(".")))


def test_a_build_alone_is_a_honeypots() -> None:
    for company in ([], [header("X-Powered-By: ASP.NET")], [observation("http.server", "Microsoft-IIS/10.0", 443)]):
        found = believed(header("X-OWA-Version: 15.2.858.5"), *company)
        assert (found.product, found.verdict, exact(found)) == ("other", "none", None)
        assert any(e.fingerprint == LONE for e in found.evidence)


@pytest.mark.parametrize(
    "company",
    ["X-FEServer: EX01", "request-id: present", "WWW-Authenticate: NTLM", "Location: https://m.example.org/owa/auth/logon.aspx"],
)  # fmt: skip
def test_what_keeps_a_build_company(company: str) -> None:
    assert exact(believed(header("X-OWA-Version: 15.2.858.5"), header(company))) == "15.2.858.5"


def test_a_build_alone_behind_a_proxy_counts_where_the_mail_port_shows_exchange() -> None:
    found = believed(header(f"X-OWA-Version: {OLD}"), GREETING)
    assert (found.product, exact(found)) == ("exchange", OLD)


def test_of_what_was_overheard_nothing_missing_counts() -> None:
    """A head may have been cut short: there is no telling what else it said."""
    assert exact(believed(header(f"X-OWA-Version: {OLD}", origin="passive"))) == OLD


def test_copied_headers_are_no_exchange_however_complete() -> None:
    found = believed(*answer("15.1.1240.20"), header("request-id: present"))
    assert (found.product, found.verdict) == ("other", "none")


def test_an_answer_without_a_build_says_so() -> None:
    found = believed(header("X-FEServer: EX01"), GREETING)
    assert any(note.endswith("the answer to a probe carried no build") for note in found.notes)


def test_findings_follow_from_an_exact_build() -> None:
    old, new = believed(*answer(OLD)), believed(*answer(NEW))
    assert {f.status for f in old.findings} != {f.status for f in new.findings} or old.findings != new.findings
    assert all(f.status != "unknown" for f in new.findings if f.cve)

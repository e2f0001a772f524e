"""What is believed of all servers, as counts: against counting one by one, and of what is known to be open."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.believed import OPEN, PARTS, PRECISIONS, STATUSES, SUPPORT, VERDICTS, aggregates, opened, reach
from agent.build import BuildRange, generation_of
from agent.exchange.catalogue import catalogue
from agent.model import GENERATIONS, PRODUCTS, Assessment
from tests.belief import BELIEVED, build

if TYPE_CHECKING:
    from agent.model import Finding, Product, Status, Verdict

STALE: tuple[Status, ...] = ("vulnerable", "fixed")
SURE: tuple[Verdict, ...] = ("confirmed", "probable", "suspected")
ON_PREMISES: tuple[Product, ...] = ("exchange", "exchange-edge")
DAY = date(2026, 11, 1)
KNOWN = catalogue()
POSSIBLE = {flaw.cve for flaw in KNOWN.flaws if flaw.settings or not flaw.build_decides}
KEV = {flaw.cve: flaw.kev for flaw in KNOWN.flaws}


def server(shown: BuildRange | None, verdict: Verdict = "confirmed", product: Product = "exchange") -> Assessment:
    generation = generation_of(shown.low) if shown and shown.precision != "product" else None
    findings = KNOWN.findings(shown, DAY) if shown else ()
    return BELIEVED._replace(product=product, verdict=verdict, generation=generation, build=shown, findings=findings)


RANGES = st.sampled_from(KNOWN.builds).map(lambda known: BuildRange(known.build, known.build, "su"))
GENERAL = st.sampled_from(GENERATIONS).map(lambda g: BuildRange(*KNOWN.span_of(g), "generation"))
SERVERS = st.builds(
    server, st.none() | RANGES | GENERAL, st.sampled_from(VERDICTS), st.sampled_from(("exchange", "exchange-edge"))
)


def one_by_one(servers: list[Assessment]) -> tuple[Counter[str], Counter[tuple[str, str]]]:
    exposed: Counter[tuple[str, str]] = Counter()
    for each in servers:
        exposed.update(
            (f.cve, f.status)
            for f in each.findings
            if f.cve and f.status in STATUSES and (f.status != "unknown" or KEV[f.cve])
        )
    return Counter(each.verdict for each in servers), exposed


@settings(max_examples=60, deadline=None)
@given(st.lists(SERVERS, max_size=12))
def test_it_is_what_counting_one_by_one_gives(servers: list[Assessment]) -> None:
    told = aggregates(servers, KEV, DAY)
    verdicts, exposed = one_by_one(servers)
    assert sum(row["count"] for row in told["servers"]) == len(servers)
    assert Counter(
        {v: n for v in VERDICTS if (n := sum(r["count"] for r in told["servers"] if r["verdict"] == v))}
    ) == (verdicts)
    assert {(row["cve"], row["status"]): row["count"] for row in told["exposed"] if row["count"]} == dict(exposed)
    for row in told["servers"]:
        assert row["product"] in PRODUCTS and row["support"] in SUPPORT and row["precision"] in PRECISIONS
    ended = sum(f.cve is None and f.status in STATUSES for each in servers for f in each.findings)
    assert sum(row["count"] for row in told["ended"]) == ended
    for chain in KNOWN.chains:
        assert sum(row["count"] for row in told["chains"] if row["chain"] == chain) <= len(servers)


def test_everything_there_is_is_there_from_the_start_and_what_is_exploited_comes_first() -> None:
    told = aggregates([], KEV, DAY)
    assert [row["count"] for row in (*told["exposed"], *told["ended"], *told["chains"])].count(0) == (
        len(told["exposed"]) + len(told["ended"]) + len(told["chains"])
    )
    assert {row["cve"] for row in told["exposed"]} == set(KEV)
    kev = [row["kev"] for row in told["exposed"]]
    assert kev == sorted(kev, reverse=True) and True in kev and False in kev
    assert {(row["chain"], row["open"]) for row in told["chains"]} == {(c, how) for c in KNOWN.chains for how in OPEN}
    # What can only be of some CVEs is there for these.
    configured = {row["cve"] for row in told["exposed"] if row["status"] == "fixed_if_configured"}
    assert configured == {flaw.cve for flaw in KNOWN.flaws if flaw.config}
    assert {row["cve"] for row in told["exposed"] if row["status"] == "possible"} == POSSIBLE


def test_no_build_is_possibly_open_to_another() -> None:
    """What has a row only where it can be is not there where it is not."""
    every = [BuildRange(known.build, known.build, "su") for known in KNOWN.builds]
    every += [BuildRange(*KNOWN.span_of(generation), "generation") for generation in GENERATIONS]
    assert {
        f.cve for shown in every for f in KNOWN.findings(shown, DAY) if f.status == "possible" and f.cve
    } <= POSSIBLE


def test_only_what_the_catalogue_names_is_counted() -> None:
    told = aggregates([server(build("15.1.2106.2"))], {"CVE-2021-34473": True}, DAY)
    assert {row["cve"] for row in told["exposed"]} == {"CVE-2021-34473"}


CHAINS = [
    # Exchange 2016 CU19 as released: before the updates of March, April and May 2021.
    ("15.1.2176.2", "ProxyLogon", "all"), ("15.1.2176.2", "ProxyShell", "all"), ("15.1.2176.2", "ProxyNotShell", "all"),
    # With the update of March 2021: not that hole, but the next.
    ("15.1.2176.9", "ProxyLogon", None), ("15.1.2176.9", "ProxyShell", "all"),
    # With the update of April: one link of ProxyShell is left.
    ("15.1.2176.12", "ProxyShell", "some"),
    # Exchange 2019 CU14 of February 2024: neither of them.
    ("15.2.1544.4", "ProxyShell", None), ("15.2.1544.4", "OWASSRF", None),
]  # fmt: skip


@pytest.mark.parametrize(("shown", "chain", "expected"), CHAINS)
def test_chains_of_builds_that_are_known(shown: str, chain: str, expected: str | None) -> None:
    told = aggregates([server(build(shown))], KEV, DAY)
    assert {row["open"] for row in told["chains"] if row["chain"] == chain and row["count"]} == {expected} - {None}


def test_a_build_that_is_not_known_exactly_may_be_open() -> None:
    told = aggregates([server(BuildRange(*KNOWN.span_of("2016"), "generation"))], KEV, DAY)
    assert [row["open"] for row in told["chains"] if row["chain"] == "ProxyShell" and row["count"]] == ["unknown"]
    (row,) = told["servers"]
    assert (row["precision"], row["generation"], row["support"]) == ("generation", "2016", "end_of_support")


@pytest.mark.parametrize(
    ("links", "how"),
    [
        (["vulnerable", "vulnerable"], "all"), (["vulnerable", "not_affected"], "all"),
        (["vulnerable", "fixed"], "some"), (["vulnerable", "possible"], "some"), (["possible", "fixed"], "unknown"),
        (["fixed", "fixed"], None),
        (["not_affected"], None), ([], None), (["unknown", "fixed"], "unknown"),
        (["fixed_if_configured"], None),
    ],
)  # fmt: skip
def test_how_much_of_a_chain_is_open(links: list[str], how: str | None) -> None:
    assert opened(links) == how


def test_servers_that_share_no_tuple_are_told_apart() -> None:
    def fresh(status: Status) -> tuple[Finding, ...]:
        return tuple(f._replace(status=status) for f in BELIEVED.findings if f.cve)

    servers = (BELIEVED._replace(findings=fresh(status)) for status in STALE * 50)
    told = aggregates(servers, {"CVE-2099-0001": True}, DAY)
    assert {(row["status"], row["count"]) for row in told["exposed"]} == {
        ("vulnerable", 50), ("unknown", 0),
    }  # fmt: skip


def test_the_reach_is_of_each_part_and_not_to_come() -> None:
    days = reach(KNOWN)
    assert tuple(days) == PARTS
    assert all(1.7e9 < day < 1.9e9 for day in days.values())


def test_the_rows_of_servers_are_bounded_by_what_hangs_together() -> None:
    """Generation, support and precision are one build's: of all their combinations few can be."""
    ranges = [BuildRange(known.build, known.build, "su") for known in KNOWN.builds]
    ranges += [BuildRange(*KNOWN.span_of(g), p) for g in GENERATIONS for p in ("generation", "cu")]
    everything = [server(shown, verdict, product) for shown in ranges for verdict in SURE for product in ON_PREMISES]
    assert len(aggregates(everything, KEV, DAY)["servers"]) < 260

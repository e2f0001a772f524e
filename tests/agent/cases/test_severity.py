"""How bad a finding is, as a table; a chain is one hole."""

from __future__ import annotations

import pytest

from agent.cases.severity import RULES, grouped, severity
from agent.model import Finding, Status
from tests.agent.cases.servers import CURRENT, OLD, assessed


def finding(cvss: float | None = None, status: Status = "vulnerable", *, kev: bool = False) -> Finding:
    return Finding("CVE-2099-1", "Exchange Spoofing", status, kev, cvss)


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (finding(5.0, kev=True), "critical"),
        (finding(9.0), "critical"),
        (finding(8.9), "high"),
        (finding(7.0), "high"),
        (finding(6.9), ""),
        (finding(None), ""),
        (Finding(None, "end of support", "vulnerable"), "high"),
        (Finding(None, "end of support", "possible"), ""),
        (finding(9.8, "possible", kev=True), ""),
        (finding(9.8, "fixed_if_configured", kev=True), ""),
        (finding(9.8, "fixed"), ""),
        (finding(9.8, "unknown"), ""),
    ],
)
def test_one_finding(found: Finding, wanted: str) -> None:
    assert severity(grouped([found])) == wanted


def test_the_worst_of_several_counts() -> None:
    assert severity(grouped([finding(7.5), Finding("CVE-2099-2", "x", "vulnerable", True, 5.0)])) == "critical"


def test_each_rule_has_its_reason() -> None:
    assert all(rule.why for rule in RULES)


def test_a_chain_is_one_hole_with_its_parts() -> None:
    holes = {hole.key: hole for hole in grouped(assessed(OLD).findings)}
    parts = {"CVE-2021-26855", "CVE-2021-26857", "CVE-2021-26858", "CVE-2021-27065"}
    assert set(holes["ProxyLogon"].cves) == parts
    assert "CVE-2021-26855" not in holes
    # What is a part of two is named in both.
    assert "CVE-2022-41082" in holes["OWASSRF"].cves and "CVE-2022-41082" in holes["ProxyNotShell"].cves


def test_of_a_chain_only_what_is_worst_is_named() -> None:
    (hole,) = grouped(
        [
            Finding("CVE-2021-34473", "ProxyShell", "possible", True, 9.1),
            Finding("CVE-2021-31207", "ProxyShell", "vulnerable", True, 6.6),
        ]
    )
    assert (hole.status, hole.cves, hole.cvss) == ("vulnerable", ("CVE-2021-31207",), 6.6)


def test_what_is_exploited_comes_first_and_what_is_only_possible_last() -> None:
    holes = grouped(assessed(OLD).findings)
    vulnerable = [hole for hole in holes if hole.status == "vulnerable"]
    assert holes[: len(vulnerable)] == vulnerable
    kev = [hole.kev for hole in vulnerable]
    assert kev == sorted(kev, reverse=True)


def test_a_server_with_every_update_makes_no_case() -> None:
    holes = grouped(assessed(CURRENT).findings)
    assert holes and severity(holes) == ""

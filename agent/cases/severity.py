"""How bad what was found is: holes as a reader sees them, and the severity of a case. Pure.

A chain (ProxyShell) is one hole with its CVEs, and is as bad as its worst part. What is only possible, or closed if a
setting is as it should be, opens no case: a server that has every update shows some of both.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from agent.exchange.known import read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from agent.model import Finding, Status

SEVERITIES = ("critical", "high")
_STATUSES: tuple[Status, ...] = ("vulnerable", "possible", "fixed_if_configured")  # what is told, the worst first
_NAMELESS = "Exchange "  # Microsoft's own titles ("Exchange Remote Code Execution") are no names


class Found(NamedTuple):
    """One hole for the reader. ``cve`` "" and ``ended`` true for the end of support; ``cvss`` 0 where not known."""

    name: str
    cves: tuple[str, ...]
    status: Status
    kev: bool
    cvss: float
    ended: bool = False

    @property
    def key(self) -> str:
        """What it is known by in a case: its name, or its CVE."""
        return self.name or self.cves[0]


class Rule(NamedTuple):
    severity: str
    why: str
    holds: Callable[[Found], bool]


# The first that holds for any hole that is `vulnerable`; where none does there is no case. docs/cases.md has the table.
RULES = (
    Rule("critical", "a hole that is known to be exploited (CISA KEV)", lambda hole: hole.kev),
    Rule("critical", "a hole with a CVSS base score of 9.0 or more", lambda hole: hole.cvss >= 9.0),
    Rule("high", "a hole with a CVSS base score of 7.0 or more", lambda hole: hole.cvss >= 7.0),
    Rule("high", "a version that gets no security updates any more", lambda hole: hole.ended),
)


@cache
def chains() -> dict[str, tuple[str, ...]]:
    """CVE -> the names of the chains that it is a part of, from the catalogue's own file."""
    found: dict[str, tuple[str, ...]] = {}
    for name, cves in read("cves.json")["chains"].items():
        for cve in cves:
            found[cve] = (*found.get(cve, ()), name)
    return found


def grouped(findings: Iterable[Finding]) -> list[Found]:
    """Findings as holes, the urgent ones first: exploited ones, then the worst score, then by name.

    Of a chain only the parts with its worst status are named: of the others less is known.
    """
    parts: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.status in _STATUSES:
            for name in _names(finding):
                parts.setdefault(name, []).append(finding)
    return sorted((_found(name, those) for name, those in parts.items()), key=_urgency)


def severity(holes: Iterable[Found]) -> str:
    """Of SEVERITIES, or "" where these make no case."""
    open_ = [hole for hole in holes if hole.status == "vulnerable"]
    return next((rule.severity for rule in RULES if any(map(rule.holds, open_))), "")


def _names(finding: Finding) -> tuple[str, ...]:
    if finding.cve is None:
        return (finding.name,)
    return chains().get(finding.cve, (finding.cve,))


def _found(name: str, parts: list[Finding]) -> Found:
    status = min((part.status for part in parts), key=_STATUSES.index)
    worst = [part for part in parts if part.status == status]
    if worst[0].cve is None:
        return Found(name, (), status, kev=False, cvss=0.0, ended=True)
    cves = tuple(part.cve for part in worst if part.cve)
    alone = name == cves[0] and worst[0].name.startswith(_NAMELESS)
    called = "" if alone else worst[0].name if name == cves[0] else name
    return Found(
        called, cves, status, kev=any(part.kev for part in worst), cvss=max(part.cvss or 0.0 for part in worst)
    )  # fmt: skip


def _urgency(hole: Found) -> tuple[int, bool, bool, float, str]:
    return _STATUSES.index(hole.status), not hole.kev, not hole.ended, -hole.cvss, hole.key

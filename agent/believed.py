"""What is believed of all servers, as counts: no address, name or customer is in it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, get_args

from agent.build import Precision
from agent.exchange.catalogue import Support, catalogue
from agent.model import GENERATIONS, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from agent.build import BuildRange
    from agent.exchange.catalogue import Catalogue
    from agent.model import Assessment, Finding

# The statuses that are exported: what is fixed or not affected is no news, and would double the series.
STATUSES = ("vulnerable", "possible", "fixed_if_configured", "unknown")
VERDICTS: tuple[str, ...] = get_args(Verdict)
SUPPORT: tuple[str, ...] = (*get_args(Support), "none")
PRECISIONS: tuple[str, ...] = (*get_args(Precision), "none")
# How much of a named chain of CVEs is open.
OPEN = ("all", "some", "unknown")
# The parts of the catalogue.
PARTS = ("builds", "cves", "kev")

_NAMES = ("product", "generation", "support", "verdict", "precision")


def aggregates(
    assessments: Iterable[Assessment], kev: Mapping[str, bool], at: date, known: Catalogue | None = None
) -> dict[str, Any]:
    """Servers by what they are and what follows on the day ``at``: its part of a snapshot.

    ``kev``: every CVE of the catalogue, and whether it is exploited. Every CVE, chain and generation is there with 0,
    so that a graph begins before the first server does; what is exploited comes first.
    """
    known = known or catalogue()
    counting = _Counting(known, at)
    for assessment in assessments:
        counting.take(assessment)
    exposed = {(cve, "vulnerable"): 0 for cve in kev} | _of_some(known, kev)
    for (cve, status), count in counting.exposed().items():
        # What nobody can tell is nearly one number for all CVEs: that of servers whose build is not known exactly.
        if cve in kev and (status != "unknown" or kev[cve]):
            exposed[cve, status] = count
    servers, ended, chains = counting.servers, counting.ended(), counting.chains()
    return {
        "servers": [_row(_NAMES, key, count) for key, count in sorted(servers.items())],
        "exposed": [
            {"cve": cve, "status": status, "kev": kev[cve], "count": count}
            for (cve, status), count in sorted(exposed.items(), key=lambda row: (not kev[row[0][0]], row[0]))
        ],
        "ended": [_row(("generation", "status"), key, count) for key, count in sorted(ended.items())],
        "chains": [_row(("chain", "open"), key, count) for key, count in chains.items()],
        "reach": reach(known),
    }


def _of_some(known: Catalogue, kev: Mapping[str, bool]) -> dict[tuple[str, str], int]:
    """What is of some CVEs alone: a setting beside the update, a build that does not decide, what nobody can tell."""
    flaws = [flaw for flaw in known.flaws if flaw.cve in kev]
    return (
        {(flaw.cve, "fixed_if_configured"): 0 for flaw in flaws if flaw.config}
        | {(flaw.cve, "possible"): 0 for flaw in flaws if flaw.settings or not flaw.build_decides}
        | {(cve, "unknown"): 0 for cve, exploited in kev.items() if exploited}
    )


def reach(known: Catalogue) -> dict[str, float]:
    """The last day that each of PARTS covers: its beginning, in seconds since the epoch."""
    days = {part: date.fromisoformat(getattr(known.reach, part)) for part in PARTS}
    return {part: datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() for part, day in days.items()}


class _Counting:
    """Servers that share a build share their findings, one tuple of them: each is looked through once."""

    def __init__(self, known: Catalogue, at: date) -> None:
        self._known, self._at = known, at
        self._support: dict[BuildRange, str] = {}
        self._findings: dict[tuple[int, str], tuple[tuple[Finding, ...], int]] = {}
        self.servers: Counter[tuple[str, ...]] = Counter()

    def take(self, assessment: Assessment) -> None:
        generation, build = assessment.generation or "unknown", assessment.build
        precision = build.precision if build else "none"
        key = (assessment.product, generation, self._supported(build), assessment.verdict, precision)
        self.servers[key] += 1
        if assessment.findings:
            group = id(assessment.findings), generation
            _, count = self._findings.get(group, ((), 0))
            # The tuple is held on to, so that no other can have its number.
            self._findings[group] = assessment.findings, count + 1

    def _supported(self, build: BuildRange | None) -> str:
        if build is None:
            return "none"
        if build not in self._support:
            self._support[build] = self._known.status(build, self._at)
        return self._support[build]

    def _each(self) -> Iterator[tuple[str, Finding, int]]:
        for (_, generation), (findings, count) in self._findings.items():
            for finding in findings:
                if finding.status in STATUSES:
                    yield generation, finding, count

    def exposed(self) -> Counter[tuple[str, str]]:
        """By CVE and status."""
        counts: Counter[tuple[str, str]] = Counter()
        for _, finding, count in self._each():
            if finding.cve is not None:
                counts[finding.cve, finding.status] += count
        return counts

    def ended(self) -> Counter[tuple[str, str]]:
        """By generation and status of the end of support."""
        counts: Counter[tuple[str, str]] = Counter({(generation, "vulnerable"): 0 for generation in GENERATIONS})
        for generation, finding, count in self._each():
            if finding.cve is None:
                counts[generation, finding.status] += count
        return counts

    def chains(self) -> dict[tuple[str, str], int]:
        """By named chain, and how much of it is open."""
        counts = {(chain, how): 0 for chain in self._known.chains for how in OPEN}
        for findings, count in self._findings.values():
            statuses = {finding.cve: finding.status for finding in findings}
            for chain, links in self._known.chains.items():
                how = opened([statuses.get(cve, "not_affected") for cve in links])
                if how is not None:
                    counts[chain, how] += count
        return counts


def opened(links: list[str]) -> str | None:
    """Which of OPEN a chain is, by the status of its links. Those that do not concern this generation do not count."""
    concerned = [status for status in links if status != "not_affected"]
    if "vulnerable" in concerned:
        return "all" if set(concerned) == {"vulnerable"} else "some"
    return "unknown" if {"possible", "unknown"} & set(concerned) else None


def _row(names: tuple[str, ...], key: tuple[str, ...], count: int) -> dict[str, Any]:
    return {**dict(zip(names, key, strict=True)), "count": count}

"""The catalogue: what is known of Exchange builds, which CVEs are open on one, and until when it is supported.

Sources of the facts: Microsoft Learn, "Exchange Server build numbers and release dates"; MSRC; microsoft/CSS-Exchange;
the CISA catalogue of known exploited vulnerabilities; each entry of the data files names its own.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from functools import cache, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple

from agent.build import Build, BuildRange, Generation, generation_of, span
from agent.exchange.known import FAR_FUTURE, Flaw, Known, Lifecycle, flaw_of, known_of, lifecycle_of, read
from agent.exchange.verdict import Standing, combined, verdict
from agent.model import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from agent.model import Product, Status

Support = Literal["supported", "esu", "end_of_support", "newer_than_table", "unknown"]

END_OF_SUPPORT = "end of support"

# How soon somebody has to look: findings are listed in this order.
_URGENCY: tuple[Status, ...] = (
    "vulnerable", "possible", "unknown", "fixed_if_configured", "not_assessed", "fixed", "not_affected",
)  # fmt: skip
_ONLINE = (15, 20)
# What a release shows of itself where that is no build in the table: Exchange 2010 SP3 in its pages. The table names
# those that Microsoft's own tools had to know of (microsoft/CSS-Exchange issue 396).
_SHOWN = {Build(14, 3, 123, 3): Build(14, 3, 123, 4)}


class Reach(NamedTuple):
    """The last day that each part of the data covers, as ISO dates, and the last update in it."""

    builds: str
    cves: str
    kev: str
    update: str


class Catalogue:
    """Builds, flaws and lifecycles. Holds nothing that changes; ask ``catalogue()`` for the one there is."""

    def __init__(
        self,
        builds: Sequence[Known],
        flaws: Sequence[Flaw],
        lifecycles: dict[Generation, Lifecycle],
        reach: Reach,
        chains: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """``chains``: the name by which an attack is known -> the CVEs that are its links."""
        self.builds = tuple(sorted(builds))
        self.flaws = tuple(flaws)
        self.lifecycles = lifecycles
        self.reach = reach
        self.chains = {name: tuple(links) for name, links in (chains or {}).items()}
        self._numbers = [k.build for k in self.builds]
        self._extended = self._programme()
        self._evaluated = lru_cache(maxsize=1024)(self._evaluate)

    def _programme(self) -> dict[tuple[int, int, int], Build]:
        """Branch -> its first build that only the programme of extended security updates could get."""
        first: dict[tuple[int, int, int], Build] = {}
        for known in self.builds:
            life = self._life(known.build)
            if life and life.extended and known.released > life.end_of_support:
                first.setdefault(known.build.branch, known.build)
        return first

    def _life(self, build: Build) -> Lifecycle | None:
        generation = generation_of(build)
        return self.lifecycles[generation] if generation else None

    def _within(self, low: Build, high: Build) -> tuple[Known, ...]:
        return self.builds[bisect_left(self._numbers, low) : bisect_right(self._numbers, high)]

    # What a build is.

    def generation_of(self, parts: tuple[int, ...]) -> Generation | None:
        """The generation of a build or branch; None for Exchange Online and for what is no Exchange at all."""
        return generation_of(parts)

    def product_of(self, build: Build) -> Product:
        """``exchange``, ``exchange-online`` (15.20), or ``unknown`` for a number that no Exchange ever had."""
        if generation_of(build):
            return "exchange"
        return "exchange-online" if build[:2] == _ONLINE else "unknown"

    def span_of(self, generation: Generation) -> tuple[Build, Build]:
        """Every build that can belong to a generation, known or not: the lowest and the highest."""
        life = self.lifecycles[generation]
        return life.low, life.high

    def newest(self, of: Build | Generation) -> Known | None:
        """The newest known build on a build's branch, or of a whole generation."""
        low, high = self.span_of(of) if isinstance(of, str) else span(line_of(of))
        found = self._within(low, high)
        return found[-1] if found else None

    def lookup(self, build: Build) -> Known | None:
        """The entry of a build, or the next lower one on its branch (then not ``exact``).

        None below the first and above the last known build of the branch: neither stands for anything known.
        """
        at = bisect_right(self._numbers, build) - 1
        if at < 0 or line_of(self._numbers[at]) != line_of(build):
            return None
        found = self.builds[at]
        if found.build == build:
            return found if found.alias_of is None else self._original(found)
        return found._replace(exact=False) if not self.newer(build) else None

    def released(self, shown: Build) -> Build:
        """The build that one which a server shows stands for: of an alias its original, else the next lower known one
        of its branch. What is newer than the table, or lower than its branch begins, stands for itself.
        """
        known = self.lookup(_SHOWN.get(shown, shown))
        return (known.alias_of or known.build) if known else shown

    def _original(self, alias: Known) -> Known:
        assert alias.alias_of is not None
        return self.builds[bisect_left(self._numbers, alias.alias_of)]._replace(note=alias.note)

    def clamp(self, wanted: BuildRange) -> BuildRange:
        """A range narrowed to the lowest and the highest known build in it; as it was where none is known."""
        inside = () if wanted.exact else self._within(wanted.low, wanted.high)
        return wanted._replace(low=inside[0].build, high=inside[-1].build) if inside else wanted

    # What follows from it.

    def findings(self, wanted: BuildRange, at: date) -> tuple[Finding, ...]:
        """End of support on the day ``at``, and every CVE, also those that do not affect it; the urgent ones first.

        Empty for what is no Exchange on premises. The same tuple for the same question: servers share it.
        """
        return self._evaluated(wanted, at)

    def _evaluate(self, wanted: BuildRange, at: date) -> tuple[Finding, ...]:
        corners = self._corners(wanted)
        standings = [s for build in corners if (s := self._standing(build))]
        if len(standings) < len(corners):
            return ()
        found = [Finding(f.cve, f.name, combined(verdict(s, f) for s in standings), f.kev, f.cvss) for f in self.flaws]
        ended = self._ended({self._support(s.build, at) for s in standings})
        return tuple(sorted([*([ended] if ended else []), *found], key=_urgency))

    def _corners(self, wanted: BuildRange) -> tuple[Build, ...]:
        """The builds that speak for a range: on each branch in it, verdicts only change from one way to the other."""
        low, high, _ = self.clamp(wanted)
        inside = self._within(low, high)
        edges = {
            known.build for pair in pairwise(inside) if pair[0].build.branch != pair[1].build.branch for known in pair
        }
        return tuple(sorted({low, high} | edges))

    def _standing(self, build: Build) -> Standing | None:
        generation = generation_of(build)
        if generation is None:
            return None
        known = self._floor(build)
        if known and known.build == build and known.alias_of:
            build = known.alias_of
        return Standing(
            build, generation, self.lifecycles[generation], known is None or known.cumulative, self.newer(build)
        )

    def _floor(self, build: Build) -> Known | None:
        at = bisect_right(self._numbers, build) - 1
        return self.builds[at] if at >= 0 and line_of(self._numbers[at]) == line_of(build) else None

    def newer(self, build: Build) -> bool:
        """Above every known build of its branch or, on a branch that is not known, of its generation."""
        generation = generation_of(build)
        newest = self.newest(build) or (self.newest(generation) if generation else None)
        return newest is not None and build > newest.build

    # Until when it is supported.

    def status(self, of: Build | BuildRange, at: date) -> Support:
        """The support of a build on the day ``at``; ``unknown`` where the builds of a range do not agree."""
        corners = (of,) if isinstance(of, Build) else self._corners(of)
        found = {self._status(build, at) for build in corners}
        return found.pop() if len(found) == 1 else "unknown"

    def _status(self, build: Build, at: date) -> Support:
        support = self._support(build, at)
        if not self.newer(build):
            return support
        # Where updates had ended before the table was made, an unknown number says nothing against the calendar.
        return "newer_than_table" if self._current(build) or support == "supported" else support

    def _current(self, build: Build) -> bool:
        """Whether its branch, or on a branch that is not known its generation, still got updates at the table's end."""
        life = self._life(build)
        if life is None or life.end_of_support == FAR_FUTURE:
            return life is not None
        return build.branch in self._extended if self.newest(build) else life.extended is not None

    def _support(self, build: Build, at: date) -> Support:
        """The calendar alone."""
        life = self._life(build)
        if life is None:
            return "unknown"
        if at <= life.end_of_support:
            return "supported"
        covered = life.extended is not None and at <= life.extended and self._in_programme(build)
        return "esu" if covered else "end_of_support"

    def _in_programme(self, build: Build) -> bool:
        first = self._extended.get(build.branch)
        return build >= first if first else self._current(build) and self.newer(build)

    def end_of_support(self, generation: Generation, at: date) -> Finding | None:
        """What the calendar says of a whole generation; ``possible`` while some of its servers get extended updates."""
        life = self.lifecycles[generation]
        if at <= life.end_of_support:
            return None
        paid = life.extended is not None and at <= life.extended
        return Finding(None, END_OF_SUPPORT, "possible" if paid else "vulnerable")

    def _ended(self, support: set[Support]) -> Finding | None:
        if "end_of_support" not in support:
            return None
        status: dict[frozenset[Support], Status] = {
            frozenset({"end_of_support"}): "vulnerable",
            frozenset({"end_of_support", "esu"}): "possible",
        }
        return Finding(None, END_OF_SUPPORT, status.get(frozenset(support), "unknown"))


def line_of(build: Build) -> tuple[int, ...]:
    """What a build's updates follow one another on: the branch; up to 2010 the service pack, whose third part moves."""
    return build[:3] if build.major >= 15 else build[:2]


def _urgency(finding: Finding) -> tuple[int, bool, bool, float, str]:
    # End of support comes first of its status: it also means that nothing found later will be fixed.
    cve = finding.cve or ""
    return _URGENCY.index(finding.status), bool(cve), not finding.kev, -(finding.cvss or 0.0), cve


@cache
def catalogue() -> Catalogue:
    """The catalogue of the packaged data files, read at the first call."""
    table, flaws, older = read("builds.json"), read("cves.json"), read("generations.json")
    builds = [known_of(row) for row in table["builds"] if row.get("mapped", True)]
    numbers = sorted(k.build for k in builds)
    lifecycles = {g: lifecycle_of(row) for t in (older, table) for g, row in t["generations"].items()}
    told = [flaw_of(row, numbers, flaws["configurations"]) for row in flaws["cves"]]
    reach = Reach(table["data_reaches"], flaws["data_reaches"], flaws["kev_reaches"], table["reaches_update"])
    return Catalogue(builds, told, lifecycles, reach, flaws["chains"])

"""A server in a few words: what it is believed to be, and how many known holes are open. Many servers share them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import date

    from agent.build import Build, BuildRange
    from agent.exchange.catalogue import Catalogue
    from agent.model import Assessment, Finding

# What runs at a customer's; Exchange Online is the vendor's.
HERE = ("exchange", "exchange-edge")


class Holes(NamedTuple):
    """Known holes: open and exploited (by CISA's list), otherwise open, and open perhaps. None is in two of them."""

    exploited: int
    vulnerable: int
    possible: int


class Outline(NamedTuple):
    """``build``: as ``written``, where it is known exactly and the catalogue has it, else "". ``holes``: None where
    nothing of the server is known that a hole could be told by.
    """

    product: str
    generation: str
    build: str
    support: str
    precision: str
    verdict: str
    holes: Holes | None


class Outlines:
    """Outlines as of the day ``at``. What many servers share is worked out once: findings, support, builds."""

    def __init__(self, catalogue: Catalogue, at: date) -> None:
        self._catalogue = catalogue
        self.at = at
        self._builds = {known.build: written(known.build) for known in catalogue.builds}
        # The findings are held on to, so that no others can come to have their identity.
        self._holes: dict[int, tuple[tuple[Finding, ...], Holes | None]] = {}
        self._support: dict[BuildRange, str] = {}

    def of(self, one: Assessment) -> Outline:
        """What is said of one server."""
        build = one.build
        return Outline(
            one.product,
            one.generation or "unknown",
            self._builds.get(build.low, "") if build and build.exact else "",
            self._supported(build),
            build.precision if build else "none",
            one.verdict,
            self._open(one.findings),
        )

    def _supported(self, build: BuildRange | None) -> str:
        if build is None:
            return "none"
        if build not in self._support:
            self._support[build] = self._catalogue.status(build, self.at)
        return self._support[build]

    def _open(self, findings: tuple[Finding, ...]) -> Holes | None:
        known = self._holes.get(id(findings))
        if known is None:
            known = self._holes[id(findings)] = (findings, holes(findings))
        return known[1]


def written(build: Build) -> str:
    """A build as Get-ExchangeServer has it: 14.3.123.4, with its four numbers, is the address of somebody's machine."""
    return f"{build.major}.{build.minor} (Build {build.third}.{build.fourth})"


def holes(findings: tuple[Finding, ...]) -> Holes | None:
    """How many are open; None where no build tells."""
    told = [each for each in findings if each.cve is not None]
    if not told:
        return None
    open_ = [each.kev for each in told if each.status == "vulnerable"]
    return Holes(sum(open_), len(open_) - sum(open_), sum(each.status == "possible" for each in told))


def urgency(outline: Outline, confidence: float) -> tuple[float, ...]:
    """To sort by: the most exploited holes first, then the most open ones, then those that may be, then the surest."""
    exploited, vulnerable, possible = outline.holes or (0, 0, 0)
    return -exploited, -vulnerable, -possible, outline.support != "end_of_support", -confidence

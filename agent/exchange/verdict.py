"""One build against one flaw: the rules that data/cves.json states under ``semantics``, and nothing else. Pure.

The numbers of the rules below are theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.build import Build, Generation
    from agent.exchange.known import Fix, Flaw, Lifecycle
    from agent.model import Status

# The special updates of March 2021 hold the fixes of this update and no others.
_SPECIAL = "Mar21SU"


class Standing(NamedTuple):
    """What the tables say of one build: whose it is, and whether its number can be compared as usual.

    ``cumulative``: it holds all earlier updates of its branch. ``newer``: no known build of its branch is as high.
    """

    build: Build
    generation: Generation
    lifecycle: Lifecycle
    cumulative: bool
    newer: bool


def verdict(at: Standing, flaw: Flaw) -> Status:
    """The status of one CVE on one build."""
    if at.generation not in flaw.affected:
        unlisted = at.generation not in flaw.not_affected and flaw.published > at.lifecycle.listed_until
        return "not_assessed" if unlisted else "not_affected"  # Rule 1.
    if not flaw.build_decides:
        return "possible"  # Rule 2.
    status = _by_branch(at, flaw)
    if status == "vulnerable":
        return _unfixed(at, flaw)
    return "fixed_if_configured" if status == "fixed" and flaw.config else status


def _by_branch(at: Standing, flaw: Flaw) -> Status:
    fixes = flaw.fixes.get(at.generation, ())
    fix = next((f for f in fixes if f.build.branch == at.build.branch), None)
    if fix is None:  # Rule 4. A whole service pack of 2010 lies between two second parts, so all three count.
        return "fixed" if fixes and at.build.branch > fixes[-1].build.branch else "vulnerable"
    if at.build < fix.build:
        undecided = fix.vulnerable_to is not None and at.build > fix.vulnerable_to
        return "unknown" if undecided else "vulnerable"
    return "fixed" if at.cumulative or flaw.fixed_by == _SPECIAL else "unknown"  # Rule 3.


def _unfixed(at: Standing, flaw: Flaw) -> Status:
    if _reaches(at, flaw.settings.get(at.generation, ())):
        return "possible"  # Rule 5.
    # An update that nobody had seen when the table was made may well hold the fix.
    return "unknown" if at.newer else "vulnerable"


def _reaches(at: Standing, settings: tuple[Fix, ...]) -> bool:
    for setting in settings:
        if setting.build.branch == at.build.branch:
            return at.build >= setting.build
    return bool(settings) and at.build.branch > settings[-1].build.branch


def combined(verdicts: Iterable[Status]) -> Status:
    """One status for a build that may be any of several: what they agree on, else what can still be said."""
    distinct = set(verdicts)
    if len(distinct) == 1:
        return distinct.pop()
    return "possible" if distinct == {"vulnerable", "possible"} else "unknown"

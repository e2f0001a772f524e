"""A scope made smaller by another. What both allow is allowed, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.consent.state import Hours, Scope
from agent.privacy import common, union

if TYPE_CHECKING:
    from agent.privacy import Ranges

_DAY = 1440  # minutes
_WEEK = 7 * _DAY


def narrowed(scope: Scope, to: Scope) -> Scope:
    """What is in both scopes.

    Hours of two time zones have no common table, since their clocks change on different days: then there are none.
    """
    return Scope(
        tuple(common(union(scope.prefixes), union(to.prefixes))),
        tuple(port for port in scope.ports if port in to.ports),
        tuple(tier for tier in scope.tiers if tier in to.tiers),
        tuple(probe for probe in scope.probes if probe in to.probes),
        _common_hours(scope, to),
        scope.zone,
        min(scope.per_day, to.per_day),
        tuple(union(scope.excluded, to.excluded)),
    )


def _common_hours(scope: Scope, to: Scope) -> tuple[Hours, ...]:
    if scope.zone != to.zone:
        return ()
    if scope.hours == to.hours:
        return scope.hours
    both = common(minutes(scope.hours), minutes(to.hours))
    return tuple(piece for first, last in both for piece in _pieces(first, last + 1))


def minutes(hours: tuple[Hours, ...]) -> Ranges:
    """The minutes of the week in which these hours are, from Monday 00:00 on; both ends of a range included."""
    made = []
    for days, start, end in hours:
        for day in days:
            begin = day * _DAY + start
            until = day * _DAY + (end if end > start else end + _DAY)
            made.append((begin, min(until, _WEEK) - 1))
            if until > _WEEK:  # the night of Sunday goes on into Monday
                made.append((0, until - _WEEK - 1))
    return union(made)


def _pieces(start: int, end: int) -> list[Hours]:
    """A stretch of the week, day by day."""
    made = []
    while start < end:
        day, minute = divmod(start, _DAY)
        until = min(end, (day + 1) * _DAY)
        made.append(Hours(frozenset((day,)), minute, until - day * _DAY))
        start = until
    return made

"""When a customer may be knocked at: his hours, by the clock on his wall.

Summer time needs no rule of its own then: hours that the clock jumps over do not come that day, and an hour that it
shows twice counts both times.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from agent.consent.state import Hours, Scope

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@lru_cache(256)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # ZoneInfoNotFoundError is the first of these
        return None


def _local(time: float, zone: ZoneInfo | None) -> datetime | None:
    try:
        return None if zone is None else datetime.fromtimestamp(time, zone)
    except (OverflowError, ValueError, OSError):
        return None


def is_open(scope: Scope, time: float) -> bool:
    """Whether this is one of the hours. In a zone that is not known, no hour is, and at no time that is none."""
    local = _local(time, _zone(scope.zone))
    return local is not None and _within(scope.hours, local.weekday(), local.hour * 60 + local.minute)


def _within(hours: Iterable[Hours], day: int, minute: int) -> bool:
    for days, start, end in hours:
        if start < end:
            if start <= minute < end and day in days:
                return True
        elif (minute >= start and day in days) or (minute < end and (day - 1) % 7 in days):
            return True
    return False


def next_open(scope: Scope, time: float) -> float | None:
    """When the hours begin again, at the latest nine days on; ``time`` itself while they last; None for never."""
    if is_open(scope, time):
        return time
    zone = _zone(scope.zone)
    local = _local(time, zone)
    starts = () if local is None or zone is None else _starts(scope, time, local, zone)
    return min((start for start in starts if start > time and is_open(scope, start)), default=None)


def _starts(scope: Scope, time: float, local: datetime, zone: ZoneInfo) -> Iterator[float]:
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    for ahead in range(9):
        day = midnight + timedelta(days=ahead)
        for hours in scope.hours:
            if day.weekday() in hours.days:
                for fold in (0, 1):
                    begins = (day + timedelta(minutes=hours.start)).replace(tzinfo=zone, fold=fold)
                    yield begins.astimezone(UTC).timestamp()
    # Of hours whose start the clock jumps over, the first is when it has jumped; it jumps at whole or half hours.
    yield from (time // 1800 * 1800 + 1800.0 * step for step in range(1, 9 * 48))


def text(hours: Iterable[Hours], zone: str) -> str:
    """The hours in words, as they are written."""
    return f"{'; '.join(_text(each) for each in hours) or 'none'} ({zone})"


def _text(hours: Hours) -> str:
    days = "daily" if len(hours.days) == 7 else ",".join(DAYS[day] for day in sorted(hours.days))
    return f"{days} {hours.start // 60:02}:{hours.start % 60:02}-{hours.end // 60:02}:{hours.end % 60:02}"

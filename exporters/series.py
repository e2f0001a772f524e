"""Single servers, under pseudonyms, and groups of them as metrics: only where the configuration asks for them.

Families are made when a round of the agent's is whole, and shown until the next is: a server that is not in it any more
has no series any more, and none outlives the period of its pseudonym by more than the agent takes for a round, nor its
agent by more than LASTS.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client.registry import Collector

from exporters.families import many, one

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client.core import Metric

    from agent.listed import Described, Listed
    from exporters.families import Row

SEVERITIES = ("exploited", "vulnerable", "possible")
_HOUR = 3600.0
LASTS = 3600.0  # seconds: a round takes minutes at the most, and an agent that is started anew makes one at once


class Series(Collector):
    """The collector over the last whole round; nothing before the first, or for long after the last.

    ``clock`` only rises.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._whole = clock()
        self._coming: list[Listed] = []
        self._families: list[Metric] = []

    def take(self, part: Listed) -> None:
        """A part has come. One that does not follow on what came begins anew, or is let go."""
        if part.part == 0:
            self._coming = []
        elif not self._coming or (part.number, part.part) != (self._coming[0].number, len(self._coming)):
            self._coming = []
            return
        self._coming.append(part)
        if len(self._coming) == part.parts:
            self._families, self._coming = list(families(self._coming)), []
            self._whole = self._clock()

    def collect(self) -> Iterable[Metric]:
        if self._clock() - self._whole > LASTS:
            self._families = []
        return self._families


def families(round_: list[Listed]) -> Iterator[Metric]:
    """The families of all parts of a round."""
    head = round_[0]
    if head.limit:
        yield many("server_info", _info(round_))
        yield many("server_exposed", _exposed(round_))
        yield many("server_last_seen_timestamp_seconds", _seen(round_))
        yield one("series_suppressed", head.suppressed)
        yield one("series_suppressions_total", head.suppressed_total)
        yield many("pseudonym_info", [((head.key_id, str(head.epoch)), 1)])
    if head.grouped:
        yield many("group_servers", [((group.name,), group.servers) for group in head.groups])
        yield many("group_servers_exposed", [((group.name,), group.exposed) for group in head.groups])
        yield one("group_files_failing", head.group_files_failing)


def _each(round_: list[Listed]) -> Iterator[tuple[str, Described, int]]:
    for part in round_:
        for server, place, hour in zip(part.servers, part.of, part.hours, strict=True):
            yield server, part.outlines[place], hour


def _info(round_: list[Listed]) -> Iterator[Row]:
    for server, told, _ in _each(round_):
        values = told.product, told.generation, told.build, told.support, told.precision, told.verdict
        yield (server, *values), 1


def _exposed(round_: list[Listed]) -> Iterator[Row]:
    for server, told, _ in _each(round_):
        for severity, count in zip(SEVERITIES, told.holes or (), strict=False):
            yield (server, severity), count


def _seen(round_: list[Listed]) -> Iterator[Row]:
    for server, _, hour in _each(round_):
        yield (server,), hour * _HOUR

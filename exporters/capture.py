"""What capture counts, as metrics: of each interface (files are one, named "file"), and of capture as a whole.

Whatever capture counts is shown exactly once: under a name of its own if it stands in a table here, as a label value of
one of the families if its name begins like one, and as an event otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporters.families import Row, by_one, many, one

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from prometheus_client.core import Metric

    from agent.messages import Interface

# Counters of one interface -> family.
_FRAMES = {
    "offered": "capture_frames_offered_total",
    "nic_missed": "capture_frames_missed_total",
    "frames_seen": "capture_frames_total",
    "frames_used": "capture_frames_used_total",
    "ring_freezes": "capture_ring_freezes_total",
    "takeovers": "capture_filter_takeovers_total",
    "seen_twice": "capture_frames_seen_twice_total",
}
_LINK = ("went_down", "came_back", "renamed")
_DROPPED = "drop_"
# Gauges of one interface -> family.
_GAUGES = {
    "up": "capture_interface_up",
    "ring_fill": "capture_ring_fill_ratio",
    "filter_suspect": "capture_filter_suspect",
    "filter_instructions": "capture_filter_instructions",
    "demoted": "capture_filter_demoted_prefixes",
    "muted_in_filter": "capture_filter_muted_servers",
}
# Counters of capture as a whole -> family, and families of them by how their names begin.
_WHOLE = {
    "observations": "capture_observations_total",
    "repeats": "capture_observations_repeated_total",
    "told_too_long": "capture_observations_too_long_total",
    "queue_full": "capture_observations_queue_full_total",
}
_FAMILIES = {"streams_evicted_": "capture_streams_evicted_total", "malformed_": "capture_malformed_total"}
_PARSED = "parse_microseconds"


def capture(interfaces: list[Interface], counts: Mapping[str, int]) -> Iterator[Metric]:
    """Every family of capture, those of no interface first."""
    yield from _of_the_whole(counts)
    yield from _counted(interfaces)
    yield from _measured(interfaces)


def _of_the_whole(counts: Mapping[str, int]) -> Iterator[Metric]:
    for name, family in _WHOLE.items():
        yield one(family, counts.get(name, 0))
    yield one("capture_parse_seconds_total", counts.get(_PARSED, 0) / 1e6)
    for start, family in _FAMILIES.items():
        yield by_one(family, [(n.removeprefix(start), count) for n, count in counts.items() if n.startswith(start)])
    others = {n: c for n, c in counts.items() if n not in _WHOLE and n != _PARSED and not n.startswith((*_FAMILIES,))}
    yield by_one("capture_events_total", others.items())


def _counted(interfaces: list[Interface]) -> Iterator[Metric]:
    for name, family in _FRAMES.items():
        yield many(family, _each(name, ((i.name, i.counts) for i in interfaces)))
    counted = [(i.name, name, count) for i in interfaces for name, count in i.counts.items()]
    dropped = [((i, n.removeprefix(_DROPPED)), c) for i, n, c in counted if n.startswith(_DROPPED)]
    yield many("capture_frames_dropped_total", dropped)
    yield many("capture_link_events_total", [((i, n), c) for i, n, c in counted if n in _LINK])
    others = [((i, n), c) for i, n, c in counted if n not in {*_FRAMES, *_LINK} and not n.startswith(_DROPPED)]
    yield many("capture_interface_events_total", others)


def _measured(interfaces: list[Interface]) -> Iterator[Metric]:
    for name, family in _GAUGES.items():
        yield many(family, _each(name, ((i.name, i.gauges) for i in interfaces)))
    others = [((i.name, n), value) for i in interfaces for n, value in i.gauges.items() if n not in _GAUGES]
    yield many("capture_interface_state", others)


def _each(name: str, values: Iterable[tuple[str, Mapping[str, float]]]) -> list[Row]:
    """A row for each interface that has such a value: that of a file has no ring and no link."""
    return [((interface,), of[name]) for interface, of in values if name in of]

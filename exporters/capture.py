"""What capture counts, as metrics: of each interface (files are one, named "file"), and of capture as a whole.

Whatever capture counts is shown exactly once: under a name of its own if it stands in a table here, as a label value of
one of the families if its name begins like one, and as an event otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporters.families import Row, by_one, counter, counters, gauges

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from prometheus_client.core import Metric

    from agent.messages import Interface

# Counters of one interface: name -> metric without "_total", help.
_FRAMES = {
    "offered": ("capture_frames_offered", "Frames that came to the interface, by its own counters."),
    "nic_missed": ("capture_frames_missed", "Frames that the network card or its driver lost before the filter."),
    "frames_seen": ("capture_frames", "Frames that the filter admitted, or that a file holds."),
    "frames_used": ("capture_frames_used", "Frames that a dissector or a fact was made of."),
    "ring_freezes": ("capture_ring_freezes", "How often the ring was full."),
    "takeovers": ("capture_filter_takeovers", "How often a new filter took over from the one before."),
    "seen_twice": ("capture_frames_seen_twice", "Frames that both filters saw while one took over; counted once."),
}
_LINK = ("capture_link_events", "What happened to the interface.", ("went_down", "came_back", "renamed"))
_DROPPED = ("capture_frames_dropped", "Frames that were not used, by the reason.", "drop_")
_OF_INTERFACE = ("capture_interface_events", "Everything else that is counted of an interface.")

# Gauges of one interface: name -> metric, help.
_GAUGES = {
    "up": ("capture_interface_up", "1 while the interface is there and up."),
    "ring_fill": ("capture_ring_fill_ratio", "The most of the ring that was full in the last second."),
    "filter_suspect": ("capture_filter_suspect", "1 while frames arrive and for long nothing has matched the filter."),
    "filter_instructions": ("capture_filter_instructions", "Length of the filter; the kernel takes 4096 at most."),
    "demoted": ("capture_filter_demoted_prefixes", "Prefixes that did not fit: only headers of them are looked at."),
    "muted_in_filter": ("capture_filter_muted_servers", "Servers that the filter leaves out, because well known."),
}
_STATE = ("capture_interface_state", "Everything else that is measured of an interface.")

# Counters of capture as a whole, and families of them by how their names begin.
_WHOLE = {
    "observations": ("capture_observations", "Observations told to the agent."),
    "repeats": ("capture_observations_repeated", "Observations not told, because told within the hour."),
    "told_too_long": ("capture_observations_too_long", "Observations not told because their value is too long."),
    "queue_full": ("capture_observations_queue_full", "Observations not told because too many waited for the agent."),
}
_FAMILIES = {
    "streams_evicted_": ("capture_streams_evicted", "reason", "Streams let go before their end, by the reason."),
    "malformed_": ("capture_malformed", "collector", "Flows given up because of what the peer sent."),
}
_PARSED = "parse_microseconds"
_OTHER = ("capture_events", "Everything else that the capture role counts.")


def capture(interfaces: list[Interface], counts: Mapping[str, int]) -> Iterator[Metric]:
    """Every family of capture, those of no interface first."""
    yield from _of_the_whole(counts)
    yield from _counted(interfaces)
    yield from _measured(interfaces)


def _of_the_whole(counts: Mapping[str, int]) -> Iterator[Metric]:
    for name, (metric, text) in _WHOLE.items():
        yield counter(metric, text, counts.get(name, 0))
    yield counter("capture_parse_seconds", "Time spent on frames in Python.", counts.get(_PARSED, 0) / 1e6)
    for start, (metric, label, text) in _FAMILIES.items():
        named = [(name.removeprefix(start), count) for name, count in counts.items() if name.startswith(start)]
        yield counters(metric, text, (label,), by_one(named))
    metric, text = _OTHER
    others = {n: c for n, c in counts.items() if n not in _WHOLE and n != _PARSED and not n.startswith((*_FAMILIES,))}
    yield counters(metric, text, ("event",), by_one(others.items()))


def _counted(interfaces: list[Interface]) -> Iterator[Metric]:
    for name, (metric, text) in _FRAMES.items():
        yield counters(metric, text, ("interface",), _each(name, ((i.name, i.counts) for i in interfaces)))
    metric, text, start = _DROPPED
    dropped = [
        ((i.name, n.removeprefix(start)), c) for i in interfaces for n, c in i.counts.items() if n.startswith(start)
    ]
    yield counters(metric, text, ("interface", "reason"), dropped)
    metric, text, events = _LINK
    happened = [((i.name, event), i.counts[event]) for i in interfaces for event in events if event in i.counts]
    yield counters(metric, text, ("interface", "event"), happened)
    metric, text = _OF_INTERFACE
    known = {*_FRAMES, *events}
    others = [
        ((i.name, n), c) for i in interfaces for n, c in i.counts.items() if n not in known and not n.startswith(start)
    ]
    yield counters(metric, text, ("interface", "event"), others)


def _measured(interfaces: list[Interface]) -> Iterator[Metric]:
    for name, (metric, text) in _GAUGES.items():
        yield gauges(metric, text, ("interface",), _each(name, ((i.name, i.gauges) for i in interfaces)))
    metric, text = _STATE
    others = [((i.name, n), value) for i in interfaces for n, value in i.gauges.items() if n not in _GAUGES]
    yield gauges(metric, text, ("interface", "state"), others)


def _each(name: str, values: Iterable[tuple[str, Mapping[str, float]]]) -> list[Row]:
    """A row for each interface that has such a value: that of a file has no ring and no link."""
    return [((interface,), of[name]) for interface, of in values if name in of]

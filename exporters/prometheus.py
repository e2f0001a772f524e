"""One snapshot as Prometheus metrics: aggregates and counters. docs/operating.md says what each means.

Families are made afresh for each scrape, so that a label set that has gone is gone (Prometheus, "Writing exporters").
No address, name or customer is ever a label; label values come from closed lists and from our own counters' names.
"""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from agent.snapshot import NOT_READY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from prometheus_client.core import Metric

    from agent.messages import Snapshot

# Counters of the capture role that are a metric of their own: name -> metric without "_total", help.
_CAPTURE = {
    "frames_seen": ("capture_frames", "Frames seen; 0 where capture.count_frames is false."),
    "frames_used": ("capture_frames_used", "Frames that a dissector or a fact was made of."),
    "observations": ("capture_observations", "Observations told to the agent."),
    "repeats": ("capture_observations_repeated", "Observations not told, because told within the hour."),
    "told_too_long": ("capture_observations_too_long", "Observations not told because their value is too long."),
}  # fmt: skip
# Prefix of a counter's name -> metric, the label that takes the rest of the name, help.
_FAMILIES = {
    "drop_": ("capture_frames_dropped", "reason", "Frames that were not used, by the reason."),
    "streams_evicted_": ("capture_streams_evicted", "reason", "Streams let go before their end, by the reason."),
    "malformed_": ("capture_malformed", "collector", "Flows given up because of what the peer sent."),
}
_OTHER = ("capture_events", "event", "Everything else that the capture role counts.")


class Shown(Collector):
    """The collector over whatever ``snapshot`` gives at that moment; None before there is one."""

    def __init__(self, version: str, snapshot: Callable[[], Snapshot | None]) -> None:
        self._version = version
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        snapshot = self._snapshot()
        yield _labelled(
            "build_info", "The version that runs; always 1.", ("version", "python_version"),
            [((self._version, platform.python_version()), 1)],
        )  # fmt: skip
        yield from _readiness(snapshot)
        if snapshot is not None:
            yield from _beliefs(snapshot)
            yield from _capture(snapshot.counters)
            yield from _agent(snapshot)


def registry(version: str, snapshot: Callable[[], Snapshot | None]) -> CollectorRegistry:
    """A registry of its own that holds this collector and nothing that the library adds by itself."""
    made = CollectorRegistry(auto_describe=False)
    made.register(Shown(version, snapshot))
    return made


def not_ready(snapshot: Snapshot | None) -> list[str]:
    """The reasons, of NOT_READY, for which the metrics cannot be relied on."""
    return ["no_snapshot"] if snapshot is None else snapshot.not_ready


def _readiness(snapshot: Snapshot | None) -> Iterator[Metric]:
    reasons = not_ready(snapshot)
    yield _gauge(
        "ready", "1 if the metrics can be relied on: there is a snapshot and every input is readable.", not reasons
    )
    yield _labelled(
        "not_ready", "1 for each reason why not.", ("reason",), [((reason,), reason in reasons) for reason in NOT_READY]
    )


def _beliefs(s: Snapshot) -> Iterator[Metric]:
    yield _labelled(
        "servers", "Servers by what they are believed to be, and how surely.", ("product", "generation", "verdict"),
        [((row.product, row.generation, row.verdict), row.count) for row in s.servers],
    )  # fmt: skip
    yield _labelled(
        "servers_exposed", "Servers by CVE and status; kev is yes where CISA lists it as exploited.",
        ("cve", "status", "kev"),
        [((row.cve, row.status, "yes" if row.kev else "no"), row.count) for row in s.exposed],
    )  # fmt: skip
    yield _labelled(
        "servers_end_of_support", "Servers whose support has ended, by generation.", ("generation", "status"),
        [((row.generation, row.status), row.count) for row in s.ended],
    )  # fmt: skip


def _capture(counters: Mapping[str, int]) -> Iterator[Metric]:
    for name, (metric, text) in _CAPTURE.items():
        yield _counter(metric, text, counters.get(name, 0))
    for prefix, (metric, label, text) in _FAMILIES.items():
        named = [(name.removeprefix(prefix), count) for name, count in counters.items() if name.startswith(prefix)]
        yield _counted(metric, text, label, named)
    metric, label, text = _OTHER
    yield _counted(metric, text, label, [(name, count) for name, count in counters.items() if _is_other(name)])


def _is_other(name: str) -> bool:
    return name not in _CAPTURE and not name.startswith(tuple(_FAMILIES))


def _agent(s: Snapshot) -> Iterator[Metric]:
    pending = max(0, s.inputs.files - s.inputs.read - s.inputs.unreadable)
    states = {"read": s.inputs.read, "unreadable": s.inputs.unreadable, "pending": pending}
    yield _labelled("inputs", "Capture files by state.", ("state",), [((state,), n) for state, n in states.items()])
    yield _counted("observations", "Observations received by the agent.", "kind", s.observations.items())
    yield _gauge("inventory_servers", "Servers kept.", s.kept)
    yield _gauge("inventory_servers_limit", "Servers kept at most.", s.kept_at_most)
    yield _counted("inventory_events", "What became of observations in the inventory.", "event", s.inventory.items())
    yield _counted(
        "ipc_connections", "Connections by role; each but the first is a restart.", "door", s.connections.items()
    )
    rejected = CounterMetricFamily(
        "knockfirst_ipc_rejected", "Connections between the roles closed for what was sent.", labels=("door", "reason")
    )
    for row in s.rejected:
        rejected.add_metric((row.door, row.reason), row.count)
    yield rejected
    yield _gauge("start_time_seconds", "When the agent started, in seconds since the epoch.", s.started)
    yield _gauge(
        "last_progress_timestamp_seconds", "When capture last told the agent anything; 0 if never.", s.progress
    )
    yield _gauge("snapshot_timestamp_seconds", "When the snapshot that this scrape shows was made.", s.time)
    yield _gauge("snapshot_duration_seconds", "How long the snapshot before it took to make.", s.took)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"knockfirst_{name}", text, value=float(value))


def _counter(name: str, text: str, value: int) -> Metric:
    return CounterMetricFamily(f"knockfirst_{name}", text, value=value)


def _labelled(name: str, text: str, labels: tuple[str, ...], rows: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    family = GaugeMetricFamily(f"knockfirst_{name}", text, labels=labels)
    for values, value in rows:
        family.add_metric(values, float(value))
    return family


def _counted(name: str, text: str, label: str, rows: Iterable[tuple[str, int]]) -> Metric:
    family = CounterMetricFamily(f"knockfirst_{name}", text, labels=(label,))
    for value, count in sorted(rows):
        family.add_metric((value,), count)
    return family

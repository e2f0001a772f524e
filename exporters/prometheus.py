"""One snapshot as Prometheus metrics: aggregates and counters. docs/operating.md says what each means.

Families are made afresh for each scrape, so that a label set that has gone is gone (Prometheus, "Writing exporters").
No address, name or customer is ever a label; label values come from closed lists and from our own counters' names.
"""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from agent.snapshot import NOT_READY
from exporters.capture import capture
from exporters.configuration import configuration
from exporters.families import by_one, counters, gauge, gauges
from exporters.permission import permission
from exporters.store import store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client.core import Metric

    from agent.messages import Snapshot


class Shown(Collector):
    """The collector over whatever ``snapshot`` gives at that moment; None before there is one."""

    def __init__(self, version: str, snapshot: Callable[[], Snapshot | None]) -> None:
        self._version = version
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        snapshot = self._snapshot()
        yield gauges(
            "build_info", "The version that runs; always 1.", ("version", "python_version"),
            [((self._version, platform.python_version()), 1)],
        )  # fmt: skip
        yield from _readiness(snapshot)
        if snapshot is not None:
            yield from _beliefs(snapshot)
            yield from capture(snapshot.interfaces, snapshot.counters)
            yield from _agent(snapshot)
            yield from configuration(snapshot.config)
            yield from store(snapshot.store)
            yield from permission(snapshot.permission)


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
    yield gauge(
        "ready", "1 if the metrics can be relied on: there is a snapshot and every input is readable.", not reasons
    )
    yield gauges(
        "not_ready", "1 for each reason why not.", ("reason",), [((reason,), reason in reasons) for reason in NOT_READY]
    )


def _beliefs(s: Snapshot) -> Iterator[Metric]:
    yield gauges(
        "servers", "Servers by what they are believed to be, and how surely.", ("product", "generation", "verdict"),
        [((row.product, row.generation, row.verdict), row.count) for row in s.servers],
    )  # fmt: skip
    yield gauges(
        "servers_exposed", "Servers by CVE and status; kev is yes where CISA lists it as exploited.",
        ("cve", "status", "kev"),
        [((row.cve, row.status, "yes" if row.kev else "no"), row.count) for row in s.exposed],
    )  # fmt: skip
    yield gauges(
        "servers_end_of_support", "Servers whose support has ended, by generation.", ("generation", "status"),
        [((row.generation, row.status), row.count) for row in s.ended],
    )  # fmt: skip


def _agent(s: Snapshot) -> Iterator[Metric]:
    pending = max(0, s.inputs.files - s.inputs.read - s.inputs.unreadable)
    states = {"read": s.inputs.read, "unreadable": s.inputs.unreadable, "pending": pending}
    yield gauges("inputs", "Capture files by state.", ("state",), [((state,), n) for state, n in states.items()])
    yield counters("observations", "Observations received by the agent.", ("kind",), by_one(s.observations.items()))
    yield counters(
        "evidence", "Facts that matched a fingerprint of the book.", ("fingerprint",), by_one(s.evidence.items())
    )
    yield gauge("inventory_servers", "Servers kept.", s.kept)
    yield gauge("inventory_servers_limit", "Servers kept at most.", s.kept_at_most)
    yield counters(
        "inventory_events", "What became of observations in the inventory.", ("event",), by_one(s.inventory.items())
    )
    yield counters("ipc_connections", "Connections to the agent by role.", ("door",), by_one(s.connections.items()))
    yield counters(
        "ipc_rejected", "Connections between the roles closed for what was sent.", ("door", "reason"),
        [((row.door, row.reason), row.count) for row in s.rejected],
    )  # fmt: skip
    yield gauge("start_time_seconds", "When the agent started, in seconds since the epoch.", s.started)
    yield gauge("last_progress_timestamp_seconds", "When capture last told the agent anything; 0 if never.", s.progress)
    yield gauge("snapshot_timestamp_seconds", "When the snapshot that this scrape shows was made.", s.time)
    yield gauge("snapshot_duration_seconds", "How long the snapshot before it took to make.", s.took)

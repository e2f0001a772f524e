"""One snapshot as Prometheus metrics: aggregates and counters. What there is stands in one table, exporters/naming.

Families are made afresh for each scrape, so that a label set that has gone is gone (Prometheus, "Writing exporters").
No address, name or customer is ever a label; label values come from closed lists and from our own counters' names.
"""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from agent.logfmt import LEVELS
from agent.snapshot import NOT_READY
from agent.usage import usage
from exporters.capture import capture
from exporters.configuration import configuration
from exporters.families import by_one, many, one
from exporters.naming import SECTIONS, TABLE
from exporters.permission import permission
from exporters.store import store
from exporters.telling import telling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client.core import Metric

    from agent.messages import Snapshot

__all__ = ["SECTIONS", "TABLE", "Shown", "not_ready", "registry"]


class Shown(Collector):
    """The collector over whatever ``snapshot`` gives at that moment; None before there is one."""

    def __init__(self, version: str, snapshot: Callable[[], Snapshot | None]) -> None:
        self._version = version
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        snapshot = self._snapshot()
        yield many("build_info", [((self._version, platform.python_version()), 1)])
        yield from _readiness(snapshot)
        yield from _taken(snapshot)
        if snapshot is not None:
            yield from _beliefs(snapshot)
            yield from capture(snapshot.interfaces, snapshot.counters)
            yield from _agent(snapshot)
            yield from configuration(snapshot.config, snapshot.limits)
            yield from store(snapshot.store)
            yield from permission(snapshot.permission)
            yield from telling(snapshot.telling, snapshot.roles.get("notifier"))


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
    yield one("ready", not reasons)
    yield by_one("not_ready", [(reason, reason in reasons) for reason in NOT_READY])


def _taken(snapshot: Snapshot | None) -> Iterator[Metric]:
    """What the processes of each role take."""
    taken = {"exporter": usage()}
    if snapshot:
        taken |= {"agent": snapshot.usage.model_dump()} | {n: of.model_dump() for n, of in snapshot.roles.items()}
    yield by_one("role_resident_memory_bytes", [(role, of["resident"]) for role, of in taken.items() if of["resident"]])
    yield by_one("role_cpu_seconds_total", [(role, of["cpu"]) for role, of in taken.items()])
    lines = [((role, level), count) for role, of in taken.items() for level, count in of["lines"].items()]
    yield many("log_lines_total", [row for row in lines if row[0][1] in LEVELS])
    yield by_one("log_suppressed_total", [(role, of["lines"].get("suppressed", 0)) for role, of in taken.items()])


def _beliefs(s: Snapshot) -> Iterator[Metric]:
    yield many(
        "servers",
        [((row.product, row.generation, row.support, row.verdict, row.precision), row.count) for row in s.servers],
    )
    yield many("servers_exposed", [((r.cve, r.status, "yes" if r.kev else "no"), r.count) for r in s.exposed])
    yield many("servers_exposed_chain", [((row.chain, row.open), row.count) for row in s.chains])
    yield many("servers_end_of_support", [((row.generation, row.status), row.count) for row in s.ended])
    yield by_one("catalogue_reach_timestamp_seconds", s.reach.items())


def _agent(s: Snapshot) -> Iterator[Metric]:
    pending = max(0, s.inputs.files - s.inputs.read - s.inputs.unreadable)
    yield by_one("inputs", [("read", s.inputs.read), ("unreadable", s.inputs.unreadable), ("pending", pending)])
    yield by_one("observations_total", s.observations.items())
    yield by_one("evidence_total", s.evidence.items())
    yield one("inventory_servers", s.kept)
    yield one("inventory_servers_limit", s.kept_at_most)
    yield by_one("inventory_events_total", s.inventory.items())
    yield by_one("ipc_connections_total", s.connections.items())
    yield many("ipc_rejected_total", [((row.door, row.reason), row.count) for row in s.rejected])
    yield one("start_time_seconds", s.started)
    yield one("last_progress_timestamp_seconds", s.progress)
    yield one("snapshot_timestamp_seconds", s.time)
    yield one("snapshot_duration_seconds", s.took)

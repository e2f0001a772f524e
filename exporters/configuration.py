"""The configuration in force as metrics: the last reload, what it allows, whether capture judges by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporters.families import by_one, many, one

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client.core import Metric

    from agent.messages import InForce


def configuration(force: InForce, limits: Mapping[str, float]) -> Iterator[Metric]:
    """The families; docs/metrics.md says what each means. ``limits``: agent.snapshot.limits."""
    yield one("config_last_reload_successful", force.reload_successful)
    yield one("config_last_reload_success_timestamp_seconds", force.reload_time)
    yield many("config_hash", [((force.sha256,), 1)])
    seconds = dict(limits)
    yield one("limit_probes_per_second", seconds.pop("per_minute", 0.0) / 60)
    yield by_one("limit_seconds", seconds.items())
    yield one("section", force.number)
    yield one("section_applied", force.applied)
    yield one("prefixes_applied_seconds", force.applied_seconds)
    yield by_one("prefixes", force.prefixes.items())
    yield one("prefix_files_failing", force.prefix_files_failing)
    yield one("prefix_file_failures_total", force.prefix_file_failures)

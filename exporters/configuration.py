"""The configuration in force as metrics: what became of the last reload, and whether capture judges by what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporters.families import by_one, counter, gauge, gauges

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from agent.messages import InForce


def configuration(force: InForce) -> Iterator[Metric]:
    """The families; docs/operating.md says what each means."""
    yield gauge("config_last_reload_successful", "1 if the last reload took the file over.", force.reload_successful)
    yield gauge(
        "config_last_reload_success_timestamp_seconds",
        "When a configuration was last taken over, in seconds since the epoch.",
        force.reload_time,
    )
    yield gauges("config_hash", "Of the configuration in force; always 1.", ("sha256",), [((force.sha256,), 1)])
    yield gauge("section", "Number of the last section that capture was told.", force.number)
    yield gauge("section_applied", "Number of the last section that every capture process applied.", force.applied)
    yield gauge(
        "prefixes_applied_seconds",
        "From the last change of a prefix file to every capture process judging by it.",
        force.applied_seconds,
    )
    yield gauges("prefixes", "Prefixes of each tier, aggregated.", ("tier",), by_one(force.prefixes.items()))
    yield gauge("prefix_files_failing", "Prefix files that cannot be used as they are now.", force.prefix_files_failing)
    yield counter(
        "prefix_file_failures", "Times that a prefix file was found not to be usable.", force.prefix_file_failures
    )

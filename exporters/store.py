"""The store's part of an exposition; there is none where nothing is kept on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporters.families import by_one, counter, counters, gauge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from agent.messages import Kept


def store(kept: Kept | None) -> Iterator[Metric]:
    """Rows, bytes, what was deleted and why, and when the retention job was last done to its end."""
    if kept is None:
        return
    yield gauge("store_observations", "Observations in the store.", kept.observations)
    yield gauge("store_servers", "Servers in the store.", kept.servers)
    yield gauge("store_bytes", "Bytes of the store on disk.", kept.bytes)
    yield counters("store_deleted", "Observations deleted from the store.", ("reason",), by_one(kept.deleted.items()))
    yield counter("store_write_failures", "Writes to the store that failed; each is tried again.", kept.write_failures)
    yield gauge(
        "retention_last_success_timestamp_seconds",
        "When the retention job last left nothing too old in the store; 0 if never.",
        kept.retention_last_success,
    )

"""The store's part of an exposition; there is none where nothing is kept on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporters.families import by_one, one

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from agent.messages import Kept


def store(kept: Kept | None) -> Iterator[Metric]:
    """Rows, bytes, what was deleted and why, and when the retention job was last done to its end."""
    if kept is None:
        return
    yield one("store_observations", kept.observations)
    yield one("store_servers", kept.servers)
    yield one("store_bytes", kept.bytes)
    yield by_one("store_deleted_total", kept.deleted.items())
    yield one("store_write_failures_total", kept.write_failures)
    yield one("retention_last_success_timestamp_seconds", kept.retention_last_success)

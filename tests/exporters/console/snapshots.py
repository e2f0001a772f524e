"""Snapshots as an agent may tell them, for the pages of counts."""

from __future__ import annotations

from datetime import date
from typing import Any

from agent.believed import aggregates
from agent.exchange.catalogue import catalogue
from agent.exchange.fingerprint import book
from agent.inventory import Inventory
from agent.messages import Snapshot
from agent.model import Endpoint, Observation
from agent.snapshot import Tally
from tests.exporters.permitted import PERMITTED

NOW = 1_795_000_000.0  # 2026-11-18
TODAY = date(2026, 11, 18)
BUILDS = {"192.0.2.10": "15.1.2242.4", "192.0.2.11": "15.2.858.5", "2001:db8::10": "15.2.2562.17"}

# Two messages sent, one of which came back; a call that has waited for three days; one server fixed, and one before.
TELLING: dict[str, Any] = {
    "cases": [
        {"severity": "critical", "state": "open", "age": "7d", "count": 2},
        {"severity": "high", "state": "human", "age": "older", "count": 1},
        {"severity": "high", "state": "closed_fixed", "age": "30d", "count": 4},
    ],
    "tasks": {"phone": 1, "letter": 0, "portal": 0, "desk": 1},
    "tasks_oldest": {"phone": NOW - 3 * 86_400, "desk": NOW},
    "notices": [
        {"step": "tell", "channel": "mail", "outcome": "sent", "count": 2},
        {"step": "tell", "channel": "mail", "outcome": "bounced", "count": 1},
        {"step": "owner", "channel": "mail", "outcome": "sent", "count": 0},
    ],
    "uncertain": 1, "waiting": 1, "oldest": NOW - 3600, "notifier": False,
    "fix_seconds": {"buckets": [], "count": 0, "sum": 0.0}, "answers": {}, "rechecks": {}, "untold": {"no_contact": 3},
    "came": [
        {"severity": "high", "step": "tell", "channel": "mail", "outcome": "fixed", "count": 1},
        {"severity": "high", "step": "before", "channel": "none", "outcome": "fixed", "count": 1},
    ],
    "failures": 0, "retention_last_success": NOW - 600,
}  # fmt: skip


def snapshot(**more: Any) -> Snapshot:
    """One made just before NOW, of BUILDS and an interface that loses frames in its ring."""
    inventory = Inventory(book(), catalogue())
    for address, build in BUILDS.items():
        fact = Observation(
            Endpoint(address, 443), "http.header", f"X-OWA-Version: {build}", NOW - 60, "passive", "http"
        )
        inventory.observe(fact)
    kev = {flaw.cve: flaw.kev for flaw in catalogue().flaws}
    interface = {
        "name": "eth1",
        "counts": {"offered": 1000, "frames_seen": 500, "frames_used": 300, "drop_ring": 90, "drop_not_wanted": 110},
        "gauges": {"up": 1.0, "ring_fill": 0.9, "filter_instructions": 900.0},
    }
    said = PERMITTED | {
        "synced": {"netbox": NOW - 100, "crm": NOW - 90_000}, "checkpoint_made": NOW - 30, "checkpoint_age": 30.0,
        "erasures_unended": 0, "erasure_oldest": None,
    }  # fmt: skip
    body = {
        "number": 7, "time": NOW - 1, "took": 0.01, **Tally(started=NOW - 7200).body(),
        **aggregates(inventory.assessments(TODAY), kev, TODAY), "not_ready": [], "kept": 5, "kept_at_most": 9,
        "inventory": {}, "evidence": {}, "interfaces": [interface], "permission": said,
        "inputs": {"files": 0, "read": 0, "unreadable": 0},
        "telling": TELLING,
        "limits": {"mapping": 86_400.0, "checkpoint": 900.0},
        "store": {
            "observations": 5, "servers": 3, "bytes": 9000, "deleted": {"age": 1, "rows": 0}, "write_failures": 0,
            "retention_last_success": NOW - 600,
        },
    }  # fmt: skip
    return Snapshot.model_validate(body | more)

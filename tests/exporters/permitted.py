"""What a snapshot says of consent, knocking and the log, with a value of its own in every place."""

from __future__ import annotations

from typing import Any

PERMITTED: dict[str, Any] = {
    "prober": True,
    "running": 2,
    "decisions": [
        {"decision": "granted", "reason": "", "count": 31},
        {"decision": "refused", "reason": "objection", "count": 32},
        {"decision": "refused", "reason": "pace", "count": 0},
    ],
    "refused_now": {"objection": 33, "not_seen": 34},
    "outcomes": [
        {"probe": "exchange-http", "outcome": "confirmed", "count": 35},
        {"probe": "exchange-http", "outcome": "timeout", "count": 36},
    ],
    "missing": {"armed": False, "contact": False, "audit_sink": True},
    "killed": False,
    "clock_synced": True,
    "customers": 37,
    "records": [
        {"basis": "explicit", "state": "in_force", "count": 38},
        {"basis": "explicit", "state": "expired", "count": 39},
    ],
    "standing_objections": 40,
    "waiting": 41,
    "mapping_ages": {"netbox": 42.5, "crm": 43.0},
    "breakers": {"host": 44, "customer": 45, "whole": 1},
    "log_entries": 46,
    "log_failures": 47,
    "checkpoint_age": 48.5,
    "checkpoint_failures": 49,
    "objections": {"token": 50, "prefix": 51, "file": 0},
    "effects_pending": 52,
    "effect_seconds": {"buckets": [[0.1, 3], [1.0, 5]], "count": 6, "sum": 7.5},
    "synced": {"netbox": 57.0, "crm": 58.0},
    "checkpoint_made": 59.0,
    "by_leave": {"objection": 60, "given": 61},
    "covered": {"given": 62, "lacking": 63},
    "mapping_conflicts": 64,
    "unended": 65,
    "drop_failing": 66,
    "erasing_last_success": 68.0,
    "erasures_unended": 69,
    "erasure_oldest": 70.0,
    "self_audit": {"matched": 53, "seen_not_logged": 54, "logged_not_seen": 55, "waiting": 56, "difference": 109},
}

"""What the agent may tell of cases, with a number of its own for everything."""

from __future__ import annotations

TELLING = {
    "cases": [{"severity": "critical", "state": "open", "age": "1d", "count": 61}],
    "tasks": {"phone": 62, "desk": 0},
    "notices": [{"step": "tell", "channel": "mail", "outcome": "sent", "count": 63}],
    "uncertain": 64, "waiting": 65, "oldest": 66.0,
    "fix_seconds": {"buckets": [[43_200.0, 1], [86_400.0, 2]], "count": 3, "sum": 200_000.0},
    "answers": {"show": 67, "stop": 68}, "rechecks": {"granted": 69, "no_record": 70}, "untold": {"no_contact": 71},
    "failures": 72, "retention_last_success": 73.0, "tasks_oldest": {"phone": 74.0}, "notifier": True,
    "came": [{"severity": "high", "step": "before", "channel": "none", "outcome": "fixed", "count": 75}],
    "webhook_oldest": 78.0, "webhook_dropped": 79,
    "after_seconds": {"phone": {"buckets": [[43_200.0, 4], [86_400.0, 5]], "count": 76, "sum": 77.0}},
}  # fmt: skip

"""Recording and alert rules, and how they are written for Prometheus.

An alert is about a router, never about a person: its labels come from closed lists. Ages that the gate looks at have
two alerts each, one before the limit and one beyond it; the limits are those of the router's own configuration.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

RUNBOOK = "docs/runbook.md"
_WRITTEN = Path(__file__).resolve().parent.parent / RUNBOOK
SEVERITIES = ("critical", "warning", "info")


class Recording(NamedTuple):
    name: str
    expr: str


class Alert(NamedTuple):
    """``panel``: dashboard and title of the panel that shows it; ``lasts``: how long before it is told."""

    name: str
    severity: str
    lasts: str
    expr: str
    summary: str
    panel: tuple[str, str]


class Group(NamedTuple):
    name: str
    rules: tuple[Alert, ...]


RECORDINGS = (
    Recording(
        "instance_interface:knockfirst_capture_ring_loss:ratio_rate5m",
        'sum by (job, instance, interface) (rate(knockfirst_capture_frames_dropped_total{reason="ring"}[5m]))'
        " / (sum by (job, instance, interface) (rate(knockfirst_capture_frames_total[5m])) > 0)",
    ),
    Recording(
        "instance_interface:knockfirst_capture_card_loss:ratio_rate5m",
        "sum by (job, instance, interface) (rate(knockfirst_capture_frames_missed_total[5m]))"
        " / (sum by (job, instance, interface) (rate(knockfirst_capture_frames_offered_total[5m])) > 0)",
    ),
    Recording(
        "instance_cve:knockfirst_servers_exploitable:sum",
        'sum by (job, instance, cve) (knockfirst_servers_exposed{kev="yes",status="vulnerable"})',
    ),
    Recording("instance:knockfirst_capture_parse:cores_rate5m", "rate(knockfirst_capture_parse_seconds_total[5m])"),
    Recording("instance_reason:knockfirst_gate_refusals:rate1h",
              'sum by (job, instance, reason) (rate(knockfirst_gate_decisions_total{decision="refused"}[1h]))'),
)  # fmt: skip


def prometheus(groups: tuple[Group, ...], runbook: str = RUNBOOK) -> dict[str, dict[str, Any]]:
    """Name of a rule file -> what is in it."""
    recorded = {"name": "knockfirst-recorded", "rules": [{"record": r.name, "expr": r.expr} for r in RECORDINGS]}
    alerts = [{"name": group.name, "rules": [_alert(a, runbook) for a in group.rules]} for group in groups]
    return {"knockfirst.recording.yml": {"groups": [recorded]}, "knockfirst.alerts.yml": {"groups": alerts}}


def anchor(alert: Alert, runbook: str = RUNBOOK) -> str:
    """Where the runbook tells of it: the heading is its name."""
    return f"{runbook}#{alert.name.lower()}"


def annotated(alert: Alert, runbook: str = RUNBOOK, summary: str = "") -> dict[str, str]:
    """``summary``: in place of its own. What the runbook says goes along: who is woken may not reach the page."""
    return {
        "summary": summary or alert.summary,
        "description": _sections()[alert.name],
        "runbook_url": anchor(alert, runbook),
    }


@cache
def _sections() -> dict[str, str]:
    """Alert -> what it means and what to do, on one line."""
    found = re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", _WRITTEN.read_text(), re.MULTILINE | re.DOTALL)
    return {name: " ".join(_said(text, word) for word in ("Means", "Do")) for name, text in found}


def _said(section: str, word: str) -> str:
    """The paragraph that begins with this word; of a link, its text."""
    found = re.search(rf"\*\*{word}\.\*\* (.*?)(?=\n\n|\Z)", section, re.DOTALL)
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", " ".join(found[1].split())) if found else ""


def whole(expr: str) -> str:
    """The expression without any recorded name: what stands behind it, in its place."""
    for recording in RECORDINGS:
        name = re.escape(recording.name)
        expr = re.sub(rf"{name}\[(\w+)\]", rf"({_literal(recording.expr)})[\1:1m]", expr)
        expr = re.sub(name, f"({_literal(recording.expr)})", expr)
    return expr


def _literal(text: str) -> str:
    return text.replace("\\", r"\\")


def _alert(alert: Alert, runbook: str) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expr,
        **({} if alert.lasts == "0m" else {"for": alert.lasts}),
        "labels": {"severity": alert.severity},
        "annotations": annotated(alert, runbook),
    }

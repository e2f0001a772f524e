"""The same alerts for Grafana's own alerting, as its import of Prometheus rules makes them.

A rule of Prometheus fires where its expression gives anything at all, a 0 as well; so does this, by a mathematical node
that is 1 for whatever comes. Nothing is recorded here, so what is recorded for Prometheus is written out. Source:
grafana/grafana, pkg/services/ngalert/prom/query.go, and conf/provisioning/alerting/sample.yaml.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from grafana.rules import RUNBOOK, Alert, Group, annotated, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCE_UID = "knockfirst-prometheus"
_EXPRESSION = {"type": "__expr__", "uid": "__expr__"}
_REACH = 600  # seconds; of an instant query only the end counts


def provisioned(
    groups: tuple[Group, ...], numbers: Mapping[tuple[str, str], int], runbook: str = RUNBOOK
) -> dict[str, Any]:
    """The file for provisioning/alerting. ``numbers``: (dashboard, title of a panel) -> the panel's id."""
    return {
        "apiVersion": 1,
        "groups": [
            {
                "orgId": 1, "name": group.name, "folder": "knockfirst", "interval": "1m",
                "rules": [_rule(alert, numbers[alert.panel], runbook) for alert in group.rules],
            }
            for group in groups
        ],
    }  # fmt: skip


def _rule(alert: Alert, panel: int, runbook: str) -> dict[str, Any]:
    return {
        "uid": "kf" + sha256(alert.name.encode()).hexdigest()[:12],
        "title": alert.name,
        "condition": "threshold",
        "data": _data(whole(alert.expr)),
        "dashboardUid": alert.panel[0],
        "panelId": panel,
        "noDataState": "OK",
        "execErrState": "Error",
        "for": "0s" if alert.lasts == "0m" else alert.lasts,
        # There, $value is a text that tells of every node.
        "annotations": annotated(alert, runbook, alert.summary.replace("$value", "$values.query.Value")),
        "labels": {"severity": alert.severity},
        "isPaused": False,
    }


def _data(expr: str) -> list[dict[str, Any]]:
    source = {"type": "prometheus", "uid": SOURCE_UID}
    every = "is_number($query) || is_nan($query) || is_inf($query)"
    above = [{"evaluator": {"type": "gt", "params": [0]}}]
    return [
        _node("query", SOURCE_UID, {"datasource": source, "expr": expr, "instant": True, "range": False}),
        _node("prometheus_math", "__expr__", {"datasource": _EXPRESSION, "type": "math", "expression": every}),
        _node(
            "threshold", "__expr__",
            {"datasource": _EXPRESSION, "type": "threshold", "expression": "prometheus_math", "conditions": above},
        ),
    ]  # fmt: skip


def _node(name: str, source: str, model: dict[str, Any]) -> dict[str, Any]:
    reach = {"from": _REACH if source == SOURCE_UID else 0, "to": 0}
    return {"refId": name, "datasourceUid": source, "relativeTimeRange": reach, "model": {"refId": name, **model}}

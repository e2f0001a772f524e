"""A dashboard from a few words a panel: Grafana's classic JSON (schema of @grafana/schema, ``Dashboard``).

In every expression ``@`` stands for what limits it to the chosen routers; nothing else is a matcher of job or instance.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

OF = 'job=~"$job",instance=~"$instance"'
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDE = 24  # columns of a dashboard

# What was asked -> the text of its legend.
Targets = dict[str, str]


class Panel(NamedTuple):
    """``why``: what it says and when to worry; ``bad``: values from which it is yellow and red."""

    kind: str
    title: str
    why: str
    unit: str
    targets: Targets
    width: int
    height: int = 8
    bad: tuple[float, ...] = ()
    words: Mapping[str, str] = MappingProxyType({})


class Board(NamedTuple):
    """``choices``: further variables, name -> (metric, label) that its values are of. ``many``: several routers fit."""

    uid: str
    title: str
    about: str
    panels: tuple[Panel, ...]
    many: bool = True
    choices: Mapping[str, tuple[str, str]] = MappingProxyType({})


def row(title: str) -> Panel:
    """A heading, below which the next panels are."""
    return Panel("row", title, "", "", {}, WIDE, 1)


def stat(
    title: str, why: str, expr: str, unit: str = "short", *,
    bad: tuple[float, ...] = (), words: dict[str, str] | None = None, legend: str = "", width: int = 4,
) -> Panel:  # fmt: skip
    """One number, as it is now; ``words`` in place of some values."""
    return Panel("stat", title, why, unit, {expr: legend}, width, 4, bad, words or {})


def graph(title: str, why: str, unit: str, targets: Targets, width: int = 8) -> Panel:
    """How it went."""
    return Panel("timeseries", title, why, unit, targets, width)


def bars(title: str, why: str, unit: str, targets: Targets, width: int = 8) -> Panel:
    """A bar for each label value, as it is now."""
    return Panel("bargauge", title, why, unit, targets, width)


def table(title: str, why: str, unit: str, targets: Targets, width: int = 12) -> Panel:
    """A row for each set of labels, as it is now, and a column for each target."""
    return Panel("table", title, why, unit, targets, width)


def dashboard(board: Board) -> dict[str, Any]:
    """The JSON of a dashboard: panels from left to right, in lines as they fit."""
    made: list[dict[str, Any]] = []
    x = y = height = 0
    for number, panel in enumerate(board.panels, 1):
        if x + panel.width > WIDE:
            x, y, height = 0, y + height, 0
        place = {"h": panel.height, "w": panel.width, "x": x, "y": y}
        x, height = x + panel.width, max(height, panel.height)
        made.append(_panel(panel, number, place))
    return {
        "uid": board.uid, "title": board.title, "description": board.about, "tags": ["knockfirst"],
        "schemaVersion": 39, "version": 1, "editable": False, "graphTooltip": 1, "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"}, "timezone": "browser", "annotations": {"list": [_RELOADS]},
        "links": [_LINK], "templating": {"list": _variables(board)}, "panels": made,
    }  # fmt: skip


_LINK = {
    "title": "knockfirst", "type": "dashboards", "tags": ["knockfirst"], "asDropdown": True, "includeVars": True,
    "keepTime": True, "icon": "external link", "targetBlank": False, "tooltip": "", "url": "",
}  # fmt: skip
_RELOADS = {
    "name": "Configuration taken over", "datasource": SOURCE, "enable": True, "iconColor": "blue",
    "expr": f"changes(knockfirst_config_last_reload_success_timestamp_seconds{{{OF}}}[$__interval]) > 0",
    "titleFormat": "Configuration taken over", "tagKeys": "instance",
}  # fmt: skip


def _variables(board: Board) -> list[dict[str, Any]]:
    source = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "hide": 0}
    chosen = [
        _variable("job", "Job", "label_values(knockfirst_build_info, job)", many=True),
        _variable("instance", "Router", 'label_values(knockfirst_build_info{job=~"$job"}, instance)', many=board.many),
    ]
    for name, (metric, label) in board.choices.items():
        chosen.append(_variable(name, name.capitalize(), f"label_values({metric}{{{OF}}}, {label})", many=True))
    return [source, *chosen]


def _variable(name: str, label: str, query: str, *, many: bool) -> dict[str, Any]:
    more = {"includeAll": many, "multi": many, **({"allValue": ".+"} if many else {})}
    return {
        "name": name, "label": label, "type": "query", "datasource": SOURCE, "definition": query, "hide": 0,
        "query": {"query": query, "refId": f"variable-{name}"}, "refresh": 2, "sort": 1, **more,
    }  # fmt: skip


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    if panel.kind == "row":
        return {
            "id": number, "type": "row", "title": panel.title, "gridPos": place, "collapsed": False, "panels": [],
        }  # fmt: skip
    return {
        "id": number, "type": panel.kind, "title": panel.title, "description": panel.why, "gridPos": place,
        "datasource": SOURCE, "targets": _targets(panel), "fieldConfig": _fields(panel),
        "options": _OPTIONS[panel.kind],
        **({"transformations": _TABLE} if panel.kind == "table" else {}),
    }  # fmt: skip


def _targets(panel: Panel) -> list[dict[str, Any]]:
    now = panel.kind != "timeseries"
    return [
        {
            "refId": chr(ord("A") + number), "datasource": SOURCE, "expr": expr.replace("@", OF),
            "legendFormat": legend or "__auto", "instant": now, "range": not now,
            "format": "table" if panel.kind == "table" else "time_series",
        }
        for number, (expr, legend) in enumerate(panel.targets.items())
    ]  # fmt: skip


def _fields(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    colours = ("orange", "red") if len(panel.bad) > 1 else ("red",)
    steps += [{"color": colour, "value": value} for colour, value in zip(colours, panel.bad, strict=False)]
    values = {value: {"text": text, "index": at} for at, (value, text) in enumerate(panel.words.items())}
    custom: dict[str, Any] = {}
    if panel.kind == "timeseries":
        custom = {"custom": {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 10, "showPoints": "never"}}
    # What is bad when it is low is told by bounds in falling order.
    if len(panel.bad) == 1 and panel.bad[0] < 0:
        steps = [{"color": "red", "value": None}, {"color": "green", "value": -panel.bad[0]}]
    return {
        "defaults": {
            "unit": panel.unit, "color": {"mode": "thresholds" if panel.bad else "palette-classic"},
            "thresholds": {"mode": "absolute", "steps": steps},
            "mappings": [{"type": "value", "options": values}] if values else [], **custom,
        },
        "overrides": [],
    }  # fmt: skip


_REDUCE = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_OPTIONS: dict[str, dict[str, Any]] = {
    "stat": {"reduceOptions": _REDUCE, "colorMode": "value", "graphMode": "none", "textMode": "auto"},
    "bargauge": {"reduceOptions": _REDUCE, "orientation": "horizontal", "displayMode": "basic", "showUnfilled": True},
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "table": {"showHeader": True, "cellHeight": "sm"},
}  # fmt: skip
_TABLE = [
    {"id": "merge", "options": {}},
    {"id": "organize", "options": {"excludeByName": {"Time": True, "__name__": True, "job": True}}},
]

"""Every query of dashboards and alerts, as Grafana would ask it, and what a Prometheus has to say to it."""

from __future__ import annotations

import math
import re
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from grafana.alerts import ALERTS
from grafana.boards import BOARDS
from grafana.panels import OF, dashboard
from grafana.rules import RECORDINGS, whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.grafana.running import Prometheus

# What stands for a metric in an expression, with its matchers.
SELECTOR = re.compile(r"\b(knockfirst_\w+|up|scrape_\w+)\b(?:\{([^}]*)\})?")
_TIMES = {"$__rate_interval": "15s", "$__interval": "1s", "$__range": "60s"}
_LOOK = 60  # seconds that a graph shows


class Query(NamedTuple):
    """``where``: dashboard and panel, or rule; ``kind``: instant, range, values (of a label), or rule, which may give
    nothing; ``expr``: with every variable at All, and ``$job``."""

    where: str
    kind: str
    expr: str
    label: str = ""

    def metrics(self) -> set[str]:
        """Names of what it looks at."""
        return {name for name, _ in SELECTOR.findall(self.expr)}


def queries() -> list[Query]:
    """All of them."""
    made = [query for board in BOARDS for query in _of_board(board.uid, dashboard(board))]
    return made + list(_of_rules())


def _of_board(uid: str, board: dict[str, Any]) -> Iterator[Query]:
    variables = [variable for variable in board["templating"]["list"] if variable["type"] == "query"]
    chosen = _TIMES | {f"${variable['name']}": ".+" for variable in variables if variable["name"] != "job"}
    for variable in variables:
        found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
        assert found, variable
        yield Query(f"{uid}, ${variable['name']}", "values", _filled(found[1], chosen), found[2])
    for note in board["annotations"]["list"]:
        yield Query(f"{uid}, {note['name']}", "rule", _filled(note["expr"], chosen))
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            kind = "instant" if target["instant"] else "range"
            yield Query(f"{uid}, {panel['title']}", kind, _filled(target["expr"], chosen))


def _filled(expr: str, chosen: dict[str, str]) -> str:
    """With variables replaced, the longest name first."""
    for name in sorted(chosen, key=len, reverse=True):
        expr = expr.replace(name, chosen[name])
    assert set(re.findall(r"\$\w+", expr)) <= {"$job"}, expr
    return expr


def _of_rules() -> Iterator[Query]:
    """As Grafana's own alerting asks them, with nothing recorded; and what is recorded."""
    for rule in (*ALERTS, *RECORDINGS):
        yield Query(rule.name, "rule", SELECTOR.sub(_of_job, whole(rule.expr)))


def _of_job(found: re.Match[str]) -> str:
    """A rule is about every job; here, of one alone."""
    inside = [part for part in (found[2] or "").split(",") if part and not part.startswith("job=")]
    return f"{found[1]}{{{','.join([*inside, OF.split(',')[0]])}}}"


def silent(prometheus: Prometheus, query: Query, job: str) -> set[str]:
    """The metrics of a query, with their matchers, of which there is nothing."""
    asked = {f"{name}{{{chosen}}}" for name, chosen in SELECTOR.findall(query.expr)}
    return {one for one in asked if not prometheus.now(one.replace("$job", job))}


def answered(prometheus: Prometheus, query: Query, job: str) -> bool:
    """Whether it gives a number. Raises AssertionError where it is refused."""
    expr = query.expr.replace("$job", job)
    if query.kind == "values":
        return bool(prometheus.ask(f"label/{query.label}/values", **{"match[]": expr}))
    if query.kind == "range":
        now = time.time() if prometheus.when is None else prometheus.when
        asked = {"query": expr, "start": str(now - _LOOK), "end": str(now), "step": "1"}
        result = prometheus.ask("query_range", **asked)["result"]
        return any(_number(value) for series in result for _, value in series["values"])
    return any(_number(series["value"][1]) for series in prometheus.now(expr)) or query.kind == "rule"


def _number(value: str) -> bool:
    return math.isfinite(float(value))

"""Every query on a real Prometheus that scrapes a running daemon, and an alert by a real Alertmanager to a webhook.

A query that would find nothing, were a metric to change its name, is found here; that it is, is tried, too.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from grafana.alerts import ALERTS
from grafana.boards import BOARDS
from grafana.rules import RUNBOOK
from tests.asking import until
from tests.grafana import running
from tests.grafana.asked import Query, answered, queries, silent
from tests.grafana.listed import EMPTY, SILENT
from tests.grafana.running import JOB, Prometheus, Told, Watched

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("ahead")

HERE = Path(__file__).resolve().parents[2] / "grafana"
QUERIES = queries()
# Each is renamed for a job of its own: a counter, a gauge, one of a variable, a histogram's part, one of an alert.
RENAMED = (
    "knockfirst_capture_frames_total",
    "knockfirst_servers",
    "knockfirst_objection_effect_seconds_bucket",
    "knockfirst_servers_exposed",
    "knockfirst_selfaudit_syn_minus_intents",
)


class World(NamedTuple):
    prometheus: Prometheus
    exposition: str
    told: Told
    jobs: dict[str, str]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """All of them at work, after something has happened."""
    running.able()
    directory = tmp_path_factory.mktemp("watched")
    told: Told = []
    with (
        running.daemon(directory) as watched,
        running.renaming(watched.url) as renamed,
        running.webhook(told) as hook,
        running.alertmanager(directory, _quick((HERE / "alertmanager.yml").read_text(), hook)) as alerts,
    ):
        place, _, page = watched.url.removeprefix("http://").partition("/")
        jobs = {f"renamed-{number}": name for number, name in enumerate(RENAMED)}
        targets = {JOB: (place, f"/{page}"), **{job: (renamed, f"/{name}") for job, name in jobs.items()}}
        with running.prometheus(directory, targets, sorted((HERE / "rules").glob("*.yml")), alerts) as prometheus:
            _watch(prometheus, watched, len(targets))
            yield World(prometheus, running.got(watched.url), told, jobs)


def _quick(settings: str, hook: str) -> str:
    """The example, to our webhook, and without the patience of one that is read by people."""
    changed = settings.replace("127.0.0.1:8080", hook).replace("group_wait: 30s", "group_wait: 1s")
    changed = changed.replace("group_interval: 5m", "group_interval: 1s")
    assert changed.count(hook) == changed.count("group_wait: 1s") == changed.count("group_interval: 1s") == 1
    return changed


def _watch(prometheus: Prometheus, watched: Watched, jobs: int) -> None:
    """Let something happen between the scrapes of every job, and be scraped after it; of that moment all is asked."""
    assert until(lambda: len(prometheus.now("count_over_time(up[5m]) > 1")) == jobs, 60)
    watched.happen()
    seen = "knockfirst_objection_effect_seconds_count == 1 and on (job) count by (job) (knockfirst_server_info)"
    assert until(lambda: len(prometheus.now(seen)) == jobs, 60)
    scraped = len(prometheus.now("up[1h]")[0]["values"])
    assert until(lambda: len(prometheus.now("up[1h]")[0]["values"]) > scraped + 1, 60)
    prometheus.when = time.time()


def test_every_metric_that_is_asked_for_is_there(world: World) -> None:
    missing = {metric.partition("{")[0]: q.where for q in QUERIES for metric in silent(world.prometheus, q, JOB)}
    assert sorted(missing) == sorted(SILENT), missing


def test_every_query_has_an_answer(world: World) -> None:
    empty = {query.where for query in QUERIES if not answered(world.prometheus, query, JOB)}
    expected = set(EMPTY) | {q.where for q in QUERIES if q.metrics() & set(SILENT) and q.kind != "rule"}
    assert sorted(empty) == sorted(expected)


def test_each_dashboard_is_covered(world: World) -> None:
    """So many queries, and so many of them with data: none below nine of ten."""
    for board in BOARDS:
        asked = [query for query in QUERIES if query.where.startswith(f"{board.uid},")]
        fine = [query for query in asked if answered(world.prometheus, query, JOB)]
        print(f"{board.uid}: {len(asked)} queries, {len(fine)} with data")
        assert len(fine) / len(asked) > 0.9, board.uid


def test_a_metric_by_another_name_is_missed_wherever_it_is_asked_for(world: World) -> None:
    for job, name in world.jobs.items():
        assert not world.prometheus.now(f'{name}{{job="{job}"}}')
        asking = {query.where for query in QUERIES if name in query.metrics()}
        missing = {query.where for query in QUERIES if _misses(world.prometheus, query, job, name)}
        assert asking
        assert missing == asking, name


def _misses(prometheus: Prometheus, query: Query, job: str, name: str) -> bool:
    return name in {metric.partition("{")[0] for metric in silent(prometheus, query, job)}


def test_every_metric_is_shown_or_listed(world: World) -> None:
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", world.exposition, re.MULTILINE))
    asked = {metric for query in QUERIES for metric in query.metrics()}
    unseen = {
        name
        for name, kind in kinds.items()
        if not {name, *(f"{name}_{part}" for part in ("bucket", "sum", "count") if kind == "histogram")} & asked
    }
    table = (HERE / "README.md").read_text().partition("## Not shown")[2].partition("\n## ")[0]
    assert unseen == set(re.findall(r"^\| `(\w+)` \| \S", table, re.MULTILINE))
    assert len(kinds) > 80


def test_the_rules_are_in_force_and_without_fault(world: World) -> None:
    rules = [rule for group in world.prometheus.ask("rules")["groups"] for rule in group["rules"]]
    assert {rule["name"] for rule in rules} >= {alert.name for alert in ALERTS}
    assert until(lambda: not [r for r in _rules(world.prometheus) if r["health"] != "ok"])
    # What is well is not alarming: nothing but what the laboratory is made to show.
    expected = {"KnockfirstExploitedHole", "KnockfirstExploitedHoleNew"}
    assert until(lambda: _firing(world.prometheus) >= expected)
    # Nor is it held against the program that it is tried long after its catalogue was made.
    assert _firing(world.prometheus) - {"KnockfirstCatalogueOld"} == expected


def _firing(prometheus: Prometheus) -> set[str]:
    return {one["labels"]["alertname"] for one in prometheus.ask("alerts")["alerts"] if one["state"] == "firing"}


def _rules(prometheus: Prometheus) -> list[dict[str, str]]:
    return [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]


def test_an_alert_comes_to_the_webhook_and_names_nobody(world: World) -> None:
    assert until(lambda: "CVE-2021-34473" in {one["labels"]["cve"] for one in _new(world.told)})  # ProxyShell, of one
    new = _new(world.told)
    assert {alert["annotations"]["runbook_url"] for alert in new} == {f"{RUNBOOK}#knockfirstexploitedholenew"}
    assert {alert["labels"]["severity"] for alert in new} == {"critical"}
    text = json.dumps(world.told)
    for person in (*running.WHO, *running.WHO.values(), "192.0.2.", "2001:db8", ".example"):
        assert person not in text


def _new(told: Told) -> list[dict[str, Any]]:
    """The alerts of holes that were not there before, of the router itself."""
    alerts = [alert for call in list(told) for alert in call["alerts"] if alert["labels"]["job"] == JOB]
    return [alert for alert in alerts if alert["labels"]["alertname"] == "KnockfirstExploitedHoleNew"]

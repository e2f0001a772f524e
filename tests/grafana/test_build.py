"""The generated files are current and whole; dashboards keep the rules of the house, which are those of its field.

The rules on dashboards are those of grafana/dashboard-linter, as far as they fit: variables for data source, job and
instance, rates over $__rate_interval, units, titles, descriptions, nothing to edit.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grafana import build
from grafana.alerts import ALERTS
from grafana.boards import BOARDS
from grafana.managed import SOURCE_UID
from grafana.panels import OF, WIDE, dashboard
from grafana.rules import whole
from grafana.written import yaml

HERE = Path(build.__file__).parent
MADE = {board.uid: dashboard(board) for board in BOARDS}
PANELS = [
    pytest.param(panel, id=f"{uid}-{panel['id']}")
    for uid, board in MADE.items()
    for panel in board["panels"]
    if panel["type"] != "row"
]
_COUNTERS = re.compile(r"knockfirst_\w+_(?:total|bucket|count|sum)\b")


def test_the_generated_files_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert build.main(["--check"]) == 0, f"make grafana\n{capsys.readouterr().out}"


def test_what_is_not_current_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    to = ["--to", str(tmp_path)]
    assert build.main(to) == 0
    assert build.main([*to, "--check"]) == 0
    (tmp_path / "rules" / "knockfirst.alerts.yml").write_text("groups: []\n")
    (tmp_path / "dashboards" / "old.json").write_text("{}")
    (tmp_path / "provisioning" / "datasources" / "knockfirst.yml").unlink()
    assert build.main([*to, "--check"]) == 1
    assert sorted(capsys.readouterr().out.split(": not current\n")[:-1]) == [
        "dashboards/old.json", "provisioning/datasources/knockfirst.yml", "rules/knockfirst.alerts.yml",
    ]  # fmt: skip


def test_the_runbook_can_be_elsewhere() -> None:
    told = build.files("https://wiki.example.net/knockfirst")
    for name in ("rules/knockfirst.alerts.yml", "provisioning/alerting/knockfirst.yml"):
        assert told[name].count("runbook_url: 'https://wiki.example.net/knockfirst#knockfirst") == len(ALERTS)


def _read(*texts: str) -> Any:
    """The documents as PyYAML reads them, which is Debian's and not in our environment."""
    code = "import json, sys, yaml; print(json.dumps([yaml.safe_load(text) for text in json.load(sys.stdin)]))"
    done = subprocess.run(
        ["/usr/bin/python3", "-c", code], input=json.dumps(texts), capture_output=True, text=True, check=False
    )
    if done.returncode and "No module named 'yaml'" in done.stderr:
        assert os.environ.get("CI") != "true", "PyYAML must be installed where CI=true (Debian: python3-yaml)"
        pytest.skip("no PyYAML here (Debian: apt install python3-yaml)")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


VALUES = st.recursive(
    st.booleans() | st.integers(-(2**31), 2**31) | st.text(st.characters(codec="ascii", exclude_categories=["C"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("aB_:- '\"#", max_size=5), inner, max_size=3),
    max_leaves=8,
)


def test_yaml_is_read_as_it_was_meant() -> None:
    examples: list[Any] = []

    @settings(max_examples=100, deadline=None, database=None)
    @given(st.dictionaries(st.text("abc-_ :", min_size=1, max_size=8), VALUES, max_size=4))
    def collect(value: dict[str, Any]) -> None:
        examples.append(value)

    collect()
    examples += [{"a": word} for word in ("true", "No", "~", "1e3", "0x1", "2026-11-24", "- a", "a: b", "'", "")]
    assert _read(*(yaml(example) for example in examples)) == examples


def test_the_provisioning_files_say_what_grafana_asks_for() -> None:
    alerting, dashboards, sources = _read(
        *(
            (HERE / "provisioning" / part / "knockfirst.yml").read_text()
            for part in ("alerting", "dashboards", "datasources")
        )
    )
    assert sources["datasources"][0]["uid"] == SOURCE_UID
    assert dashboards["providers"][0]["options"]["path"]
    rules = [rule for group in alerting["groups"] for rule in group["rules"]]
    assert [rule["title"] for rule in rules] == [alert.name for alert in ALERTS]
    assert len({rule["uid"] for rule in rules}) == len(rules)
    titles = {(uid, p["id"]): p["title"] for uid, board in MADE.items() for p in board["panels"]}
    for rule, alert in zip(rules, ALERTS, strict=True):
        assert (rule["dashboardUid"], titles[rule["dashboardUid"], rule["panelId"]]) == alert.panel
        assert [node["refId"] for node in rule["data"]][-1] == rule["condition"]
        assert {node["datasourceUid"] for node in rule["data"]} == {SOURCE_UID, "__expr__"}
        assert re.fullmatch(r"\d+[sm]", rule["for"])
        assert re.fullmatch(r"[a-z0-9]{1,40}", rule["uid"])
        assert "$value " not in json.dumps(rule["annotations"])


def test_the_panel_of_an_alert_shows_what_it_looks_at() -> None:
    panels = {(uid, panel["title"]): panel for uid, board in MADE.items() for panel in board["panels"]}
    for alert in ALERTS:
        shown = " ".join(target["expr"] for target in panels[alert.panel]["targets"])
        assert _families(whole(alert.expr)) & _families(shown), alert.name


def _families(expr: str) -> set[str]:
    return {re.sub(r"_(bucket|count|sum)$", "", name) for name in re.findall(r"\b(?:knockfirst_\w+|up)\b", expr)}


@pytest.mark.parametrize("name", ["prometheus.yml", "alertmanager.yml"])
def test_the_examples_are_taken_by_their_own_checkers(name: str) -> None:
    tool = {"prometheus.yml": ["promtool", "check", "config"], "alertmanager.yml": ["amtool", "check-config"]}[name]
    if shutil.which(tool[0]) is None:
        assert os.environ.get("CI") != "true", f"{tool[0]} must be installed where CI=true"
        pytest.skip(f"no {tool[0]} here (Debian: apt install prometheus prometheus-alertmanager)")
    done = subprocess.run([*tool, HERE / name], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("uid", sorted(MADE))
def test_a_dashboard_asks_for_source_job_and_router(uid: str) -> None:
    board = MADE[uid]
    variables = {variable["name"]: variable for variable in board["templating"]["list"]}
    assert list(variables)[:3] == ["datasource", "job", "instance"]
    assert variables["datasource"]["type"] == "datasource"
    assert variables["job"]["multi"]
    assert variables["job"]["allValue"] == ".+"
    assert variables["instance"]["multi"] is (uid != "knockfirst-router")
    assert board["editable"] is False
    assert (HERE / "dashboards" / f"{uid}.json").is_file()
    assert len({panel["title"] for panel in board["panels"]}) == len(board["panels"]) == board["panels"][-1]["id"]


@pytest.mark.parametrize("uid", sorted(MADE))
def test_panels_lie_beside_each_other(uid: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in MADE[uid]["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= WIDE
        taken |= cells


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_says_what_it_is(panel: dict[str, Any]) -> None:
    assert panel["title"][0].isupper()
    assert panel["description"].endswith((".", ")"))
    assert panel["fieldConfig"]["defaults"]["unit"] in {"short", "s", "pps", "cps", "bytes", "percentunit"}
    assert panel["datasource"]["uid"] == "${datasource}"
    assert [target["refId"] for target in panel["targets"]] == list("ABCDEFGH"[: len(panel["targets"])])


@pytest.mark.parametrize("panel", PANELS)
def test_a_query_is_of_the_chosen_routers_and_rates_its_counters(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        expr = target["expr"]
        assert target["datasource"]["uid"] == "${datasource}"
        for found in re.finditer(r"\b(?:knockfirst_\w+|up|scrape_\w+)\b(\{[^}]*\})?", expr):
            assert (found[1] or "").startswith("{" + OF), found[0]
        for found in _COUNTERS.finditer(expr):
            before, after = expr[: found.start()], expr[found.end() :]
            window = after.partition("}")[2]
            assert re.search(r"(rate|increase|changes)\($", before), expr
            assert window.startswith(("[$__rate_interval]", "[$__range]")), expr
        if "[$__range]" in expr:
            assert panel["type"] != "timeseries", "a line of the whole range at each point means nothing"
        labels = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        by = set(re.split(r",\s*", ",".join(re.findall(r"\bby \(([^)]*)\)", expr)))) if " by (" in expr else labels
        assert labels <= by, (expr, labels)


def test_a_sum_over_routers_of_servers_says_that_it_counts_twice() -> None:
    for uid, board in MADE.items():
        for panel in board["panels"]:
            exprs = " ".join(target["expr"] for target in panel.get("targets", []))
            summed = re.search(r"sum(?! by \([^)]*instance)[^{]*\(knockfirst_servers", exprs)
            if summed and uid != "knockfirst-router" and panel["type"] in ("stat", "bargauge", "table"):
                assert "counted by both" in panel["description"] or "CVEs that" in panel["description"], panel["title"]

"""Each alert fires for what it is about and not for what is near, by promtool; and each is in the runbook."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from grafana.alerts import ALERTS, GROUPS
from grafana.managed import provisioned
from grafana.rules import RECORDINGS, RUNBOOK, SEVERITIES, Alert, anchor, annotated, whole
from grafana.written import yaml
from tests.grafana.cases import CASES, MORE, Case, Series

ROOT = Path(__file__).resolve().parents[2]
RULES = sorted((ROOT / "grafana" / "rules").glob("*.yml"))
NAMED = {alert.name: alert for alert in ALERTS}
RUNBOOK_TEXT = (ROOT / RUNBOOK).read_text()
SECTIONS = dict(re.findall(r"^### (Knockfirst\w+)\n(.*?)(?=^##|\Z)", RUNBOOK_TEXT, re.MULTILINE | re.DOTALL))


def promtool(*words: str | Path) -> str:
    """What it says. Fails where it finds fault, and skips where it is not there."""
    if shutil.which("promtool") is None:
        assert os.environ.get("CI") != "true", "promtool must be installed where CI=true (Debian: prometheus)"
        pytest.skip("no promtool here (Debian: apt install prometheus)")
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_takes_the_rules() -> None:
    said = promtool("check", "rules", "--lint-fatal", *RULES)
    assert re.findall(r"SUCCESS: (\d+) rules", said) == [str(len(ALERTS)), str(len(RECORDINGS))]


def test_every_alert_has_cases() -> None:
    assert sorted(CASES) == sorted(NAMED)
    assert set(MORE) <= set(NAMED)
    assert all(case.quiet for case in (*CASES.values(), *MORE.values()))


def test_each_fires_and_does_not(tmp_path: Path) -> None:
    tests = [one for name, case in (*CASES.items(), *MORE.items()) for one in _tests(NAMED[name], case)]
    assert len(tests) > 3 * len(ALERTS) - 10
    # Where no second counts, a look a minute is enough, and takes a quarter of the time.
    finely = [test for test in tests if not test["alert_rule_test"][0]["eval_time"].endswith("m")]
    for name, interval, some in (("fine", "15s", finely), ("coarse", "1m", [t for t in tests if t not in finely])):
        assert some
        path = tmp_path / f"{name}.yml"
        path.write_text(yaml({"rule_files": [*map(str, RULES)], "evaluation_interval": interval, "tests": some}))
        promtool("test", "rules", path)


@pytest.mark.parametrize("name", ["KnockfirstExploitedHole", "KnockfirstSelfAuditDifference"])
def test_a_case_that_is_turned_round_fails(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    turned = case._replace(fires=case.quiet[0][0], quiet=())
    path = tmp_path / "test.yml"
    path.write_text(yaml({"rule_files": [str(rule) for rule in RULES], "tests": list(_tests(NAMED[name], turned))}))
    with pytest.raises(AssertionError, match="FAILED"):
        promtool("test", "rules", path)


def _tests(alert: Alert, case: Case) -> list[dict[str, Any]]:
    fired = {"exp_labels": _labels(alert, case), "exp_annotations": _annotations(alert, case)}
    made = [_test(alert, case.fires, case.at, [fired])]
    return made + [_test(alert, series, at, []) for series, at in case.quiet]


def _test(alert: Alert, series: Series, at: str, expected: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "interval": "15s",
        "input_series": [{"series": _of_router(name), "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": at, "alertname": alert.name, "exp_alerts": expected}],
    }


def _of_router(series: str) -> str:
    name, _, labels = series.rstrip("}").partition("{")
    job = [] if "job=" in labels else ['job="knockfirst"']
    return name + "{" + ",".join([*filter(None, [labels]), *job, 'instance="r1"']) + "}"


def _labels(alert: Alert, case: Case) -> dict[str, str]:
    if alert.name == "KnockfirstAbsent":
        return {"severity": alert.severity, "job": "knockfirst"}
    return {"severity": alert.severity, "job": "knockfirst", "instance": "r1", **case.labels}


def _annotations(alert: Alert, case: Case) -> dict[str, str]:
    said = alert.summary.replace("{{ $labels.instance }}", "r1").replace("{{ $value }}", case.value)
    for label, value in case.labels.items():
        said = said.replace(f"{{{{ $labels.{label} }}}}", value)
    assert "{{" not in said, said
    return annotated(alert, summary=said)


def test_what_is_recorded_for_prometheus_is_written_out_for_grafana(tmp_path: Path) -> None:
    """The expressions of Grafana's file fire and do not just as those of the rule files."""
    shown = provisioned(GROUPS, dict.fromkeys((a.panel for a in ALERTS), 1))
    exprs = {rule["title"]: rule["data"][0]["model"]["expr"] for group in shown["groups"] for rule in group["rules"]}
    assert not [expr for expr in exprs.values() if ":knockfirst" in expr]
    rules = [
        {"alert": a.name, "expr": exprs[a.name], "for": a.lasts, "labels": {"severity": a.severity},
         "annotations": annotated(a)}
        for a in ALERTS
    ]  # fmt: skip
    (tmp_path / "rules.yml").write_text(yaml({"groups": [{"name": "written-out", "rules": rules}]}))
    changed = [name for name in CASES if whole(NAMED[name].expr) != NAMED[name].expr]
    assert len(changed) >= 4
    tests = [one for name in changed for one in _tests(NAMED[name], CASES[name])]
    path = tmp_path / "test.yml"
    path.write_text(yaml({"rule_files": [str(tmp_path / "rules.yml")], "tests": tests}))
    promtool("test", "rules", path)


def test_alerts_are_written_as_the_house_writes_them() -> None:
    assert len(NAMED) == len(ALERTS)
    for alert in ALERTS:
        assert alert.severity in SEVERITIES, alert.name
        assert alert.summary.startswith("{{ $labels.instance }}: ") or alert.name == "KnockfirstAbsent", alert.name
        assert "rate(" not in alert.expr or "[5m]" in alert.expr or "[10m]" in alert.expr, alert.name
        # Labels that a summary names come from closed lists: none can be a person's.
        named = set(re.findall(r"\$labels\.(\w+)", alert.summary))
        closed = {"instance", "reason", "door", "interface", "event", "source", "piece", "level", "cve", "part"}
        assert named <= closed | {"channel"}, alert.name


def test_who_is_woken_is_told_what_it_means_and_what_to_do() -> None:
    for alert in ALERTS:
        said = annotated(alert)
        assert list(said) == ["summary", "description", "runbook_url"]
        for word in ("Means", "Do"):
            paragraph = SECTIONS[alert.name].partition(f"**{word}.** ")[2].partition("\n\n")[0]
            assert " ".join(paragraph.split())[:30] in said["description"], alert.name
        # Both would be taken for something else: by the templates of Prometheus and Grafana, and by who reads.
        assert "{{" not in said["description"]
        assert "**" not in said["description"]


def test_what_is_recorded_is_named_by_the_labels_that_it_has() -> None:
    """LEVEL:METRIC:OPERATIONS, as Prometheus' documentation has it; the job is in all of them."""
    for one in RECORDINGS:
        level, metric, operations = one.name.split(":")
        by = re.search(r"by \(job, ([\w, ]+)\)", one.expr)
        assert level == (by[1].replace(", ", "_") if by else "instance"), one.name
        assert metric.startswith("knockfirst_")
        assert operations == "sum" or operations.endswith(re.findall(r"\[(\w+)\]", one.expr)[-1]), one.name


def test_what_must_be_0_is_told_at_once_and_critically() -> None:
    for name in ("KnockfirstSelfAuditDifference", "KnockfirstAuditWriteFailures", "KnockfirstOutcomeBug"):
        assert (NAMED[name].severity, NAMED[name].lasts) == ("critical", "0m")


def test_the_runbook_has_a_section_for_each_and_no_other() -> None:
    assert sorted(SECTIONS) == sorted(NAMED)
    assert list(SECTIONS) == [alert.name for alert in ALERTS], "in the order of the rules"
    anchors = {anchor(alert).partition("#")[2] for alert in ALERTS}
    assert anchors == {name.lower() for name in SECTIONS}


@pytest.mark.parametrize("name", sorted(NAMED))
def test_a_section_says_what_it_means_where_to_look_and_what_to_do(name: str) -> None:
    section = SECTIONS[name]
    assert [re.findall(rf"^\*\*{word}\.\*\* \S", section, re.MULTILINE) != [] for word in ("Means", "Look", "Do")] == [
        True
    ] * 3
    assert f"`{NAMED[name].severity}`" in section

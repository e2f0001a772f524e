"""What machines read: reports against the published schemas of XARF, rows as Shadowserver's, and one table for all."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

from agent.notice import Facts, Hole
from exporters.notices import examples, formats

_SCHEMAS = files("xarf") / "schemas"
_CHECKER = FormatChecker(("uuid",))


@_CHECKER.checks("date-time", raises=ValueError)
def _time(value: object) -> bool:
    """jsonschema looks at times only with a package more."""
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@cache
def _validator(kind: str) -> Draft202012Validator:
    core = json.loads((_SCHEMAS / "xarf-core.json").read_text())
    schema = json.loads((_SCHEMAS / "types" / f"vulnerability-{kind}.json").read_text())
    registry: Registry[Any] = Registry().with_resources(
        (one["$id"], Resource.from_contents(one)) for one in (core, schema)
    )
    return Draft202012Validator(schema, registry=registry, format_checker=_CHECKER)


def faults(report: dict[str, Any]) -> list[str]:
    """What the published schema of a report's type says against it."""
    return [error.message for error in _validator(report["type"]).iter_errors(report)]


def facts(kind: str = "chain", **changed: Any) -> Facts:
    return examples.example("tell", "en", kind).model_copy(update=changed)


@pytest.mark.parametrize("kind", examples.KINDS)
def test_a_report_of_each_kind_of_finding_is_as_the_schema_says(kind: str) -> None:
    report = formats.xarf(facts(kind))
    assert faults(report) == []
    assert report["xarf_version"] == "4.2.0"
    assert "_internal" not in report
    assert "cvss_vector" not in report


@pytest.mark.parametrize(
    ("contact", "mail", "domain"),
    [
        ("abuse@isp.example", "abuse@isp.example", "isp.example"),
        ("mailto:abuse@isp.example", "abuse@isp.example", "isp.example"),
        ("https://isp.example:8443/probes", "https://isp.example:8443/probes", "isp.example"),
        ("https://[x", "https://[x", "invalid"),
        ("", "", "invalid"),
    ],
)
def test_who_reports_has_an_address_and_a_domain(contact: str, mail: str, domain: str) -> None:
    report = formats.xarf(facts(contact=contact))
    assert (report["sender"]["contact"], report["sender"]["domain"]) == (mail, domain)
    assert report["reporter"] == report["sender"]


def test_the_schemas_find_what_is_amiss() -> None:
    report = formats.xarf(facts())
    for broken in (
        {"cve_id": "ProxyShell"},
        {"service_port": 0},
        {"cve_ids": [f"CVE-2021-{n}" for n in range(11)]},
        {"cvss_vector": "CVSS:4.0/AV:N"},
        {"report_id": "1"},
        {"timestamp": "yesterday"},
    ):
        assert faults(report | broken), broken
    assert faults({key: value for key, value in report.items() if key != "cve_id"})


CASES = [
    ("chain", "cve", "CVE-2021-34473"),
    ("single", "cve", "CVE-2024-26198"),
    ("possible", "cve", "CVE-2025-53786"),
    ("passive", "cve", "CVE-2024-26198"),
    ("ended", "misconfiguration", None),
    ("passive-ended", "misconfiguration", None),
    ("setting", "misconfiguration", None),
    ("unknown-update", "misconfiguration", None),  # no port is known, and a report of a CVE needs one
]


@pytest.mark.parametrize(("kind", "type_", "cve"), CASES)
def test_which_report_it_is(kind: str, type_: str, cve: str | None) -> None:
    report = formats.xarf(facts(kind))
    assert (report["category"], report["type"], report.get("cve_id")) == ("vulnerability", type_, cve)
    assert type_ == "cve" or not {"cve_ids", "cvss_score", "patch_available", "exploitability"} & set(report)


def test_at_most_ten_cves_are_listed_and_each_once() -> None:
    many = [
        Hole(name="", cves=[f"CVE-2024-{n}", "CVE-2024-1"], status="vulnerable", kev=False, cvss=None)
        for n in range(1, 31)
    ]
    report = formats.xarf(facts(holes=many))
    assert report["cve_ids"] == [f"CVE-2024-{n}" for n in range(1, 11)]
    assert len(report["tags"]) <= 20
    assert faults(report) == []


def test_how_sure_it_is() -> None:
    assert formats.xarf(facts("chain"))["confidence"] == 0.99
    assert formats.xarf(facts("passive"))["confidence"] == 0.9
    assert formats.xarf(facts("possible"))["confidence"] == 0.5
    assert "confidence" not in formats.xarf(facts(confidence="none"))


def test_a_report_has_the_same_number_whenever_it_is_made_and_another_for_another_server() -> None:
    assert formats.xarf(facts())["report_id"] == formats.xarf(facts(product="other"))["report_id"]
    assert len({formats.xarf(facts(kind))["report_id"] for kind in examples.KINDS}) == len(examples.KINDS)


def test_nobody_and_no_name_of_a_server_is_in_what_is_meant_for_others() -> None:
    for kind in examples.KINDS:
        one = facts(kind)
        made = json.dumps(formats.xarf(one)) + "".join(formats.written([one], "csv"))
        assert one.customer not in made
        assert one.record == "" or one.record not in made
        for row in csv.DictReader(io.StringIO("".join(formats.written([one], "csv")))):
            assert row["hostname"] == row["servername"] == row["url"] == ""


def test_rows_are_as_shadowserver_has_them() -> None:
    rows = list(csv.DictReader(io.StringIO("".join(formats.written([facts("passive"), facts("chain")], "csv")))))
    assert tuple(rows[0]) == formats.COLUMNS
    assert [(row["ip"], row["port"]) for row in rows] == [
        ("192.0.2.14", "25"),
        ("192.0.2.14", "443"),
        ("192.0.2.10", "443"),
    ]
    last = rows[-1]
    assert last["timestamp"] == "2026-11-24 08:00:00"
    assert last["severity"] == "critical"
    assert last["tag"] == "exchange;cve-2021-34473;cve-2021-34523;cve-2021-31207;cve-2024-26198;eol"
    assert last["version"] == "15.1.2242.4"
    assert last["protocol"] == "tcp"


def test_one_table_maps_all_and_json_lines_have_all_of_it() -> None:
    names = [field.name for field in formats.FIELDS]
    assert len(set(names)) == len(names)
    assert {field.csv for field in formats.FIELDS if field.csv} <= set(formats.COLUMNS)
    (line,) = formats.written([facts()], "jsonl")
    told = json.loads(line)
    assert list(told) == names
    assert told["holes"][0]["name"] == "ProxyShell"
    assert told["customer"] == "C-1001"


def test_what_has_no_address_is_no_row() -> None:
    for form in formats.FORMATS:
        assert len(list(formats.written([facts(address="")], form))) == (form == "csv")

"""The naming table: it has every family that is exported and no other, and its closed lists are those that are used."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from agent import cast
from agent.asked import Delay
from agent.consent.history import History
from agent.exchange.catalogue import catalogue
from agent.exchange.fingerprint import book
from agent.inventory import Inventory
from agent.leave import BREAKERS
from agent.listed import Listed
from agent.logfmt import LINES
from agent.sections import Config
from agent.selfaudit import FITS, SelfAudit
from agent.snapshot import DOORS, LIMITS, limits
from exporters import families, reference
from exporters.naming import PREFIX, SECTIONS, TABLE, Family
from exporters.naming.family import UNITS
from exporters.prometheus import TABLE as EXPORTED
from exporters.series import families as of_series
from tests.exporters.permitted import PERMITTED
from tests.exporters.test_prometheus import scraped, snapshot

if TYPE_CHECKING:
    from pathlib import Path

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
OUTLINE = {
    "product": "exchange", "generation": "2016", "build": "15.1 (Build 2507.6)", "support": "esu", "precision": "su",
    "verdict": "confirmed", "holes": [1, 2, 3],
}  # fmt: skip
LISTED = {
    "number": 1, "part": 0, "parts": 1, "limit": 9, "key_id": "0123abcd", "epoch": 3, "suppressed": 4,
    "suppressed_total": 5, "grouped": True, "group_files_failing": 6,
    "groups": [{"name": "other", "servers": 7, "exposed": 8}], "outlines": [OUTLINE],
    "servers": ["s-aaaaaaaaaaaaaaaa"], "of": [0], "hours": [490_000],
}  # fmt: skip


def exported() -> dict[str, Any]:
    """Name in the table -> family, of an exposition that has something of everything."""
    found = {family.name: family for family in text_string_to_metric_families(scraped(snapshot(permission=PERMITTED)))}
    found |= {family.name: family for family in of_series([Listed.model_validate(LISTED)])}
    named = {}
    for name, family in found.items():
        counter = family.type == "counter" and not name.endswith("_total")
        named[name.removeprefix(PREFIX) + ("_total" if counter else "")] = family
    return named


def test_the_table_has_every_family_and_no_other() -> None:
    assert EXPORTED is TABLE
    assert sum(len(section.families) for section in SECTIONS) == len(TABLE)
    assert sorted(exported()) == sorted(TABLE)


def test_each_is_exported_as_its_row_says() -> None:
    for name, family in exported().items():
        row = TABLE[name]
        assert (family.type, family.documentation) == (row.kind, row.text), name
        own = {label for sample in family.samples for label in sample.labels} - {"le"}
        assert own == set(row.labels), name
        assert family.samples, f"{name}: the examples have nothing of it"


def test_openmetrics_has_the_same_families() -> None:
    told = {one.name for one in openmetrics_families(scraped(snapshot(permission=PERMITTED), OPENMETRICS))}
    single = {family.exposed for family in SECTIONS[2].families}
    assert told == {row.exposed.removesuffix("_total") for row in TABLE.values()} - {
        name.removesuffix("_total") for name in single
    }


def test_what_is_not_in_the_table_cannot_be_made() -> None:
    with pytest.raises(families.UnnamedError):
        families.one("servers_of_the_neighbour", 1)
    with pytest.raises(families.UnnamedError):
        families.by_one("servers", [("exchange", 1)])
    with pytest.raises(families.UnnamedError):
        families.histogram("probes_of_the_neighbour", Delay(buckets=[], count=0, sum=0.0))
    with pytest.raises(families.UnnamedError):
        families.one("objection_effect_seconds", 1)


@pytest.mark.parametrize("row", TABLE.values(), ids=lambda row: row.name)
def test_names_are_as_prometheus_would_have_them(row: Family) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", row.name)
    assert row.name.endswith("_total") == (row.kind == "counter")
    # What tells of a target is Prometheus's own, and "type" tells nothing.
    assert not {"type", "job", "instance", "region", "le", "quantile"} & set(row.labels)
    assert re.match("[A-Z1]", row.text) and row.text.endswith(".") and not row.means.endswith(".")
    assert not re.search(r"_(ms|minutes|hours|days|percent|kb|mib|timestamp(?!_seconds)|age)(_|$)", row.name), (
        "not a base unit"
    )
    assert row.unit in ("", *UNITS.values())
    for label, values in row.labels.items():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", label)
        assert values, label
        assert isinstance(values, str) or len(set(values)) == len(values), label


def test_every_value_is_of_its_closed_list() -> None:
    for name, family in exported().items():
        for sample in family.samples:
            for label, values in TABLE[name].labels.items():
                if not isinstance(values, str):
                    assert sample.labels[label] in values, (name, label)


def test_closed_lists_are_those_of_who_counts() -> None:
    assert (*cast.DOORS, "supervisor") == DOORS
    assert set(BREAKERS) == set(History().open_breakers(0.0))
    assert set(FITS) | {"difference", "waiting"} == set(SelfAudit(lambda: 0.0).body())
    assert {*LIMITS, "per_minute"} == set(limits(Config()))
    assert set(TABLE["inventory_events_total"].labels["event"]) == set(Inventory(book(), catalogue()).counts)
    assert {*TABLE["log_lines_total"].labels["level"], "suppressed"} == set(LINES)


def test_the_reference_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert reference.main(["--check"]) == 0, "make reference"
    assert capsys.readouterr().out == ""


def test_a_reference_that_is_not_current_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "metrics.md"
    assert reference.main(["--to", str(page), "--check"]) == 1
    assert reference.main(["--to", str(page)]) == 0
    assert reference.main(["--to", str(page), "--check"]) == 0
    page.write_text(page.read_text().replace("servers", "hosts", 1))
    capsys.readouterr()
    assert reference.main(["--to", str(page), "--check"]) == 1
    assert capsys.readouterr().out == "metrics.md: not current; make reference\n"


def test_the_reference_has_a_row_for_each_and_every_closed_value() -> None:
    page = reference.page()
    assert re.findall(r"^\| `knockfirst_(\w+)`", page, re.MULTILINE) == list(TABLE)
    for row in TABLE.values():
        for label, values in row.labels.items():
            (line,) = re.findall(rf"^- `{row.name}`, `{label}`: (.*)$", page, re.MULTILINE)
            assert isinstance(values, str) or [v for v in values if v and f"`{v}`" not in line] == [], row.name

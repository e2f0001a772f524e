"""The data files: complete, in order, and true to each other and to what they were compiled from."""

from __future__ import annotations

import json
import pathlib
from datetime import date
from typing import Any

import pytest

import agent.exchange
from agent.build import Build, generation_of
from agent.exchange.catalogue import catalogue

DATA = pathlib.Path(next(iter(agent.exchange.__path__))) / "data"
SHARED = pathlib.Path("../shared/data")
BUILDS: dict[str, Any] = json.loads((DATA / "builds.json").read_text())
CVES: dict[str, Any] = json.loads((DATA / "cves.json").read_text())
OLDER: dict[str, Any] = json.loads((DATA / "generations.json").read_text())
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="what the data were compiled from is not here")


def number(text: str) -> Build:
    return Build(*map(int, text.split(".")))


def test_builds_ascend_and_none_comes_twice() -> None:
    numbers = [number(row["build"]) for row in BUILDS["builds"]]
    assert numbers == sorted(set(numbers))
    assert all(generation_of(n) in BUILDS["generations"] for n in numbers)


def test_builds_say_where_they_come_from() -> None:
    sources = {s["id"] for s in BUILDS["sources"]}
    assert {row["src"] for row in BUILDS["builds"]} <= sources
    assert {g["src"] for g in OLDER["generations"].values()} <= {s["id"] for s in OLDER["sources"]}


def test_no_build_is_newer_than_the_data_reach() -> None:
    days = [date.fromisoformat(row["released"]) for row in BUILDS["builds"]]
    assert max(days).isoformat() == BUILDS["data_reaches"]
    assert max(row["published"] for row in CVES["cves"]) == CVES["data_reaches"]
    assert max(row["kev"] for row in CVES["cves"] if "kev" in row) <= CVES["kev_reaches"]


def test_a_branch_belongs_to_one_cumulative_update() -> None:
    cus: dict[tuple[int, ...], set[str]] = {}
    for row in BUILDS["builds"]:
        if row.get("mapped", True):
            cus.setdefault(number(row["build"]).branch, set()).add(row["cu"])
    several = {branch: names for branch, names in cus.items() if len(names) > 1}
    assert several == {(15, 1, 225): {"Preview", "RTM"}}


def test_every_fixed_build_is_a_known_build() -> None:
    known = {row["build"] for row in BUILDS["builds"] if row.get("mapped", True)}
    for row in CVES["cves"]:
        named = [*row["fixed_in"], *row.get("upper_bound", ()), *row.get("config_available_from", ())]
        assert set(named) <= known, row["cve"]
        assert set(row.get("upper_bound", ())) <= set(row["fixed_in"]), row["cve"]


def test_fixed_builds_ascend_one_per_branch() -> None:
    for row in CVES["cves"]:
        numbers = [number(text) for text in row["fixed_in"]]
        assert numbers == sorted(numbers)
        assert len({n.branch for n in numbers}) == len(numbers), row["cve"]
        assert {generation_of(n) for n in numbers} <= set(row["affected"]), row["cve"]
        assert numbers or row.get("build_decides") is False


def test_cves_ascend_and_their_words_are_explained() -> None:
    ids = [row["cve"] for row in CVES["cves"]]
    keys = [tuple(map(int, cve.split("-")[1:])) for cve in ids]
    assert keys == sorted(set(keys))
    assert {row["config"] for row in CVES["cves"] if "config" in row} == set(CVES["configurations"])
    assert {cve for chain in CVES["chains"].values() for cve in chain} <= set(ids)
    assert all("cvss_source" in row for row in CVES["cves"] if "cvss" in row)


def test_one_entry_is_one_line() -> None:
    for name, rows in (("builds.json", BUILDS["builds"]), ("cves.json", CVES["cves"])):
        lines = {line.strip().removesuffix(",") for line in (DATA / name).read_text().splitlines()}
        assert {json.dumps(row, ensure_ascii=False) for row in rows} <= lines


def test_the_catalogue_holds_all_of_it() -> None:
    tables = catalogue()
    assert len(tables.builds) == len(BUILDS["builds"]) - 1  # One row is a typing error of its source.
    assert len(tables.flaws) == len(CVES["cves"])
    assert set(tables.lifecycles) == {*BUILDS["generations"], *OLDER["generations"]}
    assert sum(f.kev for f in tables.flaws) == 19
    assert [k.cumulative for k in tables.builds].count(False) == 22
    assert catalogue() is tables


def test_bounds_reach_down_to_the_last_known_build() -> None:
    bounds = {
        (str(fix.build), str(fix.vulnerable_to))
        for flaw in catalogue().flaws
        for fixes in flaw.fixes.values()
        for fix in fixes
        if fix.vulnerable_to
    }
    assert bounds == {("15.0.847.62", "15.0.847.55"), ("15.2.221.17", "15.2.221.14")}


@needs_shared
def test_nothing_was_lost_of_the_builds() -> None:
    theirs = json.loads((SHARED / "exchange_builds.json").read_text())
    ours = {row["build"]: row for row in BUILDS["builds"]}
    assert ours.keys() == {row["build"] for row in theirs["builds"]}
    for row in theirs["builds"]:
        mine = ours[row["build"]]
        assert (mine["cu"], mine["update"], mine["kind"], mine["released"], mine.get("kb"), mine["src"]) == (
            row["cu"], row["update"], row["kind"], row["release_date"], row["kb"], row["src"]
        )  # fmt: skip
        assert mine.get("cumulative", True) == row.get("cumulative", True)
        assert mine.get("alias_of") == row.get("alias_of")
        assert f"Exchange Server {generation_of(number(row['build']))}" == row["product"]


@needs_shared
def test_nothing_was_lost_of_the_cves() -> None:
    theirs = json.loads((SHARED / "exchange_cves.json").read_text())
    ours = {row["cve"]: row for row in CVES["cves"]}
    assert ours.keys() == {row["cve"] for row in theirs["cves"]}
    for row in theirs["cves"]:
        mine = ours[row["cve"]]
        assert set(mine["fixed_in"]) == {f["build"] for f in row["fixed_in"]}
        assert set(mine.get("upper_bound", ())) == {f["build"] for f in row["fixed_in"] if f.get("upper_bound")}
        assert [f"Exchange Server {g}" for g in mine["affected"]] == row["affected_products"]
        assert [f"Exchange Server {g}" for g in mine.get("not_affected", ())] == row.get("not_affected_products", [])
        assert (mine.get("kev"), mine.get("cvss"), mine["published"]) == (
            row.get("kev_added"), row["cvss"], row["published"]
        )  # fmt: skip
        assert (mine.get("config"), mine.get("build_decides", True)) == (row.get("config_kind"), row["build_decides"])
        for key in ("name", "override", "mitigation", "config_note", "fixed_by"):
            assert mine.get(key) == row.get(key)

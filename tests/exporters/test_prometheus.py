"""The exposition: what a snapshot becomes, that its reference is complete, and that a real promtool accepts it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from agent.ipc import Type
from agent.messages import Snapshot, validated
from agent.model import KINDS
from agent.snapshot import NOT_READY, Tally, aggregates
from exporters.service import Latest, pages

ROOT = Path(__file__).resolve().parents[2]
COUNTERS = {
    "frames_seen": 100, "frames_used": 60, "drop_no_payload": 30, "drop_not_wanted": 10, "malformed_smtp": 2,
    "malformed_tls": 0, "observations": 5, "repeats": 7, "streams": 9, "streams_evicted_age": 1, "told_too_long": 0,
}  # fmt: skip


def snapshot(**change: Any) -> Snapshot:
    tally = Tally(started=10.0, progress=20.0, counters=dict(COUNTERS))
    tally.connections["capture"] += 1
    tally.rejected["capture", "json"] += 3
    body = {
        "number": 1, "time": 30.0, "took": 0.01, **tally.body(), **aggregates([], {"CVE-2021-34473": True}),
        "servers": [{"product": "exchange", "generation": "2016", "verdict": "confirmed", "count": 4}],
        "kept": 4, "kept_at_most": 9, "inventory": {"servers_evicted": 0},
    }  # fmt: skip
    taken = validated(Type.SNAPSHOT, body | {"not_ready": []} | change)
    assert isinstance(taken, Snapshot)
    return taken


def scraped(shown: Snapshot | None, accept: str = "") -> str:
    latest = Latest()
    latest.snapshot = shown
    return pages(latest).metrics(accept)[1].decode()


def samples(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    families = text_string_to_metric_families(text)
    return {(s.name, tuple(s.labels.values())): s.value for family in families for s in family.samples}


def test_the_numbers_of_a_snapshot_are_the_numbers_of_the_scrape() -> None:
    shown = samples(scraped(snapshot()))
    assert shown["knockfirst_ready", ()] == 1
    assert shown["knockfirst_servers", ("2016", "exchange", "confirmed")] == 4
    assert shown["knockfirst_capture_frames_total", ()] == 100
    assert shown["knockfirst_capture_malformed_total", ("smtp",)] == 2
    assert shown["knockfirst_capture_malformed_total", ("tls",)] == 0
    assert shown["knockfirst_capture_events_total", ("streams",)] == 9
    assert shown["knockfirst_capture_streams_evicted_total", ("age",)] == 1
    assert shown["knockfirst_ipc_rejected_total", ("capture", "json")] == 3
    assert shown["knockfirst_snapshot_timestamp_seconds", ()] == 30
    assert {labels[0] for name, labels in shown if name == "knockfirst_observations_total"} == set(KINDS)


def test_frames_seen_are_frames_used_and_every_drop() -> None:
    shown = samples(scraped(snapshot()))
    dropped = sum(value for (name, _), value in shown.items() if name == "knockfirst_capture_frames_dropped_total")
    assert shown["knockfirst_capture_frames_total", ()] == shown["knockfirst_capture_frames_used_total", ()] + dropped


def test_before_the_first_snapshot_it_says_that_there_is_none() -> None:
    shown = samples(scraped(None))
    assert shown["knockfirst_ready", ()] == 0
    assert {labels[0]: v for (name, labels), v in shown.items() if name == "knockfirst_not_ready"} == {
        reason: float(reason == "no_snapshot") for reason in NOT_READY
    }
    assert not [name for name, _ in shown if "servers" in name]


def test_every_counter_of_capture_is_shown_somewhere_once() -> None:
    text = scraped(snapshot(counters=dict.fromkeys(COUNTERS, 77)))
    names = [line for line in text.splitlines() if line.endswith(" 77.0")]
    assert len(names) == len(set(names)) == len(COUNTERS)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9_.]{0,63}", fullmatch=True), st.integers(0, 1 << 62), max_size=8))
def test_any_counters_make_an_exposition(counters: dict[str, int]) -> None:
    shown = snapshot(counters=counters)
    assert samples(scraped(shown))
    assert list(openmetrics_families(scraped(shown, "application/openmetrics-text; version=1.0.0")))


def test_a_label_set_that_has_gone_is_gone() -> None:
    assert "exchange" in scraped(snapshot())
    assert 'product="exchange"' not in scraped(snapshot(servers=[]))


def test_the_reference_has_every_metric_and_no_other() -> None:
    families = {family.name for family in text_string_to_metric_families(scraped(snapshot()))}
    kept = {
        name + ("_total" if f"{name}_total" in scraped(snapshot()) and not name.endswith("_total") else "")
        for name in families
    }
    documented = set(re.findall(r"^\| `(knockfirst_\w+)", (ROOT / "docs" / "operating.md").read_text(), re.MULTILINE))
    assert documented == kept


def test_promtool_accepts_the_exposition() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        assert os.environ.get("CI") != "true", "promtool must be installed where CI=true (Debian: prometheus)"
        pytest.skip("no promtool here (Debian: apt install prometheus)")
    said = subprocess.run(
        [promtool, "check", "metrics"], input=scraped(snapshot()), capture_output=True, text=True, check=False
    )
    assert (said.returncode, said.stdout + said.stderr) == (0, "")

"""The exposition: what a snapshot becomes, that its reference is complete, and that a real promtool accepts it."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from agent.believed import aggregates
from agent.ipc import REASONS, Type
from agent.messages import Snapshot, validated
from agent.model import KINDS
from agent.snapshot import DOORS, NOT_READY, Tally
from exporters.service import Latest, pages
from tests.exporters.permitted import PERMITTED
from tests.exporters.telling import TELLING

DAY = date(2026, 11, 1)
ROOT = Path(__file__).resolve().parents[2]
FILES = {"frames_seen": 100, "frames_used": 60, "drop_no_payload": 30, "drop_not_wanted": 10}
COUNTERS = FILES | {
    "malformed_smtp": 2, "malformed_tls": 0, "observations": 5, "repeats": 7, "streams": 9, "streams_evicted_age": 1,
    "told_too_long": 0, "queue_full": 6, "parse_microseconds": 2_500_000,
}  # fmt: skip
ETH1: dict[str, dict[str, float]] = {
    "counts": {
        "offered": 4000, "nic_missed": 11, "frames_seen": 70, "frames_used": 50, "drop_ring": 13, "drop_muted": 7,
        "ring_freezes": 3, "takeovers": 4, "seen_twice": 14, "went_down": 21, "came_back": 22, "renamed": 23,
        "something": 24,
    },
    "gauges": {
        "up": 1, "ring_fill": 0.25, "filter_suspect": 0, "filter_instructions": 900, "demoted": 15,
        "muted_in_filter": 16, "warmth": 17.5,
    },
}  # fmt: skip
INTERFACE = {"name": "eth1", **ETH1}
STORE = {
    "observations": 40, "servers": 5, "bytes": 8192, "deleted": {"age": 3, "rows": 0}, "write_failures": 1,
    "retention_last_success": 25.0,
}  # fmt: skip


def snapshot(**change: Any) -> Snapshot:
    tally = Tally(started=10.0, progress=20.0)
    tally.totals.take("capture", validated(Type.COUNTERS, {"counts": COUNTERS, "interfaces": [INTERFACE]}))
    tally.connections["capture"] += 1
    tally.rejected["capture", "json"] += 3
    body = {
        "number": 1, "time": 30.0, "took": 0.01, **tally.body(), **aggregates([], {"CVE-2021-34473": True}, DAY),
        "servers": [
            {
                "product": "exchange", "generation": "2016", "support": "esu", "verdict": "confirmed",
                "precision": "cu", "count": 4,
            },
        ],
        "config": {"prefixes": {"handshakes": 71, "headers": 72, "resolvers": 0}},
        "limits": {"mapping": 7200.0, "per_minute": 30.0},
        "usage": {"resident": 4096.0, "cpu": 1.25, "lines": {"warning": 7, "suppressed": 8}},
        "kept": 4, "kept_at_most": 9, "inventory": {"servers_evicted": 0}, "store": STORE, "permission": PERMITTED,
        "telling": TELLING, "evidence": {"smtp-greeting-exchange": 8, "imap-greeting": 0},
    }  # fmt: skip
    taken = validated(Type.SNAPSHOT, body | {"not_ready": []} | change)
    assert isinstance(taken, Snapshot)
    return taken


def scraped(shown: Snapshot | None, accept: str = "") -> str:
    latest = Latest()
    latest.snapshot = shown
    return pages(latest, lambda: None).metrics(accept)[1].decode()


def samples(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    families = text_string_to_metric_families(text)
    return {(s.name, tuple(s.labels.values())): s.value for family in families for s in family.samples}


def test_the_numbers_of_a_snapshot_are_the_numbers_of_the_scrape() -> None:
    shown = samples(scraped(snapshot()))
    assert shown["knockfirst_ready", ()] == 1
    assert shown["knockfirst_servers", ("2016", "cu", "exchange", "esu", "confirmed")] == 4
    assert shown["knockfirst_capture_parse_seconds_total", ()] == 2.5
    assert shown["knockfirst_capture_observations_queue_full_total", ()] == 6
    assert shown["knockfirst_evidence_total", ("smtp-greeting-exchange",)] == 8
    assert shown["knockfirst_evidence_total", ("imap-greeting",)] == 0
    assert shown["knockfirst_capture_malformed_total", ("smtp",)] == 2
    assert shown["knockfirst_capture_malformed_total", ("tls",)] == 0
    assert shown["knockfirst_capture_events_total", ("streams",)] == 9
    assert shown["knockfirst_capture_streams_evicted_total", ("age",)] == 1
    assert shown["knockfirst_ipc_rejected_total", ("capture", "json")] == 3
    assert sum(name == "knockfirst_ipc_rejected_total" for name, _ in shown) == len(DOORS) * len(REASONS)
    assert shown["knockfirst_limit_seconds", ("mapping",)] == 7200
    assert shown["knockfirst_limit_probes_per_second", ()] == 0.5
    assert shown["knockfirst_role_resident_memory_bytes", ("agent",)] == 4096
    assert shown["knockfirst_role_resident_memory_bytes", ("exporter",)] > 1 << 20
    assert shown["knockfirst_role_cpu_seconds_total", ("agent",)] == 1.25
    assert shown["knockfirst_log_lines_total", ("warning", "agent")] == 7
    assert shown["knockfirst_log_suppressed_total", ("agent",)] == 8
    assert shown["knockfirst_snapshot_timestamp_seconds", ()] == 30
    assert shown["knockfirst_store_observations", ()] == 40
    assert shown["knockfirst_store_deleted_total", ("age",)] == 3
    assert shown["knockfirst_retention_last_success_timestamp_seconds", ()] == 25
    assert {labels[0] for name, labels in shown if name == "knockfirst_observations_total"} == set(KINDS)


OF_INTERFACES = [
    ("capture_frames_total", ("file",), 100),
    ("capture_frames_used_total", ("file",), 60),
    ("capture_frames_dropped_total", ("file", "no_payload"), 30),
    ("capture_frames_total", ("eth1",), 70),
    ("capture_frames_used_total", ("eth1",), 50),
    ("capture_frames_dropped_total", ("eth1", "ring"), 13),
    ("capture_frames_offered_total", ("eth1",), 4000),
    ("capture_frames_missed_total", ("eth1",), 11),
    ("capture_frames_seen_twice_total", ("eth1",), 14),
    ("capture_ring_freezes_total", ("eth1",), 3),
    ("capture_ring_fill_ratio", ("eth1",), 0.25),
    ("capture_interface_up", ("eth1",), 1),
    ("capture_link_events_total", ("went_down", "eth1"), 21),
    ("capture_link_events_total", ("came_back", "eth1"), 22),
    ("capture_link_events_total", ("renamed", "eth1"), 23),
    ("capture_interface_events_total", ("something", "eth1"), 24),
    ("capture_interface_state", ("eth1", "warmth"), 17.5),
    ("capture_filter_suspect", ("eth1",), 0),
    ("capture_filter_instructions", ("eth1",), 900),
    ("capture_filter_demoted_prefixes", ("eth1",), 15),
    ("capture_filter_muted_servers", ("eth1",), 16),
    ("capture_filter_takeovers_total", ("eth1",), 4),
]


def test_of_each_interface() -> None:
    shown = samples(scraped(snapshot()))
    assert [shown.get((f"knockfirst_{name}", labels)) for name, labels, _ in OF_INTERFACES] == [
        value for *_, value in OF_INTERFACES
    ]


def test_files_have_no_ring_and_no_link() -> None:
    names = {name for name, labels in samples(scraped(snapshot(permission=None))) if "file" in labels}
    assert names == {f"knockfirst_capture_frames{n}_total" for n in ("", "_used", "_dropped")}


FATES = st.dictionaries(
    st.sampled_from(["frames_used", *(f"drop_{r}" for r in ("ring", "fragment", "not_wanted", "too_deep", "x"))]),
    st.integers(0, 1 << 40),
)


def total(shown: dict[tuple[str, tuple[str, ...]], float], interface: str) -> tuple[float, ...]:
    """Frames of an interface: seen, used, dropped for any reason."""
    names = [f"knockfirst_capture_frames{what}_total" for what in ("", "_used", "_dropped")]
    return tuple(sum(v for (n, labels), v in shown.items() if n == name and labels[0] == interface) for name in names)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from(["eth0", "eth1", "bond0.7", "file"]), FATES), FATES)
def test_frames_seen_are_frames_used_and_every_drop(
    interfaces: dict[str, dict[str, int]], files: dict[str, int]
) -> None:
    def summed(fates: dict[str, int]) -> dict[str, int]:
        return {"frames_seen": sum(fates.values()), "frames_used": 0, **fates}

    rows = [{"name": name, "counts": summed(fates), "gauges": {}} for name, fates in interfaces.items()]
    tally = Tally(started=10.0)
    tally.totals.take("a", validated(Type.COUNTERS, {"counts": summed(files), "interfaces": rows}))
    shown = samples(scraped(snapshot(**tally.body())))
    frames = {of: total(shown, of) for of in {labels[0] for name, labels in shown if "_frames_" in name}}
    assert all(seen == used + dropped for seen, used, dropped in frames.values())
    assert sum(seen for seen, _, _ in frames.values()) == sum(sum(f.values()) for f in (*interfaces.values(), files))


def test_before_the_first_snapshot_it_says_that_there_is_none() -> None:
    shown = samples(scraped(None))
    assert shown["knockfirst_ready", ()] == 0
    assert {labels[0]: v for (name, labels), v in shown.items() if name == "knockfirst_not_ready"} == {
        reason: float(reason == "no_snapshot") for reason in NOT_READY
    }
    assert {name.removeprefix("knockfirst_") for name, _ in shown} == {
        "ready", "not_ready", "build_info", "role_resident_memory_bytes", "role_cpu_seconds_total",
        "log_lines_total", "log_suppressed_total",
    }  # fmt: skip


def test_every_counter_of_capture_is_shown_somewhere_once() -> None:
    interface = {"name": "eth1", **{what: dict.fromkeys(of, 7700) for what, of in ETH1.items()}}
    whole = {name: 7700 for name in COUNTERS if name not in FILES} | {"parse_microseconds": 7_700_000_000}
    text = scraped(snapshot(counters=whole, interfaces=[interface]))
    names = [line for line in text.splitlines() if line.endswith(" 7700.0")]
    assert len(names) == len(set(names)) == len(whole) + sum(map(len, ETH1.values()))


NAMES = st.from_regex(r"[a-z][a-z0-9_.]{0,63}", fullmatch=True)


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(NAMES, st.integers(0, 1 << 62), max_size=8),
    st.dictionaries(NAMES, st.floats(allow_nan=False, allow_infinity=False), max_size=8),
    st.text(max_size=15),
)
def test_any_counters_make_an_exposition(counters: dict[str, int], gauges: dict[str, float], name: str) -> None:
    shown = snapshot(counters=counters, interfaces=[{"name": name, "counts": counters, "gauges": gauges}])
    assert samples(scraped(shown))
    assert list(openmetrics_families(scraped(shown, "application/openmetrics-text; version=1.0.0")))


def test_a_label_set_that_has_gone_is_gone() -> None:
    assert "exchange" in scraped(snapshot())
    assert 'product="exchange"' not in scraped(snapshot(servers=[]))


def test_of_a_store_that_there_is_not_nothing_is_said() -> None:
    shown = samples(scraped(snapshot(store=None)))
    assert not [name for name, _ in shown if "store" in name or "retention" in name]


def test_promtool_accepts_the_exposition() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        assert os.environ.get("CI") != "true", "promtool must be installed where CI=true (Debian: prometheus)"
        pytest.skip("no promtool here (Debian: apt install prometheus)")
    said = subprocess.run(
        [promtool, "check", "metrics"], input=scraped(snapshot()), capture_output=True, text=True, check=False
    )
    assert (said.returncode, said.stdout + said.stderr) == (0, "")

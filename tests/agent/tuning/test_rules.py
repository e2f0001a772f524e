"""The table of rules, row by row: what breaks each, and that a daemon that is well breaks none."""

from __future__ import annotations

from typing import Any

import pytest

from agent.config import Config
from agent.tuning.reading import views
from agent.tuning.rules import RULES, Rule, broken
from agent.tuning.stages import STAGES
from tests.tuned import COUNTS, WHOLE, later, said

NO_FRAMES = {name: 0 for name in COUNTS if name.startswith(("frames_", "drop_"))}
ONE_FILE = {"files": 2, "read": 1, "unreadable": 0}


def more(name: str, by: int) -> dict[str, int]:
    return {name: (COUNTS | WHOLE)[name] + by}


# Rule, what is otherwise at both times, what is otherwise two seconds later. `counts` and `gauges` are of eth1.
BROKEN: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("link-down", {"gauges": {"up": 0.0}}, {}),
    ("not-opened", {"counts": {"not_opened": 0}}, {"counts": {"not_opened": 1}}),
    ("link-unsteady", {}, {"counts": {"went_down": 1}}),
    ("nothing-arrives", {"counts": {"offered": 0}}, {"counts": {"offered": 0}}),
    ("quiet", {}, {"counts": {"offered": COUNTS["offered"]}}),
    ("card-misses", {}, {"counts": {"nic_missed": 1}}),
    ("card-misses", {"counts": {"nic_missed": 50_000}}, {}),
    ("nothing-admitted", {"gauges": {"filter_suspect": 1.0}}, {}),
    ("nothing-admitted", {"counts": NO_FRAMES | {"offered": 1000}}, {"counts": {"offered": 1100}}),
    ("demoted", {"gauges": {"demoted": 1.0}}, {}),
    ("ring-drops", {}, {"counts": {"drop_ring": 1}}),
    ("ring-drops", {"counts": {"drop_ring": 300}}, {}),
    ("ring-drops", {"gauges": {"ring_fill": 1.0}}, {"counts": {"ring_freezes": 1}}),
    ("ring-nearly-full", {"gauges": {"ring_fill": 0.6}}, {}),
    ("files-unreadable", {"inputs": {"files": 2, "read": 1, "unreadable": 1}}, {}),
    ("not-counted", {"inputs": ONE_FILE, "config": {"capture.count_frames": False}}, {}),
    ("fragments", {"counts": {"drop_fragment": 300}}, {}),
    ("unknown-ethertypes", {"counts": {"drop_not_ip": 3_000}}, {}),
    ("too-deep", {"counts": {"drop_too_deep": 300}}, {}),
    ("truncated", {"counts": {"drop_truncated": 300}}, {}),
    ("truncated", {}, {"counts": {"drop_truncated": 10} | more("frames_seen", 100)}),
    ("damaged", {"counts": {"drop_bad_ip": 150, "drop_bad_tcp": 150}}, {}),
    ("others-traffic", {"counts": {"drop_outside_prefixes": 19_000}}, {}),
    ("muted-late", {"counts": {"drop_muted": 11_000}}, {}),
    ("nothing-used", {"counts": {"frames_used": 0}}, {}),
    ("capture-absent", {"not_ready": ["capture_absent"]}, {}),
    ("capture-not-permitted", {"not_ready": ["capture_not_permitted"]}, {}),
    ("prefixes-unreadable", {"not_ready": ["prefixes_unreadable"]}, {}),
    ("not-applied", {"sets": {"number": 4.0}}, {}),
    ("reload-refused", {"sets": {"reload_successful": 0.0}}, {}),
    ("prefixes-failing", {"sets": {"prefix_files_failing": 1.0}}, {}),
    ("interface-missing", {"config": {"capture.interfaces": ["eth1", "eth2"]}}, {}),
    ("capture-restarts", {}, {"connections": {"capture": 2}}),
    ("capture-restarted", {"connections": {"capture": 2}}, {}),
    ("refused", {}, {"rejected": [{"door": "capture", "reason": "json", "count": 1}]}),
    ("core-full", {}, {"counters": more("parse_microseconds", 1_900_000)}),
    ("streams-full", {}, {"counters": {"streams_evicted_full": 1}}),
    ("gaps", {"counters": {"streams_with_gap": 300}}, {}),
    ("cut", {"counters": {"segments_cut": 300}}, {}),
    ("at-limit", {"counters": {"streams_at_limit": 300}}, {}),
    ("malformed", {"counters": {"malformed_smtp": 30, "malformed_tls": 30}}, {}),
    ("nothing-told", {"counters": {"observations": 0, "repeats": 0}}, {}),
    ("queue-full", {}, {"counters": {"queue_full": 1}}),
    ("one-way", {"cleared": ["observations"], "observations": {"tls.sni": 10, "dns.mx": 4}}, {}),
    (
        "headers-by-choice",
        {"cleared": ["observations"], "observations": {"tcp.synack": 20}, "config": {"privacy.handshakes": "off"}},
        {},
    ),
    ("headers-alone", {"cleared": ["observations"], "observations": {"tcp.synack": 20}}, {}),
    ("no-evidence", {"cleared": ["evidence"]}, {}),
    ("evicted", {}, {"inventory": {"servers_evicted": 1}}),
    ("store-fails", {"store": {"observations": 5.0}}, {"store": {"write_failures": 1.0}}),
    ("store-full", {"store": {"observations": 5.0}}, {"store": {"deleted.rows": 1.0}}),
    ("too-long-kept", {"time": 9000.0, "store": {"retention_last_success": 1000.0}}, {}),
    ("too-long-kept", {"time": 9000.0, "store": {"retention_last_success": 0.0}}, {}),
    ("nobody-looks", {"interfaces": [{"name": "eth1", "counts": COUNTS, "gauges": {}}]}, {}),
]  # fmt: skip


# What is otherwise, and is no fault: the same rules, just not far enough.
WELL: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("quiet", {}, {}),
    ("card-misses", {"counts": {"nic_missed": 9_000}}, {}),
    ("nothing-admitted", {"counts": NO_FRAMES | {"offered": 900}}, {"counts": {"offered": 950}}),
    ("ring-drops", {"counts": {"drop_ring": 20, "ring_freezes": 4}}, {"counts": {"drop_ring": 20, "ring_freezes": 4}}),
    ("ring-nearly-full", {"gauges": {"ring_fill": 0.49}}, {}),
    ("fragments", {"counts": {"drop_fragment": 190}}, {}),
    ("fragments", {"counts": NO_FRAMES | {"drop_fragment": 9, "frames_seen": 20}}, {}),
    ("unknown-ethertypes", {"counts": {"drop_not_ip": 1_900}}, {}),
    ("others-traffic", {"counts": {"drop_outside_prefixes": 17_000}}, {}),
    ("capture-restarted", {"connections": {"capture": 4}, "config": {"capture.workers": 4}}, {}),
    ("core-full", {}, {"counters": more("parse_microseconds", 1_700_000)}),
    ("core-full", {"config": {"capture.workers": 2}}, {"counters": more("parse_microseconds", 1_900_000)}),
    ("one-way", {"cleared": ["observations"], "observations": {"tls.sni": 10, "tcp.synack": 1}}, {}),
    ("one-way", {"cleared": ["observations"], "observations": {"dns.mx": 30}}, {}),
    ("headers-alone", {"cleared": ["observations"], "observations": {"tcp.synack": 19}}, {}),
    ("no-evidence", {"cleared": ["evidence", "observations"], "observations": {"http.server": 900}}, {}),
    ("not-applied", {"sets": {"number": 4.0, "applied": 4.0}}, {}),
    ("not-applied", {"sets": {"number": 4.0}, "config": {"capture.interfaces": []}}, {}),
    ("store-fails", {"store": {"observations": 5.0, "write_failures": 3.0, "deleted.rows": 2.0}}, {}),
    ("too-long-kept", {"time": 7000.0, "store": {"retention_last_success": 0.0}}, {}),
    ("not-counted", {"config": {"capture.count_frames": False}}, {}),
]


def merged(*changes: dict[str, Any]) -> dict[str, Any]:
    """Changes one after the other: those of dicts key by key."""
    made: dict[str, Any] = {}
    for change in changes:
        for name, value in change.items():
            made[name] = made.get(name, {}) | value if isinstance(value, dict) else value
    return made


def found(both: dict[str, Any], after: dict[str, Any]) -> list[Rule]:
    before = said(**merged(both))
    return [
        rule
        for view in views(before, later(before, **merged(both, after)))
        for stage in dict.fromkeys(stage.name for stage in STAGES)
        for rule in broken(view, stage)
    ]


@pytest.mark.parametrize(("rule", "both", "after"), BROKEN, ids=[f"{n}-{row[0]}" for n, row in enumerate(BROKEN)])
def test_what_breaks_a_rule_breaks_it_and_no_other(rule: str, both: dict[str, Any], after: dict[str, Any]) -> None:
    assert [each.id for each in found(both, after)] == [rule]


@pytest.mark.parametrize(("rule", "both", "after"), WELL, ids=[f"{n}-{row[0]}" for n, row in enumerate(WELL)])
def test_what_is_not_far_enough_breaks_nothing(rule: str, both: dict[str, Any], after: dict[str, Any]) -> None:
    assert rule in {each.id for each in RULES}
    assert [each.id for each in found(both, after)] == []


def test_every_rule_has_a_row() -> None:
    assert {rule for rule, *_ in BROKEN} == {rule.id for rule in RULES}
    assert len({rule.id for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_speaks_of_a_stage_and_of_keys_that_there_are(rule: Rule) -> None:
    assert all(any(stage.name == rule.stage and where in stage.where for stage in STAGES) for where in rule.where)
    assert rule.cause[0].islower() or rule.cause.startswith("IP ")
    assert not rule.cause.endswith(".")
    for key, change in rule.knobs:
        section, name = key.split(".")
        assert name in type(getattr(Config(), section)).model_fields, key
        assert change in ("raise", "lower", "correct", "add to", "widen", "narrow") or change.startswith("set to ")

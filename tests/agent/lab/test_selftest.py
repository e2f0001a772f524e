"""The self test: that it says which stage loses, what it costs, and that it works where namespaces may be made."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from agent.diagnosis import Diagnosis
from agent.lab import namespace, selftest
from agent.lab.stages import Run, stages

ROOT = Path(__file__).resolve().parents[3]
COUNTS = {"offered": 900, "frames_seen": 200, "frames_used": 190, "drop_ring": 0, "drop_muted": 10}


def run(**change: Any) -> Run:
    given: dict[str, Any] = {
        "interface": "kf-in", "sent": 880, "connections": 40, "servers": 12, "others": 6,
        "believed": {"plain": (2, 2), "vlan:101": (2, 2)}, "mistaken": 0, "shown": 12.0,
    }  # fmt: skip
    return Run(**given | change)


def seen(counts: dict[str, int] | None = None, **change: Any) -> Diagnosis:
    given: dict[str, Any] = {
        "time": 2.0, "started": 1.0, "progress": 2.0, "took": 0.0, "not_ready": [],
        "inputs": {"files": 0, "read": 0, "unreadable": 0},
        "interfaces": [{"name": "kf-in", "counts": COUNTS | (counts or {}), "gauges": {}}],
        "counters": {"observations": 150}, "observations": {"smtp.greeting": 150}, "evidence": {"smtp-greeting": 60},
        "inventory": {}, "kept": 18, "kept_at_most": 100, "servers": {}, "exchange": 12, "connections": {},
        "rejected": [], "sets": {}, "store": {}, "config": {},
    }  # fmt: skip
    for key, value in change.items():
        given[key] = {**given[key], **value} if isinstance(given[key], dict) and key != "evidence" else value
    return Diagnosis.model_validate(given)


def first_lost(run: Run, seen: Diagnosis) -> str:
    return next((f"{stage.name}: {stage.cause}" for stage in stages(run, seen) if not stage.passed), "")


def test_every_stage_passes_what_is_whole() -> None:
    assert first_lost(run(), seen()) == ""


LOSSES: list[tuple[str, Run, Diagnosis]] = [
    ("seen by the interface: the link", run(), seen({"offered": 12})),
    ("admitted by the filter: the filter", run(), seen({"frames_seen": 79})),
    ("read from the ring: the ring", run(), seen({"drop_ring": 1})),
    ("decoded: headers", run(), seen({"drop_too_deep": 3})),
    ("dissected into facts: no dissector", run(), seen(counters={"observations": 11})),
    ("dissected into facts: no dissector", run(), seen(counters={"malformed_smtp": 1})),
    ("told to the agent: the agent", run(), seen(counters={"queue_full": 5})),
    ("told to the agent: the agent", run(), seen(observations={"smtp.greeting": 149})),
    ("evidence by fingerprint: the fingerprint book", run(), seen(evidence={})),
    ("believed: lost on the access line vlan:101", run(believed={"plain": (2, 2), "vlan:101": (1, 2)}), seen()),
    ("believed: a look-alike", run(mistaken=1), seen()),
    ("shown in /metrics: the exporter", run(shown=11.0), seen()),
]


@pytest.mark.parametrize(("said", "run_", "seen_"), LOSSES)
def test_the_stage_that_loses_is_named_with_its_cause(said: str, run_: Run, seen_: Diagnosis) -> None:
    assert first_lost(run_, seen_).startswith(said)


def test_every_stage_can_be_the_one_that_loses() -> None:
    assert [stage.name for stage in stages(run(), seen())] == list(
        dict.fromkeys(said.split(":")[0] for said, *_ in LOSSES)
    )


def test_every_kind_of_access_line_has_exchange_by_both_families_and_something_else() -> None:
    for line in selftest.LINES:
        there = [one for one in selftest.roster() if one.line == line]
        assert sorted((one.exchange, ":" in one.server.address) for one in there) == [
            (False, False), (True, False), (True, True)
        ]  # fmt: skip


def test_without_a_namespace_it_says_why_and_what_would_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    refusing = tmp_path / "unshare"
    refusing.write_text("#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2\nexit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}:/usr/sbin:/sbin")
    assert selftest.main([]) == selftest.NOT_POSSIBLE == 77
    said = capsys.readouterr().err
    assert "unshare failed: Operation not permitted" in said and "run it as root" in said and said.count("\n") == 1
    monkeypatch.setenv("PATH", str(tmp_path))
    assert selftest.main([]) == 77
    assert "there is no ip(8); it is in Debian's iproute2" in capsys.readouterr().err


class Pretended:
    """A daemon that was told what it would have observed."""

    control_path = metrics_url = ""

    def __init__(self, *found: str) -> None:
        self._found = found

    def assessments(self) -> list[dict[str, Any]]:
        return [{"address": one, "verdict": "confirmed", "product": "exchange"} for one in self._found]


@pytest.mark.parametrize("missing", [0, 1])
def test_what_was_sent_is_followed_to_the_metrics(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], missing: int
) -> None:
    roster = selftest.roster()
    sent: list[bytes] = []

    def send(frames: Iterable[bytes]) -> int:
        sent.extend(frames)
        return len(sent)

    monkeypatch.setattr(selftest, "_send", send)
    monkeypatch.setattr(selftest, "_diagnosis", lambda _: seen({"offered": len(sent)}))
    shown = 'knockfirst_servers{generation="2019",product="exchange",verdict="confirmed"} 12.0\n'
    monkeypatch.setattr(selftest, "fetched", lambda _: shown)
    monkeypatch.setattr(selftest, "_SECONDS", 0.1)
    monkeypatch.setattr(selftest, "_COUNTED", 0.1)
    found = [one.server.address for one in roster if one.exchange][missing:]
    passed = selftest._sent_and_shown(Pretended(*found), roster)  # type: ignore[arg-type]
    said = capsys.readouterr().out
    assert passed is (missing == 0)
    assert ("Every stage passed" in said) is passed
    assert ("Lost at the stage `believed`: lost on the access line plain" in said) is not passed


# The ways that the command tries, by hand: both are tried as root too, so that no user is needed who may run us.
WAYS = {"as root": ("unshare", "--net"), "as a user": ("unshare", "--user", "--map-root-user", "--net")}


@pytest.mark.parametrize("way", WAYS)
def test_it_passes_where_a_namespace_can_be_made(way: str) -> None:
    if (why := _impossible(WAYS[way])) is not None:
        if os.environ.get("CI") == "true" and os.geteuid() == 0 and way == "as root":
            pytest.fail(why)
        pytest.skip(why)
    words = [*WAYS[way], sys.executable, "-m", "agent", "selftest", "--outside", str(namespace.current())]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Every stage passed" in done.stdout and "FAILED" not in done.stdout
    assert done.stderr == ""


def _impossible(way: tuple[str, ...]) -> str | None:
    try:
        done = subprocess.run([*way, "ip", "link"], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        return str(error)
    return None if done.returncode == 0 else done.stderr or "no network namespace can be made"

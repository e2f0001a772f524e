"""The daemon with a state directory, with real processes: what it knew it knows again, and what is wrong it says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent.schema import DATABASE
from agent.supervisor import Daemon
from tests.agent.test_supervisor import ROOT, capture, config, get, pids
from tests.asking import until

# The frames of the captures are of a day in 2026.
KEPT = {"retention_days": 3650}


def known(daemon: Daemon) -> list[str]:
    return [assessment["address"] for assessment in daemon.assessments()]


def test_what_was_learnt_outlives_the_daemon_and_a_killed_agent(tmp_path: Path) -> None:
    state = tmp_path / "state"
    first, second = capture(tmp_path / "a.pcap", "192.0.2.25"), capture(tmp_path / "b.pcap", "192.0.2.26")
    with Daemon(config(first, agent=KEPT | {"state": str(state)})) as daemon:
        assert daemon.wait_finished(60)
        (believed,) = daemon.assessments()
    assert {path.name: path.stat().st_mode & 0o777 for path in (state, state / DATABASE)} == {
        "state": 0o700, DATABASE: 0o600,
    }  # fmt: skip
    with Daemon(config(second, agent=KEPT | {"state": str(state)})) as daemon:
        assert daemon.wait_finished(60)
        assert known(daemon) == ["192.0.2.25", "192.0.2.26"]
        again = daemon.assessments()[0]
        for one in (believed, again):
            for evidence in one["evidence"]:
                del evidence["frame"]  # Which frame of a file it was is not kept.
        assert again == believed
        # What is kept of the second is on disk some time after it is known.
        assert until(lambda: "knockfirst_store_servers 2.0" in get(daemon.metrics_url, "/metrics")[1])
        second.unlink()
        before = pids(daemon)["agent"]
        os.kill(before, signal.SIGKILL)
        assert until(lambda: pids(daemon).get("agent", before) != before)
        assert daemon.wait_finished(60)
        assert known(daemon) == ["192.0.2.25", "192.0.2.26"]


def ran(settings: Path, file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agent", "run", "--config", settings, file],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("fault", ["damaged", "another agent has this store open"])
def test_a_store_that_cannot_be_used_ends_the_daemon_with_78(tmp_path: Path, fault: str) -> None:
    state = tmp_path / "state"
    settings = tmp_path / "k.toml"
    settings.write_text(f"[exporter]\nlisten = '127.0.0.1:0'\n[agent]\nstate = '{state}'\nretention_days = 3650\n")
    file = capture(tmp_path / "a.pcap")
    with Daemon(config(file, agent=KEPT | {"state": str(state)})) as daemon:
        assert daemon.wait_finished(60)
        if fault == "damaged":
            daemon.stop()
            (state / DATABASE).write_bytes(b"no database " * 999)
        said = ran(settings, file)
    assert said.returncode == 78
    (line,) = [line for line in said.stderr.splitlines() if "level=error" in line]
    assert f"agent.state: {state}" in line
    assert fault in line

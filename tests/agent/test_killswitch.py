"""The kill switch: one file, whoever throws it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from agent import killswitch
from agent.config import check, dump
from agent.errors import ConfigError
from agent.lab import files
from agent.schema import AUDIT
from tests.asking import config, enrol, kinds, office, until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("ahead")


def test_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    assert killswitch.place(check({}, "k")) is None
    assert killswitch.place(check({"agent": {"state": "/s"}}, "k")) == killswitch.Path("/s/kill-switch")
    both = check({"agent": {"state": "/s"}, "probe": {"kill_switch": "/k"}}, "k")
    assert killswitch.place(both) == killswitch.Path("/k")


def test_it_is_thrown_and_thrown_again(tmp_path: Path) -> None:
    path = tmp_path / "switch"
    assert killswitch.state(path) is False
    for _ in range(2):
        killswitch.throw(path)
        assert killswitch.state(path) is True


def test_what_cannot_be_seen_is_not_off(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert killswitch.state(tmp_path / "file" / "switch") is None
    with pytest.raises(ConfigError, match="the kill switch is NOT on"):
        killswitch.throw(tmp_path / "file" / "switch")


def test_a_signal_throws_it_and_that_is_on_record(tmp_path: Path) -> None:
    (tmp_path / "edge.pcap").write_bytes(files.pcap([]))
    of = config(tmp_path, capture={"files": [str(tmp_path / "edge.pcap")]}, log={"level": "error"})
    enrol(of)
    (tmp_path / "k.toml").write_text(dump(of))
    words = [sys.executable, "-m", "agent", "run", "--config", str(tmp_path / "k.toml")]
    daemon = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    try:
        assert until((tmp_path / "control").exists)
        os.kill(daemon.pid, signal.SIGUSR1)
        assert until(lambda: killswitch.state(tmp_path / "state" / "kill-switch") is True)
        log = tmp_path / "state" / AUDIT
        assert until(lambda: any(b"kill_switch.on" in path.read_bytes() for path in log.parent.glob(f"{AUDIT}*")))
    finally:
        daemon.terminate()
        assert daemon.wait(60) == 0
    with office(of) as opened:
        (entry,) = kinds(opened, "kill_switch.on")
        assert (entry.public, opened.switched_on, opened.killed()) == ({"by": "file"}, True, True)

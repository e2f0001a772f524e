"""What systemd would be told, by a socket like its own."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from agent.notify import ALIVE, READY, notify
from agent.supervisor import Daemon
from tests.agent.test_supervisor import capture, config


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_the_daemon_says_that_it_is_up_and_that_it_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(name if kind == "path" else f"\0{name}")
        systemd.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", name if kind == "path" else f"@{name}")
        with Daemon(config(capture(tmp_path / "a.pcap"))):
            said = {systemd.recv(100).decode() for _ in range(3)}
    assert said == {READY, ALIVE}


@pytest.mark.parametrize("path", ["", "nonsense", "/no/where"])
def test_where_nobody_listens_nothing_happens(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    notify(READY)

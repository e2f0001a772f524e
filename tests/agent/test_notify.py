"""What systemd would be told, by a socket like its own."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.notify import ALIVE, READY, RELOADING, Pulse, notify
from agent.supervisor import Daemon
from tests.agent.test_supervisor import capture, config
from tests.asking import until

pytestmark = pytest.mark.usefixtures("ahead")


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_the_daemon_says_that_it_is_up_and_that_it_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(name if kind == "path" else f"\0{name}")
        systemd.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", name if kind == "path" else f"@{name}")
        with Daemon(config(capture(tmp_path / "a.pcap"))):
            said = {systemd.recv(100).decode() for _ in range(3)}
    assert said == {READY, ALIVE}


@pytest.mark.parametrize("path", ["", "nonsense", "/no/where"])
def test_where_nobody_listens_nothing_happens(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    notify(READY)


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The end of the notify socket that systemd has, for a watchdog that waits for 0.4 s."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
        ours.bind(str(tmp_path / "notify"))
        ours.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "400000")
        yield ours


def told(systemd: socket.socket) -> str:
    """The next that is said, waited for."""
    systemd.settimeout(60)
    return systemd.recv(200).decode()


def heard(systemd: socket.socket, seconds: float) -> list[str]:
    """All that is said in so many seconds, and what had been said before."""
    said, end = [], time.monotonic() + seconds
    with contextlib.suppress(TimeoutError, BlockingIOError):
        while True:
            systemd.settimeout(max(0.0, end - time.monotonic()))
            said.append(systemd.recv(200).decode())
    return said


def test_the_watchdog_is_told_of_work_that_moves_and_of_nothing_else(systemd: socket.socket) -> None:
    pulse = Pulse()
    pulse.begin()
    assert heard(systemd, 0.3) == []
    pulse.moved()
    assert told(systemd) == ALIVE
    assert heard(systemd, 0.3) == []
    with pulse.waiting():
        assert [told(systemd) for _ in range(3)] == [ALIVE] * 3
    # That the wait is over is a move, which is told when its turn comes; then it is over.
    assert until(lambda: heard(systemd, 0.3) == [])


def test_what_is_said_of_a_reload_has_its_time(systemd: socket.socket) -> None:
    pulse = Pulse()
    pulse.begin()
    before = time.monotonic_ns() // 1000
    pulse.tell(RELOADING)
    state, _, at = systemd.recv(200).decode().partition("\nMONOTONIC_USEC=")
    assert state == RELOADING
    assert before <= int(at) <= time.monotonic_ns() // 1000


def test_a_status_is_told_when_it_is_another_and_not_too_often(systemd: socket.socket) -> None:
    pulse = Pulse()
    pulse.begin()
    for now, number in ((0.0, 1), (1.0, 2), (5.0, 1), (9.0, 3)):
        pulse.status(now, servers=number)
    assert heard(systemd, 0.1) == ["STATUS=servers=1", "STATUS=servers=3"]


def test_a_role_that_nobody_started_by_itself_says_nothing(systemd: socket.socket) -> None:
    pulse = Pulse()
    pulse.moved()
    pulse.tell(READY)
    pulse.status(0.0, servers=1)
    assert not pulse.wants_status(0.0)
    assert heard(systemd, 0.3) == []


@pytest.mark.parametrize("path", ["", "nonsense", "/no/where"])
def test_a_pulse_without_systemd_is_quiet(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    pulse = Pulse()
    pulse.begin()
    pulse.tell(READY)
    assert not pulse.wants_status(0.0)

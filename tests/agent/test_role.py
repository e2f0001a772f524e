"""A role by itself: how it finds the agent, waits for the next one, and begins anew when the agent wants it to."""

from __future__ import annotations

import contextlib
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agent import ipc, role
from agent.errors import ConfigError
from agent.sockets import door
from tests.asking import until

if TYPE_CHECKING:
    from collections.abc import Iterator

# An agent as far as its door goes: lets everybody in, puts one out for each line, and ends when its input does.
_AGENT = """
import queue, sys, threading
from agent.sockets import door
listener = door(sys.argv[1])
came = queue.SimpleQueue()
print("open", flush=True)
threading.Thread(target=lambda: [came.put(listener.accept()[0]) for _ in range(9)], daemon=True).start()
for line in sys.stdin:
    came.get().close()
    print("put out", flush=True)
"""


class Agent:
    def __init__(self, path: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _AGENT, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout
        assert self.process.stdout.readline() == "open\n"

    def put_out(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "put out\n"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def path(tmp_path: Path) -> Iterator[str]:
    yield str(tmp_path / "agent")


def handed_over(lifeline: socket.socket, seconds: float = 60) -> socket.socket | None:
    assert select.select([lifeline], [], [], seconds)[0], "nothing comes"
    return ipc.handed_over(lifeline)


def test_a_role_waits_for_the_agent(path: str) -> None:
    found: list[socket.socket] = []
    waits = threading.Thread(target=lambda: found.append(role._reached(path)))
    waits.start()
    time.sleep(0.3)
    assert not found
    with door(path):
        waits.join(60)
    assert len(found) == 1
    found[0].close()


def test_who_loses_an_agent_that_dies_is_handed_a_link_to_the_next_and_the_next(path: str) -> None:
    agent = Agent(path)
    link = role._reached(path)
    lifeline = role._held(path, link)
    for _ in range(2):
        agent.kill()
        with contextlib.suppress(ConnectionResetError):  # which is its end, too: it had not got to us yet
            assert link.recv(1) == b""
        agent = Agent(path)
        following = handed_over(lifeline)
        assert following is not None
        assert ipc.peer(following).pid == agent.process.pid
        link.close()
        link = following
    agent.kill()


def test_who_is_put_out_by_an_agent_that_lives_is_to_end(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(role, "_ENDS", 0.5)
    agent = Agent(path)
    link = role._reached(path)
    lifeline = role._held(path, link)
    agent.put_out()
    assert handed_over(lifeline) is None
    agent.kill()


@pytest.mark.parametrize("words", [[], ["console"], ["agent"], ["capture", "--config", "x"]])
def test_words_that_are_none_are_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        role.main(words)
    assert ended.value.code == 2


def test_where_there_is_no_such_user_the_agent_does_not_begin(tmp_path: Path) -> None:
    (tmp_path / "k.toml").write_text('[capture]\nfiles = ["a.pcap"]\n')
    words = [
        "agent",
        "--config",
        str(tmp_path / "k.toml"),
        "--doors",
        str(tmp_path),
        "--let",
        "capture=nobody-of-that-name",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "agent", "role", *words], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == ConfigError.exit_code
    assert "systemd-sysusers" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["capture", "exporter", "prober", "notifier"])
def test_each_ends_with_75_where_the_agent_does_not_want_it(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with door(str(tmp_path / name / "door")) as listener:
        listener.settimeout(60)
        process = subprocess.Popen(
            [sys.executable, "-m", "agent", "role", name, "--doors", str(tmp_path)], stderr=subprocess.PIPE, text=True
        )
        listener.accept()[0].close()
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 75
    assert "Traceback" not in said


def catches(pid: int, number: int) -> bool:
    """Whether a process does something of its own at this signal (proc_pid_status(5))."""
    status = dict(line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(status["SigCgt"], 16) >> number - 1 & 1)


@pytest.mark.parametrize("name", ["capture", "exporter", "prober", "notifier"])
def test_each_ends_when_it_is_asked_to(tmp_path: Path, name: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "agent", "role", name, "--doors", str(tmp_path)], stderr=subprocess.DEVNULL
    )
    try:
        assert until(lambda: catches(process.pid, signal.SIGTERM))
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()

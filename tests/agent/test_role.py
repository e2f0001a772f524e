"""A role by itself: how it finds the agent, waits for the next one, and begins anew when the agent wants it to."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from agent import ipc, role
from agent.errors import ConfigError
from agent.sockets import door

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# An agent as far as its door goes: lets everybody in, and ends when its input does.
_AGENT = """
import socket, sys
from agent.sockets import door
listener = door(sys.argv[1])
came = []
print("open", flush=True)
import threading
threading.Thread(target=lambda: [came.append(listener.accept()) for _ in range(9)], daemon=True).start()
for line in sys.stdin:
    came.pop()[0].close()
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


def handed_over(lifeline: socket.socket, seconds: float = 20) -> socket.socket | None:
    assert select.select([lifeline], [], [], seconds)[0], "nothing comes"
    return ipc.handed_over(lifeline)


def test_a_role_waits_for_the_agent(path: str) -> None:
    found: list[socket.socket] = []
    waits = threading.Thread(target=lambda: found.append(role._reached(path)))
    waits.start()
    time.sleep(0.3)
    assert not found
    with door(path):
        waits.join(10)
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
    time.sleep(0.2)
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
        listener.settimeout(20)
        process = subprocess.Popen(
            [sys.executable, "-m", "agent", "role", name, "--doors", str(tmp_path)], stderr=subprocess.PIPE, text=True
        )
        listener.accept()[0].close()
        said = process.communicate(timeout=30)[1]
    assert process.returncode == 75
    assert "Traceback" not in said


@pytest.mark.parametrize("name", ["capture", "exporter", "prober", "notifier"])
def test_each_ends_when_it_is_asked_to(tmp_path: Path, name: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "agent", "role", name, "--doors", str(tmp_path)], stderr=subprocess.DEVNULL
    )
    time.sleep(0.7)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) in (0, -signal.SIGTERM)
    with suppress(ProcessLookupError):
        os.kill(process.pid, 0)
        raise AssertionError("it is still there")

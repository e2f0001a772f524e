"""What systemd hands over (sd_listen_fds(3)), in a process like one that it starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.role_doors import path_of, taken_over

# Puts listeners where systemd would, and says what is made of them. A unit with two ListenStream= gives both one name.
_CHILD = """
import os, socket, sys
made = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
for at, one in enumerate(made):
    os.dup2(one.fileno(), 103 + at)
for at in range(4):
    os.dup2(103 + at, 3 + at)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "4", "LISTEN_FDNAMES": "listen:answers:listen:listen"}
from agent.role_doors import taken_over
taken = taken_over()
ports = [one.getsockname()[1] for one in made]
print(list(taken), [one.getsockname()[1] for one in taken.values()] == ports, taken_over(), "LISTEN_FDS" in os.environ)
"""


def test_each_socket_is_taken_by_its_name_and_once() -> None:
    done = subprocess.run([sys.executable, "-c", _CHILD], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "['listen', 'answers', 'listen.2', 'listen.3'] True {} False"


@pytest.mark.parametrize("pid", ["", "1", str(os.getppid())])
def test_what_is_for_another_process_is_left_alone(monkeypatch: pytest.MonkeyPatch, pid: str) -> None:
    monkeypatch.setenv("LISTEN_PID", pid)
    monkeypatch.setenv("LISTEN_FDS", "1")
    assert taken_over() == {}


def test_a_door_is_in_a_directory_of_its_own(tmp_path: Path) -> None:
    assert path_of(tmp_path, "capture") == tmp_path / "capture" / "door"

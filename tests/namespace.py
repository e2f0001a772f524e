"""A network namespace for one test, entered by a thread of this process: it is gone with the thread and its sockets."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import threading
from collections.abc import Callable
from typing import TypeVar

import pytest

from agent.lab import namespace
from tests.live.world import PATIENCE

_CLONE_NEWNET = 0x40000000
_ETH_P_ALL = 0x0003
_T = TypeVar("_T")


def alone(test: Callable[[], _T]) -> _T:
    """The result of ``test``, run in a network namespace of its own, where loopback is up. What it raises is raised.

    Skips with a reason where that is not allowed, and fails there in CI.
    """
    if os.geteuid() != 0:
        assert os.environ.get("CI") != "true", "CI runs as root"
        pytest.skip("needs root: a network namespace of its own")
    outcome: list[_T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "unshare")
            ip("link set lo up")
            outcome.append(test())
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
    return outcome[0]


def ip(command: str) -> None:
    """One command of ip(8) in the namespace of this thread. Raises CalledProcessError."""
    subprocess.run(["ip", *command.split()], check=True)


def pair(one: str = "near", other: str = "far") -> None:
    """A veth pair that is up at both ends, on which the kernel says nothing by itself."""
    fault = namespace.pair(one, other)
    assert fault is None, fault


class Wire:
    """From one end of a pair to the other: a frame is there when ``send`` returns, at whoever came there after this.

    The kernel delivers later than it takes, and drops what it has no time for: so no two frames are under way at once.
    """

    def __init__(self, one: str = "near", other: str = "far") -> None:
        self._from = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._from.bind((one, 0))
        # Who came last to an interface is asked first, so what has come here has been everywhere.
        self._to = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._to.bind((other, _ETH_P_ALL))
        self._to.settimeout(PATIENCE)

    def send(self, frame: bytes) -> None:
        self._from.send(frame)
        self._to.recv(1)

"""What the capture role is tried with: a line that is a list, interfaces that are none, and a peer on a socket pair."""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING, Any

import pytest

from agent.errors import InputError
from agent.ipc import Type
from agent.messages import validated
from agent.model import Endpoint, Observation
from collectors import service
from collectors.hearing import Agent
from collectors.outbox import Outbox
from collectors.section import section
from collectors.withdrawals import Withdrawal
from tests.collectors.test_section import body
from tests.ends import End

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

LOG = logging.getLogger("test")


class Lines:
    """A line whose files are lists of observations; a file that is not in the table cannot be read."""

    def __init__(self, files: dict[str, list[Observation]]) -> None:
        self.files = files
        self.losses: list[str] = []
        self.found: list[Observation] = []
        self.forgotten: list[Observation] = []
        self.muted: list[str] = []
        self.erased: list[str] = []
        self.withdrawn: list[Withdrawal] = []
        self.knocked: list[dict[str, Any]] = []
        self.anew = 0
        self.counts = {"frames_seen": 0, "malformed_smtp": 0}

    def read(
        self, path: str, *, counting: bool = False, progress: Callable[[int], None] | None = None
    ) -> Iterator[Observation]:
        if path not in self.files:
            raise InputError(f"{path}: no such file")
        for at, observation in enumerate(self.files[path]):
            self.counts["frames_seen"] += counting
            yield observation
            if progress:
                progress(at)

    def given(self) -> list[Observation]:
        found, self.found = self.found, []
        return found

    def forget(self, observation: Observation) -> None:
        self.forgotten.append(observation)

    def begin_anew(self) -> None:
        self.anew += 1

    def mute(self, addresses: list[str], until: float) -> None:
        self.muted += addresses

    def let_go(self, prefixes: list[str]) -> None:
        self.erased += prefixes

    def withdraw(self, withdrawal: Withdrawal) -> None:
        self.withdrawn.append(withdrawal)

    def wants(self, observation: Observation) -> bool:
        return not any(observation.server.address in (*w.handshakes, *w.headers) for w in self.withdrawn)

    def knocks(self) -> list[dict[str, Any]]:
        knocks, self.knocked = self.knocked, []
        return knocks


def seen(value: str = "ready", number: int = 1) -> Observation:
    return Observation(Endpoint("192.0.2.1", 25), "smtp.greeting", value, 1.0, "passive", "smtp", number)


class Taps:
    """Interfaces that are none: ``live`` is settled at the third turn, and ends the test at the last."""

    def __init__(self, line: Lines, turns: int, found: list[Observation]) -> None:
        self.taps = {"eth0": self}
        self.name, self.counts = "eth0", {"frames_seen": 1, "frames_used": 1}
        self.followed: list[int] = []
        self._line, self._turns, self._found = line, turns, found
        self._turn = 0

    def gauges(self) -> dict[str, float]:
        return {"up": 1.0}

    def follow(self, section: Any) -> None:
        self.followed.append(section.number)

    @property
    def settled(self) -> bool:
        return self._turn >= 3

    def patience(self, due: float) -> float:
        return 0.001

    def wait(self, seconds: float, also: Iterable[tuple[int, int]]) -> None:
        assert all(descriptor >= 0 for descriptor, _ in also)

    def turn(self) -> bool:
        self._turn += 1
        if self._turn > self._turns:
            raise PermissionError("enough")
        self._line.found = list(self._found)
        return False


def watched(line: Lines, live: Any, room: int, *, before: tuple[tuple[Type, dict[str, Any]], ...] = ()) -> list[Any]:
    """Everything that the role says while it watches ``live`` to its end."""
    here, there = socket.socketpair()
    here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
    agent = End(there, frozenset({Type.OBSERVATIONS, Type.COUNTERS, Type.APPLIED}))
    for message in before:
        agent.send(*message)
    capture = service.Capture(Outbox(here, room), line, LOG, lambda: 0.0)
    with pytest.raises(PermissionError, match="enough"):
        capture.watch(live, section(body(number=1)), Agent(here))
    here.close()
    said = [(kind, validated(kind, body)) for kind, body in iter(agent.receive, None)]
    there.close()
    return said

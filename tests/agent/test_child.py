"""When a role's process is started again: by whose fault the last one ended."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from agent.cast import Role
from agent.child import Child, itself


class Ended:
    """A process that ended so, or has not."""

    def __init__(self, code: int | None) -> None:
        self.code = code
        self.asked: list[str] = []

    def poll(self) -> int | None:
        return self.code

    def terminate(self) -> None:
        self.asked.append("terminate")

    def kill(self) -> None:
        self.asked.append("kill")


# How a role ended after how many seconds, orphaned or not; the wait for the next start, and the failures in a row.
ENDS = [
    (75, 0.1, True, 0.0, 3), (75, 50.0, True, 0.0, 3), (75, 0.1, False, 0.8, 4), (77, 0.1, False, 30.0, 3),
    (-9, 1.0, False, 0.1, 0), (-15, 99.0, True, 0.1, 0), (-9, 0.9, False, 0.5, 3), (-11, 0.9, False, 0.8, 4),
    (70, 9.9, True, 0.8, 4), (70, 10.0, False, 0.1, 1), (1, 0.0, False, 0.8, 4), (0, 0.0, False, 0.8, 4),
]  # fmt: skip


@pytest.mark.parametrize(("code", "lived", "orphaned", "wait", "failures"), ENDS)
def test_only_a_failure_of_its_own_makes_a_role_wait(
    code: int, lived: float, orphaned: bool, wait: float, failures: int
) -> None:
    child = Child(Role("x", "x", "x"))
    child.failures = 3
    child.started = 100.0
    child.process = Ended(code)  # type: ignore[assignment]
    assert child.ended(100.0 + lived, orphaned=orphaned) == code
    assert child.due == pytest.approx(100.0 + lived + wait)
    assert (child.failures, child.not_permitted) == (failures, code == 77)


def test_a_role_that_a_reload_ends_is_asked_then_made_to_and_starts_at_once() -> None:
    child = Child(Role("x", "x", "x"))
    child.retiring = 10.0
    child.retire(11.0)
    assert child.retiring is None  # There is no process to end: the next is a new one anyway.
    child.process = ended = Ended(None)  # type: ignore[assignment]
    child.retiring = 12.0
    for now in (11.9, 12.0, 16.9, 17.0):
        child.retire(now)
    assert ended.asked == ["terminate", "terminate", "kill"]
    ended.code = -9
    assert child.ended(17.0) == -9
    assert (child.due, child.failures, child.retiring) == (17.0, 0, None)


def test_restarts_wait_longer_and_longer_until_a_role_has_lived() -> None:
    child = Child(Role("x", "x", "x"))
    waits = []
    for lived in (0.0, 0.1, 0.0, 0.0, 60.0, 0.0) + (0.0,) * 12:
        child.process = Ended(1)  # type: ignore[assignment]
        child.started = 100.0
        assert child.ended(100.0 + lived) == 1
        waits.append(round(child.due - 100.0 - lived, 3))
    assert waits[:6] == [0.1, 0.2, 0.4, 0.8, 0.1, 0.2]
    assert max(waits) == 30.0
    assert child.ended(0.0) is None


def test_an_interpreter_that_is_out_of_reach_is_known_by_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert itself("agent.serving", "a=1").program == sys.executable
    monkeypatch.setattr(os, "access", lambda *_: False)
    command = itself("agent.serving", "a=1")
    assert (command.program, command.words[0], command.words[-1]) == ("/proc/self/exe", sys.executable, "a=1")
    said = subprocess.run(
        [command.words[0], "-c", "print(42)"], executable=command.program, capture_output=True, text=True, check=True
    )
    assert said.stdout == "42\n"

"""The capture role against a line that is a list, and a peer that is the other end of a socket pair."""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING, Any

import pytest

from agent import ipc
from agent.errors import InputError
from agent.ipc import Type
from agent.messages import MAX_BATCH, MAX_VALUE, validated
from agent.model import Endpoint, Observation
from collectors import service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOG = logging.getLogger("test")


class Lines:
    """A line whose files are lists of observations; a file that is not in the table cannot be read."""

    def __init__(self, files: dict[str, list[Observation]]) -> None:
        self.files = files
        self.losses: list[str] = []
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


def seen(value: str = "ready", number: int = 1) -> Observation:
    return Observation(Endpoint("192.0.2.1", 25), "smtp.greeting", value, 1.0, "passive", "smtp", number)


def told(line: Lines, files: list[str], clock: Callable[[], float] = lambda: 0.0) -> list[tuple[Type, Any]]:
    """Everything that the capture role says when it reads ``files``, validated as the agent does."""
    here, there = socket.socketpair()
    here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
    service.Capture(ipc.Link(here, frozenset()), line, LOG, clock).read(files, counting=True)
    here.close()
    link = ipc.Link(there, frozenset({Type.OBSERVATIONS, Type.COUNTERS, Type.INPUTS}))
    said = []
    while (message := link.receive()) is not None:
        said.append((message[0], validated(*message)))
    there.close()
    return said


def test_observations_arrive_as_they_were() -> None:
    told_ = told(Lines({"a": [seen("x"), seen("y")]}), ["a"])
    arrived = [o.observation() for kind, body in told_ if kind is Type.OBSERVATIONS for o in body.told]
    assert arrived == [seen("x"), seen("y")]


def test_an_unreadable_file_is_counted_and_the_others_are_read(caplog: pytest.LogCaptureFixture) -> None:
    said = told(Lines({"a": [seen()], "c": [seen("z")]}), ["a", "b", "c"])
    inputs = [body for kind, body in said if kind is Type.INPUTS]
    assert [(i.files, i.read, i.unreadable, i.finished) for i in inputs] == [
        (3, 0, 0, False), (3, 1, 0, False), (3, 1, 1, False), (3, 2, 1, True),
    ]  # fmt: skip
    assert sum(len(body.told) for kind, body in said if kind is Type.OBSERVATIONS) == 2
    assert [record.message for record in caplog.records if record.levelno == logging.ERROR] == ["input cannot be read"]


def test_observations_are_told_before_their_file_is_said_to_be_read() -> None:
    kinds = [kind for kind, _ in told(Lines({"a": [seen()]}), ["a"])]
    assert kinds.index(Type.OBSERVATIONS) < len(kinds) - 1
    assert kinds[-1] is Type.INPUTS
    assert kinds[-2] is Type.COUNTERS


def test_batches_keep_to_what_the_agent_takes() -> None:
    long = [seen("\x01" * MAX_VALUE, n) for n in range(20)] + [seen("s", n) for n in range(2 * MAX_BATCH)]
    said = told(Lines({"a": long}), ["a"])
    assert sum(len(body.told) for kind, body in said if kind is Type.OBSERVATIONS) == len(long)


def test_a_value_beyond_the_limit_is_counted_and_not_told() -> None:
    said = told(Lines({"a": [seen("x" * (MAX_VALUE + 1))]}), ["a"])
    assert [body.counts["told_too_long"] for kind, body in said if kind is Type.COUNTERS][-1] == 1
    assert not [kind for kind, _ in said if kind is Type.OBSERVATIONS]


def test_what_utf8_cannot_hold_is_replaced() -> None:
    said = told(Lines({"a": [seen("caf\udce9")]}), ["a"])
    assert [body.told[0].value for kind, body in said if kind is Type.OBSERVATIONS] == ["caf?"]


def test_counters_are_told_while_a_file_is_read() -> None:
    times = iter(range(1000))
    said = told(Lines({"a": [seen(str(n)) for n in range(10)]}), ["a"], lambda: float(next(times)))
    assert next(body.counts["frames_seen"] for kind, body in said if kind is Type.COUNTERS) < 10


def test_malformed_input_and_damage_are_logged_as_a_sample(caplog: pytest.LogCaptureFixture) -> None:
    line = Lines({str(n): [seen()] for n in range(9)})
    line.losses.append("0: cut")
    here, there = socket.socketpair()
    capture = service.Capture(ipc.Link(here, frozenset()), line, LOG, lambda: 0.0)
    for name in line.files:
        line.counts["malformed_smtp"] += 1
        capture.read([name], counting=True)
    here.close()
    there.close()
    messages = [record.message for record in caplog.records]
    assert messages.count("malformed input so far") == 3
    assert messages.count("input is damaged") == 1


SECTION = {"files": ["/a"], "prefixes": ["192.0.2.0/24"], "count_frames": True, "log": {"level": "info"}}


@pytest.mark.parametrize(
    "change",
    [{"files": "a"}, {"files": [1]}, {"prefixes": None}, {"log": []}, {"log": {"level": 3}}, {"count_frames": 1}],
    ids=repr,
)
def test_a_section_that_is_none(change: dict[str, Any]) -> None:
    for body, right in ((SECTION, True), (SECTION | change, False)):
        here, there = socket.socketpair()
        ipc.Link(there, frozenset()).send(Type.SECTION, body)
        there.close()
        link = ipc.Link(here, frozenset({Type.SECTION}))
        if right:
            assert service.section(link) == (["/a"], ("192.0.2.0/24",), True, {"level": "info"})
            assert service.section(link) is None
        else:
            with pytest.raises(ipc.Unexpected):
                service.section(link)
        link.close()


def test_capture_ends_when_the_agent_has_gone() -> None:
    here, there = socket.socketpair()
    there.close()
    with here, pytest.raises(OSError):
        service.Capture(ipc.Link(here, frozenset()), Lines({"a": [seen()]}), LOG, lambda: 0.0).read(
            ["a"], counting=True
        )


def test_the_role_imports_nothing_it_does_not_need() -> None:
    import subprocess
    import sys

    said = subprocess.run(
        [sys.executable, "-c", "import collectors.service, collectors.line, sys; print(*sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert not {"pydantic", "prometheus_client", "scapy", "httpx", "asyncio"} & set(said.stdout.split())


@pytest.mark.parametrize("files", [[], ["/nonexistent.pcap"]])
def test_the_role_reads_tells_and_ends_with_the_agent(files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    # The real one would replace the handlers of this process.
    monkeypatch.setattr(service, "begin", lambda *_: LOG)
    here, there = socket.socketpair()
    agent = ipc.Link(there, frozenset({Type.INPUTS, Type.COUNTERS}))
    agent.send(Type.SECTION, SECTION | {"files": files})
    there.shutdown(socket.SHUT_WR)
    assert service.main([f"agent={here.detach()}"]) == service.GONE
    said = [message[1] for message in iter(agent.receive, None) if message[0] is Type.INPUTS]
    assert said[-1] == {"files": len(files), "read": 0, "unreadable": len(files)}
    there.close()


def test_the_role_ends_where_the_agent_says_nothing() -> None:
    here, there = socket.socketpair()
    there.close()
    assert service.main([f"agent={here.detach()}"]) == service.GONE

"""The capture role against a line that is a list, and a peer that is the other end of a socket pair."""

from __future__ import annotations

import contextlib
import logging
import socket
from typing import TYPE_CHECKING, Any

import pytest

from agent import ipc
from agent.body import MAX_VALUE
from agent.ipc import Type
from agent.messages import validated
from collectors import service
from collectors.hearing import Agent
from collectors.outbox import Outbox
from collectors.section import section
from tests.collectors.capture_played import LOG, Lines, Taps, seen, watched
from tests.collectors.test_section import body
from tests.ends import End

if TYPE_CHECKING:
    from collections.abc import Callable


def told(line: Lines, files: list[str], clock: Callable[[], float] = lambda: 0.0) -> list[tuple[Type, Any]]:
    """Everything that the capture role says when it reads ``files``, validated as the agent does."""
    here, there = socket.socketpair()
    here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
    service.Capture(Outbox(here, 4096), line, LOG, clock).read(tuple(files), counting=True)
    here.close()
    link = End(there, frozenset({Type.OBSERVATIONS, Type.COUNTERS, Type.INPUTS}))
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


def test_a_value_beyond_the_limit_is_counted_and_not_told() -> None:
    said = told(Lines({"a": [seen("x" * (MAX_VALUE + 1))]}), ["a"])
    assert [body.counts["told_too_long"] for kind, body in said if kind is Type.COUNTERS][-1] == 1
    assert not [kind for kind, _ in said if kind is Type.OBSERVATIONS]


def test_counters_are_told_while_a_file_is_read() -> None:
    times = iter(range(1000))
    said = told(Lines({"a": [seen(str(n)) for n in range(10)]}), ["a"], lambda: float(next(times)))
    assert next(body.counts["frames_seen"] for kind, body in said if kind is Type.COUNTERS) < 10


def test_malformed_input_and_damage_are_logged_as_a_sample(caplog: pytest.LogCaptureFixture) -> None:
    line = Lines({str(n): [seen()] for n in range(9)})
    line.losses.append("0: cut")
    here, there = socket.socketpair()
    capture = service.Capture(Outbox(here, 4096), line, LOG, lambda: 0.0)
    for name in line.files:
        line.counts["malformed_smtp"] += 1
        capture.read((name,), counting=True)
    here.close()
    there.close()
    messages = [record.message for record in caplog.records]
    assert messages.count("malformed input so far") == 3
    assert messages.count("input is damaged") == 1


def test_capture_ends_when_the_agent_has_gone() -> None:
    here, there = socket.socketpair()
    there.close()
    with here, pytest.raises(OSError):
        service.Capture(Outbox(here, 4096), Lines({"a": [seen()]}), LOG, lambda: 0.0).read(("a",), counting=True)


def test_the_role_imports_nothing_it_does_not_need() -> None:
    import subprocess
    import sys

    said = subprocess.run(
        [sys.executable, "-c", "import collectors.service, collectors.line, sys; print(*sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert not {"pydantic", "prometheus_client", "scapy", "httpx", "asyncio"} & set(said.stdout.split())


@pytest.fixture
def role(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real ones would replace the log of this process, and take its rights."""
    monkeypatch.setattr(service, "begin", lambda *_: LOG)
    monkeypatch.setattr(service, "settle", lambda _: None)


@pytest.mark.parametrize("files", [[], ["/nonexistent.pcap"]])
@pytest.mark.usefixtures("role")
def test_the_role_reads_tells_and_ends_with_the_agent(files: list[str]) -> None:
    here, there = socket.socketpair()
    agent = End(there, frozenset({Type.INPUTS, Type.COUNTERS, Type.APPLIED}))
    agent.send(Type.SECTION, body(files=files))
    there.shutdown(socket.SHUT_WR)
    assert service.main([f"agent={here.detach()}"]) == service.GONE
    said = [message[1] for message in iter(agent.receive, None) if message[0] is Type.INPUTS]
    assert said[-1] == {"files": len(files), "read": 0, "unreadable": len(files)}
    there.close()


@pytest.mark.usefixtures("role")
def test_the_role_ends_where_the_agent_says_nothing() -> None:
    here, there = socket.socketpair()
    there.close()
    assert service.main([f"agent={here.detach()}"]) == service.GONE


@pytest.mark.usefixtures("role")
def test_a_section_that_is_none_ends_the_role() -> None:
    here, there = socket.socketpair()
    agent = End(there, frozenset())
    agent.send(Type.SECTION, body(ring_mib="many"))
    with pytest.raises(ipc.Unexpected, match="ring_mib"):
        service.main([f"agent={here.detach()}"])
    there.close()


def test_what_is_found_on_interfaces_is_told_and_the_section_said_to_be_in_force() -> None:
    line = Lines({})
    said = watched(line, Taps(line, 5, [seen("x")]), 100)
    assert [o.value for kind, body in said if kind is Type.OBSERVATIONS for o in body.told] == ["x"] * 5
    assert [body.number for kind, body in said if kind is Type.APPLIED] == [1]
    counters = next(body for kind, body in said if kind is Type.COUNTERS)
    assert (counters.interfaces[0].name, counters.interfaces[0].gauges) == ("eth0", {"up": 1.0})


def test_what_finds_no_room_is_counted_and_may_be_told_again() -> None:
    line = Lines({})
    said = watched(line, Taps(line, 1, [seen(str(n)) for n in range(7)]), 4)
    assert sum(len(body.told) for kind, body in said if kind is Type.OBSERVATIONS) == 4
    assert [o.value for o in line.forgotten] == ["4", "5", "6"]
    assert next(body for kind, body in said if kind is Type.COUNTERS).counts["queue_full"] == 3


def test_a_new_section_and_mutes_are_taken_while_it_watches() -> None:
    line = Lines({})
    live = Taps(line, 5, [])
    mutes = {"seconds": 60.0, "addresses": ["192.0.2.1", "2001:db8::1"]}
    erased = {"prefixes": ["192.0.2.0/31"]}
    before = (Type.SECTION, body(number=2)), (Type.MUTES, mutes), (Type.FORGET, erased)
    said = watched(line, live, 4, before=before)
    assert live.followed == [1, 2]
    assert line.muted == mutes["addresses"] and line.erased == erased["prefixes"]
    assert [body.number for kind, body in said if kind is Type.APPLIED] == [2]


def test_knocks_are_told_in_messages_that_the_agent_takes() -> None:
    line = Lines({})
    knock = {"source": "192.0.2.9", "source_port": 40_000, "address": "198.51.100.7", "port": 443, "time": 1.5}
    line.knocked = [knock | {"source_port": port} for port in range(1, 601)]
    here, there = socket.socketpair()
    here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
    agent = End(there, frozenset({Type.COUNTERS, Type.KNOCKS}))
    with pytest.raises(PermissionError, match="enough"):
        service.Capture(Outbox(here, 9), line, LOG, lambda: 0.0).watch(
            Taps(line, 2, []),  # type: ignore[arg-type]
            section(body()),
            Agent(here),
        )
    here.close()
    told = [validated(kind, body).knocks for kind, body in iter(agent.receive, None) if kind is Type.KNOCKS]
    there.close()
    assert [len(knocks) for knocks in told] == [256, 256, 88]
    assert [knock.source_port for knocks in told for knock in knocks] == list(range(1, 601))


def test_an_agent_that_has_gone_is_followed_by_the_one_that_is_handed_over() -> None:
    line = Lines({})
    taps = Taps(line, 60, [seen("x")])
    here, there = socket.socketpair()
    ours, theirs = socket.socketpair()
    capture = service.Capture(Outbox(here, 4), line, LOG, lambda: 0.0)
    next_here, next_there = socket.socketpair()
    turn = taps.turn

    def turning() -> bool:
        if taps._turn == 10:
            there.close()
        if taps._turn == 20:
            ipc.hand_over(ours, next_here)
            ipc.Link(next_there, frozenset()).send(Type.SECTION, body(number=7))
        return turn()

    taps.turn = turning  # type: ignore[method-assign]
    with pytest.raises(PermissionError, match="enough"):
        capture.watch(taps, section(body(number=1)), Agent(here, theirs))  # type: ignore[arg-type]
    assert (line.anew, taps.followed) == (1, [1, 7])
    assert line.forgotten  # What found no room while nobody was there.
    next_here.close()
    agent = End(next_there, frozenset({Type.OBSERVATIONS, Type.COUNTERS, Type.APPLIED, Type.INPUTS}))
    next_there.settimeout(0.2)
    kinds = []
    with contextlib.suppress(TimeoutError):
        while (message := agent.receive()) is not None:
            kinds.append(message[0])
    assert kinds[0] is Type.INPUTS
    assert {Type.APPLIED, Type.OBSERVATIONS} <= set(kinds)
    for opened in (ours, theirs, next_there):
        opened.close()


def test_a_supervisor_that_has_gone_ends_the_watch() -> None:
    line = Lines({})
    here, there = socket.socketpair()
    ours, theirs = socket.socketpair()
    ours.close()
    with pytest.raises(ConnectionError, match="supervisor"):
        service.Capture(Outbox(here, 4), line, LOG, lambda: 0.0).watch(
            Taps(line, 9, []),  # type: ignore[arg-type]
            section(body(number=1)),
            Agent(here, theirs),
        )
    there.close()
    theirs.close()

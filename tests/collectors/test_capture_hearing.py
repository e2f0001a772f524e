"""What the agent takes back, and a new section: when the capture role hears of it, and what it then does not tell."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from agent import ipc
from agent.ipc import Type
from agent.messages import validated
from agent.model import Endpoint, Observation
from collectors import service
from collectors.hearing import Agent
from collectors.outbox import Outbox
from collectors.section import section
from collectors.withdrawals import Withdrawal
from tests.collectors.capture_played import LOG, Lines, Taps, seen
from tests.collectors.test_section import body
from tests.ends import End

if TYPE_CHECKING:
    from collections.abc import Callable


def test_what_is_taken_back_is_not_told_any_more_and_said_to_have_ended_before_all_else() -> None:
    line = Lines({})
    here, there = socket.socketpair()
    outbox = Outbox(here, 9)
    for observation in (seen("a"), other := seen("b")._replace(server=Endpoint("192.0.2.2", 25)), seen("c")):
        outbox.put(observation)
    capture = service.Capture(outbox, line, LOG, lambda: 0.0)
    agent = End(there, frozenset({Type.OBSERVATIONS, Type.COUNTERS, Type.APPLIED, Type.CANCELLED}))
    agent.send(Type.WITHDRAWN, {"number": 5, "handshakes": [], "headers": ["192.0.2.1"]})
    with pytest.raises(PermissionError, match="enough"):
        capture.watch(Taps(line, 1, []), section(body(number=1)), Agent(here))  # type: ignore[arg-type]
    here.close()
    said = [(kind, validated(kind, body)) for kind, body in iter(agent.receive, None)]
    there.close()
    assert (said[0][0], said[0][1].number) == (Type.CANCELLED, 5)
    assert [o.observation().server for kind, m in said if kind is Type.OBSERVATIONS for o in m.told] == [other.server]
    assert [o.value for o in line.forgotten] == ["a", "c"]


def test_what_is_taken_back_while_a_file_is_read_holds_at_once_and_a_section_waits() -> None:
    line = Lines({"a": [seen("x"), seen("y")]})
    here, there = socket.socketpair()
    agent = End(there, frozenset({Type.OBSERVATIONS, Type.COUNTERS, Type.APPLIED, Type.CANCELLED, Type.INPUTS}))
    agent.send(Type.SECTION, body(number=2))
    agent.send(Type.WITHDRAWN, {"number": 5, "handshakes": ["192.0.2.9"], "headers": []})
    capture = service.Capture(Outbox(here, 9), line, LOG, lambda: 0.0)
    capture.read(("a",), counting=True, agent=Agent(here))
    assert line.withdrawn == [Withdrawal(5, ["192.0.2.9"], [])]
    live = Taps(line, 5, [])
    with pytest.raises(PermissionError, match="enough"):
        capture.watch(live, section(body(number=1)), Agent(here))  # type: ignore[arg-type]
    assert live.followed == [1, 2]
    here.close()
    kinds = [kind for kind, _ in iter(agent.receive, None)]
    there.close()
    assert kinds.index(Type.CANCELLED) < kinds.index(Type.APPLIED)


class Recorded(Taps):
    """Taps that note what had been taken back at each turn, and at one of them let the agent say more."""

    def __init__(self, line: Lines, turns: int, found: list[Observation], says: Callable[[int], None]) -> None:
        super().__init__(line, turns, found)
        self.known: list[list[int]] = []
        self._says = says

    def turn(self) -> bool:
        self.known.append([each.number for each in self._line.withdrawn])
        self._says(self._turn)
        return super().turn()


BACK = {"number": 5, "handshakes": ["192.0.2.1"], "headers": ["192.0.2.1"]}


@pytest.mark.parametrize("first", [Type.SECTION, Type.WITHDRAWN])
def test_what_is_said_together_with_the_first_section_is_heard_before_the_first_frame(first: Type) -> None:
    """Who begins may find it all there at once, the section that follows too; nothing more comes to wake him."""
    line = Lines({})
    messages = [(Type.SECTION, body(number=1)), (Type.WITHDRAWN, BACK)]
    here, there = socket.socketpair()
    with here, there:
        for kind, said in (*sorted(messages, key=lambda one: one[0] is not first), (Type.SECTION, body(number=2))):
            there.sendall(ipc.frame(kind, said))
        agent = Agent(here)
        begun = agent.first()
        assert begun is not None
        assert begun.number == 1
        live = Recorded(line, 2, [], lambda _: None)
        with pytest.raises(PermissionError, match="enough"):
            service.Capture(Outbox(here, 9), line, LOG, lambda: 0.0).watch(live, begun, agent)  # type: ignore[arg-type]
    assert live.known[0] == [5]
    assert live.followed == [1, 2]


def test_what_is_said_together_with_the_first_section_is_heard_before_the_first_file() -> None:
    line = Lines({})
    here, there = socket.socketpair()
    with here, there:
        there.sendall(ipc.frame(Type.SECTION, body(files=["a"])) + ipc.frame(Type.WITHDRAWN, BACK))
        agent = Agent(here)
        assert agent.first() is not None
        service.Capture(Outbox(here, 9), line, LOG, lambda: 0.0).read((), counting=False, agent=agent)
    assert [each.number for each in line.withdrawn] == [5]


def test_what_was_taken_back_before_a_frame_came_is_not_told_of_it() -> None:
    """The agent has said so when the frame is read, and there is more to be heard before that."""
    line = Lines({})
    here, there = socket.socketpair()

    def says(turn: int) -> None:
        if turn == 1:
            for number, prefix in ((5, "192.0.2.9"), (6, "192.0.2.1")):
                said = {"number": number, "handshakes": [prefix], "headers": [prefix]}
                there.sendall(ipc.frame(Type.WITHDRAWN, said))

    live = Recorded(line, 2, [seen("x")], says)
    with pytest.raises(PermissionError, match="enough"):
        service.Capture(Outbox(here, 9), line, LOG, lambda: 0.0).watch(live, section(body()), Agent(here))  # type: ignore[arg-type]
    here.close()
    agent = End(there, frozenset({Type.OBSERVATIONS, Type.COUNTERS, Type.APPLIED, Type.CANCELLED}))
    said = [(kind, validated(kind, body)) for kind, body in iter(agent.receive, None)]
    there.close()
    assert sum(len(m.told) for kind, m in said if kind is Type.OBSERVATIONS) == 1, "of the frame before"
    assert {m.number for kind, m in said if kind is Type.CANCELLED} == {5, 6}


def test_a_section_that_comes_while_frames_are_read_is_followed_without_another_word() -> None:
    line = Lines({})
    here, there = socket.socketpair()
    waits: list[float] = []

    def says(turn: int) -> None:
        if turn == 1:
            there.sendall(ipc.frame(Type.SECTION, body(number=2)))

    live = Recorded(line, 4, [], says)
    live.wait = lambda seconds, also: waits.append(seconds)  # type: ignore[method-assign]
    capture = service.Capture(Outbox(here, 9), line, LOG, lambda: 0.0)
    with here, there, pytest.raises(PermissionError, match="enough"):
        capture.watch(live, section(body(number=1)), Agent(here))  # type: ignore[arg-type]
    assert live.followed == [1, 2]
    assert waits[2] == 0.0, "it is there already"


@pytest.mark.parametrize(
    "change", [{"number": "1"}, {"number": True}, {"handshakes": "a"}, {"headers": [1]}, {"headers": None}], ids=repr
)
def test_a_withdrawal_that_is_none_ends_the_role(change: dict[str, Any]) -> None:
    line = Lines({})
    said = {"number": 1, "handshakes": [], "headers": []} | change
    here, there = socket.socketpair()
    with here, there:
        there.sendall(ipc.frame(Type.WITHDRAWN, said))
        capture = service.Capture(Outbox(here, 9), line, LOG, lambda: 0.0)
        with pytest.raises(ipc.Unexpected, match=next(iter(change))):
            capture.watch(Taps(line, 9, []), section(body()), Agent(here))  # type: ignore[arg-type]

"""The exporter role between an agent and a scraper, and the capture and agent roles' ends, in this process."""

from __future__ import annotations

import logging
import socket
import threading
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from agent import ipc
from agent.believed import aggregates
from agent.ipc import Type
from agent.messages import Snapshot
from agent.snapshot import Tally
from exporters import service
from tests.live.world import PATIENCE, wait

if TYPE_CHECKING:
    from collections.abc import Callable

SNAPSHOT = {
    "number": 7, "time": 30.0, "took": 0.01, **Tally(started=10.0).body(), **aggregates([], {}, date(2026, 11, 1)),
    "not_ready": [], "kept": 0, "kept_at_most": 9, "inventory": {}, "evidence": {},
}  # fmt: skip
SECTION = {"log": {"level": "info", "format": "logfmt"}}


@pytest.fixture
def role(monkeypatch: pytest.MonkeyPatch) -> Callable[[], tuple[ipc.Link, tuple[str, int], Callable[[], int]]]:
    """Starts the role; gives the agent's end of its link, where it listens, and a wait for its exit code."""
    # The real one would replace the handlers of this process.
    monkeypatch.setattr(service, "begin", lambda *_: logging.getLogger("exporter"))

    def begin() -> tuple[ipc.Link, tuple[str, int], Callable[[], int]]:
        ours, theirs = socket.socketpair()
        listener = socket.create_server(("127.0.0.1", 0))
        where = listener.getsockname()
        codes: list[int] = []
        words = [f"agent={theirs.detach()}", f"listen={listener.detach()}"]
        thread = threading.Thread(target=lambda: codes.append(service.main(words)), daemon=True)
        thread.start()

        def ended() -> int:
            thread.join(PATIENCE)
            return codes[0]

        ours.settimeout(PATIENCE)
        return ipc.Link(ours, frozenset({Type.SHOWN, Type.RELOAD})), where, ended

    return begin


def scraped(where: tuple[str, int], page: str, method: str = "GET") -> str:
    with socket.socket() as client:
        client.settimeout(PATIENCE)
        client.connect(where)
        client.sendall(f"{method} {page} HTTP/1.0\r\n\r\n".encode())
        answer = b""
        while more := client.recv(65_536):
            answer += more
    return answer.decode()


def test_it_shows_what_it_was_told_and_says_so(role: Any) -> None:
    agent, where, ended = role()
    agent.send(Type.SECTION, SECTION)
    assert " 503 " in scraped(where, "/-/ready").splitlines()[0]
    agent.send(Type.SNAPSHOT, SNAPSHOT)
    assert agent.receive() == (Type.SHOWN, {"number": 7})
    assert " 200 " in scraped(where, "/-/ready").splitlines()[0]
    assert "knockfirst_inventory_servers_limit 9.0" in scraped(where, "/metrics")
    agent.close()
    assert ended() == service.GONE


def test_a_reload_goes_by_the_agent_and_its_answer_back(role: Any) -> None:
    agent, where, ended = role()
    agent.send(Type.SECTION, SECTION)
    for error, status in ((None, " 200 "), ("k.toml: no", " 400 ")):
        answers: list[str] = []
        asking = threading.Thread(target=lambda: answers.append(scraped(where, "/-/reload", "POST")))  # noqa: B023
        asking.start()
        assert agent.receive() == (Type.RELOAD, {})
        agent.send(Type.SECTION, {"log": {"level": "debug", "format": "json"}})
        agent.send(Type.RELOADED, {"error": error, "restarted": []})
        asking.join(PATIENCE)
        assert status in answers[0].splitlines()[0]
        assert answers[0].endswith(f"not reloaded: {error}\n" if error else "\nreloaded\n")
    agent.close()
    assert ended() == service.GONE


def test_an_answer_that_came_too_late_is_not_that_to_the_next() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        agent = service.Agent(ipc.Link(ours, frozenset()), patience=0.05)
        with pytest.raises(TimeoutError):
            agent.reload()
        agent.reloaded("late")
        with pytest.raises(TimeoutError):
            agent.reload()


def test_it_ends_when_the_agent_has_gone_before_it_spoke(role: Any) -> None:
    agent, _, ended = role()
    agent.close()
    assert ended() == service.GONE


@pytest.mark.parametrize(
    ("kind", "body"),
    [(Type.SECTION, {}), (Type.SNAPSHOT, {}), (Type.SNAPSHOT, SNAPSHOT | {"address": "192.0.2.1"})],
)
def test_it_fails_aloud_where_the_agent_says_something_else(role: Any, kind: Type, body: dict[str, Any]) -> None:
    agent, _, ended = role()
    agent.send(Type.SECTION, SECTION)
    agent.send(kind, body)
    assert ended() == 70


def test_it_serves_at_each_of_several_listeners(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "begin", lambda *_: logging.getLogger("exporter"))
    ours, theirs = socket.socketpair()
    named = {name: socket.create_server(("127.0.0.1", 0)) for name in ("listen", "listen.2", "probing", "else")}
    at = {name: one.getsockname() for name, one in named.items()}
    words = [f"agent={theirs.detach()}", *(f"{name}={one.detach()}" for name, one in named.items())]
    thread = threading.Thread(target=service.main, args=(words,), daemon=True)
    thread.start()
    agent = ipc.Link(ours, frozenset())
    agent.send(Type.SECTION, SECTION)
    for name in ("listen", "listen.2"):
        assert scraped(at[name], "/-/healthy").endswith("healthy\n")
    assert "404" in scraped(at["probing"], "/-/healthy")
    agent.close()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_a_snapshot_has_no_place_for_an_address() -> None:
    said = str(Snapshot.model_json_schema())
    assert "address" not in {name.lower() for name in Snapshot.model_fields}
    assert "'address'" not in said


def test_it_outlives_its_agent_where_the_next_is_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "begin", lambda *_: logging.getLogger("exporter"))
    accepted = frozenset({Type.SHOWN, Type.RELOAD})
    lifeline, theirs = socket.socketpair()
    listener = socket.create_server(("127.0.0.1", 0))
    where = listener.getsockname()
    first, given = socket.socketpair()
    words = [f"agent={given.detach()}", f"listen={listener.detach()}", f"lifeline={theirs.detach()}"]
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(service.main(words)), daemon=True)
    thread.start()
    for number in (7, 8):
        first.settimeout(PATIENCE)
        agent = ipc.Link(first, accepted)
        agent.send(Type.SECTION, SECTION)
        agent.send(Type.SNAPSHOT, SNAPSHOT | {"number": number})
        assert agent.receive() == (Type.SHOWN, {"number": number})
        assert " 200 " in scraped(where, "/-/ready").splitlines()[0]
        first.send(ipc.frame(Type.SNAPSHOT, SNAPSHOT)[:100])  # It is killed in the middle of a message.
        agent.close()
        first, given = socket.socketpair()
        wait(lambda: "agent_absent" in scraped(where, "/-/ready"), PATIENCE, lambda: "it has not gone")
        assert "knockfirst_inventory_servers_limit 9.0" in scraped(where, "/metrics")
        ipc.hand_over(lifeline, given)
        given.close()
    first.close()
    lifeline.close()
    thread.join(PATIENCE)
    assert codes == [service.GONE]

"""The grants under way, with probes that are functions here: each is told of once, whatever becomes of it."""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from agent import ipc
from agent.ipc import Type
from agent.messages import validated
from probes.asks import Answer, Failed
from probes.hook import Refusals
from probes.knocks import MOST, Knocks
from tests.probes.peers import ANSWER, LABORATORY, Peer, grant, says, silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from agent.leave import Grant
    from probes.asks import Asks, Known


class Here:
    """Knocks whose messages are kept. ``probe`` is what every grant does."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.probe: Callable[[Asks, Known], Answer] = lambda wire, _: Answer("confirmed", "", ())
        self.refusals = Refusals()
        self.bell = os.eventfd(0, os.EFD_NONBLOCK)
        log = logging.getLogger("knocks")
        probes = {"exchange-http": lambda: self.probe}
        self.knocks = Knocks(self._tell, probes, self.bell, log, time.monotonic, self.refusals)
        self.knocks.behave(LABORATORY)

    def _tell(self, kind: Type, body: dict[str, Any]) -> None:
        assert kind is Type.OUTCOME
        ipc.frame(kind, body)
        validated(kind, body)
        self.told.append(body)

    def carried_out(self, given: Grant) -> dict[str, Any]:
        self.knocks.take(given)
        self.until(lambda: not self.knocks.busy())
        return self.told[-1]

    def until(self, condition: Callable[[], Any]) -> None:
        end = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.002)
            self.knocks.heard()


@pytest.fixture
def here() -> Iterator[Here]:
    one = Here()
    yield one
    one.knocks.cancel(None)
    time.sleep(0.05)


def raises(error: BaseException) -> Any:
    def probe(*_: Any) -> Answer:
        raise error

    return probe


def asks(wire: Asks, known: Known) -> Answer:
    answer = wire.get("/EWS/Exchange.asmx")
    return Answer("confirmed", known.name or "", (("http.server", str(answer.status)),))


def test_what_a_probe_says_is_told_with_what_the_wire_did(here: Here) -> None:
    here.probe = asks
    with Peer(says(ANSWER)) as peer:
        given = grant(peer.port)
        told = here.carried_out(given)
    assert {key: told[key] for key in ("id", "outcome", "detail", "statuses", "told")} == {
        "id": given.id, "outcome": "confirmed", "detail": "mail.example.org", "statuses": [401],
        "told": [{"kind": "http.server", "value": "401"}],
    }  # fmt: skip
    assert told["knocks"][0]["port"] == peer.port
    assert 0 < told["milliseconds"] < 5000
    assert told["bytes"] > 100
    assert len(told["certificate"]) == 64


ENDS: dict[str, tuple[Any, tuple[str, str]]] = {
    "failing": (raises(Failed("tls_failed", "so")), ("tls_failed", "so")),
    "raising": (raises(RuntimeError("secret")), ("bug", "RuntimeError")),
    "exiting": (raises(SystemExit(0)), ("bug", "SystemExit")),
    "saying nothing": (lambda *_: None, ("bug", "TypeError")),
    "saying what is no outcome": (lambda *_: Answer("hacked"), ("bug", "ValueError")),
    "saying what is no text": (lambda *_: Answer("confirmed", 1), ("bug", "ValueError")),  # type: ignore[arg-type]
    "telling one by itself": (lambda *_: Answer("confirmed", "", (("http.server",),)), ("bug", "ValueError")),  # type: ignore[arg-type]
    "telling far too much": (
        lambda *_: Answer("confirmed", "", (("http.server", "\N{EURO SIGN}" * 16_000),) * 60),
        ("bug", "the probe says too much"),
    ),
    "saying too much": (lambda *_: Answer("confirmed", "x" * 500), ("confirmed", "x" * 200)),
}


@pytest.mark.parametrize("case", ENDS)
def test_however_a_probe_ends(here: Here, case: str, caplog: pytest.LogCaptureFixture) -> None:
    here.probe, expected = ENDS[case]
    told = here.carried_out(grant(443))
    assert (told["outcome"], told["detail"]) == expected
    assert len(here.told) == 1
    assert "secret" not in caplog.text


def test_who_met_the_wall_is_found_out_even_if_it_says_nothing(here: Here) -> None:
    def probe(*_: Any) -> Answer:
        here.refusals.note("os.system")
        return Answer("confirmed")

    here.probe = probe
    assert here.carried_out(grant(443))["outcome"] == "bug"
    here.probe = lambda *_: Answer("confirmed")
    assert here.carried_out(grant(443))["outcome"] == "confirmed"


def test_a_probe_that_hears_nothing_is_cancelled_all_the_same(here: Here) -> None:
    held = threading.Event()

    def probe(wire: Asks, _: Known) -> Answer:
        held.wait(60)
        with pytest.raises(Failed, match="cancelled"):
            wire.get("/")
        return Answer("confirmed", "", (("http.server", "x"),))

    here.probe = probe
    with Peer(says(ANSWER)) as peer:
        given = grant(peer.port)
        here.knocks.take(given)
        here.knocks.cancel(frozenset({given.id}))
        assert [(one["id"], one["outcome"]) for one in here.told] == [(given.id, "cancelled")]
        held.set()
        here.until(lambda: not here.knocks._threads)
    assert len(here.told) == 1
    assert peer.connections == 0


def test_more_than_there_are_threads_wait_for_one(here: Here) -> None:
    held = threading.Event()
    here.probe = lambda *_: Answer("confirmed" if held.wait(60) else "bug")
    given = [grant(443) for _ in range(MOST + 3)]
    for one in given:
        here.knocks.take(one)
        here.knocks.take(one)  # A second time is no second grant.
    here.knocks.cancel(frozenset({given[-1].id}))
    assert [one["id"] for one in here.told] == [given[-1].id]
    held.set()
    here.until(lambda: len(here.told) == len(given))
    assert sorted(one["id"] for one in here.told) == sorted(one.id for one in given)


def test_one_that_waited_too_long_is_not_begun(here: Here) -> None:
    held = threading.Event()
    here.probe = lambda *_: Answer("confirmed" if held.wait(60) else "bug")
    for _ in range(MOST):
        here.knocks.take(grant(443))
    late = grant(443, seconds=0.05)
    here.knocks.take(late)
    time.sleep(0.06)
    held.set()
    here.until(lambda: len(here.told) == MOST + 1)
    assert {one["detail"] for one in here.told if one["id"] == late.id} == {"the grant has expired"}


def test_the_switch_and_another_section_end_what_runs(here: Here, tmp_path: Path) -> None:
    here.probe = asks
    switch = tmp_path / "off"
    with Peer(silent) as peer:
        here.knocks.behave(LABORATORY._replace(kill_switch=str(switch)))
        here.knocks.take(grant(peer.port))
        here.knocks.look()
        assert here.told == []
        switch.touch()
        here.knocks.look()
        assert [one["detail"] for one in here.told] == ["kill switch"]
        here.knocks.behave(LABORATORY)
        here.knocks.take(grant(peer.port))
        here.knocks.behave(LABORATORY._replace(laboratory=False))
        assert here.told[-1]["detail"] == "the address is special"
        here.knocks.behave(LABORATORY)
        here.knocks.take(grant(peer.port))
        here.knocks.behave(None)
        assert here.told[-1]["detail"] == "nobody says how to behave"

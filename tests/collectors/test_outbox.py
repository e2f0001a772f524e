"""What capture has to say: in order, in batches that the agent takes, bounded, and never waiting unless told to."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import ipc
from agent.body import MAX_BATCH
from agent.ipc import Type
from agent.messages import validated
from agent.model import Endpoint, Observation
from collectors.outbox import MAX_VALUE, Outbox, written

TAKEN = frozenset({Type.OBSERVATIONS, Type.COUNTERS, Type.INPUTS, Type.APPLIED})


def seen(value: str = "ready", number: int = 1) -> Observation:
    return Observation(Endpoint("192.0.2.1", 25), "smtp.greeting", value, 1.0, "passive", "smtp", number)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, ipc.Link]]:
    here, there = socket.socketpair()
    link = ipc.Link(there, TAKEN)
    yield here, link
    here.close()
    link.close()


def said(here: socket.socket, link: ipc.Link) -> list[tuple[Type, Any]]:
    """Everything up to the end, validated as the agent does."""
    here.shutdown(socket.SHUT_WR)
    return [(kind, validated(kind, body)) for kind, body in iter(link.receive, None)]


def test_all_comes_in_the_order_in_which_it_was_given(ends: tuple[socket.socket, ipc.Link]) -> None:
    here, link = ends
    outbox = Outbox(here, 8)
    outbox.put(seen("a"))
    outbox.put(seen("b"))
    outbox.say(Type.INPUTS, {"files": 1, "read": 1, "unreadable": 0})
    outbox.put(seen("c"))
    outbox.flush()
    assert outbox.empty
    kinds = [kind if kind is not Type.OBSERVATIONS else [o.value for o in body.told] for kind, body in said(here, link)]
    assert kinds == [["a", "b"], Type.INPUTS, ["c"]]


def test_a_slow_agent_delays_nobody_and_fills_the_room(ends: tuple[socket.socket, ipc.Link]) -> None:
    here, link = ends
    outbox = Outbox(here, 500)
    put = 0
    while not outbox.full:
        outbox.put(seen("x" * 1000, put))
        outbox.flush()
        put += 1
        assert put < 100_000
    assert not outbox.empty
    got = 0
    link.connection.settimeout(0)
    while not outbox.empty:
        while True:
            try:
                message = link.receive()
            except BlockingIOError:
                break
            assert message is not None
            got += len(message[1]["told"])
        outbox.flush()
    assert not outbox.full
    got += sum(len(body.told) for kind, body in said(here, link) if kind is Type.OBSERVATIONS)
    assert got == put


def test_counters_that_are_still_to_go_are_not_queued_twice(ends: tuple[socket.socket, ipc.Link]) -> None:
    here, link = ends
    outbox = Outbox(here, 8)
    for n in range(3):
        outbox.say(Type.COUNTERS, {"counts": {"n": n}})
    outbox.flush()
    outbox.say(Type.COUNTERS, {"counts": {"n": 9}})
    outbox.flush()
    assert [body.counts["n"] for _, body in said(here, link)] == [0, 9]


def test_batches_keep_to_what_the_agent_takes(ends: tuple[socket.socket, ipc.Link]) -> None:
    here, link = ends
    here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
    outbox = Outbox(here, 10_000)
    long = [seen("\x01" * MAX_VALUE, n) for n in range(20)] + [seen("s", n) for n in range(2 * MAX_BATCH)]
    for observation in long:
        outbox.put(observation)
    outbox.drain()
    assert sum(len(body.told) for _, body in said(here, link)) == len(long)


def test_an_agent_that_has_gone_is_found_out(ends: tuple[socket.socket, ipc.Link]) -> None:
    here, link = ends
    link.close()
    outbox = Outbox(here, 8)
    outbox.put(seen())
    with pytest.raises(OSError):
        outbox.flush()


@given(st.text(max_size=40), st.integers(0, 65_535), st.floats(0, 1e11))
def test_what_is_written_is_taken_as_it_was(value: str, port: int, time: float) -> None:
    observation = Observation(Endpoint("2001:db8::1", port), "smtp.ehlo", value, time, "passive", "smtp", None)
    told = validated(Type.OBSERVATIONS, {"told": [written(observation)]}).told[0].observation()
    assert told == observation._replace(value=value.encode("utf-8", "replace").decode())

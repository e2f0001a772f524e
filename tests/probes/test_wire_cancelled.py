"""A wire that is cancelled, at any moment: a reset, and not one byte more."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from probes.asks import Failed
from probes.wire import Wire
from tests.asking import until
from tests.namespace import alone, ip
from tests.probes.peers import ANSWER, LABORATORY, Peer, endless, nobody, opened, resetting, says, silent
from tests.talk import ACK, SYN

if TYPE_CHECKING:
    from tests.probes.peers import Behaviour

pytestmark = pytest.mark.usefixtures("ahead")

RST = 0x04
_BUFFER_FORCE = 33  # SO_RCVBUFFORCE
OK = b"HTTP/1.1 200 OK\r\n"
AT_ONCE = 2.0  # seconds, also on a machine that is busy; by itself each of these would go on for thirty


@pytest.mark.parametrize(
    ("where", "behave", "best"),
    [("handshake", silent, None), ("answer", silent, "1.3"), ("body", endless(OK + b"\r\n", b"a", 0.02), "1.3")],
)
def test_a_cancellation_resets_at_once(where: str, behave: Behaviour, best: str | None) -> None:
    with Peer(behave, best) as peer, opened(peer.port) as wire:
        found: list[Any] = []

        def ask() -> None:
            try:
                found.append(wire.get("/"))
            except Failed as failed:
                found.append(failed.outcome)

        thread = threading.Thread(target=ask)
        thread.start()
        assert until(lambda: peer.asked if best else peer.connections)
        assert until(lambda: wire.statuses or where != "body")
        began = time.monotonic()
        wire.cancel()
        assert peer.ended.wait(20), where
        assert peer.ended_at - began < AT_ONCE
        thread.join(20)
        assert found == ["cancelled"]
        with pytest.raises(Failed, match="cancelled"):
            wire.get("/")
    assert peer.connections == 1


def failing(wire: Wire) -> None:
    with pytest.raises(Failed):
        wire.get("/")


def test_a_cancellation_sends_a_reset_and_then_nothing() -> None:
    def run() -> list[int]:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as seen, Peer(silent) as peer:
            seen.bind(("lo", 0))
            with opened(peer.port) as wire:
                threading.Thread(target=failing, args=(wire,), daemon=True).start()
                assert until(lambda: peer.asked)
                wire.cancel()
                return _sent(seen, wire.knocks[0].source_port)

    flags = alone(run)
    assert flags[0] == SYN
    assert flags[-1] == RST | ACK
    assert not any(flag & RST for flag in flags[:-1])


def _sent(seen: socket.socket, port: int) -> list[int]:
    """The flags of what goes out from a port: up to a reset, which comes, and a while longer."""
    flags = []
    seen.settimeout(20)
    with contextlib.suppress(TimeoutError):
        while True:
            frame, (_, _, kind, *_) = seen.recvfrom(65_536)
            # Of each frame on loopback there are two; the one that goes out.
            if kind == socket.PACKET_OUTGOING and struct.unpack_from(">H", frame, 34)[0] == port:
                flags.append(frame[47])
            if flags and flags[-1] & RST:
                seen.settimeout(0.3)
    return flags


def test_a_cancellation_at_any_moment() -> None:
    chance = random.Random(11)
    with Peer(says(*(ANSWER[i : i + 9] for i in range(0, len(ANSWER), 9)), pause=0.0005)) as peer:
        outcomes: list[str] = []
        longest = 0.012  # seconds: what it takes, on whatever machine, is found by what came of those before
        for _ in range(150):
            longest *= {"401": 0.9, "cancelled": 1.1}[outcomes[-1]] if outcomes else 1.0
            with opened(peer.port) as wire:
                timer = threading.Timer(chance.uniform(0, longest), wire.cancel)
                timer.start()
                try:
                    outcomes.append(str(wire.get("/").status))
                except Failed as failed:
                    outcomes.append(failed.outcome)
                timer.join()
                assert len(wire.knocks) <= 1
    assert set(outcomes) == {"401", "cancelled"}
    assert peer.connections <= len(outcomes)


def test_every_syn_is_told_of_and_no_other() -> None:
    def run() -> tuple[set[Any], list[Any]]:
        ip("address add 192.0.2.7/32 dev lo")
        syns, told = set(), []
        with (
            nobody() as port,
            socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as seen,
            Peer(says(ANSWER)) as answers,
            Peer(resetting(), None) as resets,
        ):
            seen.bind(("lo", 0))
            seen.setsockopt(socket.SOL_SOCKET, _BUFFER_FORCE, 8 << 20)
            here, away = LABORATORY._replace(sources=("192.0.2.7",)), LABORATORY._replace(sources=("192.0.2.8",))
            # Answering, resetting, closed; without a route; from an address that is not here.
            for section, address, to in (
                (LABORATORY, "127.0.0.1", answers.port), (here, "127.0.0.1", answers.port),
                (LABORATORY, "127.0.0.1", resets.port), (here, "127.0.0.1", port), (LABORATORY, "198.51.100.1", 443),
                (LABORATORY, "2001:db8::1", 443), (away, "127.0.0.1", answers.port),
            ):  # fmt: skip
                with opened(to, section, address=address) as wire, contextlib.suppress(Failed, ValueError):
                    for _ in range(4):
                        with contextlib.suppress(Failed):
                            wire.get("/")
                told += [(k.source, k.source_port, k.address, k.port) for k in wire.knocks]
            seen.settimeout(0.3)
            with contextlib.suppress(TimeoutError):
                while True:
                    frame = seen.recv(65_536)
                    ports = struct.unpack_from(">HH", frame, 34)
                    if frame[12:14] == b"\x08\0" and frame[47] == SYN:
                        ends = socket.inet_ntoa(frame[26:30]), socket.inet_ntoa(frame[30:34])
                        # With its number in the sequence: a port may come to be used again.
                        syns.add((ends[0], ports[0], ends[1], ports[1], frame[38:42]))
        return syns, told

    syns, told = alone(run)
    assert len(told) == 12
    assert sorted(told) == sorted(syn[:4] for syn in syns)


def test_a_cancellation_before_it_asks_sends_no_syn() -> None:
    with Peer(says(ANSWER)) as peer, opened(peer.port) as wire:
        wire.cancel()
        with pytest.raises(Failed, match="cancelled"):
            wire.get("/")
        time.sleep(0.05)
    assert peer.connections == 0
    assert wire.knocks == []


def test_a_wire_that_is_closed_stays_closed() -> None:
    with Peer(says(ANSWER)) as peer:
        with opened(peer.port) as wire:
            pass
        with pytest.raises(Failed, match="closed"):
            wire.get("/")
        wire.cancel()
    assert peer.connections == 0

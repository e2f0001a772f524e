"""The wire against servers that behave badly: every one ends in time, with the outcome that says what it did."""

from __future__ import annotations

import contextlib
import os
import random
import select
import socket
import struct
import time
from typing import TYPE_CHECKING, Any

import pytest

from agent.leave import OUTCOMES, Budget
from probes.asks import Failed
from probes.manners import headers, user_agent
from probes.permit import Terms
from probes.wire import Wire
from tests.asking import until
from tests.probes.peers import (
    ANSWER,
    LABORATORY,
    Peer,
    endless,
    grant,
    nobody,
    opened,
    resetting,
    says,
    silent,
    since,
)

if TYPE_CHECKING:
    from tests.probes.peers import Behaviour

pytestmark = pytest.mark.usefixtures("ahead")

RST = 0x04
OK = b"HTTP/1.1 200 OK\r\n"


def asked(peer: Peer, **changes: Any) -> Any:
    with opened(peer.port, address=peer.address, **changes) as wire:
        return wire.get("/EWS/Exchange.asmx")


@pytest.mark.parametrize("best", ["1.0", "1.2", "1.3"])
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_what_is_asked_and_what_is_told(best: str, address: str) -> None:
    began = time.time()
    with Peer(says(ANSWER), best, address) as peer, opened(peer.port, address=address) as wire:
        answer = wire.get("/EWS/Exchange.asmx")
    assert answer.status == 401
    assert ("x-owa-version", "15.2.1748.36") in answer.headers
    assert not answer.truncated
    assert answer.certificate == wire.certificate
    assert len(wire.certificate) == 64
    assert peer.asked[0].startswith(b"GET /EWS/Exchange.asmx HTTP/1.1\r\nHost: mail.example.org:")
    assert b"User-Agent: ExampleNet/" in peer.asked[0]
    assert b"Connection: close\r\n" in peer.asked[0]
    assert [(k.source, k.source_port) for k in wire.knocks] == peer.peers
    assert (wire.knocks[0].address, wire.knocks[0].port) == (address, peer.port)
    assert wire.statuses == [401]
    assert began <= wire.knocks[0].time <= time.time()


# What a server does, and what comes of it: an outcome and a word of its detail, or a status and whether it is cut off.
CASES: dict[str, tuple[Behaviour, tuple[str, str] | tuple[int, bool]]] = {
    "no body": (says(ANSWER), (401, False)),
    "until it closes": (says(OK + b"\r\nwords"), (200, False)),
    "in pieces": (says(*(ANSWER[i : i + 1] for i in range(len(ANSWER)))), (401, False)),
    "chunked": (says(OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), (200, False)),
    "a redirect": (says(b"HTTP/1.1 302 Found\r\nLocation: //192.0.2.1/\r\nContent-Length: 0\r\n\r\n"), (302, False)),
    "100 first": (says(b"HTTP/1.1 100 Continue\r\n\r\n" + ANSWER), (401, False)),
    "100 for ever": (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), ("protocol_error", "too long")),
    "101": (says(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"), ("protocol_error", "HTTP")),
    "closing in the body": (says(OK + b"Content-Length: 9\r\n\r\nwor"), (200, True)),
    "resetting in the body": (resetting(OK + b"Content-Length: 9\r\n\r\nwor"), (200, True)),
    "endless body": (endless(OK + b"\r\n", b"a" * 10_000), (200, True)),
    "endless chunks": (endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"5\r\naaaaa\r\n"), (200, True)),
    "slow body": (endless(OK + b"\r\n", b"a", pause=0.05), (200, True)),
    "body that never comes": (lambda c: (c.sendall(OK + b"Content-Length: 9\r\n\r\n"), silent(c))[1], (200, True)),
    "silent": (silent, ("timeout", "answer")),
    "slow head": (endless(b"", b"H", pause=0.05), ("timeout", "answer")),
    "slow headers": (endless(OK, b"A: b\r\n", pause=0.05), ("timeout", "answer")),
    "closing at once": (says(), ("protocol_error", "HTTP")),
    "closing in the head": (says(OK + b"X: "), ("protocol_error", "HTTP")),
    "resetting": (resetting(), ("protocol_error", "broke off")),
    "endless headers": (endless(OK, b"A: " + b"b" * 1000 + b"\r\n"), ("protocol_error", "too long")),
    "one huge header": (endless(OK + b"A: ", b"b" * 1000), ("protocol_error", "too long")),
    "SMTP": (says(b"220 mail.example.org ESMTP\r\n"), ("protocol_error", "HTTP")),
    "zeroes": (says(b"\0" * 5000), ("protocol_error", "HTTP")),
    "status 99": (says(b"HTTP/1.1 099 X\r\n\r\n"), ("protocol_error", "HTTP")),
    "two lengths": (says(OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\na"), ("protocol_error", "HTTP")),
    "folded": (says(OK + b"A: b\r\n c\r\nContent-Length: 0\r\n\r\n"), (200, False)),
}  # fmt: skip


# Of bodies those that the end of the time alone ends.
SLOW = {"slow body", "body that never comes"}


@pytest.mark.parametrize("case", CASES)
def test_every_behaviour_has_its_end(case: str) -> None:
    behave, expected = CASES[case]
    seconds = 1.0 if case in SLOW or expected[0] == "timeout" else 20.0
    began = time.monotonic()
    with Peer(behave) as peer:
        try:
            answer = asked(peer, seconds=seconds, clock=since(lambda: peer.asked))
            found: Any = answer.status, answer.truncated
        except Failed as failed:
            found = failed.outcome, failed.detail
    assert time.monotonic() - began < seconds + 10.0
    assert found[0] == expected[0]
    assert found[1] == expected[1] if isinstance(expected[1], bool) else expected[1] in found[1], found
    assert peer.connections == 1


# Below HTTP: what a server does with bytes.
BELOW: dict[str, tuple[Behaviour, tuple[str, str]]] = {
    "plain HTTP": (says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), ("tls_failed", "wrong version")),
    "closing": (lambda c: c.recv(9) and None, ("tls_failed", "handshake")),
    "resetting": (lambda c: (c.recv(9), resetting()(c))[1], ("tls_failed", "broke off")),
    "silent": (silent, ("timeout", "handshake")),
    "an alert": (says(bytes.fromhex("15030300020228")), ("tls_failed", "handshake fail")),
    "slow": (endless(bytes.fromhex("160303ffff"), b"\0", pause=0.05), ("tls_failed", "")),
    "slow and right": (endless(bytes.fromhex("1603034000020040"), b"\0", pause=0.05), ("timeout", "handshake")),
    "endless": (endless(b"", bytes.fromhex("1603030004") + b"\0" * 4), ("tls_failed", "")),
}  # fmt: skip


@pytest.mark.parametrize("case", BELOW)
def test_what_is_no_tls_says_so(case: str) -> None:
    behave, (outcome, word) = BELOW[case]
    began = time.monotonic()
    with Peer(behave, None) as peer, pytest.raises(Failed) as failed:
        asked(peer, seconds=1.0 if outcome == "timeout" else 20.0)
    assert (failed.value.outcome, word in failed.value.detail) == (outcome, True), failed.value
    assert time.monotonic() - began < 25.0


def test_any_bytes_are_a_failure_and_no_exception() -> None:
    chance = random.Random(7)
    whole = bytearray(OK + b"Content-Length: 5\r\nX-OWA-Version: 15.2\r\n\r\nwords")

    def behave(connection: Any) -> None:
        said = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            said[chance.randrange(len(said))] = chance.randrange(256)
        connection.sendall(bytes(said[: chance.randint(1, len(said))]))

    outcomes = set()
    with Peer(behave) as peer:
        for _ in range(150):
            try:
                outcomes.add(asked(peer).status)
            except Failed as failed:
                outcomes.add(failed.outcome)
                assert failed.outcome in OUTCOMES
    assert {200, "protocol_error"} <= outcomes


def test_a_closed_port_is_refused_and_the_knock_is_known() -> None:
    with nobody() as port, opened(port) as wire, pytest.raises(Failed) as failed:
        wire.get("/")
    assert failed.value.outcome == "connection_refused"
    assert len(wire.knocks) == 1
    assert wire.knocks[0].source_port


def test_who_is_not_there_is_waited_for_no_longer_than_allowed() -> None:
    # A listener whose queue is full answers no SYN.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        assert select.select([], [fillers[0]], [], 20)[1]
        began = time.monotonic()
        with opened(port, seconds=0.4) as wire, pytest.raises(Failed) as failed:
            wire.get("/")
        for filler in fillers:
            filler.close()
    assert failed.value.outcome == "timeout"
    assert time.monotonic() - began < 10


def test_no_address_of_our_own_is_unreachable_and_no_knock() -> None:
    section = LABORATORY._replace(sources=("192.0.2.77",))
    with Peer(silent) as peer, opened(peer.port, section) as wire, pytest.raises(Failed) as failed:
        wire.get("/")
    assert failed.value.outcome == "unreachable"
    assert wire.knocks == []
    assert peer.connections == 0


def test_it_knocks_from_the_configured_address_of_the_family() -> None:
    section = LABORATORY._replace(sources=("::1", "127.0.0.9"))
    with Peer(says(ANSWER)) as peer, opened(peer.port, section) as wire:
        wire.get("/")
    assert [address for address, _ in peer.peers] == ["127.0.0.9"]
    assert wire.knocks[0].source == "127.0.0.9"


def test_never_a_connection_more_than_granted() -> None:
    with Peer(says(ANSWER)) as peer, opened(peer.port, budget=Budget(connections=2)) as wire:
        wire.get("/a")
        wire.get("/b")
        for _ in range(5):
            with pytest.raises(ValueError, match="no connections left"):
                wire.get("/c")
        time.sleep(0.05)
    assert peer.connections == 2
    assert len(wire.knocks) == 2


def test_a_failed_connection_counts() -> None:
    with Peer(resetting(), None) as peer, opened(peer.port) as wire:
        for _ in range(3):
            with pytest.raises(Failed):
                wire.get("/")
        with pytest.raises(ValueError, match="no connections left"):
            wire.get("/")
    assert peer.connections == 3


def test_all_its_bytes_are_within_the_budget() -> None:
    with Peer(endless(OK + b"\r\n", b"a" * 10_000)) as peer, opened(peer.port) as wire:
        bodies = [wire.get("/").body for _ in range(3)]
    assert all(len(body) > 9_000 for body in bodies)
    assert wire.taken <= 64 << 10


def test_a_budget_of_bytes_too_small_for_a_handshake_ends_it() -> None:
    with (
        Peer(says(ANSWER)) as peer,
        opened(peer.port, budget=Budget(bytes=600)) as wire,
        pytest.raises(Failed) as failed,
    ):
        wire.get("/")
    assert failed.value.outcome == "tls_failed"
    assert wire.taken <= 200


@pytest.mark.parametrize(
    "path", ["", "owa", "/owa/?x", "/[", "/a b", "/a\r\nX: y", "/autodiscover.json@x", "/%3f", "/" + "a" * 300, "/é"]
)
def test_a_probe_cannot_say_more_than_a_plain_path(path: str) -> None:
    with Peer(says(ANSWER)) as peer, opened(peer.port) as wire, pytest.raises(ValueError, match="plain path"):
        wire.get(path)
    assert peer.connections == 0


def test_nothing_of_the_environment_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    keys = tmp_path / "keys"
    with Peer(silent, None) as proxy, Peer(says(ANSWER)) as peer:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
        monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
        monkeypatch.setenv("NETRC", str(tmp_path))
        assert asked(peer).status == 401
        assert (proxy.connections, peer.connections) == (0, 1)
    assert not keys.exists()


def test_there_is_no_resolving(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a name was resolved")

    with Peer(says(ANSWER)) as peer:
        for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr", "getnameinfo"):
            monkeypatch.setattr(socket, name, never)
        assert asked(peer).status == 401


def test_the_kill_switch_is_looked_at_before_each_connection(tmp_path: Any) -> None:
    switch = tmp_path / "off"
    with Peer(says(ANSWER)) as peer, opened(peer.port, LABORATORY._replace(kill_switch=str(switch))) as wire:
        wire.get("/")
        switch.touch()
        with pytest.raises(Failed, match="kill switch"):
            wire.get("/")
    assert peer.connections == 1


def test_nothing_is_left_open() -> None:
    before = len(os.listdir("/proc/self/fd"))
    with Peer(resetting(), None) as peer:
        for _ in range(20):
            with contextlib.suppress(Failed):
                asked(peer)
    assert until(lambda: len(os.listdir("/proc/self/fd")) <= before + 2)


def test_only_a_permit_opens_it() -> None:
    for forged in (grant(443), None, object(), Terms(grant(443), LABORATORY)):
        with pytest.raises(TypeError):
            Wire.open(forged)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["Net\r\nX: y", "a b", "", "\0", "é", "(((", "\\", ")", "x" * 1000, "https://example.net/probing", "a@b.c"]
)
def test_no_configuration_breaks_out_of_its_header(text: str) -> None:
    said = user_agent(text, text, "1.0")
    assert said.isascii()
    assert said.isprintable()
    assert said.count("(") == said.count(")") == 1
    assert len(said) < 700
    for _, value in headers(grant(443), LABORATORY._replace(operator=text, contact=text)):
        assert not set(value) & set(b"\r\n\0")


def test_the_names_of_hosts_in_headers() -> None:
    def host(**changes: Any) -> bytes:
        return dict(headers(grant(443)._replace(**changes), LABORATORY))[b"Host"]

    assert host() == b"mail.example.org"
    assert host(port=8443) == b"mail.example.org:8443"
    assert host(name=None, address="192.0.2.1") == b"192.0.2.1"
    assert host(name=None, address="2001:db8::1", port=444) == b"[2001:db8::1]:444"
    assert dict(headers(grant(443, id="0" * 32), LABORATORY))[b"X-Knockfirst-Probe"] == b"0" * 32


def test_the_name_is_told_to_the_server_only_where_there_is_one() -> None:
    def hello(name: str | None) -> bytes:
        got: list[bytes] = []
        with Peer(lambda c: got.append(c.recv(4096)), None) as peer, contextlib.suppress(Failed):
            asked(peer, name=name)
        return got[0]

    extension = struct.pack(">HHHBH", 0, 21, 19, 0, 16) + b"mail.example.org"
    assert extension in hello("mail.example.org")
    assert b"mail" not in hello(None)
    assert b"127.0.0.1" not in hello(None)

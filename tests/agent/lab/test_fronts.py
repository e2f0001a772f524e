"""The simulated front ends: each does what it says it does, on a real socket, and lets go."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator

import pytest

from agent.lab import keys
from agent.lab.fronts import FRONTS, LEAF, NAME, PATHS, answer, pages, saying, without
from agent.lab.fronts_door import PATIENCE, Door
from agent.lab.fronts_odd import ODD
from tests.asking import until

pytestmark = pytest.mark.usefixtures("ahead")

KEY = keys.generate("EX01")
HOST = "127.0.0.1"
PATIENT = 60.0  # seconds for one who does answer, and is not to be missed for a busy machine
ALL = FRONTS | ODD
# Those with which no request can be made: they speak no TLS, or nothing.
MUTE = {"refusing", "silent", "broken-tls", "alert", "clear", "closing", "resetting"}


@pytest.fixture
def door(request: pytest.FixtureRequest) -> Iterator[Door]:
    acts = ALL[request.param].acts
    made = Door(acts or (lambda _: None), KEY)
    made.open()
    yield made
    made.close()


def old_and_trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    return context


def asked(port: int, path: str, most: int = 4096, seconds: float = 1.0) -> bytes:
    """What a client without any caution is answered in so many seconds, a little of it."""
    said, ends = b"", time.monotonic() + seconds
    with contextlib.suppress(OSError), socket.socket() as bare:
        bare.settimeout(seconds / 2)
        bare.connect((HOST, port))
        with old_and_trusting().wrap_socket(bare, server_hostname=NAME) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
            while len(said) < most and time.monotonic() < ends and (piece := client.recv(most)):
                said += piece
    return said


@pytest.mark.parametrize("door", ["2010", "2013", "2016", "2019", "SE"], indirect=True)
def test_every_path_of_exchange_is_refused(door: Door) -> None:
    """A challenge or the way to the logon page, and never a page (Microsoft Learn, default virtual directories)."""
    answers = [asked(door.port, path, seconds=PATIENT) for path in PATHS]
    assert [said[9:12] for said in answers] == [b"401", b"401", b"302"]
    assert all(b"Content-Length: 0\r\n" in said for said in answers)
    assert b"X-OWA-Version: 1" in answers[2]
    assert (door.visits, len(door.requests)) == (3, 3)


def test_2010_names_no_front_end_and_shows_its_build_at_one_place() -> None:
    shown = {path: page for path, page in pages("2010").items() if b"X-OWA-Version" in page}
    assert set(shown) == {b"/owa/"}
    assert not any(b"X-FEServer" in page for page in pages("2010").values())
    assert all(b"X-OWA-Version" in page for page in pages("2013").values())


@pytest.mark.parametrize("door", ["balanced"], indirect=True)
def test_a_balancer_takes_turns(door: Door) -> None:
    said = [asked(door.port, "/owa/", seconds=PATIENT) for _ in range(4)]
    assert [b"15.2.1748.26" in one for one in said] == [False, True, False, True]


@pytest.mark.parametrize("door", sorted(set(ALL) - MUTE), indirect=True)
def test_whoever_speaks_tls_can_be_asked(door: Door) -> None:
    began = time.monotonic()
    asked(door.port, PATHS[0])
    assert time.monotonic() - began < 20
    assert until(lambda: door.visits == 1)


@pytest.mark.parametrize("door", sorted(MUTE - {"refusing"}), indirect=True)
def test_whoever_speaks_none_says_nothing(door: Door) -> None:
    assert asked(door.port, PATHS[0]) == b""
    assert door.requests == []


@pytest.mark.parametrize("door", ["endless", "silent"], indirect=True)
def test_a_door_that_is_closed_lets_everybody_go(door: Door) -> None:
    with socket.socket() as visitor:
        visitor.settimeout(PATIENCE / 2)  # below what the door waits for who says nothing
        visitor.connect((HOST, door.port))
        assert until(lambda: door.visits)
        door.close()
        assert visitor.recv(1) == b""
        with pytest.raises(ConnectionRefusedError), socket.socket() as late:
            late.connect((HOST, door.port))


@pytest.mark.parametrize("door", ["endless"], indirect=True)
def test_nor_does_who_is_in_the_middle_of_tls_stay(door: Door) -> None:
    with socket.socket() as visitor:
        visitor.settimeout(PATIENCE / 2)
        visitor.connect((HOST, door.port))
        assert until(lambda: any(isinstance(visit.connection, ssl.SSLSocket) for visit in list(door._open)))
        door.close()
        assert visitor.recv(1) == b""


def test_each_says_what_it_is_and_shows_what_it_says() -> None:
    assert not set(FRONTS) & set(ODD)
    says = [front.says for front in ALL.values()]
    assert all(says)
    assert len(set(says)) == len(says)
    assert [name for name, front in ALL.items() if front.acts is None] == ["refusing"]
    assert {name for name, front in ALL.items() if front.leaf is not LEAF} == {"swapped", "setup"}


def test_headers_are_taken_away_and_added() -> None:
    page = answer("200 OK", ("A", "1"), ("b", "2"), body=b"A: 3\r\n")
    assert without(page, "B", "A").startswith(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n")
    assert saying(page, "C: 4") == page.replace(b"\r\n\r\n", b"\r\nC: 4\r\n\r\n", 1)


def test_no_thread_is_left_behind() -> None:
    before = threading.active_count()
    for name in ("hanging", "2019"):
        made = Door(ALL[name].acts or (lambda _: None), KEY)
        made.open()
        asked(made.port, PATHS[0])
        made.close()
    assert until(lambda: threading.active_count() <= before)

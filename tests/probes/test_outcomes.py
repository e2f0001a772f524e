"""Front end -> outcome, build, connections: every simulated one on a real socket, by the real wire, within bounds."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from typing import NamedTuple

import pytest

from agent.exchange.assess import assess, evidence_of
from agent.exchange.catalogue import catalogue
from agent.exchange.fingerprint import book
from agent.lab import fronts, keys
from agent.lab.certificates import Certificate, der, private_key
from agent.lab.exchange_server import context
from agent.lab.fronts import FRONTS, LEAF, NAME, OTHERS, SETUP, Front
from agent.lab.fronts_door import Door
from agent.lab.fronts_odd import ODD
from agent.leave import OUTCOMES
from agent.model import Assessment, Endpoint, Observation
from probes.asks import Answer, Failed, Known
from probes.exchange_http import PATHS, REVIEWED, probe
from probes.wire import Wire
from tests.fuzz.mutation import Mutator
from tests.probes.peers import nobody, opened, since

pytestmark = pytest.mark.usefixtures("ahead")

KEY = keys.generate("EX01")
SECONDS = 20.0  # of one probe here
SHORT = 0.8  # of one that takes all of them
ROOM = 64 << 10


def shown(leaf: Certificate) -> str:
    return hashlib.sha256(der(leaf, KEY)).hexdigest()


SEEN = Known((shown(LEAF),), ("exchange",), NAME)
NAMED = Known((), ("exchange",), NAME)
UNNAMED = Known((shown(LEAF),), ("exchange",), None)
TYPED = Known((), ("exchange",), None)


class Row(NamedTuple):
    front: str
    outcome: str
    detail: str
    build: str | None
    connections: int
    known: Known = SEEN


BUILD = "Exchange, and its build"
UNKNOWN = "Exchange; its build is not shown"
LITTLE = "nothing in the answers is Exchange's own, or too little"
TROUBLE = "the server is in trouble and was not asked again"
NOTHING = "nothing is known that an answer could agree with"
UNTIED = "no certificate ties the answer to Exchange, which was seen there"
OTHER_NAME = "the certificate is not for the name that was seen"
STRANGER = "the certificate is none of those that were seen there"
GONE = "none of the paths is there that every Exchange has"
NO_HTTP = "the answer is not HTTP"
NO_SHAKE = "no handshake: unexpected eof while reading"
BROKEN = "no handshake: unexpected message"

TABLE = [
    Row("2010", "confirmed", BUILD, "14.3.513.0", 3),
    Row("2013", "confirmed", BUILD, "15.0.1497.48", 1),
    Row("2016", "confirmed", BUILD, "15.1.2507.39", 1),
    Row("2019", "confirmed", BUILD, "15.2.1544.11", 1),
    Row("SE", "confirmed", BUILD, "15.2.2562.17", 1),
    Row("2019-cu9", "confirmed", BUILD, "15.2.858.5", 1),
    Row("tls-1.0", "confirmed", BUILD, "15.1.2507.39", 1),
    Row("stripped", "confirmed", UNKNOWN, None, 3),
    Row("bare", "inconclusive", LITTLE, None, 3),
    Row("policy", "inconclusive", LITTLE, None, 3),
    Row("balanced", "confirmed", BUILD, "15.2.1748.36", 1),
    Row("balanced-2", "confirmed", BUILD, "15.2.1748.26", 1),
    Row("doubled", "confirmed", "Exchange; of several builds the lowest counts", "15.2.1544.4", 1),
    Row("redirecting", "inconclusive", LITTLE, None, 3),
    Row("failing", "inconclusive", TROUBLE, None, 1),
    Row("busy", "inconclusive", TROUBLE, None, 1),
    Row("honeypot", "inconclusive", "a build, and nothing else of an Exchange", None, 3),
    Row("beacon", "contradicted", "another product says so of itself", None, 1),
    Row("online", "contradicted", "another product says so of itself", None, 1),
    Row("look-alike", "inconclusive", LITTLE, None, 3),
    Row("iis", "contradicted", GONE, None, 3),
    Row("iis", "inconclusive", LITTLE, None, 3, UNNAMED),
    Row("refusing", "connection_refused", "the port is closed", None, 1),
    # Who it is.
    Row("swapped", "identity_mismatch", STRANGER, None, 1),
    Row("swapped", "identity_mismatch", OTHER_NAME, None, 1, NAMED),
    Row("swapped", "identity_mismatch", OTHER_NAME, None, 1, Known((), (), NAME)),
    Row("swapped", "confirmed", BUILD, "15.2.1544.11", 1, TYPED),
    Row("swapped-midway", "identity_mismatch", STRANGER, None, 2),
    Row("swapped-midway", "identity_mismatch", "the certificate changed between two answers", None, 2, TYPED),
    Row("setup", "identity_mismatch", STRANGER, None, 1),
    Row("setup", "confirmed", BUILD, "15.2.1544.11", 1, NAMED),
    Row("setup", "confirmed", BUILD, "15.2.1544.11", 1, Known((shown(LEAF), shown(SETUP)))),
    Row("2019", "confirmed", BUILD, "15.2.1544.11", 1, Known((), (), "Autodiscover.example.org")),
    Row("2019", "identity_mismatch", OTHER_NAME, None, 1, Known((), (), "x.example.org")),
    Row("2019", "identity_mismatch", NOTHING, None, 0, Known((), ("other",))),
    Row("bare", "identity_mismatch", UNTIED, None, 3, TYPED),
    # What breaks the protocols.
    Row("silent", "timeout", "no handshake in time", None, 1),
    Row("hanging", "timeout", "no answer in time", None, 1),
    Row("hanging-head", "timeout", "no answer in time", None, 1),
    Row("hanging-body", "confirmed", BUILD, "15.2.1544.11", 1),
    Row("dripping", "timeout", "no answer in time", None, 1),
    Row("endless", "confirmed", BUILD, "15.2.1544.11", 1),
    Row("endless-chunks", "confirmed", BUILD, "15.2.1544.11", 1),
    Row("endless-head", "protocol_error", "the head is too long", None, 1),
    Row("huge-header", "protocol_error", "the head is too long", None, 1),
    Row("endless-continue", "protocol_error", "the answer is too long", None, 1),
    Row("continue", "confirmed", BUILD, "15.2.1544.11", 1),
    Row("switching", "protocol_error", NO_HTTP, None, 1),
    Row("gzip", "confirmed", BUILD, "15.2.1544.11", 1),
    Row("chunked-garbage", "confirmed", BUILD, "15.2.1544.11", 1),
    Row("short", "confirmed", BUILD, "15.2.1544.11", 1),
    Row("two-lengths", "protocol_error", NO_HTTP, None, 1),
    Row("http-0.9", "protocol_error", NO_HTTP, None, 1),
    Row("nul", "protocol_error", NO_HTTP, None, 1),
    Row("nul-body", "confirmed", BUILD, "15.2.1544.11", 1),
    Row("folded", "confirmed", BUILD, "15.2.1544.11", 1),
    Row("not-http", "protocol_error", NO_HTTP, None, 1),
    Row("nothing", "protocol_error", NO_HTTP, None, 1),
    Row("http-2", "protocol_error", NO_HTTP, None, 1),
    Row("broken-tls", "tls_failed", BROKEN, None, 1),
    Row("alert", "tls_failed", "no handshake: sslv3 alert handshake failure", None, 1),
    Row("clear", "tls_failed", "no handshake: wrong version number", None, 1),
    Row("closing", "tls_failed", NO_SHAKE, None, 1),
    Row("resetting", "tls_failed", "the connection broke off in the handshake", None, 1),
    Row("resetting-late", "protocol_error", "the connection broke off before the answer", None, 1),
]  # fmt: skip


@contextlib.contextmanager
def met(front: Front) -> Iterator[Door]:
    door = Door(front.acts or (lambda _: None), KEY)
    if front.acts is None:
        with nobody() as door.port:
            yield door
        return
    door.open()
    yield door
    door.close()


def asked(
    port: int, known: Known, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic
) -> tuple[Answer, Wire]:
    """As the prober does it: what the wire fails by is an outcome too."""
    seen = {"name": known.name, "certificates": known.certificates, "products": known.products}
    with opened(port, seconds=seconds, clock=clock, **seen) as wire:
        try:
            return probe(wire, known), wire
        except Failed as failed:
            return Answer(failed.outcome, failed.detail), wire


def believed(told: tuple[tuple[str, str], ...]) -> Assessment:
    """What the agent makes of an answer, by its own path and with nothing seen before."""
    server = Endpoint("192.0.2.25", 443)
    seen = [Observation(server, kind, value, 1e9, "active", "exchange-http") for kind, value in told]
    matched = [e for o in seen for e in evidence_of(o, book())]
    return assess(server.address, seen, matched, catalogue(), date(2026, 11, 2))


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.front}-{row.outcome}-{row.detail[-12:]}")
def test_front_ends(row: Row) -> None:
    with met((FRONTS | ODD)[row.front]) as door:
        began, seconds = time.monotonic(), SHORT if row.outcome == "timeout" else SECONDS
        # Of a handshake that comes about: however long that took.
        clock = since(lambda: door.requests or row.detail != "no answer in time")
        answer, wire = asked(door.port, row.known, seconds, clock)
        assert time.monotonic() - began < seconds + 10.0
    assert (answer.outcome, answer.detail) == (row.outcome, row.detail)
    assert (len(wire.knocks), door.visits) == (row.connections, row.connections if row.front != "refusing" else 0)
    assert wire.taken <= ROOM
    found = believed(answer.told)
    exact = found.build if found.build and found.build.precision == "su" else None
    assert (exact and str(exact.low)) == row.build
    if row.outcome == "confirmed":
        assert found.product == "exchange"
        assert found.verdict in ("confirmed", "probable")
    else:
        assert found.product != "exchange"
    if row.outcome not in ("confirmed", "contradicted", "inconclusive"):
        assert answer.told == ()


def test_a_stranger_is_asked_nothing() -> None:
    """Of a server whose certificate was seen, another one gets a handshake and not a byte of a request."""
    with met((FRONTS | ODD)["swapped"]) as door:
        answer, wire = asked(door.port, SEEN)
    assert (answer.outcome, door.visits, door.requests, wire.statuses) == ("identity_mismatch", 1, [], [])


def test_every_front_end_is_met() -> None:
    assert {row.front for row in TABLE} == set(FRONTS | ODD)


def test_every_outcome_that_a_server_can_bring_about_is_met() -> None:
    # No route to it: test_wire has that. The others are the agent's to say, or a fault of ours.
    assert {row.outcome for row in TABLE} == set(OUTCOMES) - {
        "unreachable", "holder_changed", "cancelled", "unknown", "bug"
    }  # fmt: skip


def test_every_outcome_has_its_line_of_meaning() -> None:
    page = Path("docs/operating.md").read_text().partition("## Outcomes of a probe\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (\S.*\S) \|$", page, re.MULTILINE)
    assert tuple(outcome for outcome, _ in rows) == OUTCOMES


def test_damaged_answers_on_a_real_wire() -> None:
    """What a stranger's bytes come to: an outcome, within bounds, and Exchange only where it says so."""
    mutator = Mutator(7, [*fronts.pages("2019").values(), fronts.answer("404 Not Found", body=b"x" * 99)])
    for _ in range(40):
        said = mutator.message()
        with met(Front("damaged", fronts.serve(fronts.everywhere(said)))) as door:
            answer, wire = asked(door.port, SEEN)
        assert answer.outcome in ("confirmed", "contradicted", "inconclusive", "protocol_error", "timeout"), answer
        assert answer.outcome != "confirmed" or re.search(rb"(?i)x-owa|x-feserver|x-soap|/owa/auth/logon", said)
        assert door.visits == len(wire.knocks) <= len(PATHS)


def test_what_is_sent_was_reviewed() -> None:
    """Byte by byte, as docs/probes.md shows it: no cookie, no credential, no body, nothing that changes anything."""
    with met(FRONTS["stripped"]) as door:
        asked(door.port, SEEN)
    sent = b"".join(door.requests).decode("ascii")
    for name, known in (("Host", f"{NAME}:{door.port}"), ("User-Agent", None), ("X-Knockfirst-Probe", None)):
        value = known or re.search(f"^{name}: (.+?)\r$", sent, re.MULTILINE)[1]
        assert sent.count(f"{name}: {value}\r\n") == len(PATHS)
        sent = sent.replace(f"{name}: {value}\r\n", f"{name}: <{name.lower()}>\r\n")
    assert hashlib.sha256(sent.encode()).hexdigest() == REVIEWED, sent
    page = Path("docs/probes.md").read_text()
    assert sent.replace("\r\n", "\n").strip() in page.replace("\n    ", "\n")
    assert REVIEWED in page


def test_nobody_is_followed_to_another_server() -> None:
    with met(FRONTS["2019"]) as elsewhere:
        there = f"https://127.0.0.1:{elsewhere.port}/owa/"
        page = fronts.answer("302 Found", ("Server", "nginx"), ("Location", there))
        with met(Front("sends everybody there", fronts.serve(fronts.everywhere(page)))) as door:
            answer, wire = asked(door.port, SEEN)
        assert (answer.outcome, len(wire.knocks), elsewhere.visits) == ("inconclusive", 3, 0)


def test_no_cookie_comes_back() -> None:
    page = fronts.answer("401 Unauthorized", ("Set-Cookie", "ClientId=TAKEN; path=/"), ("Set-Cookie", "x=TAKEN"))
    with met(Front("sets cookies", fronts.serve(fronts.everywhere(page)))) as door:
        answer, _ = asked(door.port, SEEN)
    assert len(door.requests) == 3
    assert b"TAKEN" not in b"".join(door.requests)
    assert "TAKEN" not in repr(answer)


def needs(tool: str) -> str:
    found = shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"needs {tool}")
        pytest.skip(f"needs {tool}")
    return found


def certified(directory: Path) -> Path:
    file = directory / "server.pem"
    file.write_text(keys.pem("CERTIFICATE", der(LEAF, KEY)) + keys.pem("RSA PRIVATE KEY", private_key(KEY)))
    return file


NGINX = """
daemon off; user root; worker_processes 1; pid {0}/pid; error_log {0}/error.log;
events {{ }}
http {{
  access_log off; client_body_temp_path {0}/b; proxy_temp_path {0}/p; fastcgi_temp_path {0}/f; uwsgi_temp_path {0}/u;
  scgi_temp_path {0}/s;
  ssl_certificate {0}/server.pem; ssl_certificate_key {0}/server.pem;
  server {{ listen 127.0.0.1:{1} ssl; root {0}/www; }}
}}
"""


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[int]:
    tool = needs("nginx")
    certified(tmp_path)
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "index.html").write_text("<html><title>Welcome</title></html>")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        (tmp_path / "conf").write_text(NGINX.format(tmp_path, port))
        # It takes over what listens, as from an nginx before it.
        listening.setblocking(False)
        running = subprocess.Popen(
            [tool, "-p", str(tmp_path), "-c", str(tmp_path / "conf")], stderr=subprocess.DEVNULL,
            env=os.environ | {"NGINX": f"{listening.fileno()};"}, pass_fds=[listening.fileno()],
        )  # fmt: skip
    with running:
        yield port
        running.terminate()


@pytest.fixture
def python(tmp_path: Path) -> Iterator[int]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path)))
    server.socket = context(LEAF, KEY, "1.3").wrap_socket(server.socket, server_side=True)
    assert isinstance(server.socket, ssl.SSLSocket)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("product", ["nginx", "python"])
def test_real_servers_that_are_no_exchange(product: str, request: pytest.FixtureRequest) -> None:
    port: int = request.getfixturevalue(product)
    answer, wire = asked(port, SEEN)
    assert (answer.outcome, answer.detail, wire.statuses) == ("contradicted", GONE, [404, 404, 404])
    assert believed(answer.told).product == "other"
    assert any(kind == "http.server" and product in value.lower() for kind, value in answer.told)
    # Where no certificate was seen before, and this one is for another name, it is nobody's that we know.
    assert asked(port, Known((), ("exchange",), "mail.example.com"))[0].outcome == "identity_mismatch"


def test_an_address_that_has_gone_to_the_next_holder_tells_nothing() -> None:
    with met(Front("the next holder's Exchange", fronts.serve(fronts.pages("2019"), leaves=(OTHERS,)), OTHERS)) as door:
        for known in (SEEN, NAMED, UNNAMED):
            answer, _ = asked(door.port, known)
            assert (answer.outcome, answer.told) == ("identity_mismatch", ())

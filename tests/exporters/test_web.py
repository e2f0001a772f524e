"""The HTTP side over a real socket: the pages, what is refused, and that no client can hold it up."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from agent.logfmt import Lines
from exporters import web
from exporters.service import Latest, pages
from tests.live.world import PATIENCE, wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.usefixtures("ahead")


@contextmanager
def serving(reload: Callable[[], str | None] = lambda: None) -> Iterator[tuple[str, int]]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    served = web.Web(listener, pages(Latest(), reload))
    thread = threading.Thread(target=served.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield listener.getsockname()
    finally:
        served.shutdown()
        listener.close()


def connected(where: tuple[str, int]) -> socket.socket:
    client = socket.socket()
    client.settimeout(PATIENCE)
    client.connect(where)
    return client


def said(where: tuple[str, int], request: bytes) -> bytes:
    with connected(where) as client:
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while more := client.recv(65_536):
            answer += more
        return answer


REQUESTS = [
    (b"GET /metrics HTTP/1.0\r\n\r\n", b"200", b"knockfirst_ready 0.0"),
    (b"GET /metrics?a=b HTTP/1.0\r\n\r\n", b"200", b"knockfirst_build_info"),
    (b"GET /metrics HTTP/1.0\r\nAccept: application/openmetrics-text; version=\xff\r\n\r\n", b"200", b"# EOF"),
    (b"GET /-/healthy HTTP/1.0\r\n\r\n", b"200", b"healthy"),
    (b"GET /-/ready HTTP/1.0\r\n\r\n", b"503", b"not ready: no_snapshot"),
    (b"GET / HTTP/1.0\r\n\r\n", b"200", b'href="/metrics"'),
    (b"GET //metrics HTTP/1.0\r\n\r\n", b"200", b"knockfirst_ready"),
    (b"GET http://router.example:9464/metrics HTTP/1.1\r\nHost: router.example\r\n\r\n", b"200", b"knockfirst_ready"),
    (b"GET HTTPS://router.example HTTP/1.0\r\n\r\n", b"200", b'href="/metrics"'),
    (b"POST http://router.example/-/reload HTTP/1.0\r\n\r\n", b"200", b"reloaded"),
    (b"GET http://router.example?x HTTP/1.0\r\n\r\n", b"200", b'href="/metrics"'),
    (b"GET ftp://router.example/metrics HTTP/1.0\r\n\r\n", b"404", b"no such page"),
    (b"GET /nonsense HTTP/1.0\r\n\r\n", b"404", b"no such page"),
    (b"GET /probe?target=192.0.2.1 HTTP/1.0\r\n\r\n", b"404", b"no such page"),
    (b"POST /metrics HTTP/1.0\r\nContent-Length: 0\r\n\r\n", b"405", b"Allow: GET, HEAD"),
    (b"POST /-/reload HTTP/1.0\r\n\r\n", b"200", b"reloaded"),
    (b"POST /-/reload?x HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}", b"200", b"reloaded"),
    (b"POST /-/reload HTTP/1.0\r\nContent-Length: 999999999999\r\n\r\n" + b"x" * 9999, b"200", b"reloaded"),
    (b"POST /-/reload HTTP/1.0\r\nContent-Length: -1\r\n\r\n", b"200", b"reloaded"),
    (b"GET /-/reload HTTP/1.0\r\n\r\n", b"405", b"Allow: POST"),
    (b"POST /-/reload HTTP/1.0\r\nOrigin: http://mail.example\r\n\r\n", b"403", b"not asked for by a page"),
    (b"POST /-/reload HTTP/1.0\r\nOrigin: null\r\n\r\n", b"403", b"not asked for by a page"),
    (b"PUT /-/reload HTTP/1.0\r\n\r\n", b"501", b""),
    (b"DELETE / HTTP/1.0\r\n\r\n", b"501", b""),
    (b"GET /" + b"a" * 70_000 + b" HTTP/1.0\r\n\r\n", b"414", b""),
    (b"GET / HTTP/1.0\r\n" + b"A: b\r\n" * 200 + b"\r\n", b"431", b""),
    (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"400", b""),
    (b"GET / HTTP/9.9\r\n\r\n", b"505", b""),
]


@pytest.mark.parametrize(("request_", "status", "holds"), REQUESTS, ids=[r[0][:30].decode("latin-1") for r in REQUESTS])
def test_requests(request_: bytes, status: bytes, holds: bytes) -> None:
    with serving() as where:
        answer = said(where, request_)
        assert status in answer[:200]
        assert holds in answer
        assert b"Traceback" not in answer
        assert b"Python" not in answer.partition(b"\r\n\r\n")[0]


def failing(fault: str | OSError) -> Callable[[], str]:
    def reload() -> str:
        if isinstance(fault, OSError):
            raise fault
        return fault

    return reload


@pytest.mark.parametrize(
    ("fault", "status", "text"),
    [
        ("k.toml: log.level: 1 is not a text", b"400", b"not reloaded: k.toml: log.level: 1 is not a text\n"),
        (TimeoutError("the agent does not say"), b"500", b"not known to be reloaded: the agent does not say\n"),
    ],
)
def test_a_reload_that_failed_says_why(fault: str | OSError, status: bytes, text: bytes) -> None:
    with serving(failing(fault)) as where:
        head, _, body = said(where, b"POST /-/reload HTTP/1.0\r\n\r\n").partition(b"\r\n\r\n")
        assert status in head.splitlines()[0]
        assert body == text


@pytest.mark.parametrize(
    ("client", "status"),
    [
        ("127.0.0.1", 200), ("127.8.0.1", 200), ("::1", 200), ("::ffff:127.0.0.1", 200), ("192.0.2.1", 403),
        ("::ffff:192.0.2.1", 403), ("fe80::1%eth0", 403), ("2001:db8::1", 403), ("0.0.0.0", 403),
    ],
)  # fmt: skip
def test_a_reload_is_asked_for_from_this_machine_alone(client: str, status: int) -> None:
    assert pages(Latest(), lambda: None).reloaded("/-/reload", client).status == status


def healthy(where: tuple[str, int]) -> bool:
    """Whether there is a place; who has had its own may know of it before the server has it back."""
    try:
        return said(where, b"GET /-/healthy HTTP/1.0\r\n\r\n").endswith(b"healthy\n")
    except OSError:
        return False


def test_who_says_more_than_is_read_gets_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "LINGER", PATIENCE)
    with serving() as where, connected(where) as client:
        client.sendall(b"POST /-/reload HTTP/1.0\r\nContent-Length: 99999\r\n\r\n" + b"x" * 50_000)
        assert client.recv(1, socket.MSG_PEEK), "it is being answered"
        client.sendall(b"x" * 49_999)
        answer = b""
        while more := client.recv(100):
            answer += more
        assert answer.endswith(b"reloaded\n")


def test_who_never_stops_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "LINGER", 0.3)
    end = time.monotonic() + PATIENCE
    with serving() as where, connected(where) as client, pytest.raises(OSError):
        client.sendall(b"POST /-/reload HTTP/1.0\r\nContent-Length: 9\r\n\r\n" + b"x" * 10_000)
        while time.monotonic() < end:
            client.sendall(b"x" * 100)
            time.sleep(0.01)


def test_head_is_get_without_a_body() -> None:
    with serving() as where:
        head, _, body = said(where, b"HEAD /-/healthy HTTP/1.0\r\n\r\n").partition(b"\r\n\r\n")
        assert b"Content-Length: 8" in head
        assert body == b""


def test_silent_clients_take_places_and_give_them_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web.Request, "timeout", 3 * PATIENCE)
    with serving() as where:
        silent = [connected(where) for _ in range(web.MAX_CONNECTIONS)]
        # The places are taken one after the other; whoever comes when there is none is sent away at once.
        with connected(where) as late:
            assert late.recv(1) == b""
        for client in silent:
            client.close()
        wait(lambda: healthy(where), PATIENCE, lambda: "no place")


def test_who_says_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web.Request, "timeout", 0.3)
    with serving() as where, connected(where) as client:
        assert client.recv(1) == b""


def test_ready_as_json_for_who_asks_so() -> None:
    with serving() as where:
        request = b"GET /-/ready HTTP/1.0\r\nAccept: application/json\r\n\r\n"
        head, _, body = said(where, request).partition(b"\r\n\r\n")
        assert b" 503 " in head.splitlines()[0]
        assert b"Content-Type: application/json" in head
        found = json.loads(body)
        assert found["ready"] is False
        assert found["not_ready"] == ["no_snapshot"]
        assert found["components"]["agent"] == {"state": "error", "why": "it has not told anything yet"}
        # Text for everybody else: browsers and probes of load balancers take anything.
        assert said(where, request.replace(b"application/json", b"*/*")).endswith(b"not ready: no_snapshot\n")


# What clients say they take, Prometheus' own words among it: 2.42, 3.x, and one that was told to prefer text.
ACCEPTS = [
    ("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
     "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", True),
    ("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=1.0.0;q=0.4,"
     "text/plain;version=0.0.4;q=0.3,*/*;q=0.2", True),
    ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,"
     "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2", True),
    ("text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.2", False),
    ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", False),
    ("Application/OpenMetrics-Text ; Q=0.3 , text/plain;q=0", True),
    ("application/openmetrics-text;q=0,text/plain", False),
    ("application/openmetrics-text;q=0", False),
    ("application/openmetrics-text;q=nan", False),
    ("application/openmetrics-textual", False),
    ("text/html,application/xhtml+xml,*/*;q=0.8", False),
    ("", False), (",;q=,;;", False),
]  # fmt: skip


@pytest.mark.parametrize(("accept", "openmetrics"), ACCEPTS)
def test_the_form_is_the_one_that_is_wanted_more(accept: str, openmetrics: bool) -> None:
    media, body = pages(Latest(), lambda: None).metrics(accept)
    assert media.startswith(
        "application/openmetrics-text; version=1.0.0" if openmetrics else "text/plain; version=0.0.4"
    )
    assert body.endswith(b"# EOF\n") is openmetrics


def test_a_page_that_fails_says_so_and_so_does_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> None:
        raise KeyError("192.0.2.1")

    monkeypatch.setattr(web.Pages, "answer", fails)
    monkeypatch.setattr(web.Pages, "posted", fails)
    with serving() as where:
        for method in (b"GET", b"POST"):
            answer = said(where, method + b" /secret HTTP/1.0\r\n\r\n")
            assert answer.startswith(b"HTTP/1.0 500 ")
            assert answer.endswith(b"the exporter failed at this; its log says where\n")
    assert [record.getMessage() for record in caplog.records] == ["a page failed"] * 2
    line = Lines("exporter", "logfmt").format(caplog.records[0])
    assert "KeyError at" in line
    assert "secret" not in line
    assert "192.0.2.1" not in line


def test_several_accept_headers_are_one() -> None:
    heads = b"Accept: text/plain;q=0.1\r\nAccept: application/json;q=0.2\r\n"
    with serving() as where:
        assert b"\r\nContent-Type: application/json\r\n" in said(where, b"GET /-/ready HTTP/1.0\r\n" + heads + b"\r\n")


def test_no_request_makes_it_connect_anywhere() -> None:
    with socket.create_server(("127.0.0.1", 0)) as tempting, serving() as where:
        there = f"127.0.0.1:{tempting.getsockname()[1]}".encode()
        for path in (b"/metrics", b"/", b"/-/ready", b"/-/reload", b"/probe"):
            for target in (
                path + b"?target=" + there, path + b"?url=http://" + there + b"/&module=http",
                b"http://" + there + path, b"//" + there + path, path + b"#" + there, there,
            ):  # fmt: skip
                heads = b"Host: %s\r\nX-Forwarded-Host: %s\r\nReferer: http://%s/\r\n\r\n" % (there, there, there)
                for method in (b"GET ", b"HEAD ", b"POST ", b"CONNECT ", b"OPTIONS "):
                    assert said(where, method + target + b" HTTP/1.1\r\n" + heads).startswith(b"HTTP/1.")
        tempting.settimeout(0.2)
        with pytest.raises(TimeoutError):
            tempting.accept()


def test_what_a_query_or_a_host_says_changes_nothing() -> None:
    with serving() as where:
        bodies = {
            said(where, request).partition(b"\r\n\r\n")[2]
            for request in (
                b"GET /-/ready HTTP/1.0\r\n\r\n",
                b"GET /-/ready?target=192.0.2.1 HTTP/1.0\r\n\r\n",
                b"GET /-/ready HTTP/1.0\r\nHost: 192.0.2.1\r\n\r\n",
            )
        }
        assert len(bodies) == 1


def test_a_request_byte_by_byte_ends_before_its_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web.Request, "timeout", 0.4)
    with serving() as where, connected(where) as client, pytest.raises(OSError):
        for byte in b"GET / HTTP/1.0\r\nA: " + b"a" * 500:
            client.sendall(bytes((byte,)))
            time.sleep(0.05)


def test_who_does_not_take_its_answer_gives_its_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web.Request, "timeout", 0.4)
    long = web.Answer(web.HTTPStatus.OK, web.TEXT, b"x" * (64 << 20))
    usual = web.Pages.answer
    monkeypatch.setattr(
        web.Pages, "answer", lambda pages, path, *more: long if path == "/long" else usual(pages, path, *more)
    )
    with serving() as where:
        idle = [connected(where) for _ in range(web.MAX_CONNECTIONS)]
        for client in idle:
            client.sendall(b"GET /long HTTP/1.0\r\n\r\n")
        wait(lambda: healthy(where), PATIENCE, lambda: "no place")
        for client in idle:
            client.close()

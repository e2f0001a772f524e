"""The HTTP side: /metrics, /-/healthy, /-/ready and a page that names them, by GET and HEAD; /-/reload by POST.

The listening socket is made by the supervisor (or systemd) and handed over: this process opens none. What else is
served, each on a socket of its own, is in exporters/answers.py.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from socketserver import BaseServer, TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

MAX_CONNECTIONS = 32  # at once; one Prometheus needs one
SECONDS = 10.0  # that a client may take for each step of a request
MAX_BODY = 4096  # bytes of a POST that are taken from the client
RELOAD = "/-/reload"

TEXT = "text/plain; charset=utf-8"
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>knockfirst</title></head><body>
<h1>knockfirst {version}</h1>
<ul><li><a href="/metrics">/metrics</a>: for Prometheus; aggregates only</li>
<li><a href="/-/ready">/-/ready</a>: 200 if the metrics can be relied on, otherwise 503 and why</li>
<li><a href="/-/healthy">/-/healthy</a>: 200 while this process answers</li>
<li>POST /-/reload, from this machine: the configuration is read anew; 200, or why not</li></ul>
</body></html>
"""


class Answer(NamedTuple):
    """A response: its status, media type and body, and what else its head says."""

    status: HTTPStatus
    media: str
    body: bytes
    head: tuple[tuple[str, str], ...] = ()


class Posted(NamedTuple):
    """What came by POST. ``whole``: whether the body is all that the client wants to send; ``client``: its address."""

    path: str
    media: str
    body: bytes
    whole: bool
    client: str
    accept: str = ""


class Serves(Protocol):
    """What is behind a listening socket: the response to a GET or HEAD of a path (query included), and to a POST."""

    def answer(self, path: str, accept: str) -> Answer: ...

    def posted(self, posted: Posted) -> Answer: ...


def not_allowed(allowed: str, text: str) -> Answer:
    """The response to a method that is not for that path; ``allowed`` are those that are."""
    return Answer(HTTPStatus.METHOD_NOT_ALLOWED, TEXT, text.encode(), (("Allow", allowed),))


class Pages(NamedTuple):
    """What is served. ``metrics``: Accept header to media type and exposition; ``not_ready``: the reasons.

    ``reload``: reads the configuration anew and gives the error that kept it from being taken, or None. Raises OSError
    where nobody says what became of it.
    """

    version: str
    metrics: Callable[[str], tuple[str, bytes]]
    not_ready: Callable[[], list[str]]
    reload: Callable[[], str | None]

    def answer(self, path: str, accept: str) -> Answer:
        """The response to a GET of ``path`` (query included)."""
        match path.partition("?")[0]:
            case "/metrics":
                media, body = self.metrics(accept)
                return Answer(HTTPStatus.OK, media, body)
            case "/-/healthy":
                return Answer(HTTPStatus.OK, TEXT, b"healthy\n")
            case "/-/ready":
                return self._ready()
            case "/-/reload":
                return not_allowed("POST", "a reload is asked for by POST\n")
            case "/":
                return Answer(HTTPStatus.OK, "text/html; charset=utf-8", _PAGE.format(version=self.version).encode())
        return Answer(HTTPStatus.NOT_FOUND, TEXT, b"no such page; / names the ones there are\n")

    def posted(self, posted: Posted) -> Answer:
        """The response to a POST. Its body is nothing to us."""
        return self.reloaded(posted.path, posted.client)

    def reloaded(self, path: str, client: str) -> Answer:
        """The response to a POST of ``path`` by a client of that address."""
        if path.partition("?")[0] != RELOAD:
            return not_allowed("GET, HEAD", "nothing here is asked for by POST but /-/reload\n")
        if not _is_loopback(client):
            return Answer(HTTPStatus.FORBIDDEN, TEXT, b"a reload is asked for from this machine alone\n")
        try:
            error = self.reload()
        except OSError as fault:
            return Answer(HTTPStatus.INTERNAL_SERVER_ERROR, TEXT, f"not known to be reloaded: {fault}\n".encode())
        if error is not None:
            return Answer(HTTPStatus.BAD_REQUEST, TEXT, f"not reloaded: {error}\n".encode())
        return Answer(HTTPStatus.OK, TEXT, b"reloaded\n")

    def _ready(self) -> Answer:
        reasons = self.not_ready()
        if not reasons:
            return Answer(HTTPStatus.OK, TEXT, b"ready\n")
        return Answer(HTTPStatus.SERVICE_UNAVAILABLE, TEXT, "".join(f"not ready: {r}\n" for r in reasons).encode())


def _is_loopback(client: str) -> bool:
    """Whether this is an address of this machine alone; IPv4 may come mapped (RFC 4291, 2.5.5.2)."""
    found = ip_address(client.partition("%")[0])
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


class Request(BaseHTTPRequestHandler):
    """One request. The standard library bounds line length and number of headers; we bound the time."""

    timeout = SECONDS
    server: Web
    server_version = "knockfirst"
    sys_version = ""

    def do_GET(self) -> None:
        self._say(self.server.pages.answer(self.path, self.headers.get("Accept", "")))

    def do_POST(self) -> None:
        # Whoever sends a body is let finish, within bounds: it would not read the answer before that.
        said = self.headers.get("Content-Length", "0")
        length = int(said) if said.isascii() and said.isdigit() and len(said) < 20 else 0
        body = b""
        with suppress(OSError):
            body = self.rfile.read(min(length, MAX_BODY))
        media, accept = (self.headers.get(name, "") for name in ("Content-Type", "Accept"))
        posted = Posted(self.path, media, body, len(body) == length, self.client_address[0], accept)
        self._say(self.server.pages.posted(posted))

    def _say(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.head:
            self.send_header(name, value)
        self.send_header("Content-Type", answer.media)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_HEAD = do_GET  # noqa: N815  (http.server looks for this name)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Says nothing: who scrapes is not our concern, and a scanner would fill the log."""


class Web(ThreadingMixIn, TCPServer):
    """Serves pages on a socket that is already listening, at most MAX_CONNECTIONS at once."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, listener: socket.socket, pages: Serves) -> None:
        # The base class would open and bind a socket of its own.
        BaseServer.__init__(self, listener.getsockname()[:2], Request)
        self.socket = listener
        self.pages = pages
        self._places = threading.BoundedSemaphore(MAX_CONNECTIONS)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether there is a place; the connection is closed at once where there is none."""
        return self._places.acquire(blocking=False)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away in the middle is not an event."""

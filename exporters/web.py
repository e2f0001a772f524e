"""The HTTP side: /metrics, /-/healthy, /-/ready and the console, by GET and HEAD; /-/reload by POST.

The listening socket is made by the supervisor (or systemd) and handed over: this process opens none. What else is
served, each on a socket of its own, is in exporters/answers.py.
"""

from __future__ import annotations

import io
import json
import logging
import re
import socket
import threading
import time
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from socketserver import BaseServer, TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_CONNECTIONS = 32  # at once; one Prometheus needs one
SECONDS = 10.0  # that a client may take to shake hands, to ask, and to take the answer: so many for each of the three
LINGER = 1.0  # second for which what a client still says is read, and thrown away, once it has its answer
MAX_BODY = 4096  # bytes of a POST that are taken from the client
RELOAD = "/-/reload"

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
_WEIGHT = re.compile(r"0(\.[0-9]*)?|1(\.0*)?")
_AUTHORITY = re.compile(r"https?://[^/?]*", re.IGNORECASE)


class Answer(NamedTuple):
    """A response: its status, media type and body, and what else its head says."""

    status: HTTPStatus
    media: str
    body: bytes
    head: tuple[tuple[str, str], ...] = ()


class Posted(NamedTuple):
    """What came by POST. ``whole``: whether the body is all that the client wants to send; ``client``: its address.

    ``origin``: the site whose page sent it, where a browser did.
    """

    path: str
    media: str
    body: bytes
    whole: bool
    client: str
    accept: str = ""
    origin: str = ""


class Serves(Protocol):
    """What is behind a listening socket: the response to a GET or HEAD of a path (query included), and to a POST.

    ``who`` says as which user the client came in, "" for nobody; it is asked only where that matters.
    """

    def answer(self, path: str, accept: str, who: Callable[[], str]) -> Answer: ...

    def posted(self, posted: Posted) -> Answer: ...


def wanted(accept: str, media: str) -> float:
    """How much a client wants a media type, 0 (or not named) to 1, by its Accept header (RFC 9110, 12.5.1)."""
    most = 0.0
    for one in accept.lower().split(","):
        name, *said = (word.strip() for word in one.split(";"))
        if name == media:
            weight = next((word[2:] for word in said if word.startswith("q=")), "1")
            most = max(most, float(weight) if _WEIGHT.fullmatch(weight) else 0.0)
    return most


def origin_form(target: str) -> str:
    """Path and query of a request's target: a client may name the site before them (RFC 9112, 3.2.2), which is us."""
    named = _AUTHORITY.match(target)
    if named is None:
        return target
    rest = target[named.end() :]
    return rest if rest.startswith("/") else f"/{rest}"


def not_allowed(allowed: str, text: str) -> Answer:
    """The response to a method that is not for that path; ``allowed`` are those that are."""
    return Answer(HTTPStatus.METHOD_NOT_ALLOWED, TEXT, text.encode(), (("Allow", allowed),))


class Guards(Protocol):
    """Who looks at everybody that comes in (exporters/entrance.py)."""

    @property
    def head(self) -> tuple[tuple[str, str], ...]: ...

    def secured(self, connection: socket.socket, seconds: float) -> socket.socket: ...

    def part(self, connection: socket.socket) -> None: ...

    def refusal(self, authorization: str) -> Answer | None: ...

    def user(self, connection: socket.socket, authorization: str) -> str: ...


class Component(NamedTuple):
    """How a part of the whole is: "ok", "warning" or "error", and why; reasons of an error are those of not_ready."""

    name: str
    state: str
    why: str = ""


class Pages(NamedTuple):
    """What is served. ``metrics``: Accept header to media type and exposition; ``not_ready``: the reasons.

    ``components``: the parts, of which some is in error where there are such reasons.
    ``console``: the response to every other path, and who comes in; None where there is no console.
    ``reload``: reads the configuration anew and gives the error that kept it from being taken, or None. Raises OSError
    where nobody says what became of it.
    """

    version: str
    metrics: Callable[[str], tuple[str, bytes]]
    not_ready: Callable[[], list[str]]
    reload: Callable[[], str | None]
    components: Callable[[], list[Component]] = list
    console: Callable[[str, Callable[[], str]], Answer] | None = None

    def answer(self, path: str, accept: str, who: Callable[[], str] = str) -> Answer:
        """The response to a GET of ``path`` (query included)."""
        match path.partition("?")[0]:
            case "/metrics":
                media, body = self.metrics(accept)
                return Answer(HTTPStatus.OK, media, body)
            case "/-/healthy":
                return Answer(HTTPStatus.OK, TEXT, b"healthy\n")
            case "/-/ready":
                as_json = wanted(accept, JSON)
                return self._ready(as_json=as_json > 0 and as_json >= wanted(accept, "text/plain"))
            case "/-/reload":
                return not_allowed("POST", "a reload is asked for by POST\n")
        if self.console is not None:
            return self.console(path, who)
        return Answer(HTTPStatus.NOT_FOUND, TEXT, b"no such page\n")

    def posted(self, posted: Posted) -> Answer:
        """The response to a POST. Its body is nothing to us."""
        if posted.origin:
            # No page of ours has a form for it, so another's page made the browser of somebody on this machine ask.
            return Answer(HTTPStatus.FORBIDDEN, TEXT, b"a reload is not asked for by a page in a browser\n")
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

    def _ready(self, *, as_json: bool) -> Answer:
        reasons = self.not_ready()
        if as_json:
            status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
            parts = {part.name: {"state": part.state, "why": part.why} for part in self.components()}
            said = {"ready": not reasons, "not_ready": reasons, "components": parts}
            return Answer(status, JSON, json.dumps(said, indent=2).encode() + b"\n")
        if not reasons:
            return Answer(HTTPStatus.OK, TEXT, b"ready\n")
        return Answer(HTTPStatus.SERVICE_UNAVAILABLE, TEXT, "".join(f"not ready: {r}\n" for r in reasons).encode())


def _is_loopback(client: str) -> bool:
    """Whether this is an address of this machine alone; IPv4 may come mapped (RFC 4291, 2.5.5.2)."""
    found = ip_address(client.partition("%")[0])
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def _heard_out(connection: socket.socket) -> None:
    """Let who has said more than was read take its answer: closed over that, a connection is reset (RFC 9112, 9.6)."""
    end = time.monotonic() + LINGER
    with suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(0)
        while connection.recv(65_536) and (left := end - time.monotonic()) > 0:
            connection.settimeout(left)


class _Within(io.RawIOBase):
    """A connection of which everything is read within ``seconds``, and then everything written within as many.

    A client that sends or takes a byte now and then gains nothing by it.
    """

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self._connection = connection
        self._seconds = seconds
        self._asked = time.monotonic() + seconds
        self._answered: float | None = None

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._until(self._asked)
        return self._connection.recv_into(buffer)

    def write(self, data: Any) -> int:
        """All of it is written when this returns. Raises OSError, TimeoutError among them."""
        if self._answered is None:
            self._answered = time.monotonic() + self._seconds
        rest = memoryview(data)
        while rest:
            self._until(self._answered)
            rest = rest[self._connection.send(rest) :]
        return len(data)

    def _until(self, end: float) -> None:
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the client is too slow")
        self._connection.settimeout(left)


class Request(BaseHTTPRequestHandler):
    """One request. The standard library bounds line length and number of headers; we bound the time."""

    timeout = SECONDS
    server: Web
    server_version = "knockfirst"
    sys_version = ""

    def setup(self) -> None:
        self.connection = self.request
        # Head and body are two writes: the second would wait until the client acknowledges the first (RFC 896).
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        within = _Within(self.connection, self.timeout)
        self.rfile = io.BufferedReader(within)
        # Not buffered, as in the base class: what is written is gone when it returns.
        self.wfile = cast("io.BufferedIOBase", within)

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        self.path = origin_form(self.path)
        return True

    def do_GET(self) -> None:
        self._say(self._answer(lambda: self.server.pages.answer(self.path, self._accept(), self._user)))

    def do_POST(self) -> None:
        # Whoever sends a body is let finish, within bounds: it would not read the answer before that.
        said = self.headers.get("Content-Length", "0")
        length = int(said) if said.isascii() and said.isdigit() and len(said) < 20 else 0
        body = b""
        with suppress(OSError):
            body = self.rfile.read(min(length, MAX_BODY))
        media, origin = (self.headers.get(name, "") for name in ("Content-Type", "Origin"))
        client = self.client_address[0]
        posted = Posted(self.path, media, body, len(body) == length, client, self._accept(), origin)
        self._say(self._answer(lambda: self.server.pages.posted(posted)))

    def _answer(self, made: Callable[[], Answer]) -> Answer:
        try:
            return self._refusal() or made()
        except Exception:
            # Ours. Which page is not told: its path may hold a token.
            logging.getLogger("exporter").exception("a page failed")
            return Answer(HTTPStatus.INTERNAL_SERVER_ERROR, TEXT, b"the exporter failed at this; its log says where\n")

    def _accept(self) -> str:
        """The Accept header; several of them are one (RFC 9110, 5.3)."""
        return ",".join(self.headers.get_all("Accept", ()))

    def _refusal(self) -> Answer | None:
        guards = self.server.guards
        return guards.refusal(self.headers.get("Authorization", "")) if guards else None

    def _user(self) -> str:
        guards = self.server.guards
        return guards.user(self.request, self.headers.get("Authorization", "")) if guards else ""

    def end_headers(self) -> None:
        for name, value in self.server.guards.head if self.server.guards else ():
            self.send_header(name, value)
        super().end_headers()

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
    """Serves pages on a socket that is listening already, to at most MAX_CONNECTIONS, whom ``guards`` let in."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, listener: socket.socket, pages: Serves, guards: Guards | None = None) -> None:
        # The base class would open and bind a socket of its own.
        BaseServer.__init__(self, listener.getsockname()[:2], Request)
        self.socket = listener
        self.pages = pages
        self.guards = guards
        self._places = threading.BoundedSemaphore(MAX_CONNECTIONS)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether there is a place; the connection is closed at once where there is none."""
        return self._places.acquire(blocking=False)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        # Hands are shaken here and not where connections are taken: a client that says nothing holds up nobody.
        try:
            if self.guards:
                request = self.guards.secured(request, Request.timeout)
            super().process_request_thread(request, client_address)
        except OSError:
            pass  # It did not come to a request; the connection is closed.
        finally:
            self._places.release()

    def finish_request(self, request: Any, client_address: Any) -> None:
        try:
            super().finish_request(request, client_address)
        finally:
            if self.guards:
                self.guards.part(request)
            _heard_out(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away in the middle is not an event."""

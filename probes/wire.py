"""The wire: the one door to somebody else's server, open for as long as one permit says, and the only module with TLS.

Every socket here is made by us, bound to our own address, connected to the permit's and asked one thing. It never
blocks: each wait is for the socket, the end of the time, or a cancellation, whichever comes first; and each byte that
leaves is sent under the lock that ``cancel`` takes, so that nothing leaves after it.
"""

from __future__ import annotations

import hashlib
import os
import re
import select
import socket
import ssl
import threading
import time
import warnings
from contextlib import suppress
from errno import EADDRNOTAVAIL, ECONNREFUSED, ECONNRESET, EINPROGRESS, ETIMEDOUT, errorcode
from functools import cache
from struct import Struct
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, final

import httpcore

from probes.asks import Failed, Response
from probes.manners import headers, version
from probes.permit import against, spend

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from probes.permit import Permit

T = TypeVar("T")

HEAD = 16 << 10  # bytes of status line and headers
_PIECE = 16 << 10  # bytes that are taken off a socket at a time: a record of TLS
# The paths that a probe can ask for: no query, no "@", no "%": what attacks are made of cannot be said.
_PATH = re.compile(r"/[A-Za-z0-9/._-]{0,200}")
_RESET = Struct("ii").pack(1, 0)  # struct linger of socket(7): on, and no patience: closing sends RST
_LEGACY = 0x4  # SSL_OP_LEGACY_SERVER_CONNECT of openssl/ssl.h: servers from before RFC 5746
_PATIENCE = 5.0  # seconds that a body may take once the head is there; the head is what is asked for


class Knock(NamedTuple):
    """One connection that was begun: where from, where to, and when, in seconds since the epoch."""

    source: str
    source_port: int
    address: str
    port: int
    time: float


class _Due(NamedTuple):
    """What the wire is about to do in a thread: the audit hook lets this through and nothing else."""

    family: int
    near: tuple[str, int]
    far: tuple[str, int]


_due: dict[int, _Due] = {}


def expected(event: str, values: tuple[Any, ...]) -> bool:
    """Whether an event of sockets, as sys.addaudithook gives it, is the wire's own doing in this very thread."""
    due = _due.get(threading.get_ident())
    if due is None:
        return False
    if event == "socket.__new__":
        return values[1:] == (due.family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if event == "socket.bind":
        return bool(values[1] == due.near)
    return event == "socket.connect" and bool(values[1] == due.far)


@final
class Wire:
    """A door that one permit opens: the wire of probes.asks.Asks, and what the prober has to know of it afterwards.

    ``knocks``: every connection that was begun; ``statuses``: of the answers; ``taken``: bytes that came in, of TLS and
    all; ``certificate``: see Asks. One thread asks; any may cancel.
    """

    def __init__(self, permit: Permit, monotonic: Callable[[], float], now: Callable[[], float]) -> None:
        """Spends the permit, and sends nothing. Raises NotPermitted, and TypeError for no permit."""
        self._terms = spend(permit, monotonic())
        self._monotonic = monotonic
        self._now = now
        self._end = min(self._terms.grant.deadline, monotonic() + self._terms.grant.budget.seconds)
        self._until = self._end
        self._room = 0
        self._step = "connection"
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._over: str | None = None
        self._tries = 0
        self.knocks: list[Knock] = []
        self.statuses: list[int] = []
        self.taken = 0
        self.certificate = ""

    @classmethod
    def open(
        cls, permit: Permit, monotonic: Callable[[], float] = time.monotonic, now: Callable[[], float] = time.time
    ) -> Self:
        """The wire of a permit, which is used up by that. Raises NotPermitted, and TypeError for no permit."""
        return cls(permit, monotonic, now)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel("the wire is closed")
        with self._lock:
            if self._bell >= 0:
                os.close(self._bell)
            self._bell = -1

    def cancel(self, why: str = "cancelled") -> None:
        """End it: a connection that is open is reset, and when this returns not one byte more is sent, nor SYN.

        From any thread. Whoever asks gets Failed("cancelled").
        """
        with self._lock:
            if self._over is not None:
                return
            self._over = why
            # Wakes a wait, which holds on to the socket of this connection until it ends.
            os.eventfd_write(self._bell, 1)
            self._shut(abruptly=True)

    def get(self, path: str) -> Response:
        """See probes.asks.Asks."""
        if not _PATH.fullmatch(path):
            raise ValueError("a probe asks for a plain path")
        left = self._terms.grant.budget.connections - self._tries
        if left <= 0:
            raise ValueError("there are no connections left in this grant")
        self._tries += 1
        # What was not used by those before is for those that follow.
        self._room = (self._terms.grant.budget.bytes - self.taken) // left
        self._until = self._end
        try:
            self._connect()
            return self._asked(path)
        finally:
            with self._lock:
                self._shut(abruptly=True)

    def _connect(self) -> None:
        grant, section = self._terms.grant, self._terms.section
        self._step = "connection"
        if wall := against(grant.address, section):
            raise Failed("cancelled", wall)
        self._left()
        near, far = source(grant.address, section.sources), (grant.address, grant.port)
        family = socket.AF_INET6 if ":" in grant.address else socket.AF_INET
        with self._lock:
            self._permitted()
            _due[threading.get_ident()] = _Due(family, (near, 0), far)
            try:
                error = self._knock(family, near, far)
            except OSError as fault:
                raise _unreached(fault.errno) from None
            finally:
                del _due[threading.get_ident()]
        if error == EINPROGRESS:
            error = self._established()
        if error:
            raise _unreached(error)

    def _knock(self, family: int, near: str, far: tuple[str, int]) -> int:
        """Begin a connection: the errno of that. Under the lock."""
        made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket = made
        made.settimeout(0)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Bound first, so that the port is known whatever becomes of the connection.
        made.bind((near, 0))
        port = made.getsockname()[1]
        time = self._now()
        error = made.connect_ex(far)
        # What fails at once has sent nothing, but for what is on this machine and refused by it.
        if error in (0, EINPROGRESS, ECONNREFUSED):
            seen = made.getsockname()[0]
            self.knocks.append(Knock(near if error == ECONNREFUSED else seen, port, *far, time))
        return error

    def _established(self) -> int:
        self._wait(select.POLLOUT)
        with self._lock:
            return self._alive().getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def _asked(self, path: str) -> Response:
        stream = _Stream(self, self._terms.grant.name)
        self._step = "handshake"
        leaf = stream.shake()
        self.certificate = hashlib.sha256(leaf).hexdigest() if leaf else ""
        if (seen := self._terms.grant.certificates) and self.certificate not in seen:
            raise Failed("identity_mismatch", "the certificate is none of those that were seen there")
        self._step = "answer"
        whom = self._terms.grant.name or self._terms.grant.address
        url = httpcore.URL(scheme=b"https", host=whom, port=self._terms.grant.port, target=path)
        connection = _Connection(url.origin, stream)
        request = httpcore.Request(b"GET", url, headers=headers(*self._terms))
        try:
            head = connection.handle_request(request)
        except httpcore.ProtocolError as error:
            long = getattr(error.__cause__ or error.__context__, "error_status_hint", 0) == 431
            raise Failed("protocol_error", "the head is too long" if long else "the answer is not HTTP") from None
        self.statuses.append(head.status)
        body, truncated = self._body(head)
        named = tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in head.headers)
        return Response(head.status, named, body, truncated, self.certificate, leaf)

    def _body(self, head: httpcore.Response) -> tuple[bytes, bool]:
        """As much of the body as comes in time and fits, and whether that was not all of it."""
        left = self._left()
        self._until = self._monotonic() + min(_PATIENCE, left / 2)
        body = bytearray()
        try:
            for piece in head.iter_stream():
                body += piece
        except httpcore.ProtocolError:
            return bytes(body), True
        except Failed as failed:
            if failed.outcome == "cancelled":
                raise
            return bytes(body), True
        with self._lock:
            self._alive()
            self._shut(abruptly=False)
        return bytes(body), False

    def send(self, data: bytes) -> None:
        """All of this. Raises Failed, OSError."""
        while data:
            self._wait(select.POLLOUT)
            with self._lock, suppress(BlockingIOError):
                data = data[self._alive().send(data) :]

    def receive(self) -> bytes:
        """What comes next, b"" at the end. Raises Failed, OSError."""
        while True:
            if self._room <= 0:
                outcome = "protocol_error" if self._step == "answer" else "tls_failed"
                raise Failed(outcome, f"the {self._step} is too long")
            self._wait(select.POLLIN)
            with self._lock, suppress(BlockingIOError):
                data = self._alive().recv(min(_PIECE, self._room))
                break
        self._room -= len(data)
        self.taken += len(data)
        return data

    def _wait(self, event: int) -> None:
        """Until the socket is ready. Raises Failed: cancelled, or out of time."""
        with self._lock:
            poll = select.poll()
            poll.register(self._alive(), event)
            poll.register(self._bell, select.POLLIN)
        poll.poll(self._left() * 1000)
        self._left()
        with self._lock:
            self._alive()

    def _left(self) -> float:
        left = self._until - self._monotonic()
        if left <= 0:
            raise Failed("timeout", f"no {self._step} in time")
        return left

    def _alive(self) -> socket.socket:
        """The socket, as long as there is leave. Under the lock."""
        self._permitted()
        if self._socket is None:
            raise ValueError("nothing is open")
        return self._socket

    def _permitted(self) -> None:
        if self._over is not None:
            raise Failed("cancelled", self._over)

    def _shut(self, *, abruptly: bool) -> None:
        if self._socket is None:
            return
        if abruptly:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._socket.close()
        self._socket = None


class _Stream(httpcore.NetworkStream):
    """TLS over a wire, as httpcore reads and writes it. Everything that goes wrong is told as Failed."""

    def __init__(self, wire: Wire, name: str | None) -> None:
        self._wire = wire
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = _context().wrap_bio(self._in, self._out, server_hostname=name)

    def shake(self) -> bytes:
        """The handshake; the leaf certificate in DER, b"" where none was shown."""
        try:
            self._through(self._tls.do_handshake)
        except ssl.SSLError as error:
            raise _tls_failed("no handshake", error) from None
        except OSError:
            raise Failed("tls_failed", "the connection broke off in the handshake") from None
        return self._tls.getpeercert(binary_form=True) or b""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            return self._through(lambda: self._tls.read(max_bytes))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""  # Without close_notify too: where the answer ends, HTTP says.
        except ssl.SSLError as error:
            raise _tls_failed("no answer", error) from None
        except OSError:
            raise Failed("protocol_error", "the connection broke off before the answer") from None

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            while buffer:
                buffer = buffer[self._through(lambda: self._tls.write(buffer)) :]  # noqa: B023 - called at once
        except ssl.SSLError as error:
            raise _tls_failed("no request", error) from None
        except OSError as error:
            raise httpcore.WriteError(str(error)) from None  # It may have answered all the same.

    def close(self) -> None:
        """The wire closes what it has opened."""

    def _through(self, step: Callable[[], T]) -> T:
        """What a step gives, with all sent and received that OpenSSL wants for it. Raises SSLError, OSError, Failed."""
        while True:
            try:
                done = step()
            except ssl.SSLWantReadError:
                self._wire.send(self._out.read())
                if data := self._wire.receive():
                    self._in.write(data)
                else:
                    self._in.write_eof()
            else:
                self._wire.send(self._out.read())
                return done


class _Connection(httpcore.HTTP11Connection):
    MAX_INCOMPLETE_EVENT_SIZE = HEAD


@cache
def _context() -> ssl.SSLContext:
    """TLS as the oldest server that is looked for speaks it. Nothing secret is said, and no certificate is trusted:
    what is shown is recorded. Nothing here is read from the environment or from files.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | _LEGACY
    return context


def source(address: str, sources: tuple[str, ...]) -> str:
    """The own address to knock from: that of the same family, or any where none is configured."""
    six = ":" in address
    return next((near for near in sources if (":" in near) is six), "::" if six else "0.0.0.0")  # noqa: S104 - no listener


def _unreached(error: int | None) -> Failed:
    if error in (ECONNREFUSED, ECONNRESET):
        return Failed("connection_refused", "the port is closed")
    if error == ETIMEDOUT:
        return Failed("timeout", "no connection in time")
    if error == EADDRNOTAVAIL:
        return Failed("unreachable", "the address to knock from is not here")
    return Failed("unreachable", f"no connection: {errorcode.get(error or 0, error)}")


def _tls_failed(what: str, error: ssl.SSLError) -> Failed:
    # The reason is a word of OpenSSL's own, whatever was sent.
    return Failed("tls_failed", f"{what}: {str(error.reason or type(error).__name__).lower().replace('_', ' ')}"[:100])


def prepare() -> None:
    """Load what is read from files or set once for the process, before the audit hook stands."""
    _context()
    version()

"""Servers on loopback that behave badly, one way each, and grants to knock at them."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from functools import cache
from typing import TYPE_CHECKING, Any

from agent.lab import keys
from agent.lab.certificates import self_signed
from agent.lab.exchange_server import context
from agent.lab.listening import stop
from agent.leave import Budget, Grant
from probes.permit import Mint
from probes.section import Section
from probes.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Behaviour = Callable[[Any], None]

LABORATORY = Section("info", "logfmt", True, (), [], "", "mailto:abuse@example.net", "ExampleNet", 1000)
IDS = iter(range(1, 1 << 30))
ANSWER = b"HTTP/1.1 401 Unauthorized\r\nX-OWA-Version: 15.2.1748.36\r\nContent-Length: 0\r\n\r\n"


@cache
def tls(best: str = "1.3") -> ssl.SSLContext:
    return context(self_signed("EX01", "example.org"), keys.generate("peers"), best)


class Peer:
    """A server that does one thing with whoever connects. ``connections``: how many there were."""

    def __init__(self, behave: Behaviour, best: str | None = "1.3", address: str = "127.0.0.1") -> None:
        """``best``: the best version of TLS; None: it speaks none."""
        self._behave = behave
        self._best = best
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, 0), family=family, backlog=64)
        self.address, self.port = self._listener.getsockname()[:2]
        self.connections = 0
        self.asked: list[bytes] = []
        self.peers: list[tuple[str, int]] = []
        self.ended = threading.Event()
        self.error: OSError | None = None
        self.ended_at = 0.0

    def __enter__(self) -> Peer:
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        stop(self._listener, self._accepting)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, far = self._listener.accept()
                self.connections += 1
                self.peers.append(far[:2])
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(30)
        secured: Any = connection
        try:
            if self._best:
                secured = tls(self._best).wrap_socket(connection, server_side=True)
                self.asked.append(secured.recv(65_536))
            self._behave(secured)
        except OSError as error:
            self.error = error
        finally:
            self.ended_at = time.monotonic()
            self.ended.set()
            with contextlib.suppress(OSError):
                secured.close()


def says(*pieces: bytes, pause: float = 0.0) -> Behaviour:
    def behave(connection: Any) -> None:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)

    return behave


def silent(connection: Any) -> None:
    """Waits for the other end to end."""
    while connection.recv(65_536):
        pass


def endless(start: bytes, piece: bytes, pause: float = 0.0) -> Behaviour:
    def behave(connection: Any) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(piece)
            time.sleep(pause)

    return behave


def resetting(start: bytes = b"") -> Behaviour:
    def behave(connection: Any) -> None:
        connection.sendall(start)
        time.sleep(0.05)  # That it is there before the reset, which would take it away.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    return behave


@contextlib.contextmanager
def nobody(address: str = "127.0.0.1") -> Iterator[int]:
    """A port at which nobody listens, nor can meanwhile: it is taken."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as taken:
        taken.bind((address, 0))
        yield taken.getsockname()[1]


def since(happened: Callable[[], object]) -> Callable[[], float]:
    """A clock that stands still until something has happened: what is held to a time is not to hang on all before."""
    began, at = time.monotonic(), []

    def clock() -> float:
        now = time.monotonic()
        if not at and happened():
            at.append(now)
        return began + (now - at[0] if at else 0.0)

    return clock


def grant(port: int, /, **changes: Any) -> Grant:
    seconds = changes.pop("seconds", 30.0)
    ident = f"{next(IDS):08x}-0000-4000-8000-000000000000"
    budget = Budget(seconds=seconds)
    made = Grant(
        ident, "127.0.0.1", port, "mail.example.org", "exchange-http", "r1", time.monotonic() + seconds, budget, 1, "00"
    )
    return made._replace(**changes)


def opened(
    port: int, section: Section = LABORATORY, /, clock: Callable[[], float] = time.monotonic, **changes: Any
) -> Wire:
    return Wire.open(Mint().mint(grant(port, **changes), time.monotonic(), section), clock)

"""A door for a simulated front end: a listening socket, what came in by it, and TLS for whoever wants to speak it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from struct import Struct
from typing import TYPE_CHECKING

from agent.lab.exchange_server import context
from agent.lab.listening import stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agent.lab.certificates import Certificate
    from agent.lab.keys import Key

PATIENCE = 20.0  # seconds after which a visitor is left alone, whatever a front end was about to do
_HEAD = 64 << 10  # bytes of a request at most
_RESET = Struct("ii").pack(1, 0)  # SO_LINGER of socket(7): closing sends RST


class Visit:
    """One connection to a door, as its front end sees it. ``number``: of the connection, from 0."""

    def __init__(self, door: Door, connection: socket.socket, number: int) -> None:
        self._door = door
        self.connection = connection
        self.number = number

    def secure(self, leaf: Certificate, tls: str = "1.2", protocols: tuple[str, ...] = ()) -> None:
        """Speak TLS from here on. Raises OSError, as everything here does, where the visitor does not."""
        made = context(leaf, self._door.key, tls)
        if protocols:
            made.set_alpn_protocols(list(protocols))
        with self._door.opened():
            secured = made.wrap_socket(self.connection, server_side=True, do_handshake_on_connect=False)
            self.connection = secured
        secured.do_handshake()

    def request(self) -> bytes:
        """The head of the next request, which the door remembers; b"" where none comes."""
        head = b""
        while b"\r\n\r\n" not in head and len(head) < _HEAD and (piece := self.connection.recv(4096)):
            head += piece
        if head:
            self._door.requests.append(head)
        return head

    def say(self, said: bytes) -> None:
        """Send all of this."""
        self.connection.sendall(said)
        self._door.said += len(said)

    def wait(self) -> None:
        """Do nothing until the visitor goes, or the door is closed."""
        with contextlib.suppress(OSError):
            while self.connection.recv(4096):
                pass

    def reset(self) -> None:
        """Break the connection off."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.connection.close()


class Door:
    """Listens on loopback from ``open`` to ``close`` and lets ``acts`` treat each visitor, in a thread of its own.

    ``visits``: connections so far; ``requests``: the heads that came, in order; ``said``: bytes that were sent.
    """

    def __init__(self, acts: Callable[[Visit], None], key: Key, address: str = "127.0.0.1") -> None:
        self._acts = acts
        self.key = key
        self.address = address
        self.port = 0
        self.visits = 0
        self.requests: list[bytes] = []
        self.said = 0
        self._listening: socket.socket | None = None
        self._serving: threading.Thread | None = None
        self._open: set[Visit] = set()
        self._closed = False
        self._lock = threading.Lock()

    def open(self) -> None:
        """Listen at a free port. Raises OSError."""
        self._closed = False
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        self._listening = socket.create_server((self.address, self.port), family=family, backlog=64)
        self.port = self._listening.getsockname()[1]
        self._serving = threading.Thread(target=self._serve, args=(self._listening,), daemon=True)
        self._serving.start()

    def close(self) -> None:
        """Let nobody in any more, and everybody go."""
        if self._listening is not None and self._serving is not None:
            stop(self._listening, self._serving)
        with self._lock:
            self._closed = True
            for visit in list(self._open):
                # The connection and not its TLS, which the thread that serves it may be in the middle of.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(visit.connection, socket.SHUT_RDWR)

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """In here a visitor's connection may be put in place of another, which ``close`` then knows of.

        Raises ConnectionAbortedError once it is closed.
        """
        with self._lock:
            if self._closed:
                raise ConnectionAbortedError("the door was closed")
            yield

    def _serve(self, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                visit = Visit(self, connection, self.visits)
                self._open.add(visit)
                self.visits += 1
                threading.Thread(target=self._treat, args=(visit,), daemon=True).start()

    def _treat(self, visit: Visit) -> None:
        bare = visit.connection
        bare.settimeout(PATIENCE)
        # A visitor who breaks off or does not like our TLS is no error.
        with contextlib.suppress(OSError, ValueError):
            self._acts(visit)
        self._open.discard(visit)
        with contextlib.suppress(OSError, ValueError):
            if isinstance(visit.connection, ssl.SSLSocket):
                visit.connection.settimeout(1.0)
                visit.connection.unwrap()
        for one in (visit.connection, bare):
            with contextlib.suppress(OSError):
                one.close()

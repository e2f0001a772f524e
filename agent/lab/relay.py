"""A simulated mail relay: takes every message and sends none on, and notes all that it is told.

It says what a test wants it to, and hangs up where that wants it to.
"""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from agent.lab.listening import stop

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HANG_UP = "hang up"
# Where a connection can be cut: in the place of each reply, and in the middle of a message.
POINTS = ("GREETING", "EHLO", "MAIL", "RCPT", "DATA", "content", "END")
OFFERS = "250-relay.example\r\n250-SIZE 10240000\r\n250-DSN\r\n250-AUTH PLAIN LOGIN{}\r\n250 8BITMIME"
USUAL = {
    "GREETING": "220 relay.example ESMTP", "STARTTLS": "220 2.0.0 Ready", "AUTH": "235 2.7.0 Authenticated",
    "MAIL": "250 2.1.0 Ok", "RCPT": "250 2.1.5 Ok", "DATA": "354 End with a dot", "END": "250 2.0.0 Ok: queued",
    "RSET": "250 2.0.0 Ok", "QUIT": "221 2.0.0 Bye",
}  # fmt: skip


def context(directory: Path, who: str = "relay") -> ssl.SSLContext:
    """A server's, by the pair of that name in the directory (PEM)."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(directory / f"{who}.crt", directory / f"{who}.key")
    return made


class Scripted:
    """``says``: step -> reply, in the place of the usual one; HANG_UP closes instead. ``at_once``: TLS from the start.

    ``said`` has every line that came but those of messages; ``mails`` the messages whose end came.
    """

    def __init__(
        self, says: Mapping[str, str] | None = None, tls: ssl.SSLContext | None = None, *, at_once: bool = False
    ) -> None:
        self.says = dict(says or {})
        self.said: list[str] = []
        self.mails: list[bytes] = []
        self.connections = 0
        self._tls = tls
        self._at_once = at_once
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._one: socket.socket | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        stop(self._listener, self._thread, self.cut)

    def verbs(self) -> list[str]:
        return [line.split(" ")[0].upper() for line in self.said]

    def cut(self) -> None:
        """Close whatever is open."""
        if self._one is not None:
            # The connection and not its TLS, which the thread that serves it may be in the middle of.
            with suppress(OSError):
                socket.socket.shutdown(self._one, socket.SHUT_RDWR)

    def _serve(self) -> None:
        while True:
            try:
                self._one = self._listener.accept()[0]
            except OSError:
                return
            self.connections += 1
            with suppress(OSError, EOFError):
                if self._at_once:
                    self._secure()
                self._speak()
            self._one.close()

    def _secure(self) -> None:
        """Speak TLS from here on. Shaken hands with last, so that ``cut`` reaches a client that does not."""
        assert self._tls
        assert self._one
        secured = self._tls.wrap_socket(self._one, server_side=True, do_handshake_on_connect=False)
        self._one = secured
        secured.do_handshake()

    def _speak(self) -> None:
        self._lines = b""
        self._say("GREETING")
        while True:
            line = self._line()
            self.said.append(line)
            verb = line.split(" ")[0].upper()
            if verb == "EHLO":
                offer = "\r\n250-STARTTLS" if self._tls and not isinstance(self._one, ssl.SSLSocket) else ""
                self._say("EHLO", OFFERS.format(offer))
            elif verb == "DATA":
                if self._say("DATA").startswith("354"):
                    self._take()
            elif verb == "STARTTLS":
                if self._say(verb).startswith("220"):
                    self._secure()
            else:
                self._say(verb)
                if verb == "QUIT":
                    raise EOFError

    def _take(self) -> None:
        mail = []
        while (line := self._line()) != ".":
            mail.append(line)
            if self.says.get("content") == HANG_UP:
                raise EOFError
        self.mails.append("\r\n".join(mail).encode())
        self._say("END")

    def _say(self, step: str, usual: str = "") -> str:
        reply = self.says.get(step) or usual or USUAL.get(step, "500 5.5.1 what?")
        if reply == HANG_UP:
            raise EOFError
        assert self._one
        self._one.sendall(f"{reply}\r\n".encode())
        return reply

    def _line(self) -> str:
        assert self._one
        while b"\r\n" not in self._lines:
            data = self._one.recv(65_536)
            if not data:
                raise EOFError
            self._lines += data
        line, _, self._lines = self._lines.partition(b"\r\n")
        return line.decode("latin-1")

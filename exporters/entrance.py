"""Who comes in to the pages: by TLS, with which certificate, with which password. By a web configuration file.

The file, and the certificates that it names, are read again when they have changed; one that cannot be used leaves in
force what was, and so does one that would protect by less.
"""

from __future__ import annotations

import hmac
import os
import threading
from base64 import b64decode
from http import HTTPStatus
from typing import TYPE_CHECKING

import bcrypt

from agent.errors import ConfigError
from exporters.web import TEXT, Answer
from exporters.webconfig import costs, holder, part, read, secured, signature

if TYPE_CHECKING:
    import logging
    import socket
    from collections.abc import Callable, Iterable

    from exporters.webconfig import WebConfig

_LOOK = 1.0  # seconds between two looks at the files
_REST = 1.0  # seconds for which they have to be left alone: who writes one may be in the middle of it
_BCRYPT = 72  # bytes of a password that bcrypt looks at
_CHALLENGE = (("WWW-Authenticate", 'Basic realm="knockfirst", charset="UTF-8"'),)  # RFC 7617, 2.1


class Entrance:
    """By the file ``path``; ``credentials`` as in exporters.webconfig. ``open`` comes first.

    ``monotonic`` only rises, ``now`` is of the epoch; both in seconds.
    """

    def __init__(
        self,
        path: str,
        credentials: str | None,
        log: logging.Logger,
        monotonic: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        self._path, self._credentials = path, credentials
        self._log = log
        self._monotonic, self._now = monotonic, now
        self._looking = threading.Lock()
        self._checking = threading.Lock()  # a flood of passwords has one core at most
        self._key = os.urandom(32)
        self._admitted: dict[str, bytes] = {}
        self._said = ""

    def open(self) -> None:
        """Read the file. Raises ConfigError."""
        self._current = read(self._path, self._credentials)
        self._looked = self._monotonic()

    @property
    def head(self) -> tuple[tuple[str, str], ...]:
        """The headers that every response has beside its own."""
        return self._current.headers

    def secured(self, connection: socket.socket, seconds: float) -> socket.socket:
        """The connection as the file wants it. Raises OSError, and has closed it then. Waits for the client."""
        context = self._fresh().context
        return secured(connection, context, seconds) if context else connection

    def part(self, connection: socket.socket) -> None:
        """Say that this was all."""
        part(connection)

    def refusal(self, authorization: str) -> Answer | None:
        """The response to who may not come in, by the header of that name; None to who may."""
        if self._admits(authorization):
            return None
        return Answer(HTTPStatus.UNAUTHORIZED, TEXT, b"a name and a password are needed\n", _CHALLENGE)

    def user(self, connection: socket.socket, authorization: str) -> str:
        """As whom a client came in that was not refused: by password, else by certificate; "" for nobody."""
        given = _basic(authorization) if self._current.users else None
        if self._current.users:
            return given[0] if given and self._admits(authorization) else ""
        return holder(connection)

    def _admits(self, authorization: str) -> bool:
        users = self._current.users
        if not users:
            return True
        given = _basic(authorization)
        if given is None:
            return False
        name, password = given
        hashed = users.get(name)
        if hashed is None:
            # As long as for somebody who is known: nobody learns whom there is.
            self._fits(password, b"$2b$%02d$" % max(costs(users)) + b"." * 53)
            return False
        proof = hmac.digest(self._key, hashed + password, "sha256")
        if hmac.compare_digest(self._admitted.get(name, b""), proof):
            return True
        if self._fits(password, hashed):
            self._admitted[name] = proof
            return True
        return False

    def _fits(self, password: bytes, hashed: bytes) -> bool:
        with self._checking:
            return bcrypt.checkpw(password[:_BCRYPT], hashed)

    def _fresh(self) -> WebConfig:
        """What is in force, after a look at the files where the last is some time ago."""
        if self._monotonic() - self._looked < _LOOK or not self._looking.acquire(blocking=False):
            return self._current
        try:
            self._looked = self._monotonic()
            self._look()
        finally:
            self._looking.release()
        return self._current

    def _look(self) -> None:
        seen = {path: signature(path) for path in self._current.seen}
        if seen == self._current.seen or not self._at_rest(found[-1] for found in seen.values() if found):
            return
        try:
            new = read(self._path, self._credentials)
            if lost := new.weaker_than(self._current):
                raise ConfigError(f"{self._path}: {lost}: would protect by less; start the exporter anew for that")
        except ConfigError as error:
            self._say(str(error))
            return
        self._current = new
        self._said = ""
        self._log.info("web configuration read again")

    def _at_rest(self, changed: Iterable[int]) -> bool:
        """Whether no file was changed just now; times in nanoseconds since the epoch."""
        now = self._now()
        return not any(0 <= now - nanoseconds / 1e9 < _REST for nanoseconds in changed)

    def _say(self, error: str) -> None:
        if error != self._said:
            self._said = error
            self._log.error("web configuration not read again", extra={"error": error})


def _basic(authorization: str) -> tuple[str, bytes] | None:
    """Name and password of a header as RFC 7617 has it; None where it is not."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = b64decode(encoded.strip(), validate=True).partition(b":")
        return (name.decode(), password) if colon else None
    except ValueError:
        return None

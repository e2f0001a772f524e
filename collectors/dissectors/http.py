"""Heads of HTTP/1.x responses (RFC 9112): status, and the headers that name the server. No body is ever read."""

from __future__ import annotations

import re
from typing import ClassVar

from agent.errors import Malformed
from agent.forms import text
from agent.forms.headers import WANTED, tell
from collectors.dissectors import Fact
from collectors.dissectors.lines import LineDissector

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d)(?: |$)")


class HttpServer(LineDissector):
    """Reads one final response head; interim ones (100, 103) before it are passed over."""

    collector: ClassVar[str] = "http"
    # Policies and Kerberos tokens make long header lines; nginx and Apache httpd stop at 8 KiB by default.
    max_line: ClassVar[int] = 8000
    turns_to_tls: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self._head = False  # a status line went by
        self._interim = False
        self._header = b""  # the last wanted one, until it is sure that no folded line follows

    def _line(self, line: bytes, facts: list[Fact]) -> None:
        if not self._head:
            self._status(line, facts)
        elif line[:1] in (b" ", b"\t"):
            self._fold(line)
        else:
            self._flush(facts)
            if not line:
                self.done, self._head = not self._interim, False
            else:
                self._start(line)

    def _last(self, rest: bytes, facts: list[Fact]) -> None:
        """Half a line tells nothing, not even of the header before it if it may be a fold of that."""
        if rest[:1] not in (b" ", b"\t"):
            self._flush(facts)

    def _status(self, line: bytes, facts: list[Fact]) -> None:
        match = _STATUS.match(line)
        if not match:
            raise Malformed("not an HTTP/1.x status line")
        self._head = True
        # 101 is the last head there is: what follows it is another protocol (RFC 9110 15.2.2).
        self._interim = match[1][:1] == b"1" and match[1] != b"101"
        if not self._interim:
            facts.append(("http.status", match[1].decode()))

    def _start(self, line: bytes) -> None:
        name, colon, _ = line.partition(b":")
        if not colon:
            raise Malformed("an HTTP header without a colon")
        if name.lower() in WANTED and not self._interim:
            self._keep(len(line))
            self._header = line

    def _fold(self, line: bytes) -> None:
        if self._header:
            self._keep(len(line))
            self._header += b" " + line.strip()

    def _flush(self, facts: list[Fact]) -> None:
        if self._header:
            header, self._header, self._kept = self._header, b"", 0
            name, _, value = header.partition(b":")
            tell(name, text(value).strip(), facts)

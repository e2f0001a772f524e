"""The reader that the text protocols share: cuts one server's stream into lines, in bounded memory."""

from __future__ import annotations

import re
from typing import ClassVar

from agent.errors import Malformed
from collectors.dissectors import Dissector, Fact

MAX_LINE = 2048  # octets; four times what RFC 5321 4.5.3.1.5 allows a reply line
MAX_KEPT = 8192  # octets of the finished lines of an unfinished reply, with what Python adds to each
BUDGET = 65536  # octets of one stream; what tells a server stands in the first few thousand

_OVERHEAD = 56  # octets that CPython needs for a short string beside its text, and for the list's reference to it
_BINARY = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_TLS_HANDSHAKE = 0x16  # RFC 8446 5.1: ContentType, then the major version, which is 3 in every version
_TLS_MAJOR = 3


class LineDissector:
    """A dissector of lines that end in LF or CRLF; a subclass says what one line tells.

    Where a line would start and a TLS handshake record does (STARTTLS, STLS), all the rest goes to ``tls_server``.
    Facts that were complete before a malformed line are told first; ``Malformed`` then comes with the next call. So
    the facts of a stream do not depend on how it was cut into segments.
    """

    collector: ClassVar[str] = ""
    max_line: ClassVar[int] = MAX_LINE
    turns_to_tls: ClassVar[bool] = True

    def __init__(self) -> None:
        self.done = False
        self._rest = b""  # the unfinished line
        self._kept = 0  # octets of finished lines that the subclass keeps, counted by _keep
        self._fed = 0
        self._fault: Malformed | None = None
        self._inner: Dissector | None = None

    @staticmethod
    def tls_server() -> Dissector:
        """Imported when a session turns to TLS: many flows end before that."""
        from collectors.dissectors.tls import TlsServer

        return TlsServer()

    @property
    def held(self) -> int:
        """Octets of the stream that are held now, at most ``max_line + MAX_KEPT``; TLS holds its own beside them."""
        return len(self._rest) + self._kept

    def feed(self, data: bytes) -> list[Fact]:
        """The facts that the next in-order bytes complete. Raises Malformed; the flow is then given up."""
        if self._fault is not None or self.done:
            return self._ended()
        data = data[: BUDGET - self._fed]
        self._fed += len(data)
        facts: list[Fact] = []
        try:
            self._read(data, facts)
            if self._fed == BUDGET and not self.done:
                self._finish(facts)
        except Malformed as fault:
            self._fault = fault
            self._rest = b""
            if not facts:
                return self._ended()
        return facts

    def end(self) -> list[Fact]:
        """No more will come: what the unfinished rest still tells. Raises a Malformed that was found but not raised."""
        if self._fault is not None or self.done:
            return self._ended()
        facts: list[Fact] = []
        self._finish(facts)
        return facts

    def _ended(self) -> list[Fact]:
        fault, self._fault, self.done = self._fault, None, True
        if fault is not None:
            raise fault
        return []

    def _finish(self, facts: list[Fact]) -> None:
        rest, self._rest, self.done = self._rest, b"", True
        if self._inner is not None:
            facts += self._inner.end()
        elif not _BINARY.search(rest):
            self._last(rest, facts)

    def _read(self, data: bytes, facts: list[Fact]) -> None:
        if self._inner is not None:
            self._hand_over(data, facts)
            return
        if self._rest:
            data = self._rest + data
        start, size = 0, len(data)
        while start < size and not self.done:
            if data[start] == _TLS_HANDSHAKE and self.turns_to_tls:
                if start + 1 == size:
                    break
                if data[start + 1] == _TLS_MAJOR:
                    self._rest = b""
                    self._inner = self.tls_server()
                    self._hand_over(data[start:], facts)
                    return
            stop = data.find(b"\n", start)
            if stop < 0:
                break
            self._line(self._checked(data[start:stop]), facts)
            start = stop + 1
        self._rest = b"" if self.done else data[start:]
        if len(self._rest) > self.max_line:
            raise Malformed(f"a line of more than {self.max_line} octets")

    def _checked(self, line: bytes) -> bytes:
        if len(line) > self.max_line:
            raise Malformed(f"a line of more than {self.max_line} octets")
        if _BINARY.search(line):
            raise Malformed("control octets in a line")
        return line[:-1] if line.endswith(b"\r") else line

    def _hand_over(self, data: bytes, facts: list[Fact]) -> None:
        assert self._inner is not None
        facts += self._inner.feed(data)
        self.done = self._inner.done

    def _keep(self, size: int) -> None:
        """Counts one more line of ``size`` octets as kept; a reply that has too many is nobody's greeting."""
        self._kept += size + _OVERHEAD
        if self._kept > MAX_KEPT:
            self._kept = 0
            raise Malformed(f"a reply of more than {MAX_KEPT} octets")

    def _line(self, line: bytes, facts: list[Fact]) -> None:
        """One line, without its end. Appends to ``facts``; raises Malformed; sets ``done``."""
        raise NotImplementedError

    def _last(self, rest: bytes, facts: list[Fact]) -> None:
        """The line that never ended. As a rule it tells nothing: half a version is another version."""

"""TLS before its encryption begins: server name, ServerHello, leaf certificate (RFC 8446, RFC 5246, RFC 6066).

Each direction is read alone. Of the client nothing is kept but the server name that it asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from agent.errors import Malformed
from agent.forms.certificate import describe
from agent.forms.hostname import hostname
from collectors.dissectors import Fact

LIMIT = 1 << 14  # Bytes held of one message at most; a leaf is some 2 KB.

_HANDSHAKE = 22
_OTHER_CONTENT = (20, 21, 23, 24)  # ChangeCipherSpec, alert, application data, heartbeat: nothing in clear after them.
_MAX_FRAGMENT = 1 << 14  # RFC 8446 5.1

_CLIENT_HELLO, _SERVER_HELLO, _CERTIFICATE, _SERVER_HELLO_DONE = 1, 2, 11, 14
_CLIENTS_OWN = (
    _CLIENT_HELLO,
    15,
    16,
)  # ClientHello, CertificateVerify and ClientKeyExchange in clear come from clients.
_HEADER = 4  # type and 24-bit length of a handshake message
_LEAF = _HEADER + 6  # then the lengths of the chain and of its first certificate (RFC 5246 7.4.2)
_MIN_HELLO, _MAX_SERVER_HELLO = 38, 1 << 13
_MAX_EXTENSIONS = 64

_SERVER_NAME, _SUPPORTED_VERSIONS = 0, 43
_VERSIONS = {0x0300: "ssl3", 0x0301: "1.0", 0x0302: "1.1", 0x0303: "1.2", 0x0304: "1.3"}


class _Records:
    """The record layer: bytes in, fragments of handshake out; ``ended`` at the first record of another content."""

    __slots__ = ("_header", "_left", "ended")

    def __init__(self) -> None:
        self._header = b""
        self._left = 0
        self.ended = False

    def fragments(self, data: bytes) -> Iterator[bytes]:
        at = 0
        while at < len(data):
            if not self._left:
                missing = 5 - len(self._header)
                self._header += data[at : at + missing]
                at += missing
                if len(self._header) < 5:
                    return
                self._open(self._header)
                self._header = b""
                if self.ended:
                    return
            fragment = data[at : at + self._left]
            at += len(fragment)
            self._left -= len(fragment)
            yield fragment

    def _open(self, header: bytes) -> None:
        content, major, length = header[0], header[1], header[3] << 8 | header[4]
        if major != 3 or (content != _HANDSHAKE and content not in _OTHER_CONTENT):
            raise Malformed("not a TLS record")
        if content != _HANDSHAKE:
            self.ended = True
        elif not 0 < length <= _MAX_FRAGMENT:
            raise Malformed(f"handshake record of {length} bytes")
        self._left = length


class _Direction:
    """What both directions share: collects ``_need`` bytes of a message, then asks ``_reached`` what comes next."""

    collector: ClassVar[str] = "tls"
    _hello: ClassVar[int]
    __slots__ = ("_fault", "_message", "_need", "_records", "_skip", "done")

    def __init__(self) -> None:
        self.done = False
        self._fault: Malformed | None = None
        self._records = _Records()
        self._message = bytearray()
        self._need = _HEADER
        self._skip = 0

    def feed(self, data: bytes) -> list[Fact]:
        """The facts that the next in-order bytes complete. Raises Malformed; the flow is then given up.

        Facts that were complete before a fault are told first, and the fault is raised by the next call: what a stream
        tells must not depend on how it was cut.
        """
        if self.done or self._fault:
            return self._ended()
        facts: list[Fact] = []
        try:
            self._read(data, facts)
        except Malformed as fault:
            self._stop()
            # Without its traceback, which would keep the whole segment; not done, for the fault is yet to be told.
            self._fault, self.done = fault.with_traceback(None), False
            if not facts:
                return self._ended()
        return facts

    def end(self) -> list[Fact]:
        """What the unfinished message still tells. Raises a Malformed that was found and not yet raised."""
        if self.done or self._fault:
            return self._ended()
        message = bytes(self._message)
        self._stop()
        try:
            return self._rest(message)
        except Malformed:
            return []  # Cut too short to say anything; that is nobody's fault.

    def _ended(self) -> list[Fact]:
        fault, self._fault = self._fault, None
        self._stop()
        if fault:
            raise fault
        return []

    def _read(self, data: bytes, facts: list[Fact]) -> None:
        for fragment in self._records.fragments(data):
            self._collect(fragment, facts)
            if self.done:
                return
        if self._records.ended:
            self._stop()

    def _collect(self, fragment: bytes, facts: list[Fact]) -> None:
        at, size = 0, len(fragment)
        while at < size and not self.done:
            if self._skip:
                step = min(self._skip, size - at)
                self._skip -= step
                at += step
                continue
            end = self._whole(fragment, at, facts)
            if end > at:
                at = end
                continue
            missing = self._need - len(self._message)
            self._message += fragment[at : at + missing]
            at += missing
            if len(self._message) == self._need:
                self._reached(self._message, facts)

    def _whole(self, fragment: bytes, at: int, facts: list[Fact]) -> int:
        """Read a hello that stands whole in one fragment, as nearly all do, without collecting it. Returns its end."""
        if self._message or len(fragment) < at + _HEADER or fragment[at] != self._hello:
            return at
        end = at + _HEADER + int.from_bytes(fragment[at + 1 : at + _HEADER], "big")
        if not _MIN_HELLO + _HEADER <= end - at <= _MAX_SERVER_HELLO or end > len(fragment):
            return at
        self._reached(fragment[at:end], facts)
        return end

    def _next(self, *, skip: int = 0) -> None:
        self._message.clear()
        self._need, self._skip = _HEADER, skip

    def _stop(self) -> None:
        self.done = True
        self._message = bytearray()

    def _reached(self, message: bytes | bytearray, facts: list[Fact]) -> None:
        raise NotImplementedError

    def _rest(self, message: bytes) -> list[Fact]:
        raise NotImplementedError


class TlsServer(_Direction):
    """The server's side: ``tls.server_hello``, and up to TLS 1.2 ``tls.certificate`` of the leaf.

    A HelloRetryRequest is told as the ServerHello that it looks like, and nothing after it (RFC 8446 4.1.4).
    """

    _hello = _SERVER_HELLO
    __slots__ = ()

    def _reached(self, message: bytes | bytearray, facts: list[Fact]) -> None:
        if len(message) == _HEADER:
            self._header(message[0], int.from_bytes(message[1:4], "big"))
        elif message[0] == _SERVER_HELLO:
            value, version = _server_hello(bytes(message))
            facts.append(("tls.server_hello", value))
            self._next()
            if version >= 0x0304:
                self._stop()
        elif len(message) == _LEAF:
            self._certificate(message)
        else:
            self._stop()
            facts.append(("tls.certificate", describe(bytes(message[_LEAF:]))))

    def _header(self, kind: int, size: int) -> None:
        if kind == _SERVER_HELLO:
            if not _MIN_HELLO <= size <= _MAX_SERVER_HELLO:
                raise Malformed(f"ServerHello of {size} bytes")
            self._need = _HEADER + size
        elif kind == _CERTIFICATE and size > _LEAF - _HEADER:
            self._need = _LEAF
        elif kind in (_SERVER_HELLO_DONE, _CERTIFICATE):
            self._stop()
        elif kind in _CLIENTS_OWN:
            raise Malformed(f"handshake message {kind} from a server")
        else:
            self._next(skip=size)

    def _certificate(self, message: bytes | bytearray) -> None:
        size, chain, leaf = (int.from_bytes(message[at : at + 3], "big") for at in (1, 4, 7))
        if chain + 3 != size or leaf + 3 > chain:
            raise Malformed("lengths of a Certificate message contradict each other")
        if not leaf:
            self._stop()
        self._need = min(_LEAF + leaf, LIMIT)

    def _rest(self, message: bytes) -> list[Fact]:
        if len(message) <= _LEAF or message[0] != _CERTIFICATE:
            return []
        value = describe(message[_LEAF:])
        return [] if value == "truncated: yes" else [("tls.certificate", value)]


class TlsClient(_Direction):
    """The client's side: ``tls.sni`` of its ClientHello, and nothing else of it."""

    _hello = _CLIENT_HELLO
    __slots__ = ()

    def _reached(self, message: bytes | bytearray, facts: list[Fact]) -> None:
        if len(message) > _HEADER:
            self._told(message, facts)
            return
        size = int.from_bytes(message[1:4], "big")
        if message[0] != _CLIENT_HELLO or size < _MIN_HELLO:
            raise Malformed("a TLS client that does not begin with a ClientHello")
        self._need = min(_HEADER + size, LIMIT)

    def _told(self, message: bytes | bytearray, facts: list[Fact]) -> None:
        if self._need == LIMIT:
            facts += self.end()
        else:
            facts += self._rest(bytes(message))
            self._stop()

    def _rest(self, message: bytes) -> list[Fact]:
        name = _server_name(message) if len(message) > _HEADER else None
        return [("tls.sni", name)] if name else []


def at_once(payload: bytes, *, from_server: bool) -> list[Fact] | None:
    """What a stream tells that begins with these bytes, where one whole hello is all that there is to read of it.

    As nearly every ClientHello is, and every ServerHello of TLS 1.3. None where a dissector has to read it.
    """
    hello = _SERVER_HELLO if from_server else _CLIENT_HELLO
    if len(payload) < 5 + _HEADER or payload[0] != _HANDSHAKE or payload[1] != 3 or payload[5] != hello:
        return None
    size = payload[6] << 16 | payload[7] << 8 | payload[8]
    record, end = payload[3] << 8 | payload[4], 5 + _HEADER + size
    if record != _HEADER + size or end > len(payload) or not _MIN_HELLO <= size <= _MAX_SERVER_HELLO:
        return None
    try:
        if not from_server:
            name = _server_name(payload[5:end])
            return [("tls.sni", name)] if name else []
        value, version = _server_hello(payload[5:end])
    except Malformed:
        return None
    return [("tls.server_hello", value)] if version >= 0x0304 else None


def _server_hello(message: bytes) -> tuple[str, int]:
    """The value of ``tls.server_hello`` and the version number (RFC 8446 4.1.3, RFC 5246 7.4.1.3)."""
    version = message[4] << 8 | message[5]
    if version not in _VERSIONS:
        raise Malformed(f"ServerHello of version {version:04x}")
    session = message[38]
    at = 39 + session
    if session > 32 or at + 3 > len(message):
        raise Malformed("ServerHello whose session id leaves no room")
    cipher, at = message[at] << 8 | message[at + 1], at + 3
    kinds: list[str] = []
    if at < len(message):
        if at + 2 + int.from_bytes(message[at : at + 2], "big") != len(message):
            raise Malformed("ServerHello with bytes after its extensions")
        for kind, start, end in _extensions(message, at):
            kinds.append(f"{kind:04x}")
            if kind == _SUPPORTED_VERSIONS and end - start == 2:
                version = message[start] << 8 | message[start + 1]
    return _hello_lines(version, cipher, kinds, session), version


def _hello_lines(version: int, cipher: int, kinds: list[str], session: int) -> str:
    # The drafts of TLS 1.3 numbered themselves 7fxx; some servers still answer so.
    told = "1.3" if version >> 8 == 0x7F else _VERSIONS.get(version) or f"{version:04x}"
    extensions = ",".join(kinds) or "-"
    return f"version: {told}\ncipher: {cipher:04x}\nextensions: {extensions}\nsession: {session}"


def _server_name(message: bytes) -> str | None:
    """The host name that a ClientHello asks for (RFC 6066 section 3). Raises Malformed if it is cut before that."""
    try:
        at = 39 + message[38]  # session id
        at += 2 + (message[at] << 8 | message[at + 1])  # cipher suites
        at += 1 + message[at]  # compression methods
    except IndexError:
        raise _short() from None
    if at == len(message):
        return None
    for kind, start, end in _extensions(message, at):
        if kind == _SERVER_NAME:
            last = start + 5 + int.from_bytes(message[start + 3 : start + 5], "big")
            if last > end:
                raise Malformed("server name longer than its extension")
            return hostname(message[start + 5 : last]) if message[start + 2] == 0 else None
    return None


def _extensions(message: bytes, at: int) -> Iterator[tuple[int, int, int]]:
    """Type, start and end of each extension of the list that begins with its length at ``at`` (RFC 8446 4.2).

    A list may be cut with its message: what was captured of it is told before the Malformed.
    """
    if at + 2 > len(message):
        raise _short()
    stop = at + 2 + (message[at] << 8 | message[at + 1])
    at += 2
    for _ in range(_MAX_EXTENSIONS):
        if at == stop:
            return
        start = at + 4
        if start > len(message):
            raise _short()
        end = start + (message[at + 2] << 8 | message[at + 3])
        if end > stop:
            raise Malformed("extension longer than its list")
        if end > len(message):
            raise _short()
        yield message[at] << 8 | message[at + 1], start, end
        at = end
    raise Malformed(f"more than {_MAX_EXTENSIONS} extensions")


def _short() -> Malformed:
    return Malformed("hello shorter than its own lengths")

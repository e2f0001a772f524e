"""Simulated front ends that break the protocols: what fails, hangs, never ends, or is something else altogether.

Each breaks one rule of RFC 9112, RFC 9110, RFC 8446 or RFC 9113 on purpose. Those that speak at all say as much of
Exchange as they can, so that a reader that is lenient in the wrong place would believe them.
"""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from agent.lab.fronts import LEAF, Front, pages, saying, without

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.lab.fronts_door import Visit

_EXCHANGE = pages("2019")[b"/EWS/Exchange.asmx"]
_OPEN = without(_EXCHANGE, "Content-Length")  # an answer whose body ends with the connection
_PIECE = bytes(range(32, 128)) * 160
_SETTINGS = bytes.fromhex("000000040000000000")  # RFC 9113 6.5: how a server of HTTP/2 begins
_FLOOD = 64 << 20  # bytes after which even an endless answer ends


def _inside(*said: bytes, ends: bool = True) -> Callable[[Visit], None]:
    """Say this inside TLS whatever is asked, and go, or stay."""

    def acts(visit: Visit) -> None:
        visit.secure(LEAF)
        if visit.request():
            for part in said:
                visit.say(part)
            if not ends:
                visit.wait()

    return acts


def _endless(first: bytes, piece: bytes) -> Callable[[Visit], None]:
    def acts(visit: Visit) -> None:
        visit.secure(LEAF)
        if visit.request():
            visit.say(first)
            for _ in range(_FLOOD // len(piece)):
                visit.say(piece)

    return acts


def _dripping(visit: Visit) -> None:
    visit.secure(LEAF)
    if visit.request():
        visit.connection.settimeout(0.1)
        for octet in _EXCHANGE:
            visit.say(bytes((octet,)))
            _pause(visit)


def _pause(visit: Visit) -> None:
    """As long as the time-out of the connection; raises OSError once the visitor has gone."""
    try:
        if not visit.connection.recv(1):
            raise ConnectionResetError
    except TimeoutError:
        pass


def _silent(visit: Visit) -> None:
    visit.wait()


def _closing(visit: Visit) -> None:
    # With the visitor's first words unread it would be a reset.
    visit.connection.recv(4096)


def _resetting(visit: Visit) -> None:
    # Not before the visitor has said something: else the connection could seem to have been refused.
    visit.connection.recv(1)
    visit.reset()


def _resetting_late(visit: Visit) -> None:
    visit.secure(LEAF)
    visit.request()
    visit.reset()


def _hello(said: bytes) -> Callable[[Visit], None]:
    """Answer a ClientHello by this."""

    def acts(visit: Visit) -> None:
        visit.connection.recv(4096)
        visit.say(said)
        visit.wait()

    return acts


def _second(visit: Visit) -> None:
    """One that speaks HTTP/2 and no other."""
    visit.secure(LEAF, protocols=("h2",))
    visit.say(_SETTINGS)
    visit.wait()


_BODY = b"<html><title>Outlook</title></html>"
_PACKED = gzip.compress(_BODY, mtime=0)

ODD: dict[str, Front] = {
    "silent": Front("accepts and says nothing", _silent),
    "hanging": Front("takes a request and never answers", _inside(ends=False)),
    "hanging-head": Front("stops in the middle of a head", _inside(_EXCHANGE[:40], ends=False)),
    "hanging-body": Front(
        "stops in the middle of a body", _inside(saying(_OPEN, "Content-Length: 9000"), b"x", ends=False)
    ),
    "dripping": Front("one byte of its head each tenth of a second", _dripping),
    "endless": Front("a body without an end", _endless(_OPEN, _PIECE)),
    "endless-chunks": Front(
        "chunks without an end", _endless(saying(_OPEN, "Transfer-Encoding: chunked"), b"3e8\r\n%b\r\n" % _PIECE[:1000])
    ),
    "endless-head": Front("headers without an end", _endless(_EXCHANGE[:-2], b"X-Padding: %b\r\n" % (b"x" * 1000))),
    "huge-header": Front(
        "one header of a megabyte", _inside(_EXCHANGE[:-2], b"X-Padding: ", b"x" * (1 << 20), b"\r\n\r\n")
    ),
    "endless-continue": Front("interim answers without an end", _endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 50)),
    "continue": Front(
        "interim answers, one with headers of Exchange, before the answer",
        _inside(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX-OWA-Version: 15.2.1.1\r\n\r\n", _EXCHANGE),
    ),
    "switching": Front(
        "changes the protocol", _inside(saying(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "Upgrade: h2c"))
    ),
    "gzip": Front(
        "packs its page though nobody asked for that",
        _inside(saying(_OPEN, "Content-Encoding: gzip", f"Content-Length: {len(_PACKED)}"), _PACKED),
    ),
    "chunked-garbage": Front(
        "chunks that are none", _inside(saying(_OPEN, "Transfer-Encoding: chunked"), b"zz\r\nnothing\r\n")
    ),
    "short": Front("a body shorter than it was said to be", _inside(saying(_OPEN, "Content-Length: 9000"), _BODY)),
    "two-lengths": Front("two lengths", _inside(saying(_OPEN, "Content-Length: 3", "Content-Length: 4"), b"abc")),
    "http-0.9": Front("a page without a head", _inside(_BODY)),
    "nul": Front("NUL bytes in a header", _inside(_EXCHANGE.replace(b"EX01", b"EX\x0001"))),
    "nul-body": Front("NUL bytes in a body", _inside(saying(_OPEN, "Content-Type: text/html"), bytes(500) + _BODY)),
    "folded": Front("a folded header", _inside(_EXCHANGE.replace(b"X-FEServer: ", b"X-FEServer:\r\n "))),
    "not-http": Front("another protocol", _inside(b"220 mail.example.org ESMTP\r\n")),
    "nothing": Front("closes instead of an answer", _inside()),
    "http-2": Front("speaks HTTP/2 and no other", _second),
    "broken-tls": Front("a handshake of garbage", _hello(b"\x16\x03\x03\x00\x20" + b"\xff" * 32)),
    "alert": Front("an alert instead of a handshake", _hello(bytes.fromhex("15030300020228"))),  # RFC 8446 6.2: 40
    "clear": Front("HTTP in clear where TLS is spoken", _hello(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
    "closing": Front("closes instead of a handshake", _closing),
    "resetting": Front("resets after it has accepted", _resetting),
    "resetting-late": Front("resets after the request", _resetting_late),
}

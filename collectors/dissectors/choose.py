"""Which dissector reads a stream: told by its first byte, whatever the port."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collectors.dissectors.http import HttpServer
from collectors.dissectors.mailbox import ImapServer, PopServer
from collectors.dissectors.smtp import SmtpServer
from collectors.dissectors.tls import TlsClient, TlsServer

if TYPE_CHECKING:
    from collectors.dissectors import Dissector

# Every dissector of a stream there is.
DISSECTORS: tuple[type[Dissector], ...] = (SmtpServer, ImapServer, PopServer, HttpServer, TlsServer, TlsClient)

_IMAP_PORTS = (143, 993)


def choose(payload: bytes, port: int, *, from_server: bool) -> Dissector | None:
    """A new dissector for a stream that begins so, or None for one that begins like nothing that is read."""
    if not from_server:
        return TlsClient()
    first = payload[:1]
    if first.isdigit():
        return SmtpServer()
    if first == b"\x16":
        return TlsServer()
    if first == b"H":
        return HttpServer()
    # Both mailbox protocols ask for more with a `+` and a space (RFC 3501 7.5, RFC 1734).
    if first == b"*" or (first == b"+" and port in _IMAP_PORTS):
        return ImapServer()
    return PopServer() if first == b"+" else None

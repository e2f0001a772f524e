"""Sessions of SMTP, IMAP, POP3, HTTP and TLS as turns of two sides, from the few words that differ between servers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from agent.lab.certificates import Certificate
from agent.lab.handshakes import handshake
from agent.lab.traffic import CLIENT, SERVER, Turn

Turns = tuple[Turn, ...]

_CLIENT_NAME = "client.example.net"
CLIENT_ADDRESS = "203.0.113.9"  # what a server greets its client by


class Starttls(NamedTuple):
    """The name that a client asks for after STARTTLS, and the certificate it is shown."""

    server_name: str
    leaf: Certificate


def smtp(greeting: str, name: str, keywords: Sequence[str], starttls: Starttls | None = None) -> Turns:
    """Greeting, EHLO, and STARTTLS or QUIT (RFC 5321 3.1, RFC 3207). ``greeting`` is without its code."""
    reply = [f"{name} Hello [{CLIENT_ADDRESS}]", *keywords]
    turns = [
        _server(f"220 {greeting}"),
        _client(f"EHLO {_CLIENT_NAME}"),
        _server(*(f"250-{line}" for line in reply[:-1]), f"250 {reply[-1]}"),
    ]
    if starttls:
        turns += [_client("STARTTLS"), _server("220 2.0.0 SMTP server ready"), *handshake(*starttls)]
    else:
        turns += [_client("QUIT"), _server("221 2.0.0 Service closing transmission channel")]
    return tuple(turns)


def delivery(greeting: str, name: str, keywords: Sequence[str], message: bytes, queued: str) -> Turns:
    """A mail given to a server in clear; ``message`` ends in a line end, ``queued`` is the reply to its end."""
    *hello, _, _ = smtp(greeting, name, keywords)
    return (
        *hello,
        _client("MAIL FROM:<alice@example.net>"),
        _server("250 2.1.0 Sender OK"),
        _client("RCPT TO:<bob@example.org>"),
        _server("250 2.1.5 Recipient OK"),
        _client("DATA"),
        _server("354 Start mail input; end with <CRLF>.<CRLF>"),
        (CLIENT, message + b".\r\n"),
        _server(queued),
        _client("QUIT"),
        _server("221 2.0.0 Service closing transmission channel"),
    )


def imap(greeting: str, capability: str) -> Turns:
    """Greeting and CAPABILITY (RFC 3501 6.1.1), then the end."""
    return (
        _server(f"* OK {greeting}"),
        _client("a1 CAPABILITY"),
        _server(f"* CAPABILITY {capability}", "a1 OK CAPABILITY completed."),
        _client("a2 LOGOUT"),
        _server("* BYE Logging out", "a2 OK LOGOUT completed."),
    )


def pop3(greeting: str, capabilities: Iterable[str]) -> Turns:
    """Greeting and CAPA (RFC 2449), then the end."""
    return (
        _server(f"+OK {greeting}"),
        _client("CAPA"),
        _server("+OK", *capabilities, "."),
        _client("QUIT"),
        _server("+OK Bye"),
    )


def retrieval(greeting: str, mail: bytes) -> Turns:
    """A mail fetched in clear by POP3 (RFC 1939): ``mail`` passes from the server's side, as the mail it is."""
    return (
        _server(f"+OK {greeting}"),
        _client("USER bob"),
        _server("+OK"),
        _client("PASS letmein"),
        _server("+OK"),
        _client("RETR 1"),
        (SERVER, b"+OK %d octets\r\n%s.\r\n" % (len(mail), mail)),
        _client("QUIT"),
        _server("+OK Bye"),
    )


def http(
    host: str, path: str, status: str, headers: Iterable[tuple[str, str]], *, body: bytes = b"", asked: str = ""
) -> Turns:
    """One GET and its answer (RFC 9112). ``asked`` are further header lines of the request, each with its line end."""
    fields = [f"{name}: {value}" for name, value in (*headers, ("Content-Length", str(len(body))))]
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: lab\r\n{asked}\r\n"
    head = "\r\n".join([f"HTTP/1.1 {status}", *fields, "", ""])
    return (CLIENT, request.encode()), (SERVER, head.encode() + body)


def tls(server_name: str, leaf: Certificate, version: str = "1.2") -> Turns:
    """A connection that begins with TLS."""
    return tuple(handshake(server_name, leaf, version))


def _client(*lines: str) -> Turn:
    return CLIENT, "".join(f"{line}\r\n" for line in lines).encode()


def _server(*lines: str) -> Turn:
    return SERVER, "".join(f"{line}\r\n" for line in lines).encode()

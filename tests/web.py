"""A real web server of https on loopback, with a certificate of an authority of its own."""

from __future__ import annotations

import datetime
import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY = datetime.timedelta(days=1)


class Page(NamedTuple):
    """An answer. ``endless``: its body is sent again and again, and where it is empty, nothing ever comes."""

    body: bytes = b""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "text/plain; charset=utf-8"),)
    endless: bool = False


class Server(NamedTuple):
    """Where it is, the file of its authority, its pages by path, and the heads of the requests that it got."""

    url: str
    ca: str
    pages: dict[str, Page]
    asked: list[tuple[str, dict[str, str]]]


@contextmanager
def https(directory: Path, *, name: str = "127.0.0.1", expired: bool = False) -> Iterator[Server]:
    """A server whose certificate is for the address ``name``."""
    pages: dict[str, Page] = {}
    asked: list[tuple[str, dict[str, str]]] = []
    ended = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _answering(pages, asked, ended))
    server.daemon_threads = True
    ca, leaf = _certificates(directory, name, expired=expired)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # who hangs up is no error
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield Server(f"https://127.0.0.1:{server.server_address[1]}", str(ca), pages, asked)
    finally:
        ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _answering(
    pages: dict[str, Page], asked: list[tuple[str, dict[str, str]]], ended: threading.Event
) -> type[BaseHTTPRequestHandler]:
    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, dict(self.headers)))
            page = pages.get(self.path, Page(status=404))
            self.send_response(page.status)
            for header in page.headers:
                self.send_header(*header)
            if not page.endless:
                self.send_header("Content-Length", str(len(page.body)))
            self.end_headers()
            self.wfile.write(page.body)
            while page.endless and not ended.wait(0 if page.body else 0.05):
                self.wfile.write(page.body)

        def log_message(self, *_: object) -> None:
            pass

    return Answering


def _certificates(directory: Path, name: str, *, expired: bool) -> tuple[Path, Path]:
    now = datetime.datetime.now(datetime.UTC)
    key, ca_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test Authority")])
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "server")])
    begun = x509.CertificateBuilder().issuer_name(issuer).not_valid_before(now - 9 * DAY)
    authority = (
        begun.subject_name(issuer)
        .public_key(ca_key.public_key())
        .serial_number(1)
        .not_valid_after(now + DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    leaf = (
        begun.subject_name(subject)
        .public_key(key.public_key())
        .serial_number(2)
        .not_valid_after(now - DAY if expired else now + DAY)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(name))]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (directory / "ca.pem").write_bytes(authority.public_bytes(pem))
    (directory / "leaf.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()) + leaf.public_bytes(pem)
    )
    return directory / "ca.pem", directory / "leaf.pem"

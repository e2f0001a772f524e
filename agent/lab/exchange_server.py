"""``python -m agent.lab.exchange_server``: a simulated Exchange server on real sockets, for laboratories and tests.

It says what the tables of ``agent.lab.servers`` say: SMTP with STARTTLS, HTTP and HTTPS, IMAP and POP3. It keeps no
mail, knows no user, and is no Exchange: of its TCP/IP only the TTL is that of Windows, and its TLS is OpenSSL's.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import socketserver
import ssl
import sys
import tempfile
import threading
import warnings
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agent.lab import keys, servers
from agent.lab.certificates import der, private_key
from agent.lab.script import HTTP_PORTS, UPGRADES, script
from agent.lab.sessions import CLIENT_ADDRESS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agent.lab.certificates import Certificate
    from agent.lab.servers import Server, Service

_PATIENCE = 60  # seconds that a silent client is waited for
_LINE = 8192  # bytes of a line at most
_VERSIONS = {"1.0": ssl.TLSVersion.TLSv1, "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Port(socketserver.ThreadingTCPServer):
    """One port of a simulated server, once ``open`` was called. ``number`` stands for the service's own port."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, service: Service, address: str, key: keys.Key, number: int | None = None) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        super().__init__((address, service.port if number is None else number), Conversation, bind_and_activate=False)
        self.service = service
        self.script = script(service)
        self.key = key
        self.context: ssl.SSLContext | None = None

    def open(self) -> None:
        """Listen, and answer in a thread from now on. Raises OSError where the address cannot be had."""
        if self.service.leaf is not None:
            self.context = context(self.service.leaf, self.key, self.service.tls)
        with contextlib.suppress(OSError):  # the other level's option, of the other family
            self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, self.service.host.ttl)
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, self.service.host.ttl)
        self.server_bind()
        self.server_activate()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that breaks off is no error, and there is nobody to be told of any other."""


class Conversation(socketserver.StreamRequestHandler):
    """One client at one port."""

    server: Port
    timeout = _PATIENCE
    disable_nagle_algorithm = True
    _secured = False

    def handle(self) -> None:
        """Speak until the client has had enough."""
        with contextlib.suppress(OSError):  # it has gone, or does not like our certificate
            if self.server.service.port == 443:
                self._secure()
            self._by_requests() if self.server.service.port in HTTP_PORTS else self._by_lines()

    def _by_lines(self) -> None:
        self._say(self.server.script.greeting)
        while line := self.rfile.readline(_LINE):
            said = self.server.script.answer(line, secured=self._secured)
            self._say(said)
            if said.startswith(b"354"):
                self._take_mail()
            words = line.upper().split()
            if self._secured or self.server.context is None:
                pass
            elif any(word in UPGRADES for word in words[:2]):
                self._secure()
            if b"QUIT" in words[:1] or b"LOGOUT" in words[1:2]:
                return

    def _take_mail(self) -> None:
        """Read a mail to its end and forget it."""
        while (line := self.rfile.readline(_LINE)) not in (b"", b".\r\n", b".\n"):
            pass
        self._say(self.server.script.answer(line))

    def _by_requests(self) -> None:
        while request := self.rfile.readline(_LINE):
            while self.rfile.readline(_LINE) not in (b"", b"\r\n", b"\n"):
                pass
            self._say(self.server.script.answer(request))

    def _secure(self) -> None:
        assert self.server.context is not None
        self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self._secured = True

    def _say(self, said: bytes) -> None:
        # Exchange greets its client by the address that it sees.
        seen = self.client_address[0].encode()
        self.connection.sendall(said.replace(CLIENT_ADDRESS.encode(), seen))


def context(leaf: Certificate, key: keys.Key, best: str) -> ssl.SSLContext:
    """A server's side of TLS with this certificate, up to the version ``best``."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if best == "1.0":
        made.set_ciphers("DEFAULT:@SECLEVEL=0")  # OpenSSL 3 speaks it at no other level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that 1.0 is old is why it is simulated
        made.minimum_version = min(_VERSIONS[best], ssl.TLSVersion.TLSv1_2)
        made.maximum_version = _VERSIONS[best]
    text = keys.pem("CERTIFICATE", der(leaf, key)) + keys.pem("RSA PRIVATE KEY", private_key(key))
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(text)
        file.flush()
        made.load_cert_chain(file.name)
    return made


def simulated(options: Namespace, address: str) -> Server:
    """The server that the words of the command line ask for: its generation's ports, and those of its mailboxes."""
    if options.generation == "2003":
        return servers.exchange_2003(address, f"{options.name}.{options.domain}".lower())
    if options.generation == "5.5":
        return servers.exchange_55(address, f"{options.name}.{options.domain}".lower())
    build = None if options.build == "none" else options.build
    front = servers.exchange(options.generation, address, options.name, options.domain, build=build)
    boxes = servers.mailboxes(address)
    own = front.services[0].leaf
    services = [*front.services, *(replace(service, leaf=own) for service in boxes.services)]
    if options.tls:
        services = [replace(one, tls=options.tls) if one.port == 443 else one for one in services]
    return replace(front, services=tuple(services))


def opened(server: Server, key: keys.Key) -> list[Port]:
    """Every port of the server, open. Raises OSError."""
    ports = [Port(service, server.address, key) for service in server.services]
    for port in ports:
        port.open()
    return ports


def main(words: Sequence[str]) -> int:
    """Serve until a signal; says ``ready`` on standard output once every port is open. 0, or 1 without an address."""
    options = _options(words)
    key = keys.generate(options.name)
    try:
        ports = [port for address in options.address for port in opened(simulated(options, address), key)]
    except OSError as error:
        sys.stderr.write(f"exchange_server: {', '.join(options.address)}: {error.strerror}; is the address up?\n")
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print("ready", *_numbers(ports), flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()
    return 0


def _numbers(ports: Iterable[Port]) -> list[int]:
    return sorted({port.service.port for port in ports})


def _options(words: Sequence[str]) -> Namespace:
    parser = ArgumentParser(prog="exchange_server", description="A simulated Exchange server, for laboratories.")
    parser.add_argument("--address", action="append", required=True, help="where to listen; may be given again")
    parser.add_argument("--generation", choices=(*servers.RELEASES, "2003", "5.5"), default="2019")
    parser.add_argument("--name", default="EX01", help="the computer's short name")
    parser.add_argument("--domain", default="example.org")
    parser.add_argument("--build", default="", help="what X-OWA-Version says; `none` leaves the header away")
    parser.add_argument("--tls", choices=tuple(_VERSIONS), help="the best version of port 443")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

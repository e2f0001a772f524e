"""What is worth looking at: the rules that the generated filter and the decoder in Python share.

A frame is admitted for one of four reasons: it is the SYN-ACK of a mail or web server; its payload begins as a
server's greeting, reply, response head or TLS handshake does; it is a ClientHello; it is a DNS answer about mail.
On the ports of SMTP a server's every payload is admitted but encrypted records, because a certificate after STARTTLS
continues in segments that begin like nothing in particular.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collectors.packets.wanted import DISSECTORS

if TYPE_CHECKING:
    from collections.abc import Iterable

# The ports whose SYN-ACK tells of the stack below a mail or web server.
SERVICE_PORTS = (25, 80, 110, 143, 443, 465, 587, 993, 995, 2525)
# 2525 is the transport service behind Exchange's own front end; facing the edge it is a sign by itself.
SMTP_PORTS = (25, 587, 2525)
DNS_PORT = 53
HTTPS = 443

# The first four bytes of a server's payload.
_WORDS = {"mailbox": (b"* OK", b"* PR", b"* CA", b"+ Tl"), "http": (b"HTTP",)}
POP3_OK = b"+OK"
# Three digits, then a space or a hyphen (RFC 5321 4.2): mask and value of the four bytes as a number.
REPLY_MASK, REPLY = 0xF8F0F0F2, 0x30303020
# A TLS record of type 22 and version 3.0 to 3.7, then the handshake's type.
HANDSHAKE, TLS_MAJOR = 0x16, 0x03
CLIENT_HELLO, SERVER_HELLO, CERTIFICATE = 1, 2, 11
APPLICATION_DATA = 0x17

# RFC 6335 6: the ports below are those of services; nobody opens a connection from one to another's service.
SYSTEM_PORTS = 1024

AUTODISCOVER = (b"autodiscover", b"_autodiscover")
MAX_LABELS = 10  # of a DNS name that is walked to find out whether MX was asked
MX = 15

# Sides, as small numbers: who sent the frame that was admitted.
SERVER, CLIENT = 1, 2


class Rules:
    """The rules as far as enabled dissectors want them, for servers on some ports, or on any where none are named.

    ``words`` are the first four bytes of a payload, ``smtp_ports`` those whose every payload is wanted, ``answering``
    those whose SYN-ACK is.
    """

    def __init__(self, dissectors: Iterable[str] = DISSECTORS, ports: Iterable[int] = ()) -> None:
        enabled, self.ports = frozenset(dissectors), frozenset(ports)
        self.replies, self.pop3 = "smtp" in enabled, "mailbox" in enabled
        self.tls, self.dns = "tls" in enabled, "dns" in enabled
        self.words = tuple(word for name, words in _WORDS.items() if name in enabled for word in words)
        self.smtp_ports = self._of(SMTP_PORTS) if self.replies else ()
        self.answering = (tuple(sorted(self.ports)) or SERVICE_PORTS) if "tcp" in enabled else ()

    def _of(self, ports: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(port for port in ports if not self.ports or port in self.ports)

    @property
    def payloads(self) -> bool:
        """Whether any TCP payload is wanted."""
        return bool(self.words or self.replies or self.pop3 or self.tls)

    def side(self, payload: bytes, size: int, source: int, destination: int) -> int:
        """Who says a TCP payload that is wanted by itself, SERVER or CLIENT, or 0; ports as numbers.

        ``size`` is its length on the wire; of a frame that was cut, ``payload`` may hold less.
        """
        side = self.admitted(payload, size, source, destination)
        return 0 if side == SERVER and by_client(payload, source, destination) else side

    def admitted(self, payload: bytes, size: int, source: int, destination: int) -> int:
        """The same as far as a filter can tell, which knows of no stream that a certificate may belong to."""
        side = self.begins(payload, size, source)
        if side == SERVER and source >= SYSTEM_PORTS > destination:
            return 0
        if side and self.ports and (source if side == SERVER else destination) not in self.ports:
            return 0
        return side

    def begins(self, payload: bytes, size: int, source: int) -> int:
        """The side that a payload begins like one of, whatever the ports of its servers."""
        if not payload or len(payload) < 4 <= size:
            return 0
        first = payload[0]
        if size >= 4:
            if first == HANDSHAKE and size >= 6 and payload[1] == TLS_MAJOR and payload[2] <= 7:
                if len(payload) < 6:
                    return 0
                if self.tls and payload[5] == CLIENT_HELLO:
                    return CLIENT
                if self.tls and payload[5] in (SERVER_HELLO, CERTIFICATE):
                    return SERVER
            elif self._word(payload):
                return SERVER
        return SERVER if source in self.smtp_ports and first != APPLICATION_DATA else 0

    def _word(self, payload: bytes) -> bool:
        return (
            payload[:4] in self.words
            or (self.pop3 and payload[:3] == POP3_OK)
            or (self.replies and int.from_bytes(payload[:4], "big") & REPLY_MASK == REPLY)
        )


def by_client(payload: bytes, source_port: int, destination_port: int) -> bool:
    """Whether a payload that begins as a server's would is a client's all the same.

    A mail that quotes an SMTP session begins some segment with a greeting sooner or later. And a certificate that is
    not seen to follow a ServerHello may be one that a client shows, which names a person (RFC 5246 7.4.6).
    """
    if source_port < SYSTEM_PORTS:
        return False
    return destination_port < SYSTEM_PORTS or (payload[0] == HANDSHAKE and payload[5:6] == bytes((CERTIFICATE,)))


def dns_wanted(message: bytes) -> bool:
    """Whether a DNS message answers a question for autodiscover names or for mail exchangers (RFC 1035 4.1)."""
    if len(message) < 13 or not message[2] & 0x80 or message[4:6] == b"\0\0" or message[6:8] == b"\0\0":
        return False
    first = message[13 : 13 + message[12]]
    if message[12] in (12, 13) and len(first) == message[12] and _lower(first) in AUTODISCOVER:
        return True
    at = 12
    for _ in range(MAX_LABELS):
        if at >= len(message) or message[at] > 63:
            return False
        if message[at] == 0:
            return message[at + 1 : at + 3] == MX.to_bytes(2, "big")
        at += message[at] + 1
    return False


def _lower(label: bytes) -> bytes:
    # As the filter does it: 0x20 set in every byte, which is lower case for letters; `_` has to be put back.
    lowered = bytes(b | 0x20 for b in label)
    return b"_" + lowered[1:] if lowered[:1] == b"\x7f" else lowered

"""One target per reader of hostile bytes: nothing but ``Malformed`` is raised, little is held, nothing private is told.

``--fuzz-seconds`` sets how long each target runs; a failure prints the ``--fuzz-seed`` that repeats it.
"""

from __future__ import annotations

import base64
import datetime
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agent.errors import Malformed
from agent.model import KINDS
from tests import wire
from tests.fuzz.mutation import Mutator

MAX_HELD = (1 << 14) * 9 // 8 + 2048  # 16 KiB, the growth of a bytearray, and what Python adds to each object
MAX_VALUE = 1 << 15  # characters of one value
MAX_SECONDS = 1.0  # of processor time for one input; thousands of them are read in that time


def certificate() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example"), x509.NameAttribute(NameOID.COMMON_NAME, "EX01")]
    )
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + datetime.timedelta(days=1826))
    names = x509.SubjectAlternativeName([x509.DNSName("EX01"), x509.DNSName("ex01.example.org")])
    signed = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.DER)


LEAF = certificate()
FLIGHT = wire.server_hello() + wire.certificates(LEAF) + wire.handshake(wire.SERVER_HELLO_DONE, b"")
TLS = [
    wire.record(FLIGHT), wire.records(FLIGHT, 200),
    wire.record(wire.server_hello([wire.SUPPORTED_TLS13, (51, bytes(36))])) + wire.record(b"\1", 20),
    wire.record(wire.server_hello(None, session=0)),
    # Longer than what is held of one message.
    wire.records(wire.server_hello() + wire.certificates(LEAF[:4] + bytes(24_000)), 9000),
]  # fmt: skip
NTLM = (
    b"NTLMSSP\0" + (2).to_bytes(4, "little") + b"\x08\0\x08\0\x38\0\0\0" + (0xE2898215).to_bytes(4, "little")
    + bytes(16) + b"\x04\0\x04\0\x40\0\0\0" + b"\x0a\0\x63\x45\0\0\0\x0f" + "EX01".encode("utf-16-le") + bytes(4)
)  # fmt: skip
CHALLENGE = base64.b64encode(NTLM)
STREAMS: dict[str, list[bytes]] = {
    "smtp:SmtpServer": [
        b"220 ex01.example.org Microsoft ESMTP MAIL Service ready at Mon, 2 Nov 2026 09:00:00 +0100\r\n"
        b"250-ex01.example.org Hello [192.0.2.9]\r\n250-SIZE 37748736\r\n250-X-ANONYMOUSTLS\r\n250-AUTH NTLM\r\n"
        b"250 XRDST\r\n334 " + CHALLENGE + b"\r\n535 5.7.3 Authentication unsuccessful\r\n",
        b"220-a.example.org ESMTP\r\n220 ready\r\n250 a\r\n220 2.0.0 SMTP server ready\r\n" + TLS[0],
        b"220 x\r\n214-This server supports the following commands:\r\n214 HELO EHLO\r\n"
        b"250 2.6.0 <a@example.org> [InternalId=7, Hostname=ex01.example.org] Queued mail for delivery\r\n",
    ],
    "mailbox:ImapServer": [
        b"* OK The Microsoft Exchange IMAP4 service is ready. [RQBYADAAMQA=]\r\n"
        b"* CAPABILITY IMAP4 IMAP4rev1 AUTH=NTLM\r\na1 OK CAPABILITY completed.\r\n+ " + CHALLENGE + b"\r\n* BYE\r\n",
        b"* OK ready\r\na OK Begin TLS negotiation now.\r\n" + TLS[0],
    ],
    "mailbox:PopServer": [
        b"+OK The Microsoft Exchange POP3 service is ready. <1.2@example.org>\r\n"
        b"+OK\r\nTOP\r\nUIDL\r\nSASL NTLM\r\n.\r\n+ " + CHALLENGE + b"\r\n-ERR\r\n",
        b"+OK ready\r\n+OK Begin TLS negotiation.\r\n" + TLS[0],
    ],
    "http:HttpServer": [
        b"HTTP/1.1 401 Unauthorized\r\nServer: Microsoft-IIS/10.0\r\nX-OWA-Version: 15.2.1748.36\r\n"
        b"X-FEServer: EX01\r\nWWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM " + CHALLENGE + b"\r\n"
        b'WWW-Authenticate: Basic realm="mail.example.org"\r\nContent-Length: 0\r\n\r\n',
        b"HTTP/1.1 302 Found\r\nLocation: https://mail.example.org/owa/?a=b\r\nSet-Cookie: ClientId=1; path=/\r\n\r\n",
    ],
    "tls:TlsServer": TLS,
    "tls:TlsClient": [
        wire.record(wire.client_hello([wire.server_name("autodiscover.example.org"), (16, b"\0\x03\x02h2")])),
        wire.records(wire.client_hello([(21, bytes(400)), wire.server_name("mail.example.org")]), 99),
        wire.records(wire.client_hello([wire.server_name("mail.example.org"), (21, bytes(24_000))]), 9000),
    ],
}
AUTO = "autodiscover.example.org"
A = wire.dns_record(AUTO, 1, b"\xc0\0\x02\x19")
MX = wire.dns_record(b"\xc0\x0c", 15, b"\0\x0a" + wire.dns_name(AUTO))
SRV = wire.dns_record(b"\xc0\x0c", 33, b"\0\0\0\0\x01\xbb" + wire.dns_name(AUTO))
MESSAGES: dict[str, list[bytes]] = {
    "certificate:describe": [LEAF],
    "dns:answers": [
        wire.dns_message(AUTO, 1, A, wire.dns_record(b"\xc0\x0c", 28, bytes(16))),
        wire.dns_message(AUTO, 1, wire.dns_record(b"\xc0\x0c", 5, b"\x04mail\xc0\x19"), A),
        wire.dns_message("example.org", 15, MX, more=[A]),
        wire.dns_message("_autodiscover._tcp.example.org", 33, SRV, more=[A]),
    ],
    "tcp:synack": [
        bytes.fromhex("020405b40103030801010402"), bytes.fromhex("020405b40402080a010203040506070801030307"),
    ],
    "ntlm:version": [NTLM],
    "ntlm:challenge": [CHALLENGE],
}  # fmt: skip


def found(target: str) -> Any:
    module, _, name = target.partition(":")
    package = "agent.forms" if module in ("certificate", "ntlm") else "collectors.dissectors"
    return getattr(import_module(f"{package}.{module}"), name)


def check(facts: list[tuple[str, str]]) -> None:
    for kind, value in facts:
        assert kind in KINDS
        assert len(value) <= MAX_VALUE
        value.encode()  # text that can be written down: no half of a surrogate pair


@pytest.mark.parametrize("target", STREAMS)
def test_streams(target: str, fuzz_seconds: float, fuzz_seed: int) -> None:
    make: Callable[[], Any] = found(target)
    corpus = STREAMS[target]
    for stream in corpus:
        assert wire.facts_of(make, [stream]), "a seed that tells nothing reaches nothing"
    mutator, until = Mutator(fuzz_seed, corpus), time.process_time() + fuzz_seconds
    while time.process_time() < until:
        stream = mutator.message()
        parts = mutator.cut(stream)
        try:
            check(one_stream(make, parts))
            assert wire.facts_of(make, [stream]) == wire.facts_of(make, parts)
        except Exception as error:
            error.add_note(f"--fuzz-seed {fuzz_seed}: {target} fed {[part.hex() for part in parts]}")
            raise


def one_stream(make: Callable[[], Any], parts: list[bytes]) -> list[tuple[str, str]]:
    dissector, facts, began = make(), [], time.process_time()
    try:
        for part in parts:
            facts += dissector.feed(part)
            assert wire.held(dissector) <= MAX_HELD
            if dissector.done:
                break
        facts += dissector.end()
    except Malformed:
        pass
    assert wire.held(dissector) <= MAX_HELD
    assert time.process_time() - began < MAX_SECONDS
    return facts


def one_message(target: str, read: Callable[..., Any], message: bytes) -> None:
    try:
        if target == "tcp:synack":
            check([read(64, 8192, message)])
        elif target == "dns:answers":
            check([fact for _, fact in read(message)])
        else:
            value = read(message)
            assert value is None or 0 < len(value) <= MAX_VALUE
    except Malformed:
        pass


@pytest.mark.parametrize("target", MESSAGES)
def test_messages(target: str, fuzz_seconds: float, fuzz_seed: int) -> None:
    read: Callable[..., Any] = found(target)
    mutator, until = Mutator(fuzz_seed, MESSAGES[target]), time.process_time() + fuzz_seconds
    while time.process_time() < until:
        message, began = mutator.message(), time.process_time()
        try:
            one_message(target, read, message)
            assert time.process_time() - began < MAX_SECONDS
        except Exception as error:
            error.add_note(f"--fuzz-seed {fuzz_seed}: {target} read {message.hex()}")
            raise

"""TLS servers in real captures: what is told of their certificates is what ``cryptography`` reads in them."""

from __future__ import annotations

import contextlib
import pathlib
import struct
from collections import defaultdict
from collections.abc import Iterator
from typing import BinaryIO

import dpkt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from agent.errors import Malformed
from agent.forms.certificate import describe
from collectors.dissectors import tls

CAPTURES = pathlib.Path("../shared/captures")
MOST = 2_500_000  # octets of a capture; larger ones hold more of the same


def frames(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Every frame that dpkt can read, with the capture's link type; some of these files are broken on purpose."""
    with contextlib.suppress(ValueError, dpkt.UnpackError, struct.error):
        reader = dpkt.pcap.UniversalReader(file)
        for _, frame in reader:
            yield frame, reader.datalink()


def streams(path: pathlib.Path) -> Iterator[bytes]:
    """The in-order beginning of each side of each TCP connection, as dpkt reads it."""
    sides: dict[tuple[bytes, bytes, int, int], dict[int, bytes]] = defaultdict(dict)
    with path.open("rb") as file:
        for frame, link in frames(file):
            try:
                ip = dpkt.ethernet.Ethernet(frame).data if link == 1 else dpkt.ip.IP(frame)
                part = ip.data
                side, sequence = (ip.src, ip.dst, part.sport, part.dport), part.seq
            except (dpkt.UnpackError, AttributeError, IndexError, KeyError, TypeError, ValueError):
                continue  # not TCP, or cut
            if part.data:
                sides[side].setdefault(sequence, part.data)
    for segments in sides.values():
        stream, after = b"", min(segments)
        for sequence in sorted(segments):
            if sequence == after:
                stream, after = stream + bytes(segments[sequence]), after + len(segments[sequence])
        yield stream


def told(stream: bytes, leaves: list[bytes], monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    def noted(der: bytes) -> str:
        leaves.append(der)
        return describe(der)

    monkeypatch.setattr(tls, "describe", noted)
    server = tls.TlsServer()
    try:
        return server.feed(stream) + server.end()
    except Malformed:
        return []


def test_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    if not CAPTURES.is_dir():
        pytest.skip("the captures are not beside this checkout")
    hellos, leaves = 0, list[bytes]()
    for path in sorted(path for path in CAPTURES.glob("*/*.pcap*") if path.stat().st_size < MOST):
        for stream in streams(path):
            # A handshake record whose first message is a ServerHello.
            if stream[:2] == b"\x16\x03" and stream[5:6] == b"\x02":
                hellos += any(kind == "tls.server_hello" for kind, _ in told(stream, leaves, monkeypatch))
    assert hellos > 300
    assert sum(agrees(der) for der in set(leaves)) > 30


def agrees(der: bytes) -> bool:
    value = dict(line.split(": ", 1) for line in describe(der).split("\n"))
    try:
        oracle = x509.load_der_x509_certificate(der)
    except ValueError:
        return False  # Cut, or worse than the oracle puts up with.
    assert value["sha256"] == oracle.fingerprint(hashes.SHA256()).hex()
    assert value["not_before"] == f"{oracle.not_valid_before_utc:%Y-%m-%d}"
    assert value["not_after"] == f"{oracle.not_valid_after_utc:%Y-%m-%d}"
    for line, name in (("subject", oracle.subject), ("issuer", oracle.issuer)):
        kept = [rdn for rdn in reversed(name.rdns) if "@" not in rdn.rfc4514_string()]
        assert value.get(line, "") == ",".join(rdn.rfc4514_string() for rdn in kept)
    return True

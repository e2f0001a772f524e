"""DNS answers (RFC 1035 4) for the simulated traffic: a few record types, no name compression."""

from __future__ import annotations

import socket
import struct

_TYPES = {"A": 1, "CNAME": 5, "MX": 15, "AAAA": 28, "SRV": 33}

# owner, type, and what it says: an address, a name, "10 mx.example.org", or "0 0 443 mail.example.org".
Record = tuple[str, str, str]


def answer(question: str, kind: str, records: tuple[Record, ...]) -> bytes:
    """The payload of a recursive resolver's answer to one question, all records in its answer section."""
    header = struct.pack("!HHHHHH", 4711, 0x8180, 1, len(records), 0, 0)
    asked = _name(question) + struct.pack("!HH", _TYPES[kind], 1)
    return header + asked + b"".join(_record(*record) for record in records)


def _record(owner: str, kind: str, said: str) -> bytes:
    data = _data(kind, said)
    return _name(owner) + struct.pack("!HHIH", _TYPES[kind], 1, 3600, len(data)) + data


def _data(kind: str, said: str) -> bytes:
    if kind == "A":
        return socket.inet_pton(socket.AF_INET, said)
    if kind == "AAAA":
        return socket.inet_pton(socket.AF_INET6, said)
    *numbers, target = said.split()
    return b"".join(struct.pack("!H", int(number)) for number in numbers) + _name(target)


def _name(text: str) -> bytes:
    return b"".join(bytes((len(label),)) + label.encode("ascii") for label in text.split(".")) + b"\0"

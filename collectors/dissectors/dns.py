"""What a DNS answer tells of mail servers: MX, autodiscover names and their SRV records (RFC 1035, RFC 2782).

Only the answer's message is read; who asked is not in it. Messages are read here and not with dpkt, because importing
one module of dpkt imports them all and would cost every start 40 ms; the tests hold both against each other.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from agent.errors import Malformed
from agent.forms.hostname import hostname
from agent.model import Endpoint
from collectors.dissectors import Fact

MAX_RECORDS = 32
_MAX_JUMPS = 32  # compression pointers in one name
_MAX_NAME = 255  # octets, RFC 1035 2.3.4
_MAX_ALIASES = 8  # CNAMEs in a row

_HEADER = Struct(">6H")
_RECORD = Struct(">HHIH")
_RESPONSE, _OPCODE_AND_RCODE = 0x8000, 0x780F
_A, _CNAME, _MX, _AAAA, _SRV, _IN = 1, 5, 15, 28, 33, 1


class _CutError(Exception):
    """The bytes end here, the message does not."""


class _Record(NamedTuple):
    """An owner name and what it leads to: an address or a name, and the port of an SRV record."""

    owner: str
    kind: int
    target: str
    port: int = 0


def answers(payload: bytes) -> list[tuple[Endpoint, Fact]]:
    """The facts of one DNS message (the payload of a UDP datagram) and the servers that they are about.

    Kinds ``dns.mx``, ``dns.srv`` and ``dns.autodiscover``, each only where the same message has the server's address.
    Queries, errors and other questions give none; a cut message gives what is there. Raises Malformed.
    """
    if len(payload) < _HEADER.size:
        raise Malformed("a DNS message shorter than its header")
    _, flags, questions, *counts = _HEADER.unpack_from(payload)
    if not flags & _RESPONSE or flags & _OPCODE_AND_RCODE or questions != 1:
        return []
    try:
        asked, at = _name(payload, _HEADER.size)
    except _CutError:
        return []
    return _facts(asked, _records(payload, at + 4, min(sum(counts), MAX_RECORDS))) if asked else []


def _facts(asked: str, records: list[_Record]) -> list[tuple[Endpoint, Fact]]:
    aliases = {record.owner: record.target for record in records if record.kind == _CNAME}
    found = _canonical(asked, aliases)
    facts: list[tuple[Endpoint, Fact]] = []
    if asked.startswith("autodiscover."):
        # The first alias is the one that the domain's owner chose; those behind it are its target's own affair.
        value = f"{asked} -> {aliases[asked]}" if asked in aliases else asked
        facts = [(Endpoint(address, 443), ("dns.autodiscover", value)) for address in _addresses(found, records)]
    for record in records:
        if record.owner != found:
            continue
        if record.kind == _MX:
            port, kind = 25, "dns.mx"
        elif record.kind == _SRV and record.port and asked.startswith("_autodiscover._tcp."):
            port, kind = record.port, "dns.srv"
        else:
            continue
        fact = (kind, f"{asked} -> {record.target}")
        addresses = _addresses(_canonical(record.target, aliases), records)
        facts += [(Endpoint(address, port), fact) for address in addresses]
    return list(dict.fromkeys(facts))


def _canonical(name: str, aliases: dict[str, str]) -> str:
    for _ in range(_MAX_ALIASES):
        if name not in aliases:
            break
        name = aliases[name]
    return name


def _addresses(name: str, records: list[_Record]) -> list[str]:
    return [record.target for record in records if record.owner == name and record.kind in (_A, _AAAA)]


def _records(message: bytes, at: int, count: int) -> list[_Record]:
    records: list[_Record] = []
    try:
        for _ in range(count):
            owner, at = _name(message, at)
            start = at + _RECORD.size
            if start > len(message):
                break
            kind, network, _, size = _RECORD.unpack_from(message, at)
            at = start + size
            if at > len(message):
                break
            record = _record(message, owner, kind, start, at) if owner and network == _IN else None
            if record:
                records.append(record)
    except _CutError:
        pass  # What came before the end of the bytes holds.
    return records


def _record(message: bytes, owner: str, kind: int, start: int, end: int) -> _Record | None:
    if kind in (_A, _AAAA):
        return _Record(owner, kind, _address(message[start:end], 4 if kind == _A else 16))
    if kind not in (_CNAME, _MX, _SRV):
        return None
    # RFC 1035 3.3.9: a preference before the name; RFC 2782: priority, weight and port before it.
    before = {_CNAME: 0, _MX: 2, _SRV: 6}[kind]
    # A name that has no room in its record is not looked for in the next one, or behind the message.
    target, stop = _name(message, start + before) if start + before < end else (None, 0)
    if stop != end:
        raise Malformed("a DNS record whose name and length contradict each other")
    port = message[start + 4] << 8 | message[start + 5] if kind == _SRV else 0
    # The root as target says that there is no such service (RFC 7505, RFC 2782).
    return _Record(owner, kind, target, port) if target else None


def _address(octets: bytes, size: int) -> str:
    if len(octets) != size:
        raise Malformed(f"a DNS address of {len(octets)} octets")
    if size == 4:
        return ".".join(map(str, octets))
    from socket import AF_INET6, inet_ntop  # Its 9 ms are paid only where IPv6 is answered.

    return inet_ntop(AF_INET6, octets)


def _name(message: bytes, at: int) -> tuple[str | None, int]:
    """The name at ``at``, None if it is no host name or the root, and where what follows it begins (RFC 1035 4.1.4)."""
    labels: list[bytes] = []
    after, lowest, total = 0, at, 0
    for _ in range(_MAX_JUMPS):
        at, total = _labels(message, at, labels, total)
        if message[at] == 0:
            return _text(labels), after or at + 1
        if at + 2 > len(message):
            raise _CutError
        target = (message[at] & 0x3F) << 8 | message[at + 1]
        after = after or at + 2
        # A pointer leads to a prior name only, so that no two of them can lead around in a circle.
        if target >= lowest:
            raise Malformed("a DNS name that points forward")
        at = lowest = target
    raise Malformed("a DNS name of too many pointers")


def _labels(message: bytes, at: int, labels: list[bytes], total: int) -> tuple[int, int]:
    """Adds the labels from ``at`` to the root or pointer that ends them, whose place is returned."""
    while at < len(message):
        size = message[at]
        if not size or size >= 0xC0:
            return at, total
        total += size + 1
        if size > 63 or total > _MAX_NAME:
            raise Malformed("a DNS name that is too long")
        if at + 1 + size > len(message):
            raise _CutError
        labels.append(message[at + 1 : at + 1 + size])
        at += 1 + size
    raise _CutError


def _text(labels: list[bytes]) -> str | None:
    return None if any(b"." in label for label in labels) else hostname(b".".join(labels))

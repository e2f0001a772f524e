"""TCP conversations and capture files for tests, without scapy: hundreds of them cost no time worth mentioning."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from agent.lab import sessions
from agent.lab.certificates import Certificate, public, self_signed
from agent.lab.files import pcap
from agent.lab.traffic import EPOCH_NS, Frame, Turn
from agent.model import Observation
from collectors.line import Line
from collectors.packets.wanted import inside
from tests import frames

CLIENT_4, CLIENT_6 = "198.51.100.7", "2001:db8::7"
SYN, SYN_ACK, ACK, DATA = 0x02, 0x12, 0x10, 0x18
WINDOWS_OPTIONS = bytes.fromhex("020405b40103030801010402")
SECOND_NS = 1_000_000_000
START = EPOCH_NS / SECOND_NS


def segment(
    server: str,
    port: int,
    client_port: int,
    body: bytes = b"",
    *,
    to_client: bool = True,
    flags: int = DATA,
    sequence: int = 1,
    ack: int = 1,
    options: bytes = b"",
    layers: tuple[str, ...] = (),
    ttl: int = 126,
) -> bytes:
    """One TCP segment between a server and the client of its IP version, as an Ethernet frame."""
    ports = (port, client_port) if to_client else (client_port, port)
    tcp = frames.tcp(*ports, body, flags=flags, sequence=sequence, ack=ack, options=options)
    if ":" in server:
        ends = [int(a.rpartition(":")[2], 16) for a in (server, CLIENT_6)]
        source, destination = ends if to_client else ends[::-1]
        return frames.wrap(layers, frames.ipv6(6, tcp, source=source, destination=destination))
    source4, destination4 = (server, CLIENT_4) if to_client else (CLIENT_4, server)
    return frames.wrap(layers, frames.ipv4(6, tcp, source=source4, destination=destination4, ttl=ttl))


def conversation(
    server: str,
    port: int,
    turns: Iterable[Turn],
    *,
    client_port: int = 40000,
    at: float = 0.0,
    mss: int = 1400,
    layers: tuple[str, ...] = (),
    ttl: int = 126,
) -> list[Frame]:
    """The frames of one connection, a millisecond apart, ``at`` seconds after the lab's clock begins."""
    number = {True: client_port << 12, False: client_port << 13}
    said: list[tuple[bool, bytes]] = []

    def say(to_client: bool, body: bytes, flags: int, options: bytes = b"") -> None:
        said.append((to_client, segment(
            server, port, client_port, body, to_client=to_client, flags=flags, sequence=number[to_client],
            ack=number[not to_client], options=options, layers=layers, ttl=ttl,
        )))  # fmt: skip
        number[to_client] += len(body) + bool(flags & SYN)

    say(False, b"", SYN, WINDOWS_OPTIONS)
    say(True, b"", SYN_ACK, WINDOWS_OPTIONS)
    for to_client, body in turns:
        for piece in (body[i : i + mss] for i in range(0, len(body), mss)):
            say(to_client, piece, DATA)
        say(not to_client, b"", ACK)
    start = EPOCH_NS + int(at * SECOND_NS)
    return [Frame(start + n * 1_000_000, data, side) for n, (side, data) in enumerate(said)]


def long_leaf(name: str) -> Certificate:
    """A certificate of so many names that no frame of Ethernet holds it."""
    return public(name, *(f"host{n}.{name}" for n in range(120)))


def mail_turns(name: str) -> tuple[Turn, ...]:
    """SMTP of an Exchange server up to STARTTLS and the certificate of its setup."""
    keywords = ("SIZE 37748736", "PIPELINING", "STARTTLS", "X-ANONYMOUSTLS", "AUTH NTLM", "X-EXPS GSSAPI NTLM", "XRDST")
    greeting = f"{name} Microsoft ESMTP MAIL Service ready at Mon, 2 Nov 2026 09:00:00 +0000"
    short, _, domain = name.partition(".")
    return sessions.smtp(greeting, name, keywords, sessions.Starttls(name, self_signed(short.upper(), domain)))


def capture(path: Path, seen: Iterable[Frame], *, link: int = 1) -> str:
    """A capture file of these frames in the order of their clocks; its name."""
    path.write_bytes(pcap(sorted(seen, key=lambda frame: frame.time), link=link))
    return str(path)


def observed(path: str, prefixes: tuple[str, ...] = (), *, counting: bool = False) -> tuple[list[Observation], Line]:
    """What a new line tells of a file, and the line itself."""
    line = Line(inside(prefixes))
    return list(line.read(path, counting=counting)), line

"""Synthetic conversations, frame by frame: TCP with its handshake, DNS answers over UDP, in any encapsulation.

Nothing here draws a random number without a seed: the same conversation always gives the same bytes. scapy lays the
headers out and computes lengths and checksums; it is imported when the first packet is built and not before.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from agent.lab import encapsulation

if TYPE_CHECKING:
    from scapy.packet import Packet

EPOCH_NS = 1_793_610_000_000_000_000  # 2026-11-02 09:00:00 UTC, when all synthetic traffic begins
_STEP_NS = 1_000_000  # between two frames of one conversation

# One side of a conversation says something.
Turn = tuple[bool, bytes]
CLIENT: Final = False
SERVER: Final = True
TcpOptions = tuple[tuple[str, int | bytes | tuple[int, int] | None], ...]


@dataclass(frozen=True, slots=True)
class Host:
    """What an operating system's TCP/IP shows: its initial TTL, the window (bytes) and the options of its SYN-ACK."""

    ttl: int
    window: int
    options: TcpOptions


_WINDOWS_OPTIONS: TcpOptions = (
    ("MSS", 1460),
    ("NOP", None),
    ("WScale", 8),
    ("NOP", None),
    ("NOP", None),
    ("SAckOK", b""),
)
# p0f p0f.fp, the response signatures of Windows 7 and 8 and of NT kernels 5.x; newer ones keep the order of options.
WINDOWS = Host(128, 65535, _WINDOWS_OPTIONS)
WINDOWS_2012 = Host(128, 8192, _WINDOWS_OPTIONS)
WINDOWS_2003 = Host(128, 16384, (("MSS", 1460), ("NOP", None), ("NOP", None), ("SAckOK", b"")))
LINUX = Host(64, 65160, (("MSS", 1460), ("SAckOK", b""), ("Timestamp", (7, 5)), ("NOP", None), ("WScale", 7)))


@dataclass(frozen=True, slots=True)
class Path:
    """How the packets of a conversation travel past the router.

    ``stack`` names the encapsulations, outermost first (see ``encapsulation.wrap``); ``hops`` is what the server's
    TTL has lost; ``mss`` cuts the payload (bytes). ``options`` puts a router alert (RFC 2113) into IPv4, and hop-by-hop
    and destination options headers (RFC 8200 4.3, 4.6) into IPv6. ``fragment`` cuts IPv4 packets at that many bytes.
    """

    stack: str = ""
    hops: int = 2
    mss: int = 1400
    options: bool = False
    fragment: int = 0


PLAIN = Path()


class Frame(NamedTuple):
    """One frame: nanoseconds since the epoch, its bytes from the link header on, who sent it, where it was seen."""

    time: int
    data: bytes
    from_server: bool
    interface: int = 0


@dataclass(frozen=True, slots=True)
class Conversation:
    """One TCP connection. ``refused`` leaves the client's SYN without an answer, and nothing else is said."""

    client: str
    server: str
    port: int
    turns: tuple[Turn, ...] = ()
    host: Host = WINDOWS
    refused: bool = False


def frames(said: Conversation, path: Path = PLAIN, start: int = EPOCH_NS) -> list[Frame]:
    """The frames of one connection as a router sees them, a millisecond apart."""
    packets = [(side, piece) for side, packet in _packets(said, path) for piece in _fragments(packet, path.fragment)]
    return [
        Frame(start + number * _STEP_NS, encapsulation.wrap(packet, path.stack, side), side)
        for number, (side, packet) in enumerate(packets)
    ]


def datagram(server: str, client: str, payload: bytes, path: Path = PLAIN, start: int = EPOCH_NS) -> list[Frame]:
    """One UDP datagram from a server's port 53 to a client: a DNS answer."""
    from scapy.layers.inet import UDP
    from scapy.packet import Raw

    packet = _network(server, client, LINUX.ttl - path.hops, path) / UDP(sport=53, dport=40053) / Raw(payload)
    return [Frame(start, encapsulation.wrap(packet, path.stack, SERVER), SERVER)]


def _packets(said: Conversation, path: Path) -> Iterator[tuple[bool, Packet]]:
    """The connection as IP packets: handshake, what is said, and the orderly end."""
    from scapy.layers.inet import TCP
    from scapy.packet import Raw

    chance = random.Random(f"{said.client} {said.server} {said.port}")  # noqa: S311 # reproducible, not secret
    client_port = chance.randrange(49152, 65536)
    next_byte = {side: chance.randrange(1 << 32) for side in (CLIENT, SERVER)}

    def segment(side: bool, flags: str, payload: bytes = b"", options: TcpOptions = ()) -> tuple[bool, Packet]:
        source, target = (said.port, client_port) if side else (client_port, said.port)
        host = said.host if side else LINUX
        window = host.window if "S" in flags else 1024
        seq, ack = next_byte[side], next_byte[not side] if "A" in flags else 0
        tcp = TCP(sport=source, dport=target, seq=seq, ack=ack, flags=flags, window=window, options=list(options))
        next_byte[side] = (next_byte[side] + len(payload) + ("S" in flags or "F" in flags)) % (1 << 32)
        ends = (said.server, said.client) if side else (said.client, said.server)
        packet = _network(*ends, host.ttl - (path.hops if side else 0), path) / tcp
        return side, packet / Raw(payload) if payload else packet

    yield segment(CLIENT, "S", options=LINUX.options)
    if said.refused:
        return
    yield segment(SERVER, "SA", options=said.host.options)
    yield segment(CLIENT, "A")
    for side, payload in said.turns:
        for piece in _pieces(payload, path.mss):
            yield segment(side, "PA", piece)
        yield segment(not side, "A")
    yield segment(CLIENT, "FA")
    yield segment(SERVER, "FA")
    yield segment(CLIENT, "A")


def _pieces(payload: bytes, size: int) -> Iterable[bytes]:
    return (payload[at : at + size] for at in range(0, len(payload), size))


def _network(source: str, target: str, ttl: int, path: Path) -> Packet:
    """The IPv4 or IPv6 header, with options on request."""
    if ":" in source:
        from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop, PadN

        header = IPv6(src=source, dst=target, hlim=ttl)
        if not path.options:
            return header
        padding = [PadN(optdata=bytes(4))]
        return header / IPv6ExtHdrHopByHop(options=padding) / IPv6ExtHdrDestOpt(options=padding)
    from scapy.layers.inet import IP, IPOption_Router_Alert

    options = [IPOption_Router_Alert()] if path.options else []
    return IP(src=source, dst=target, ttl=ttl, id=4660, flags="" if path.fragment else "DF", options=options)


def _fragments(packet: Packet, size: int) -> Iterable[Packet]:
    return packet.fragment(size) if size else (packet,)


# What can happen to frames on their way. Each takes frames and gives new ones, so that they can be combined.


def one_way(seen: Iterable[Frame], from_server: bool = True) -> list[Frame]:
    """Asymmetric routing: only one direction passes this router."""
    return [frame for frame in seen if frame.from_server is from_server]


def reordered(seen: Iterable[Frame], seed: int) -> list[Frame]:
    """Neighbouring frames change places, one pair in three; the clock goes on."""
    chance = random.Random(seed)  # noqa: S311
    shuffled = list(seen)
    times = [frame.time for frame in shuffled]
    # The handshake stays first: a connection cannot say anything before it is open.
    for at in range(3, len(shuffled) - 1):
        if chance.random() < 1 / 3:
            shuffled[at], shuffled[at + 1] = shuffled[at + 1], shuffled[at]
    return [frame._replace(time=time) for frame, time in zip(shuffled, times, strict=True)]


def retransmitted(seen: Iterable[Frame], every: int = 3) -> list[Frame]:
    """Every so-manieth frame comes once more, a quarter of a millisecond later."""
    doubled: list[Frame] = []
    for number, frame in enumerate(seen):
        doubled.append(frame)
        if number % every == 0:
            doubled.append(frame._replace(time=frame.time + _STEP_NS // 4))
    return doubled


def without(seen: Iterable[Frame], *numbers: int) -> list[Frame]:
    """Frames that the router never saw, by their position."""
    return [frame for number, frame in enumerate(seen) if number not in numbers]


def on_interface(seen: Iterable[Frame], interface: int) -> list[Frame]:
    return [frame._replace(interface=interface) for frame in seen]


def mixed(*conversations: Iterable[Frame]) -> list[Frame]:
    """Several conversations on one line, in the order of their clocks."""
    return sorted((frame for seen in conversations for frame in seen), key=lambda frame: frame.time)

"""A large made-up capture of an ISP's edge, and the truth about its mail servers beside it.

    python -m bench.bulk [--packets N] [--seed N] [--out FILE]

Most packets are TLS-over-TCP and QUIC bulk data with their acknowledgements, in flows of 120 packets on average whose
lengths are Pareto distributed; the rest are the starts of connections, DNS (2 %), scans (1 %), and the conversations
of the lab's simulated mail servers. Half of the lines are tagged, a tenth of these twice; three flows in ten are
IPv6. The same arguments always give the same bytes.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from struct import pack
from typing import NamedTuple

from agent.lab.certificates import public
from agent.lab.dns import answer
from agent.lab.handshakes import handshake
from agent.lab.servers import CLIENTS, Server
from agent.lab.traffic import EPOCH_NS
from bench.frames import ACK, DATA, FIN, SYN, SYN_ACK, SYN_OPTIONS, Way, conversation, tags_of
from bench.mail import mail_servers

DATA_DIRECTORY = Path(__file__).parent / "data"
PACKETS = 2_000_000
CONCURRENT = 1_500  # flows at a time
_SIX, _TAGGED, _QUIC = 0.3, 0.5, 0.3  # shares of flows
_MEAN, _SHORTEST, _LONGEST = 120, 8, 20_000  # packets of a flow
_SIZES, _SHARES = (1448, 1200, 536, 180), (72, 12, 8, 8)  # bytes of payload, and how many flows in a hundred have it
_SITES, _WEB_SERVERS = 240, 3_000
_TICK = 512  # packets between two looks at what begins
_VISITS = 3  # to each service of a mail server
_PERIOD_US = 2  # microseconds between two packets: 500,000 a second
_BLOB = 1 << 20


class Written(NamedTuple):
    """Where the capture and its truth are."""

    capture: Path
    truth: Path


class Edge:
    """The hosts and lines that flows are made of."""

    def __init__(self, r: random.Random) -> None:
        self.r = r
        self.blob = r.randbytes(_BLOB)
        self.sites = [_site(n) for n in range(_SITES)]

    def line(self) -> bytes:
        chance = self.r.random()
        if chance >= _TAGGED:
            return b""
        inner = self.r.randrange(2, 4000)
        return tags_of(inner) if chance >= _TAGGED / 10 else tags_of(self.r.randrange(2, 4000), inner)

    def addresses(self) -> tuple[str, str, int]:
        """A web server, a client, and the server's number. Benchmarking networks: RFC 2544 C.2.2, RFC 5180 8."""
        r = self.r
        # Zipf's law: the nth server is asked 1/n as often as the first (Breslau et al., "Web Caching and Zipf-like
        # Distributions", INFOCOM 1999).
        n = int(_WEB_SERVERS ** r.random()) - 1
        low, high = divmod(n, 250)
        if (7 * n + 3) % 10 < _SIX * 10:  # not the first of all, which would make it most of the traffic
            return f"2001:2::{n:x}", f"2001:2:0:1::{r.randrange(1, 65535):x}", n
        return f"198.18.{low}.{high + 1}", f"198.19.{r.randrange(256)}.{r.randrange(1, 255)}", n

    def length(self) -> int:
        return min(_LONGEST, _SHORTEST + int((self.r.paretovariate(1.3) - 1) * (_MEAN - _SHORTEST) * 0.35))

    def payload(self, size: int) -> bytes:
        at = self.r.randrange(_BLOB - size)
        return self.blob[at : at + size]


def _site(n: int) -> tuple[bytes, bytes]:
    """A client's hello and a server's flight. Seven sites in ten speak TLS 1.3; one in eight has many names."""
    name = f"www{n}.example.net"
    leaf = public(name, *(f"alias{k}.{name}" for k in range(80 if n % 8 == 0 else 2)))
    (_, hello), (_, flight), *_ = handshake(name, leaf, "1.2" if n % 10 < 3 else "1.3")
    return hello, flight


def https(edge: Edge) -> Iterator[bytes]:
    """One TLS connection: its start, then data with an acknowledgement for every two segments."""
    r, tags, (server, client, n) = edge.r, edge.line(), edge.addresses()
    port = r.randrange(32_768, 61_000)
    down = Way(server, client, (443, port), tags, down=True)
    up = Way(client, server, (port, 443), tags, down=False, ttl=63)
    theirs, ours = r.getrandbits(32), r.getrandbits(32)
    hello, flight = edge.sites[n % _SITES]
    yield up.tcp(ours, 0, SYN, options=SYN_OPTIONS)
    yield down.tcp(theirs, ours + 1, SYN_ACK, options=SYN_OPTIONS, window=65_160)
    ours, theirs = ours + 1, theirs + 1
    yield up.tcp(ours, theirs, ACK)
    yield up.tcp(ours, theirs, DATA, hello)
    ours += len(hello)
    for at in range(0, len(flight), 1400):
        yield down.tcp(theirs + at, ours, DATA, flight[at : at + 1400])
    theirs += len(flight)
    size = r.choices(_SIZES, _SHARES)[0]
    for k in range(edge.length() // 3 + 1):
        payload = edge.payload(size)
        # A record of 16 KiB begins in one segment of a dozen.
        yield down.tcp(theirs, ours, ACK, payload if k % 6 else b"\x17\x03\x03\x40\x00" + payload[5:])
        yield down.tcp(theirs + size, ours, ACK, edge.payload(size))
        theirs += 2 * size
        yield up.tcp(ours, theirs, ACK)
    yield up.tcp(ours, theirs, FIN)


def quic(edge: Edge) -> Iterator[bytes]:
    r, tags, (server, client, _) = edge.r, edge.line(), edge.addresses()
    port = r.randrange(32_768, 61_000)
    down = Way(server, client, (443, port), tags, down=True)
    up = Way(client, server, (port, 443), tags, down=False, ttl=63)
    # Long headers of version 1, type Initial (RFC 9000 17.2.2), in datagrams of 1,200 bytes (14.1).
    for way in (up, down):
        yield way.udp(b"\xc3\0\0\0\x01\x08" + edge.payload(1194))
    for k in range(edge.length()):
        yield up.udp(b"\x41" + edge.payload(34)) if k % 6 == 5 else down.udp(b"\x41" + edge.payload(1251))


def scan(edge: Edge) -> Iterator[bytes]:
    """A lone SYN to a customer, as they come in day and night."""
    r, (_, client, _) = edge.r, edge.addresses()
    scanner = "2001:2:0:2::9" if ":" in client else "198.19.255.9"
    ports = (r.randrange(32_768, 61_000), r.choice((22, 23, 25, 80, 443, 445, 3389, 8080)))
    yield Way(scanner, client, ports, edge.line(), down=True).tcp(r.getrandbits(32), 0, SYN, options=b"")


def lookup(edge: Edge) -> Iterator[bytes]:
    """A question and its answer; one in twenty is about the mail of a domain."""
    r, tags, (server, client, n) = edge.r, edge.line(), edge.addresses()
    port = r.randrange(32_768, 61_000)
    name, address = f"www{n}.example.net", f"198.18.{n // 250}.{n % 250 + 1}"
    said = answer(name, "A", ((name, "A", address),))
    if n % 20 == 0:
        records = (("example.net", "MX", f"10 {name}"), (name, "A", address))
        said = answer("example.net", "MX", records)
    question = said[:2] + b"\1\0\0\1\0\0" + said[8 : said.index(b"\0", 12) + 5]
    yield Way(client, server, (port, 53), tags, down=False).udp(question)
    yield Way(server, client, (53, port), tags, down=True).udp(said)


_KINDS = (https, quic, scan, lookup)
# How often each kind of flow begins, so that 1 % of the packets are scans (of one) and 2 % DNS (of two).
_WEIGHTS = (0.97 / _MEAN * (1 - _QUIC), 0.97 / _MEAN * _QUIC, 0.01, 0.01)


class Mix:
    """Flows that take turns. ``concurrent`` of them at a time, and the talks that were added to them."""

    def __init__(self, edge: Edge, concurrent: int) -> None:
        self._edge = edge
        self._concurrent = concurrent
        self.active = [self._begin() for _ in range(concurrent)]

    def _begin(self) -> Iterator[bytes]:
        return self._edge.r.choices(_KINDS, _WEIGHTS)[0](self._edge)

    def frame(self) -> bytes:
        active, chance = self.active, self._edge.r.random
        while True:
            at = int(chance() * len(active))
            frame = next(active[at], None)
            if frame is not None:
                return frame
            if len(active) > self._concurrent:
                active[at] = active[-1]
                active.pop()
            else:
                active[at] = self._begin()


def frames(r: random.Random, packets: int, talks: list[Iterator[bytes]]) -> Iterator[list[bytes]]:
    """Ticks of frames, ``packets`` in all. Every talk begins in the first half, so that each comes to its end."""
    mix = Mix(Edge(r), min(CONCURRENT, packets // 500 + 1))
    first_half = max(1, packets // _TICK // 2)
    for tick, done in enumerate(range(0, packets, _TICK)):
        mix.active += talks[tick * len(talks) // first_half : (tick + 1) * len(talks) // first_half]
        yield [mix.frame() for _ in range(min(_TICK, packets - done))]


def conversations(r: random.Random, servers: list[Server]) -> list[Iterator[bytes]]:
    """Several visits to each service of each server, in any order."""
    talks = []
    for server in servers:
        tags = tags_of(r.randrange(2, 4000)) if r.random() < _TAGGED else b""
        for visit in range(_VISITS):
            client = CLIENTS[":" in server.address][:-1] + str(visit + 1)
            talks += [
                conversation(said, r.randrange(32_768, 61_000), tags, r.getrandbits(32))
                for said in server.conversations(client)
            ]
    r.shuffle(talks)
    return talks


def write(path: Path, packets: int = PACKETS, seed: int = 1) -> Written:
    """Write the capture and, beside it, its truth. A file that was not finished never has its name."""
    r = random.Random(seed)
    served = mail_servers(r, max(24, min(400, packets // 1000)))
    talks = conversations(r, [server for server, _ in served])
    written = Written(path, Path(f"{path}.json"))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        file.write(pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1))
        number = 0
        for tick in frames(r, packets, talks):
            file.write(b"".join(_records(tick, number)))
            number += len(tick)
    truth = {"packets": packets, "seed": seed, "exchange": sorted(s.address for s, exchange in served if exchange)}
    truth["others"] = sorted(s.address for s, exchange in served if not exchange)
    written.truth.write_text(json.dumps(truth) + "\n")
    partial.replace(path)
    return written


def _records(tick: list[bytes], number: int) -> Iterator[bytes]:
    start = EPOCH_NS // 1_000 + number * _PERIOD_US
    for at, frame, size in zip(
        range(start, start + len(tick) * _PERIOD_US, _PERIOD_US), tick, map(len, tick), strict=True
    ):
        yield pack("<IIII", at // 1_000_000, at % 1_000_000, size, size)
        yield frame


def main() -> int:
    from argparse import ArgumentParser

    parser = ArgumentParser(prog="python -m bench.bulk", description="Write a large made-up capture and its truth.")
    parser.add_argument("--packets", type=int, default=PACKETS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=DATA_DIRECTORY / "bulk.pcap")
    options = parser.parse_args()
    written = write(options.out, options.packets, options.seed)
    print(f"{written.capture}: {options.packets:,} packets, {written.capture.stat().st_size / 1e6:,.0f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

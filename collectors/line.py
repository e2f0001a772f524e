"""The passive line: frames of a capture file in, observations out.

Most frames never get here: libpcap applies the generated filter and hands over a few per cent. What does get here is
decoded, put in order and dissected; and whoever has said what it can, a flow or a server, is not looked at again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.errors import Malformed
from collectors.dissectors import dns, tcp
from collectors.flows import Flows
from collectors.packets import admit
from collectors.packets.decode import TCP, Packet, decode, tcp_header
from collectors.packets.source import open_source
from collectors.packets.wanted import HANDSHAKES, HEADERS, Wanted
from collectors.telling import CLIENT, ENOUGH, Telling, packed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agent.model import Observation

_SYN, _ACK = 0x02, 0x10


class Line:
    """All state of one run over capture files. ``losses`` are sentences about files that could not be read whole."""

    def __init__(self, wanted: Wanted = Wanted()) -> None:  # noqa: B008 - a tuple, which nothing changes
        self.wanted = wanted
        self._rules = admit.Rules(wanted.dissectors, wanted.ports)
        self.losses: list[str] = []
        self._telling = Telling()
        self._flows = Flows(self._telling)
        self._counts = {"frames_seen": 0, "frames_used": 0}
        self._malformed = {"dns": 0}
        self._now = 0.0

    @property
    def counts(self) -> dict[str, int]:
        """Counter name -> value. ``frames_seen`` = ``frames_used`` + every ``drop_*`` where a source counts."""
        flows = self._flows
        malformed = {**self._malformed, **flows.reassembly.malformed}
        told = {f"malformed_{name}": n for name, n in malformed.items()}
        return {**self._counts, **self._telling.counts, **flows.counts, **flows.reassembly.counts, **told}

    def read(
        self, path: str, *, counting: bool = False, progress: Callable[[int], None] | None = None
    ) -> Iterator[Observation]:
        """Every new fact in a capture file, as it is found. Raises InputError for a file that is none.

        ``counting`` reads every frame in Python, so that each is numbered and its fate counted; without it libpcap
        filters where it can, and what it drops is not seen here. ``progress`` is told how many bytes are read.
        """
        source = open_source(path, self.wanted, counting=counting)
        self._flows.follow = source.follow
        for at in source.batches(self._count if counting else self.frame):
            yield from self._telling.given()
            source.mute(self._telling.muted(self._now))
            if progress:
                progress(at)
        self._flows.end()
        yield from self._telling.given()
        if source.loss:
            self.losses.append(f"{path}: {source.loss}")

    def _count(self, time: float, link: int, wire: int, data: bytes) -> None:
        self._counts["frames_seen"] += 1
        self._telling.number = self._counts["frames_seen"]
        reason = self.frame(time, link, wire, data)
        name = f"drop_{reason}" if reason else "frames_used"
        self._counts[name] = self._counts.get(name, 0) + 1

    def frame(self, time: float, link: int, wire: int, data: bytes) -> str | None:
        """Look at one frame. The reason why it was not used, or None."""
        self._now = time
        packet = decode(data, link, wire)
        if isinstance(packet, str):
            return packet
        return self._tcp(time, packet, data) if packet[0] == TCP else self._udp(time, packet, data)

    def _udp(self, time: float, packet: Packet, data: bytes) -> str | None:
        at = packet[3]
        message = data[at + 8 :]
        if data[at : at + 2] != b"\0\x35" or not admit.dns_wanted(message):
            return "not_wanted"
        try:
            answers = dns.answers(message)
        except Malformed:
            self._malformed["dns"] += 1
            return None
        for endpoint, (kind, value) in answers:
            server = packed(endpoint)
            if self.wanted.tiers.of(server[:-2]) & HANDSHAKES:
                self._telling.say(server, kind, value, time, "dns")
        return None

    def _tcp(self, time: float, packet: Packet, data: bytes) -> str | None:
        _, addresses, _, at, end = packet
        source, destination, sequence, acknowledged, offset, flags, _ = tcp_header(data, at)
        if flags & _SYN:
            return self._syn(time, packet, data)
        start = at + (offset >> 2 & 0x3C)
        size = end - start
        if start < at + 20:
            return "bad_tcp"
        if size <= 0:
            return "no_payload"
        payload = data[start:end]
        ports = data[at : at + 4]
        side = self._rules.side(payload, size, source, destination)
        piece = (time, sequence, acknowledged, payload, size)
        if not side:
            # What goes on with a stream that was begun may look like anything.
            if self._flows.goes_on(addresses + ports, piece):
                return None
            return "not_wanted" if payload else "truncated"
        half = len(addresses) >> 1
        if side == admit.SERVER:
            server, talk = addresses[:half] + ports[:2], payload[:1]
        else:
            server, talk = addresses[half:] + ports[2:], CLIENT
        if not self.wanted.tiers.of(server[:-2]) & HANDSHAKES:
            return "outside_prefixes"
        self._flows.begins(addresses + ports, server, talk, piece)
        return None

    def _syn(self, time: float, packet: Packet, data: bytes) -> str | None:
        _, addresses, ttl, at, _ = packet
        source, _, sequence, _, offset, flags, window = tcp_header(data, at)
        if not flags & _ACK or source not in admit.SERVICE_PORTS:
            return "not_wanted"
        address = addresses[: len(addresses) >> 1]
        if not self.wanted.tiers.of(address) & HEADERS:
            return "outside_prefixes"
        server = address + data[at : at + 2]
        self._flows.reassembly.anchor(addresses + data[at : at + 4], sequence)
        who = server + b"s"
        if not self._telling.sated(who, time):
            kind, value = tcp.synack(ttl, window, data[at + 20 : at + (offset >> 2 & 0x3C)])
            news = self._telling.say(server, kind, value, time, "tcp")
            # The stack answers every handshake alike: one that says nothing new is enough.
            self._telling.judge(who, time, news=news, weight=ENOUGH)
        return None

"""The passive line: frames of a capture file in, observations out.

Most frames never get here: libpcap applies the generated filter and hands over a few per cent. What does get here is
decoded, put in order and dissected; and whoever has said what it can, a flow or a server, is not looked at again.
"""

from __future__ import annotations

import re
from functools import lru_cache
from socket import AF_INET, AF_INET6, inet_ntop
from typing import TYPE_CHECKING

from agent.errors import Malformed
from agent.model import Endpoint, Observation
from collectors.dissectors import dns, tcp
from collectors.dissectors.choose import choose
from collectors.packets import admit
from collectors.packets.decode import TCP, Packet, decode, tcp_header
from collectors.packets.reassembly import Reassembly, Stream
from collectors.packets.source import FOLLOWED, open_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from collectors.dissectors import Fact
    from collectors.packets.source import Source

HOUR = 3600.0  # a fact is told again after that long
MAX_TOLD = 65_536
# A server whose streams told nothing new so often in a row is left alone for an hour.
ENOUGH = 4
MAX_QUIET = 65_536
SWEEP = 1024  # segments between two looks for streams that are too old

# A greeting tells the time, which makes each look new.
_DATE = re.compile(r"\b\w{3}, +\d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}.*$")


class Line:
    """All state of one run over capture files. ``counts`` has a number for everything that moves."""

    def __init__(self, prefixes: tuple[str, ...] = ()) -> None:
        self.prefixes = admit.Prefixes(prefixes)
        self.losses: list[str] = []
        self._reassembly = Reassembly()
        self._told: dict[tuple[bytes, str, str], float] = {}
        self._quiet: dict[bytes, tuple[int, float]] = {}
        self._followed: dict[int, Stream] = {}
        self._out: list[Observation] = []
        self._counts: dict[str, int] = {
            "frames_seen": 0, "frames_used": 0, "streams_of_the_sated": 0, "observations": 0, "repeats": 0, "malformed_dns": 0,
        }  # fmt: skip
        self._source: Source | None = None
        self._number: int | None = None

    @property
    def counts(self) -> dict[str, int]:
        """Counter name -> value. ``frames_seen`` = ``frames_used`` + every ``drop_*`` where a source counts."""
        malformed = {f"malformed_{name}": n for name, n in self._reassembly.malformed.items()}
        return {**self._counts, **self._reassembly.counts, **malformed}

    def read(
        self, path: str, *, counting: bool = False, progress: Callable[[int, int], None] | None = None
    ) -> Iterator[Observation]:
        """Every new fact in a capture file, as it is found. Raises InputError for a file that is none.

        ``counting`` reads every frame in Python, so that each is numbered and its fate counted; without it libpcap
        filters where it can, and what it drops is not seen here. ``progress`` is told bytes read and bytes in all.
        """
        self._source = source = open_source(path, self.prefixes, counting=counting)
        take = self._count if source.counts_all else self.frame
        for at in source.batches(take):
            yield from self._given()
            if progress:
                progress(at, source.size)
        for stream in self._reassembly.drain():
            self._leave(stream, stream.since)
        self._followed.clear()
        yield from self._given()
        if source.loss:
            self.losses.append(f"{path}: {source.loss}")

    def _given(self) -> list[Observation]:
        out, self._out = self._out, []
        return out

    def _count(self, time: float, link: int, wire: int, data: bytes, number: int) -> None:
        self._number = number
        reason = self.frame(time, link, wire, data)
        self._counts["frames_seen"] += 1
        name = f"drop_{reason}" if reason else "frames_used"
        self._counts[name] = self._counts.get(name, 0) + 1

    def frame(self, time: float, link: int, wire: int, data: bytes) -> str | None:
        """Look at one frame. The reason why it was not used, or None."""
        packet = decode(data, link, wire)
        if isinstance(packet, str):
            return packet
        if packet.protocol == TCP:
            return self._tcp(time, packet, data)
        return self._udp(time, packet, data)

    def _udp(self, time: float, packet: Packet, data: bytes) -> str | None:
        at = packet.transport
        message = data[at + 8 :]
        if data[at : at + 2] != b"\0\x35" or not admit.dns_wanted(message):
            return "not_wanted"
        try:
            answers = dns.answers(message)
        except Malformed:
            self._counts["malformed_dns"] += 1
            return None
        for endpoint, (kind, value) in answers:
            server = _packed(endpoint)
            if server[:-2] in self.prefixes:
                self._say(server, kind, value, time, "dns")
        return None

    def _tcp(self, time: float, packet: Packet, data: bytes) -> str | None:
        at = packet.transport
        source, _, sequence, acknowledged, offset, flags, window = tcp_header(data, at)
        half = len(packet.addresses) >> 1
        if flags & 0x02:
            server = packet.addresses[:half] + data[at : at + 2]
            return self._syn(time, packet, data, server, sequence, (source, offset, flags, window))
        start = at + (offset >> 2 & 0x3C)
        size = packet.end - start
        if start < at + 20:
            return "bad_tcp"
        if size <= 0:
            return "no_payload"
        payload = data[start : packet.end]
        side = admit.payload_side(payload, size, source)
        signed = side != 0
        key = packet.addresses + data[at : at + 4]
        if not signed:
            # What goes on with a flight that was begun may look like anything.
            stream = self._reassembly.known(key)
            if stream is None or stream.done:
                return "not_wanted" if payload else "truncated"
            side = admit.SERVER
        if side == admit.CLIENT:
            server, from_server = packet.addresses[half:] + data[at + 2 : at + 4], False
        else:
            server, from_server = packet.addresses[:half] + data[at : at + 2], True
        if server[:-2] not in self.prefixes:
            return "outside_prefixes"
        self._segment(time, key, server, sequence, payload, size, (signed, from_server, acknowledged))
        return None

    def _syn(
        self, time: float, packet: Packet, data: bytes, server: bytes, sequence: int, header: tuple[int, int, int, int]
    ) -> str | None:
        port, offset, flags, window = header
        if not flags & 0x10 or port not in admit.SERVICE_PORTS:
            return "not_wanted"
        if server[:-2] not in self.prefixes:
            return "outside_prefixes"
        who = server + b"s"
        if not self._sated(who, time):
            options = data[packet.transport + 20 : packet.transport + (offset >> 2 & 0x3C)]
            kind, value = tcp.synack(packet.ttl, window, options)
            self._judge_news(who, time, news=self._say(server, kind, value, time, "tcp"))
        self._reassembly.anchor(packet.addresses + data[packet.transport : packet.transport + 4], sequence)
        return None

    def _segment(
        self, time: float, key: bytes, server: bytes, sequence: int, payload: bytes, size: int,
        what: tuple[bool, bool, int],
    ) -> None:  # fmt: skip
        signed, from_server, acknowledged = what
        reassembly = self._reassembly
        stream = reassembly.known(key)
        if stream is None:
            if self._sated(server + (payload[:1] if from_server else b"c"), time):
                self._counts["streams_of_the_sated"] += 1
                return
            stream = reassembly.open(key, sequence, time, server)
        elif stream.done and not (signed and stream.starts and self._restarts(stream, payload, sequence)):
            return
        if stream.dissector is None and sequence == stream.next and not self._begin(stream, payload, from_server):
            return
        self._tell(stream, reassembly.take(stream, sequence, payload, size), time)
        if stream.done:
            if stream.held:
                self._leave(stream, time)
            if acknowledged in self._followed:
                self._follow_no_more(acknowledged)
        else:
            self._ask_for_more(stream, acknowledged, time)
        if not reassembly.counts["streams"] % SWEEP:
            for leaver in reassembly.leavers(time):
                self._leave(leaver, time)

    def _begin(self, stream: Stream, payload: bytes, from_server: bool) -> bool:
        """Choose the dissector of a stream by how it begins. False where there is none."""
        stream.first = payload[:1] if from_server else b"c"
        stream.dissector = choose(payload, int.from_bytes(stream.server[-2:], "big"), from_server=from_server)
        if stream.dissector is None:
            stream.done = True
            return False
        stream.starts += 1
        stream.collector = stream.dissector.collector
        return True

    def _leave(self, stream: Stream, time: float) -> None:
        """Let a stream go: what its unfinished rest tells, then what each segment behind a gap tells by itself."""
        self._tell(stream, self._reassembly.finish(stream), time)
        while segment := self._reassembly.resume(stream):
            sequence, payload, size = segment
            if self._begin(stream, payload, from_server=True):
                self._tell(stream, self._reassembly.take(stream, sequence, payload, size), time)
                self._tell(stream, self._reassembly.finish(stream), time)

    def _restarts(self, stream: Stream, payload: bytes, sequence: int) -> bool:
        """A further response head on a connection that is kept alive."""
        return payload[:4] == b"HTTP" and self._reassembly.restart(stream, sequence)

    def _ask_for_more(self, stream: Stream, acknowledged: int, time: float) -> None:
        """A certificate goes on in segments that a filter does not know by their looks: ask the source for them."""
        if stream.collector != "tls" or acknowledged in self._followed or self._source is None:
            return
        if int.from_bytes(stream.server[-2:], "big") in admit.SMTP_PORTS:
            return  # where all that a server sends in clear is admitted anyway
        if len(self._followed) >= FOLLOWED:
            self._leave(self._followed.pop(next(iter(self._followed))), time)
        self._followed[acknowledged] = stream
        self._source.follow(tuple(self._followed))

    def _follow_no_more(self, acknowledged: int) -> None:
        del self._followed[acknowledged]
        if self._source:
            self._source.follow(tuple(self._followed))

    def _tell(self, stream: Stream, facts: Iterable[Fact], time: float) -> None:
        for kind, value in facts:
            stream.told |= self._say(stream.server, kind, value, time, stream.collector)
        if stream.done and stream.starts:
            self._judge_news(stream.server + stream.first, time, news=stream.told)

    def _say(self, server: bytes, kind: str, value: str, time: float, collector: str) -> bool:
        """Tell a fact, unless it was told within the hour. True if it was."""
        key = (server, kind, _DATE.sub("", value) if kind == "smtp.greeting" else value)
        before = self._told.get(key)
        if before is not None and time - before < HOUR:
            self._counts["repeats"] += 1
            return False
        if before is None and len(self._told) >= MAX_TOLD:
            del self._told[next(iter(self._told))]
        self._told[key] = time
        self._counts["observations"] += 1
        self._out.append(Observation(_endpoint(server), kind, value, time, "passive", collector, self._number))
        return True

    def _sated(self, who: bytes, time: float) -> bool:
        times, since = self._quiet.get(who, (0, 0.0))
        return times >= ENOUGH and time - since < HOUR

    def _judge_news(self, who: bytes, time: float, *, news: bool) -> None:
        if news:
            self._quiet.pop(who, None)
            return
        if len(self._quiet) >= MAX_QUIET:
            del self._quiet[next(iter(self._quiet))]
        times, _ = self._quiet.get(who, (0, 0.0))
        self._quiet[who] = (times + 1 if times < ENOUGH else 1, time)


@lru_cache(maxsize=4096)
def _endpoint(server: bytes) -> Endpoint:
    """The server of a packed address and port."""
    family = AF_INET if len(server) == 6 else AF_INET6
    return Endpoint(inet_ntop(family, server[:-2]), int.from_bytes(server[-2:], "big"))


def _packed(endpoint: Endpoint) -> bytes:
    from socket import inet_pton

    family = AF_INET6 if ":" in endpoint.address else AF_INET
    return inet_pton(family, endpoint.address) + endpoint.port.to_bytes(2, "big")

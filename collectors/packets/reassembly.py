"""The first bytes of each side of each flow, in order, into a dissector; bounded in every direction.

Theory of operation. Each direction of a flow is a stream of its own (routing is asymmetric, so the other one may
never be seen). A stream begins at the SYN-ACK's number where that was seen, and otherwise at the first segment that
begins like a protocol. What is ahead of its turn is held, what is behind is dropped or trimmed, and a stream that
nothing more can be learnt from stays in the table, without its dissector, so that its further segments cost one
look-up. The filter lets only some segments through, so a gap is the normal end of a stream, not a fault.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from agent.errors import Malformed

if TYPE_CHECKING:
    from collections.abc import Callable

    from collectors.dissectors import Dissector, Fact

MAX_BYTES = 16_384  # per direction: a ServerHello and a long chain, or a greeting and every capability
MAX_HELD = 32  # segments ahead of their turn
MAX_STREAMS = 16_384
MAX_AGE = 300.0  # seconds from a stream's first segment; a person at a terminal may greet slowly
MAX_STARTS = 8  # response heads of one HTTP connection
_HALF, _MASK = 0x80000000, 0xFFFFFFFF


class Bounds(NamedTuple):
    """How many streams, for how many seconds, and how many bytes of each side."""

    streams: int = MAX_STREAMS
    seconds: float = MAX_AGE
    bytes: int = MAX_BYTES


class Stream:
    """One direction of one flow. ``next`` is the sequence number that is awaited, ``taken`` counts bytes, ``told`` says
    whether it told anything new, and ``side`` is whose talk it is (see ``flows``).
    """

    __slots__ = (
        "collector", "dissector", "done", "held", "next", "server", "side", "since", "starts", "taken",
        "told",
    )  # fmt: skip

    def __init__(self, following: int, since: float, server: bytes, side: bytes) -> None:
        self.next = following
        self.since = since
        self.server = server
        self.side = side
        self.dissector: Dissector | None = None
        self.collector = ""
        self.held: dict[int, tuple[bytes, int]] = {}
        self.taken = 0
        self.starts = 0
        self.done = False
        self.told = False

    def read_by(self, dissector: Dissector, *, told: bool = False) -> None:
        self.dissector = dissector
        self.collector = dissector.collector
        self.starts += 1
        self.told |= told


class Reassembly:
    """The table of streams. A key is the addresses and ports of a segment as they stand in its headers."""

    def __init__(self, bounds: Bounds = Bounds()) -> None:  # noqa: B008 - a tuple
        # Ordered, because what leaves at the front of a plain dict is stepped over again by who looks for the next.
        self.streams: OrderedDict[bytes, Stream] = OrderedDict()
        self._anchors: OrderedDict[bytes, int] = OrderedDict()
        self._max, self._age, self._bytes = bounds
        self.counts = {
            "streams": 0, "streams_evicted_full": 0, "streams_evicted_age": 0, "segments_held": 0,
            "segments_repeated": 0, "segments_cut": 0, "streams_with_gap": 0, "streams_at_limit": 0,
        }  # fmt: skip
        self.malformed: dict[str, int] = {}
        self._left: list[Stream] = []

    def __len__(self) -> int:
        return len(self.streams)

    def anchor(self, key: bytes, sequence: int) -> None:
        """The server's side of a flow will begin after this sequence number (that of its SYN-ACK).

        A stream that is far from there belongs to an earlier connection between the same ports, and is let go.
        """
        stream = self.streams.get(key)
        if stream and stream.next - sequence - 1 & _MASK > self._bytes:
            self._evict("streams_with_gap", key)
        if len(self._anchors) >= self._max:
            self._anchors.popitem(last=False)
        self._anchors[key] = sequence + 1 & _MASK

    def known(self, key: bytes) -> Stream | None:
        return self.streams.get(key)

    def start(self, key: bytes, sequence: int) -> int:
        """Where a stream begins of which this segment is the first that was seen: there, or where the SYN-ACK said."""
        return self._anchors.pop(key, sequence)

    def open(self, key: bytes, start: int, now: float, server: bytes, side: bytes = b"") -> Stream:
        """A new stream that begins with the sequence number ``start``."""
        if len(self.streams) >= self._max:
            self._evict("streams_evicted_full")
        stream = self.streams[key] = Stream(start, now, server, side)
        self.counts["streams"] += 1
        return stream

    def restart(self, stream: Stream, sequence: int) -> bool:
        """Begin anew at a segment that begins like a protocol; False where that was done often enough."""
        if stream.starts >= MAX_STARTS:
            return False
        stream.next, stream.done, stream.dissector, stream.taken = sequence, False, None, 0
        return True

    def resume(self, stream: Stream) -> tuple[int, bytes, int] | None:
        """Behind a gap that nothing will fill: the first of the held segments, to begin anew with; None at the end."""
        if not stream.held:
            return None
        sequence = min(stream.held, key=lambda n: n - stream.next & _MASK)
        payload, size = stream.held.pop(sequence)
        if not self.restart(stream, sequence):
            stream.held.clear()
            return None
        return sequence, payload, size

    def take(self, stream: Stream, sequence: int, payload: bytes, size: int) -> list[Fact]:
        """The facts that a segment completes. ``size`` is its length on the wire.

        Where that leaves the stream done with segments held, they stand behind a gap: see ``resume``.
        """
        ahead = sequence - stream.next & _MASK
        if not ahead and not stream.held:
            return self._deliver(stream, payload, size)
        if ahead >= _HALF:
            overlap = _MASK + 1 - ahead
            if overlap >= size:
                self.counts["segments_repeated"] += 1
                return []
            payload, size, ahead = payload[overlap:], size - overlap, 0
        if ahead:
            return self._hold(stream, sequence, payload, size, ahead)
        facts = self._deliver(stream, payload, size)
        while stream.held and not stream.done:
            waiting = stream.held.pop(stream.next, None) or self._overlapping(stream)
            if waiting is None:
                break
            facts += self._deliver(stream, *waiting)
        return facts

    def _hold(self, stream: Stream, sequence: int, payload: bytes, size: int, ahead: int) -> list[Fact]:
        if ahead > self._bytes or len(stream.held) >= MAX_HELD:
            self.counts["streams_with_gap"] += 1
            return self.finish(stream)
        stream.held[sequence] = (payload, size)
        self.counts["segments_held"] += 1
        return []

    def _overlapping(self, stream: Stream) -> tuple[bytes, int] | None:
        """A held segment that begins before the awaited number and reaches beyond it, without what is known."""
        for sequence, (payload, size) in list(stream.held.items()):
            behind = stream.next - sequence & _MASK
            if behind < _HALF:
                del stream.held[sequence]
                if behind < size:
                    return payload[behind:], size - behind
        return None

    def _deliver(self, stream: Stream, payload: bytes, size: int) -> list[Fact]:
        dissector = stream.dissector
        if dissector is None:
            return []
        facts = self.feed(dissector, payload[: self._bytes - stream.taken])
        return facts + self.taken(stream, payload, size)

    def taken(self, stream: Stream, payload: bytes, size: int) -> list[Fact]:
        """Account for a segment that was fed to a stream's dissector: the facts of its end, if that was its end."""
        stream.next = stream.next + size & _MASK
        stream.taken += size
        if stream.dissector is None or stream.dissector.done:
            stream.held.clear()
            self._close(stream)
            return []
        if len(payload) < size:
            self.counts["segments_cut"] += 1
        elif stream.taken >= self._bytes:
            self.counts["streams_at_limit"] += 1
        else:
            return []
        return self.finish(stream)

    def feed(self, dissector: Dissector, payload: bytes) -> list[Fact]:
        """The facts that a dissector finds in its next bytes. What is malformed is counted, and ends it."""
        try:
            return dissector.feed(payload)
        except Malformed:
            self.malformed[dissector.collector] = self.malformed.get(dissector.collector, 0) + 1
            dissector.done = True
            return []

    def finish(self, stream: Stream) -> list[Fact]:
        """Nothing more will come before a gap or the end: what the unfinished rest still tells. ``resume`` goes on."""
        dissector = stream.dissector
        self._close(stream)
        if dissector is None:
            return []
        try:
            return dissector.end()
        except Malformed:
            self.malformed[dissector.collector] = self.malformed.get(dissector.collector, 0) + 1
            return []

    def _close(self, stream: Stream) -> None:
        stream.dissector = None
        stream.done = True

    def _evict(self, why: str, key: bytes = b"") -> None:
        leaver = self.streams.pop(key or next(iter(self.streams)))
        if not leaver.done:
            self.counts[why] += 1
            self._left.append(leaver)

    def leavers(self, now: float) -> list[Stream]:
        """The unfinished streams that had to go, for lack of room or for age, since this was last asked."""
        while self.streams and now - next(iter(self.streams.values())).since >= self._age:
            self._evict("streams_evicted_age")
        left, self._left = self._left, []
        return left

    def keep(self, wanted: Callable[[bytes], bool]) -> None:
        """Forget every stream whose server is not wanted, what was held of it, and where one of his would begin."""
        for key, stream in list(self.streams.items()):
            if not wanted(stream.server):
                stream.held.clear()
                self._close(stream)
                del self.streams[key]
        self._left = [stream for stream in self._left if wanted(stream.server)]
        for key in [key for key in self._anchors if not wanted(_server(key))]:
            del self._anchors[key]

    def drain(self) -> list[Stream]:
        """Empty the table: every stream that had not said all."""
        left = self._left + [s for s in self.streams.values() if not s.done]
        self.streams.clear()
        self._anchors.clear()
        self._left = []
        return left


def _server(anchor: bytes) -> bytes:
    """Packed address and port of who sent a SYN-ACK: an anchor is its addresses and ports."""
    ports = len(anchor) - 4
    return anchor[: ports >> 1] + anchor[ports : ports + 2]

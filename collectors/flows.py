"""TCP segments -> facts: finds the stream that a segment belongs to, and the dissector that reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from collectors.dissectors.choose import choose
from collectors.packets.admit import SMTP_PORTS
from collectors.packets.reassembly import Reassembly, Stream
from collectors.packets.source import FOLLOWED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from collectors.dissectors import Fact
    from collectors.telling import Telling

SWEEP = 1024  # streams between two looks for those that are too old
_CLIENT = b"c"  # a side of a server's talk: what clients say to it, or the first byte of what it says itself


class Piece(NamedTuple):
    """A segment with a payload: its time, its number, the number it acknowledges, what was captured, and its length."""

    time: float
    sequence: int
    acknowledged: int
    payload: bytes
    size: int


class Flows:
    """Every stream that is being read. ``follow`` asks the source for all that answers these acknowledgements."""

    def __init__(self, telling: Telling) -> None:
        self.reassembly = Reassembly()
        self.counts = {"streams_of_the_sated": 0}
        self.follow: Callable[[tuple[int, ...]], None] | None = None
        self._telling = telling
        self._followed: dict[int, Stream] = {}

    def begins(self, key: bytes, server: bytes, *, from_server: bool, piece: Piece) -> None:
        """A segment that begins like a protocol, or stands on a port where everything is read."""
        stream = self.reassembly.known(key)
        if stream is None:
            who = server + (piece.payload[:1] if from_server else _CLIENT)
            if self._telling.sated(who, piece.time):
                self.counts["streams_of_the_sated"] += 1
                return
            stream = self.reassembly.open(key, piece.sequence, piece.time, server, from_server=from_server)
            if not self.reassembly.counts["streams"] % SWEEP:
                self._sweep(piece.time)
        elif stream.done and not self._another_head(stream, piece):
            return
        self._take(stream, piece)

    def goes_on(self, key: bytes, piece: Piece) -> bool:
        """A segment that begins like nothing in particular: True if it belongs to a stream that is being read."""
        stream = self.reassembly.known(key)
        if stream is None or stream.done:
            return False
        self._take(stream, piece)
        return True

    def end(self) -> None:
        """The end of the capture: let every stream go."""
        for stream in self.reassembly.drain():
            self._leave(stream, stream.since)
        self._followed.clear()

    def _sweep(self, time: float) -> None:
        for leaver in self.reassembly.leavers(time):
            self._leave(leaver, time)

    def _another_head(self, stream: Stream, piece: Piece) -> bool:
        """Whether a connection that is kept alive goes on with a further response head."""
        return piece.payload[:4] == b"HTTP" and self.reassembly.restart(stream, piece.sequence)

    def _take(self, stream: Stream, piece: Piece) -> None:
        time, sequence, acknowledged, payload, size = piece
        if stream.dissector is None and sequence == stream.next and not self._begin(stream, payload):
            return
        self._tell(stream, self.reassembly.take(stream, sequence, payload, size), time)
        if not stream.done:
            if stream.collector == "tls" and acknowledged not in self._followed:
                self._ask_for_more(stream, acknowledged, time)
            return
        if stream.held:
            self._leave(stream, time)
        if acknowledged in self._followed:
            del self._followed[acknowledged]
            self._ask()

    def _begin(self, stream: Stream, payload: bytes) -> bool:
        """Choose the dissector of a stream by how it begins. False where there is none."""
        port = int.from_bytes(stream.server[-2:], "big")
        stream.side = payload[:1] if stream.from_server else _CLIENT
        dissector = stream.dissector = choose(payload, port, from_server=stream.from_server)
        if dissector is None:
            stream.done = True
            return False
        stream.starts += 1
        stream.collector = dissector.collector
        return True

    def _leave(self, stream: Stream, time: float) -> None:
        """Let a stream go: what its unfinished rest tells, then what each segment behind a gap tells by itself."""
        self._tell(stream, self.reassembly.finish(stream), time)
        while segment := self.reassembly.resume(stream):
            sequence, payload, size = segment
            if self._begin(stream, payload):
                self._tell(stream, self.reassembly.take(stream, sequence, payload, size), time)
                self._tell(stream, self.reassembly.finish(stream), time)

    def _ask_for_more(self, stream: Stream, acknowledged: int, time: float) -> None:
        """A hello or a certificate goes on in segments that a filter does not know by their looks."""
        if int.from_bytes(stream.server[-2:], "big") in SMTP_PORTS and stream.from_server:
            return  # where all that a server sends in clear is admitted anyway
        if len(self._followed) >= FOLLOWED:
            self._leave(self._followed.pop(next(iter(self._followed))), time)
        self._followed[acknowledged] = stream
        self._ask()

    def _ask(self) -> None:
        if self.follow:
            self.follow(tuple(self._followed))

    def _tell(self, stream: Stream, facts: Iterable[Fact], time: float) -> None:
        for kind, value in facts:
            stream.told |= self._telling.say(stream.server, kind, value, time, stream.collector)
        if stream.done and stream.starts:
            self._telling.judge(stream.server + stream.side, time, news=stream.told)

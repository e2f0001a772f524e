"""TCP segments -> facts: finds the stream that a segment belongs to, and the dissector that reads it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from collectors.dissectors.choose import choose
from collectors.dissectors.tls import at_once
from collectors.packets.admit import SMTP_PORTS
from collectors.packets.reassembly import Bounds, Reassembly, Stream
from collectors.packets.source import FOLLOWED
from collectors.telling import CLIENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from collectors.dissectors import Fact
    from collectors.telling import Telling

SWEEP = 1024  # streams between two looks for those that are too old
# Seconds after which a live stream has said what the filter lets through: what goes on behind the first segment of a
# hello or a response head begins like nothing in particular. A person may type SMTP, IMAP and POP3 slowly.
BRIEF = 0.5
_BRIEF = ("tls", "http")


# A segment with a payload: its time, its number, the number it acknowledges, what was captured, and its length. A plain
# tuple: there is one for every segment that is looked at.
Piece = tuple[float, int, int, bytes, int]


class Flows:
    """Every stream that is being read. ``follow`` asks the source for all that answers these acknowledgements."""

    def __init__(self, telling: Telling, bounds: Bounds = Bounds()) -> None:  # noqa: B008 - a tuple
        self.reassembly = Reassembly(bounds)
        self.counts = {"streams_of_the_sated": 0}
        self.follow: Callable[[tuple[int, ...]], None] | None = None
        self._telling = telling
        self._followed: dict[int, Stream] = {}
        self._brief: deque[Stream] = deque(maxlen=bounds.streams)

    def begins(self, key: bytes, server: bytes, side: bytes, piece: Piece) -> None:
        """A segment that begins like a protocol, or stands on a port where everything is read.

        ``side`` is CLIENT, or the first byte of what the server says.
        """
        stream = self.reassembly.known(key)
        if stream is None:
            self._first(key, server, side, piece)
        elif not stream.done or (side == b"H" and self.reassembly.restart(stream, piece[1])):
            # Only HTTP says something anew on a connection that is kept alive.
            self._take(stream, piece)

    def goes_on(self, key: bytes, piece: Piece) -> bool:
        """A segment that begins like nothing in particular: True if it belongs to a stream that is being read."""
        stream = self.reassembly.known(key)
        if stream is None or stream.done:
            return False
        self._take(stream, piece)
        return True

    def _first(self, key: bytes, server: bytes, side: bytes, piece: Piece) -> None:
        """The first segment of a stream. Most hellos and heads are whole in it, and then no stream is opened."""
        time, sequence, acknowledged, payload, size = piece
        if self._telling.sated(server + side, time):
            self.counts["streams_of_the_sated"] += 1
            self._telling.pass_over(server, time)
            return
        reassembly = self.reassembly
        start = reassembly.start(key, sequence)
        if start != sequence:
            self._take(reassembly.open(key, start, time, server, side), piece)
            return
        facts = at_once(payload, from_server=side != CLIENT)
        if facts is not None:
            self._telling.judge(server + side, time, news=self._say(facts, server, time, "tls"))
            return
        dissector = choose(payload, int.from_bytes(server[-2:], "big"), from_server=side != CLIENT)
        if dissector is None:
            return
        told = self._say(reassembly.feed(dissector, payload), server, time, dissector.collector)
        if dissector.done:
            self._telling.judge(server + side, time, news=told)
            return
        stream = reassembly.open(key, start, time, server, side)
        stream.read_by(dissector, told=told)
        self._tell(stream, reassembly.taken(stream, payload, size), time)
        if self.follow:
            self._ask_for_more(stream, acknowledged, time)
        elif stream.collector in _BRIEF and int.from_bytes(server[-2:], "big") not in SMTP_PORTS:
            self._brief.append(stream)
        if not reassembly.counts["streams"] % SWEEP:
            for leaver in reassembly.leavers(time):
                self._leave(leaver, time)

    def sweep(self, time: float) -> None:
        """The time is now this: let streams go that are too old, or brief by nature."""
        while self._brief and time - self._brief[0].since >= BRIEF:
            stream = self._brief.popleft()
            if not stream.done:
                self._leave(stream, time)
        for leaver in self.reassembly.leavers(time):
            self._leave(leaver, time)

    def keep(self, wanted: Callable[[bytes], bool]) -> None:
        """Let every stream go whose server is not wanted, without a word."""
        self.reassembly.keep(wanted)
        self._brief = deque((s for s in self._brief if not s.done), self._brief.maxlen)

    def end(self) -> None:
        """The end of the capture: let every stream go."""
        for stream in self.reassembly.drain():
            self._leave(stream, stream.since)
        self._followed.clear()

    def _take(self, stream: Stream, piece: Piece) -> None:
        time, sequence, acknowledged, payload, size = piece
        if stream.dissector is None and sequence == stream.next and not self._begin(stream, payload):
            return
        self._tell(stream, self.reassembly.take(stream, sequence, payload, size), time)
        if not stream.done:
            if self.follow:
                self._ask_for_more(stream, acknowledged, time)
            return
        if stream.held:
            self._leave(stream, time)
        # The source may go on following it until there is another: little more carries this number, and to be asked
        # costs more than that.
        self._followed.pop(acknowledged, None)

    def _begin(self, stream: Stream, payload: bytes) -> bool:
        """Choose the dissector of a stream by how it begins. False where there is none."""
        port = int.from_bytes(stream.server[-2:], "big")
        dissector = choose(payload, port, from_server=stream.side != CLIENT)
        if dissector is None:
            stream.done = True
            return False
        stream.read_by(dissector)
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
        if stream.collector != "tls" or stream.done or acknowledged in self._followed:
            return
        if stream.side != CLIENT and int.from_bytes(stream.server[-2:], "big") in SMTP_PORTS:
            return  # where all that a server sends in clear is admitted anyway
        if len(self._followed) >= FOLLOWED:
            self._leave(self._followed.pop(next(iter(self._followed))), time)
        self._followed[acknowledged] = stream
        assert self.follow
        self.follow(tuple(self._followed))

    def _tell(self, stream: Stream, facts: Iterable[Fact], time: float) -> None:
        stream.told |= self._say(facts, stream.server, time, stream.collector)
        if stream.done and stream.starts:
            self._telling.judge(stream.server + stream.side, time, news=stream.told)

    def _say(self, facts: Iterable[Fact], server: bytes, time: float, collector: str) -> bool:
        """Tell facts; True if one of them was new."""
        told = False
        for kind, value in facts:
            told |= self._telling.say(server, kind, value, time, collector)
        return told

"""First bytes in order: any order, any overlap, bounded memory, every loss counted."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import Malformed
from collectors.packets import reassembly as r
from collectors.packets.reassembly import Bounds, Reassembly, Stream

SERVER = b"\xc0\x00\x02\x0a\x00\x19"


class Recorder:
    """Remembers what it was fed."""

    collector: ClassVar[str] = "recorder"

    def __init__(self, enough: int = 1 << 30) -> None:
        self.data = b""
        self.done = False
        self.ended = 0
        self._enough = enough

    def feed(self, data: bytes) -> list[tuple[str, str]]:
        if b"!" in data:
            raise Malformed("an exclamation mark")
        self.data += data
        self.done = len(self.data) >= self._enough
        return [("fed", data.decode("latin-1"))]

    def end(self) -> list[tuple[str, str]]:
        self.ended += 1
        return [("ended", "")]


def opened(
    table: Reassembly, sequence: int = 1000, enough: int = 1 << 30, key: bytes = b"key"
) -> tuple[Stream, Recorder]:
    stream, recorder = table.open(key, table.start(key, sequence), 0.0, SERVER), Recorder(enough)
    stream.read_by(recorder)
    return stream, recorder


@given(st.binary(min_size=1, max_size=200).map(lambda b: b.replace(b"!", b".")), st.data())
def test_any_order_with_repeats_and_overlaps_gives_the_same_bytes(data: bytes, draw: st.DataObject) -> None:
    first = draw.draw(st.sampled_from([0, 1, 0xFFFFFFF0, 0x7FFFFFFF]))
    cuts = sorted(draw.draw(st.sets(st.integers(1, len(data)), max_size=8)) | {0, len(data)})
    pieces = [(a, data[a : b + draw.draw(st.integers(0, 5))]) for a, b in pairwise(cuts)]
    pieces += draw.draw(st.lists(st.sampled_from(pieces), max_size=3)) if pieces else []
    table = Reassembly()
    stream, recorder = opened(table, first)
    for at, piece in draw.draw(st.permutations(pieces)):
        table.take(stream, first + at & 0xFFFFFFFF, piece, len(piece))
    assert recorder.data == data


def test_the_syn_ack_says_where_a_stream_begins() -> None:
    table = Reassembly()
    table.anchor(b"key", 0xFFFFFFFF)
    stream, recorder = opened(table, 5)
    assert stream.next == 0
    table.take(stream, 5, b"later", 5)
    table.take(stream, 0, b"first", 5)
    assert recorder.data == b"firstlater"


def test_a_gap_ends_a_stream_and_what_stands_behind_it_begins_anew() -> None:
    table = Reassembly()
    stream, recorder = opened(table)
    table.take(stream, 1000, b"one", 3)
    table.take(stream, 1010, b"three", 5)
    assert table.take(stream, 1000 + r.MAX_BYTES * 2, b"far", 3) == [("ended", "")]
    assert (stream.done, recorder.ended, table.counts["streams_with_gap"]) == (True, 1, 1)
    assert table.resume(stream) == (1010, b"three", 5)
    assert table.resume(stream) is None


def test_a_segment_that_was_cut_ends_its_stream() -> None:
    table = Reassembly()
    stream, _ = opened(table)
    assert table.take(stream, 1000, b"beginning", 900)[-1] == ("ended", "")
    assert table.counts["segments_cut"] == 1


def test_no_more_than_its_first_bytes_are_taken_of_a_stream() -> None:
    table = Reassembly()
    stream, recorder = opened(table)
    for n in range(40):
        if not stream.done:
            table.take(stream, 1000 + n * 1000, bytes(1000), 1000)
    assert len(recorder.data) == r.MAX_BYTES
    assert table.counts["streams_at_limit"] == 1


def test_held_segments_are_bounded() -> None:
    table = Reassembly()
    stream, _ = opened(table)
    for n in range(200):
        table.take(stream, 1001 + 2 * n, b"x", 1)
        assert len(stream.held) <= r.MAX_HELD


def test_a_malformed_stream_is_counted_and_given_up() -> None:
    table = Reassembly()
    stream, _ = opened(table)
    assert table.take(stream, 1000, b"!", 1) == []
    assert (stream.done, table.malformed) == (True, {"recorder": 1})


def test_a_stream_that_said_all_lets_its_dissector_go() -> None:
    table = Reassembly()
    stream, _ = opened(table, enough=3)
    table.take(stream, 1003, b"held", 4)
    table.take(stream, 1000, b"abc", 3)
    assert (stream.done, stream.dissector, stream.held) == (True, None, {})


def test_the_oldest_goes_first_and_is_counted() -> None:
    table = Reassembly(Bounds(streams=2))
    streams = [opened(table, key=bytes((n,)))[0] for n in range(3)]
    assert table.leavers(0.0) == streams[:1]
    assert (len(table), table.counts["streams_evicted_full"]) == (2, 1)


def test_age_is_counted_from_the_first_segment() -> None:
    table = Reassembly(Bounds(seconds=10))
    stream, _ = opened(table)
    assert table.leavers(9.9) == []
    assert table.leavers(10.0) == [stream]
    assert table.counts["streams_evicted_age"] == 1


def test_a_flood_of_anchors_and_streams_stays_bounded() -> None:
    table = Reassembly(Bounds(streams=50))
    source = random.Random(1)
    for n in range(1000):
        table.anchor(source.randbytes(12), n)
        opened(table, key=source.randbytes(12))
        table.leavers(0.0)
    assert len(table) == 50
    assert len(table._anchors) == 50
    assert len(table.drain()) == 50
    assert len(table) == 0


@pytest.mark.parametrize("starts", [r.MAX_STARTS - 1, r.MAX_STARTS])
def test_a_connection_is_begun_anew_only_so_often(starts: int) -> None:
    table = Reassembly()
    stream, _ = opened(table)
    stream.starts = starts
    assert table.restart(stream, 5) == (starts < r.MAX_STARTS)

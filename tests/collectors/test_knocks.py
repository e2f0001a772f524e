"""Connections from the probe's own addresses: each is told once, bounded, and none is an observation."""

from __future__ import annotations

from typing import Any

import pytest

from agent.ipc import Type, Unexpected
from agent.lab.files import pcap
from agent.lab.traffic import Frame
from agent.messages import validated
from collectors.knocks import AGAIN, MAX_KNOWN, MOST, Knocks, told
from collectors.line import Line
from collectors.section import section
from tests import frames
from tests.collectors.test_section import body

OURS = {4: bytes((192, 0, 2, 10)), 16: bytes.fromhex("20010db8") + bytes(11) + b"\x0a"}
FLOW = OURS[4] + bytes((198, 51, 100, 7)) + b"\x9c\x40\x01\xbb"


def line(*sources: str, **change: Any) -> Line:
    made = Line()
    made.look_for(section(body(interfaces=["eth0"], probe_sources=list(sources), **change)).wanted)
    return made


def syn(port: int = 40_000, sequence: int = 1, flags: int = 0x02, *, six: bool = False, source: str = "") -> bytes:
    header = frames.tcp(port, 443, b"", flags=flags, sequence=sequence)
    return frames.wrap((), frames.ipv6(6, header) if six else frames.ipv4(6, header, source=source or "192.0.2.10"))


def knocked(line: Line, *seen: bytes, time: float = 5.0) -> list[dict[str, Any]]:
    for frame in seen:
        line.frame(time, 1, len(frame), frame)
    assert line.given() == []
    return line.knocks()


@pytest.mark.parametrize("six", [False, True])
def test_a_knock_is_told_as_the_agent_takes_it(six: bool) -> None:
    knocks = knocked(line("192.0.2.10", "2001:db8::a"), syn(six=six))
    taken = validated(Type.KNOCKS, {"knocks": knocks}).knocks[0]
    there = ("2001:db8::a", 40_000, "2001:db8::7", 443) if six else ("192.0.2.10", 40_000, "198.51.100.7", 443)
    assert (taken.source, taken.source_port, taken.address, taken.port, taken.time) == (*there, 5.0)


@pytest.mark.parametrize(
    ("seen", "count"),
    [
        ([syn(), syn()], 1), ([syn(), syn(sequence=2)], 2), ([syn(), syn(40_001)], 2), ([syn(flags=0x12)], 0),
        ([syn(flags=0x10), syn(flags=0x18)], 0), ([syn(source="203.0.113.9")], 0), ([syn(flags=0xC2)], 1),
    ],
    ids=["sent again", "another with the same ports", "another port", "answer", "no syn", "somebody else's", "ECN"],
)  # fmt: skip
def test_each_connection_is_one(seen: list[bytes], count: int) -> None:
    looking = line("192.0.2.10")
    assert len(knocked(looking, *seen)) == count
    assert looking.counts["knocks"] == count


def test_it_may_be_sent_again_for_minutes_and_is_another_after_that() -> None:
    knocks = Knocks()
    for time in (0.0, 1.0, 127.0, AGAIN - 1):
        knocks.saw(FLOW, 7, time)
    assert knocks.counts == {"knocks": 1, "knocks_repeated": 3, "knocks_untold": 0}
    knocks.saw(FLOW, 7, AGAIN)
    assert knocks.counts["knocks"] == 2


def test_a_flood_of_forged_ones_is_bounded_and_counted() -> None:
    knocks = Knocks()
    for sequence in range(MAX_KNOWN + 50):
        knocks.saw(FLOW, sequence, 3.5)
    assert len(knocks._known) == MAX_KNOWN
    assert len(knocks.taken()) == MOST
    assert knocks.counts["knocks_untold"] == MAX_KNOWN + 50 - MOST
    knocks.saw(FLOW, 1 << 31, 4.0)
    assert knocks.taken() == [told(FLOW, 4.0)]


def test_without_sources_nothing_is_looked_for_or_counted() -> None:
    looking = line()
    assert knocked(looking, syn()) == []
    assert "knocks" not in looking.counts


def test_what_is_in_a_file_is_not_now(tmp_path: Any) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap([Frame(5_000_000_000, syn(), False)]))
    looking = line("192.0.2.10")
    assert list(looking.read(str(path), counting=True)) == []
    assert looking.knocks() == []
    assert len(knocked(looking, syn())) == 1


@pytest.mark.parametrize("address", ["192.0.2", "", "ex01.example", "192.0.2.0/24"])
def test_a_source_that_is_none_ends_the_role(address: str) -> None:
    with pytest.raises(Unexpected, match="probe_sources"):
        section(body(interfaces=["eth0"], probe_sources=[address]))

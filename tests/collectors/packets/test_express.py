"""The short way out: bulk data takes few instructions, and no load that the kernel has to make a call of."""

from __future__ import annotations

import random

import pytest

from collectors.packets import bpf
from collectors.packets.assembler import LDB, LDH, LDW, Instruction
from collectors.packets.decode import ETHERNET
from collectors.packets.wanted import ENCAPSULATIONS, Tiers, Wanted
from tests import frames, machine
from tests.verdict import verdict

WANTED = Wanted(
    Tiers([f"10.{n}.0.0/17" for n in range(200)], ["198.51.100.0/24"]), encapsulations=frozenset(ENCAPSULATIONS),
    sample=32, glimpse=64,
)  # fmt: skip
PROGRAM = bpf.generate(ETHERNET, WANTED).instructions
TIMES = b"\x01\x01\x08\x0a" + bytes(8)


class Recorder(list[Instruction]):
    """A program that remembers what was run of it."""

    def __init__(self, program: list[Instruction]) -> None:
        super().__init__(program)
        self.codes: list[int] = []

    def __getitem__(self, at: int) -> Instruction:  # type: ignore[override]
        found = super().__getitem__(at)
        self.codes.append(found[0])
        return found


def packets(body: bytes, protocol: int = 6) -> tuple[bytes, bytes]:
    return frames.ipv4(protocol, body), frames.ipv6(protocol, body)


BULK = {
    "data": packets(frames.tcp(443, 50_000, b"\x9b" * 90)),
    "data and times": packets(frames.tcp(443, 50_000, b"\x9b" * 90, options=TIMES)),
    "upload": packets(frames.tcp(50_000, 443, b"\xff" * 90)),
    "acknowledgement": packets(frames.tcp(443, 50_000, b"", options=TIMES)),
    "encrypted": packets(frames.tcp(993, 50_000, b"\x17\x03\x03\x40\0" + bytes(90))),
    "quic": packets(frames.udp(443, 50_000, bytes(90)), 17),
}


@pytest.mark.parametrize("kind", BULK)
@pytest.mark.parametrize("layers", [(), ("vlan",), ("pppoe",)], ids=["plain", "tagged", "session"])
def test_bulk_is_dropped_soon(kind: str, layers: tuple[str, ...]) -> None:
    for packet in BULK[kind]:
        frame = frames.wrap(layers, packet)
        program = Recorder(PROGRAM)
        assert machine.run(program, frame, len(frame)) == 0
        assert not {LDW, LDH, LDB} & set(program.codes)
        assert len(program.codes) <= 40


def test_a_session_header_of_something_else_is_no_session() -> None:
    greeting = frames.ipv4(6, frames.tcp(25, 40_000, frames.PAYLOADS[0]))
    program = bpf.generate(ETHERNET, Wanted()).instructions
    for head, admitted in ((b"\x11\0", True), (b"\x12\0", False), (b"\x11\1", False)):
        frame = frames.ethernet(0x8864, head + b"\0\x07\0\x40\0\x21" + greeting)
        assert bool(machine.run(program, frame, len(frame))) == admitted
        assert bool(verdict(frame, ETHERNET, len(frame), Wanted())) == admitted


@pytest.mark.parametrize("layers", [(), ("vlan",), ("pppoe",)], ids=["plain", "tagged", "session"])
def test_any_first_byte_and_any_port_is_judged_as_the_decoder_does(layers: tuple[str, ...]) -> None:
    r = random.Random(f"express {layers}")
    wanted = Wanted(encapsulations=frozenset(ENCAPSULATIONS))
    program = bpf.generate(ETHERNET, wanted).instructions
    for first in range(256):
        for port in (25, 443, 2525, 40_000):
            payload = bytes((first,)) + r.choice(
                (b"", b"20 ready", b"\x03\x03\0\x60\x02\0", b" OK", b"OK ", b"TTP/1.1")
            )
            packet = r.choice(packets(frames.tcp(port, 50_000, payload, options=r.choice((b"", TIMES, b"\1" * 4)))))
            frame = frames.wrap(layers, packet) + bytes(r.choice((0, 0, 9)))
            assert machine.run(program, frame, len(frame)) == verdict(frame, ETHERNET, len(frame), wanted), frame.hex()

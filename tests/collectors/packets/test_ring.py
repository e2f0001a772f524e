"""The ring on a real interface: what is sent is read, what the filter cuts is cut, every frame is accounted for."""

from __future__ import annotations

import select
import socket
import time
from typing import TYPE_CHECKING

import pytest

from collectors.packets.assembler import RET
from collectors.packets.interface import Links
from collectors.packets.ring import Ring, Shape, open_ring
from collectors.packets.rings import Rings
from tests import frames
from tests.namespace import alone, ip, pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collectors.packets.assembler import Instruction

EVERYTHING: list[Instruction] = [(RET, 0, 0, 0x40000)]
NOTHING: list[Instruction] = [(RET, 0, 0, 0)]
SMALL = Shape(mib=2, block_ms=10)
ROOMY = Shape(mib=16, block_ms=10)
GREETING = frames.wrap((), frames.ipv4(6, frames.tcp(25, 40_000, b"220 mail.example.org ready\r\n")))

Seen = tuple[float, int, int, bytes]


def opened(program: list[Instruction] = EVERYTHING, shape: Shape = SMALL, name: str = "far") -> Ring:
    links = Links()
    link = links.named(name)
    links.close()
    assert link is not None
    return open_ring(link, program, shape)


def sender(name: str = "near") -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    made.bind((name, 0))
    return made


def drained(ring: Ring | Rings, seconds: float = 0.15) -> Iterator[int]:
    """The number of frames of each block until none has come for so long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        frames_ = read(ring)
        if frames_ >= 0:
            yield frames_
            until = time.monotonic() + seconds
        else:
            time.sleep(0.005)


SEEN: list[Seen] = []
DROPS: dict[str, int] = {}


def look(when: float, link: int, wire: int, data: bytes) -> str | None:
    SEEN.append((when, link, wire, data))
    return "odd" if len(SEEN) % 2 else None


def read(ring: Ring | Rings) -> int:
    return ring.read(look, DROPS) if isinstance(ring, Ring) else int(ring.read()) - 1


@pytest.fixture(autouse=True)
def _forgotten() -> None:
    SEEN.clear()
    DROPS.clear()


def test_what_is_sent_is_read_with_its_time_and_length() -> None:
    def test() -> None:
        pair()
        ring = opened()
        poll = select.poll()
        poll.register(ring, select.POLLIN)
        before = time.time()
        sender().send(GREETING)
        assert poll.poll(2000)
        assert sum(drained(ring)) == 1
        ((when, link, wire, data),) = SEEN
        assert (link, wire, data) == (1, len(GREETING), GREETING)
        assert before - 0.01 <= when <= time.time()
        assert DROPS == {"odd": 1}
        assert ring.statistics() == (1, 0, 0)
        ring.close()

    alone(test)


def test_a_filter_that_cuts_delivers_no_more_than_it_says() -> None:
    def test() -> None:
        pair()
        ring = opened([(RET, 0, 0, 54)])
        sender().send(GREETING)
        assert sum(drained(ring)) == 1
        assert [(wire, data) for _, _, wire, data in SEEN] == [(len(GREETING), GREETING[:54])]
        ring.close()

    alone(test)


def test_the_filter_cannot_be_taken_off_or_replaced() -> None:
    def test() -> None:
        pair()
        ring = opened(NOTHING)
        again = socket.socket(fileno=ring.fileno())
        with pytest.raises(PermissionError):
            again.setsockopt(socket.SOL_SOCKET, 27, 0)  # SO_DETACH_FILTER
        with pytest.raises(PermissionError):
            again.setsockopt(socket.SOL_SOCKET, 44, 0)  # SO_LOCK_FILTER
        again.detach()
        sender().send(GREETING)
        assert sum(drained(ring)) == 0
        ring.close()

    alone(test)


def test_every_admitted_frame_is_read_or_was_dropped_by_the_ring() -> None:
    def test() -> None:
        pair()
        ring, far = opened(), sender()
        for _ in range(20_000):
            far.send(GREETING + bytes(200))
        read_ = sum(drained(ring))
        admitted, drops, _ = ring.statistics()
        assert (admitted, drops > 0, read_ + drops) == (20_000, True, admitted)
        assert len(SEEN) == read_
        ring.close()

    alone(test)


@pytest.mark.parametrize("ignore", [False, True])
def test_what_this_machine_sends_is_left_out_on_request(ignore: bool) -> None:
    def test() -> None:
        pair()
        ring = opened(shape=SMALL._replace(ignore_outgoing=ignore))
        sender("far").send(GREETING)
        assert sum(drained(ring)) == (0 if ignore else 1)
        ring.close()

    alone(test)


def test_the_outer_tag_is_taken_off_and_noted() -> None:
    def test() -> None:
        pair()
        ring = opened()
        inner = frames.wrap(("vlan",), frames.ipv4(6, frames.tcp(25, 40_000, b"220 ready\r\n")))
        sender().send(inner[:12] + b"\x88\xa8\x00\x07" + inner[12:])
        assert sum(drained(ring)) == 1
        assert SEEN[0][3] == inner
        assert ring.counts["tagged"] == 1
        ring.close()

    alone(test)


def test_workers_share_the_flows() -> None:
    def test() -> None:
        pair()
        rings = [opened(shape=SMALL._replace(fanout=7)) for _ in range(3)]
        far = sender()
        flows = [frames.wrap((), frames.ipv4(6, frames.tcp(25, 40_000 + n, b"220 ready\r\n"))) for n in range(60)]
        for frame in flows * 3:
            far.send(frame)
        owners: dict[bytes, set[int]] = {}
        for number, ring in enumerate(rings):
            SEEN.clear()
            list(drained(ring))
            for _, _, _, data in SEEN:
                owners.setdefault(data, set()).add(number)
            ring.close()
        assert len(owners) == 60
        assert all(len(who) == 1 for who in owners.values())
        assert len(set.union(*owners.values())) > 1

    alone(test)


def test_a_new_ring_takes_over_with_nothing_lost_and_nothing_used_twice() -> None:
    def test() -> None:
        pair()
        far, rings, sent = sender(), Rings(look), 0
        rings.begin(opened(shape=ROOMY), time.monotonic())
        for change in range(4):
            for n in range(4000):
                if n == 2000:
                    rings.begin(opened(shape=ROOMY), time.monotonic())
                far.send(GREETING + sent.to_bytes(4, "big"))
                sent += 1
                if n % 200 == 0:
                    rings.turn(time.monotonic())
                    while rings.read():
                        pass
            until = time.monotonic() + 0.2
            while time.monotonic() < until:
                rings.turn(time.monotonic())
                while rings.read():
                    pass
            assert not rings.changing
            assert rings.counts["takeovers"] == change + 1
        rings.account()
        numbers = [int.from_bytes(data[-4:], "big") for _, _, _, data in SEEN]
        assert rings.drops["ring"] == 0
        assert numbers == list(range(sent))
        assert rings.drops["seen_twice"] > 0
        assert rings.counts["frames_read"] == sent + rings.drops["seen_twice"]
        rings.close()

    alone(test)


def test_the_same_bytes_sent_often_are_counted_as_often() -> None:
    def test() -> None:
        pair()
        far, rings = sender(), Rings(look)
        rings.begin(opened(shape=ROOMY), time.monotonic())
        for n in range(3000):
            if n == 1000:
                rings.begin(opened(shape=ROOMY), time.monotonic())
            far.send(GREETING)
        until = time.monotonic() + 0.3
        while time.monotonic() < until:
            rings.turn(time.monotonic())
            while rings.read():
                pass
        assert len(SEEN) == 3000
        rings.close()

    alone(test)


def test_what_cannot_be_opened_says_why() -> None:
    def test() -> None:
        pair()
        links = Links()
        link = links.named("far")
        assert link is not None
        ip("link del far")
        with pytest.raises(OSError, match="No such device"):
            open_ring(link, EVERYTHING, SMALL)
        lo = links.named("lo")
        assert lo is not None
        with pytest.raises(OSError, match="Invalid argument"):
            open_ring(lo, [(RET, 0, 0, 1), (0xFF, 0, 0, 0)], SMALL)
        links.close()

    alone(test)

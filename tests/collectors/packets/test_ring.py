"""The ring on a real interface: what is sent is read, what the filter cuts is cut, every frame is accounted for."""

from __future__ import annotations

import select
import socket
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from collectors.packets.assembler import RET
from collectors.packets.interface import Links
from collectors.packets.ring import Ring, Shape, open_ring
from collectors.packets.rings import Rings
from tests import frames
from tests.live.world import PATIENCE, wait
from tests.namespace import Wire, alone, ip, pair

if TYPE_CHECKING:
    from collections.abc import Callable

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


def drained(ring: Ring, wanted: int, seconds: float = 0.05) -> int:
    """The number of frames that have come when those that are wanted are there, and then none for so long."""
    found, until = 0, time.monotonic() + PATIENCE
    while time.monotonic() < until:
        frames_ = ring.read(look, DROPS)
        found += max(frames_, 0)
        if found >= wanted:
            until = min(until, time.monotonic() + seconds)
        if frames_ < 0:
            time.sleep(0.005)
    return found


def taken_over(rings: Rings, sent: int) -> bool:
    """Go on for a moment; whether no ring takes over any more, and all that was sent was seen."""
    rings.turn(time.monotonic())
    while rings.read():
        pass
    return not rings.changing and len(SEEN) >= sent


SEEN: list[Seen] = []
DROPS: dict[str, int] = {}


def look(when: float, link: int, wire: int, data: bytes) -> str | None:
    SEEN.append((when, link, wire, data))
    return "odd" if len(SEEN) % 2 else None


@pytest.fixture(autouse=True)
def _forgotten() -> None:
    SEEN.clear()
    DROPS.clear()


def test_what_is_sent_is_read_with_its_time_and_length() -> None:
    def test() -> None:
        pair()
        wire, ring = Wire(), opened()
        poll = select.poll()
        poll.register(ring, select.POLLIN)
        before = time.time()
        wire.send(GREETING)
        assert ring.unread() == 1
        assert poll.poll(PATIENCE * 1000)
        assert drained(ring, 1) == 1
        assert ring.unread() == 0
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
        wire, ring = Wire(), opened([(RET, 0, 0, 54)])
        wire.send(GREETING)
        assert drained(ring, 1) == 1
        assert [(wire, data) for _, _, wire, data in SEEN] == [(len(GREETING), GREETING[:54])]
        ring.close()

    alone(test)


def test_the_filter_cannot_be_taken_off_or_replaced() -> None:
    def test() -> None:
        pair()
        wire, ring = Wire(), opened(NOTHING)
        again = socket.socket(fileno=ring.fileno())
        with pytest.raises(PermissionError):
            again.setsockopt(socket.SOL_SOCKET, 27, 0)  # SO_DETACH_FILTER
        with pytest.raises(PermissionError):
            again.setsockopt(socket.SOL_SOCKET, 44, 0)  # SO_LOCK_FILTER
        again.detach()
        wire.send(GREETING)
        assert drained(ring, 0) == 0
        ring.close()

    alone(test)


def test_every_admitted_frame_is_read_or_was_dropped_by_the_ring() -> None:
    def test() -> None:
        pair()
        wire, ring = Wire(), opened()
        for _ in range(20_000):
            wire.send(GREETING + bytes(200))
        admitted, drops, _ = ring.statistics()
        read_ = drained(ring, admitted - drops)
        assert (admitted, drops > 0, read_ + drops) == (20_000, True, admitted)
        assert len(SEEN) == read_
        ring.close()

    alone(test)


@pytest.mark.parametrize("ignore", [False, True])
def test_what_this_machine_sends_is_left_out_on_request(ignore: bool) -> None:
    def test() -> None:
        pair()
        ring = opened(shape=SMALL._replace(ignore_outgoing=ignore))
        near = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        near.bind(("far", 0))
        near.send(GREETING)
        assert drained(ring, not ignore) == (0 if ignore else 1)
        near.close()
        ring.close()

    alone(test)


def test_the_outer_tag_is_taken_off_and_noted() -> None:
    def test() -> None:
        pair()
        wire, ring = Wire(), opened()
        inner = frames.wrap(("vlan",), frames.ipv4(6, frames.tcp(25, 40_000, b"220 ready\r\n")))
        wire.send(inner[:12] + b"\x88\xa8\x00\x07" + inner[12:])
        assert drained(ring, 1) == 1
        assert SEEN[0][3] == inner
        assert ring.counts["tagged"] == 1
        ring.close()

    alone(test)


def test_workers_share_the_flows() -> None:
    def test() -> None:
        pair()
        wire, rings = Wire(), [opened(shape=SMALL._replace(fanout=7)) for _ in range(3)]
        flows = [frames.wrap((), frames.ipv4(6, frames.tcp(25, 40_000 + n, b"220 ready\r\n"))) for n in range(60)]
        owners: dict[bytes, set[int]] = {}
        for frame in flows * 3:
            wire.send(frame)
            (number,) = (number for number, ring in enumerate(rings) if ring.unread())
            assert drained(rings[number], 1, 0.0) == 1
            owners.setdefault(frame, set()).add(number)
        assert len(owners) == 60
        assert all(len(who) == 1 for who in owners.values())
        assert len(set.union(*owners.values())) > 1

    alone(test)


def test_a_new_ring_takes_over_with_nothing_lost_and_nothing_used_twice() -> None:
    def test() -> None:
        pair()
        wire, rings, sent = Wire(), Rings(look), 0
        rings.begin(opened(shape=ROOMY), time.monotonic())
        for change in range(4):
            for n in range(4000):
                if n == 2000:
                    rings.begin(opened(shape=ROOMY), time.monotonic())
                wire.send(GREETING + sent.to_bytes(4, "big"))
                sent += 1
                if n % 200 == 0:
                    rings.turn(time.monotonic())
                while rings.read():
                    pass
            wait(partial(taken_over, rings, sent), PATIENCE, lambda: "not taken over", every=0.005)
            assert rings.counts["takeovers"] == change + 1
        rings.account()
        numbers = [int.from_bytes(data[-4:], "big") for _, _, _, data in SEEN]
        assert rings.drops["ring"] == 0
        assert numbers == list(range(sent))
        assert rings.drops["seen_twice"] > 0
        assert rings.counts["frames_read"] == sent + rings.drops["seen_twice"]
        rings.close()

    alone(test)


class Late(Ring):
    """A ring whose kernel hands over a block when a test says so; with one frame in it."""

    def __init__(self) -> None:
        self.since = self.bound = 0.0
        self.block_seconds = 0.01
        self.counts = {}
        self.handed_over = self.was_read = False

    def read(self, look: Callable[[float, int, int, bytes], str | None], drops: dict[str, int]) -> int:
        if not self.handed_over or self.was_read:
            return -1
        self.was_read = True
        look(0.0, 1, len(GREETING), GREETING)
        return 1

    def unread(self) -> int:
        return int(not self.was_read)

    def statistics(self) -> tuple[int, int, int]:
        return 1, 0, 0

    def close(self) -> None:
        pass


def test_a_ring_is_replaced_when_it_was_read_to_its_end_however_late_its_last_block_comes() -> None:
    rings, old = Rings(look), Late()
    rings.begin(old, 0.0)
    rings.begin(Late(), 0.0)
    rings.turn(0.5)
    assert rings.changing
    old.handed_over = True
    rings.turn(0.6)
    assert (rings.changing, len(SEEN)) == (False, 1)


def test_a_ring_whose_last_block_never_comes_is_replaced_all_the_same() -> None:
    rings = Rings(look)
    rings.begin(Late(), 0.0)
    rings.begin(Late(), 0.0)
    rings.turn(2.0)
    assert not rings.changing


def test_the_same_bytes_sent_often_are_counted_as_often() -> None:
    def test() -> None:
        pair()
        wire, rings = Wire(), Rings(look)
        rings.begin(opened(shape=ROOMY), time.monotonic())
        for n in range(3000):
            if n == 1000:
                rings.begin(opened(shape=ROOMY), time.monotonic())
            wire.send(GREETING)
            while rings.read():
                pass
        wait(lambda: taken_over(rings, 3000), PATIENCE, lambda: "not taken over", every=0.005)
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

"""Interfaces through the line, on a veth pair: what is found, who is left alone, and a section that changes."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import pytest

from agent.lab import servers
from collectors.line import MOST_SYN_ACKS, Line
from collectors.live import Flood, Live
from collectors.packets.interface import Link, Links
from collectors.packets.ring import Shape
from collectors.packets.tap import Plan, Tap
from collectors.section import section
from tests import frames
from tests.collectors.test_section import body
from tests.namespace import Wire, alone, pair

if TYPE_CHECKING:
    from collections.abc import Callable

LOG = logging.getLogger("test")
SERVER = servers.exchange("2019", "192.0.2.20", "EX20", "atelier.example")
VISIT = [frame.data for frame in SERVER.visited()]


def wanted(**change: Any) -> Any:
    small = {"interfaces": ["far"], "handshakes": ["192.0.2.0/24"], "headers": [], "ring_mib": 4, "block_ms": 10}
    return section(body(**(small | {"synack_sample": 1} | change)))


class Desk:
    """A line that looks at the far end of a pair, and a socket on the near one. Its clocks can be put forward."""

    def __init__(self, **change: Any) -> None:
        pair()
        self._wire = Wire()
        self.ahead = 0.0
        self._stands: float | None = None
        self.line = Line()
        self.live = Live(self.line, Links(), LOG, self._monotonic, lambda: time.time() + self.ahead)
        self.live.follow(wanted(**change))
        self.turn(0.05)

    def stand(self) -> None:
        """From now on the clock is only put forward, and what is done takes no time."""
        self._stands = time.monotonic()

    def _monotonic(self) -> float:
        return (time.monotonic() if self._stands is None else self._stands) + self.ahead

    def turn(self, seconds: float = 0.15) -> list[Any]:
        """See to what is ready for so long, and once more after that; the observations that come of it."""
        found, until, over = [], time.monotonic() + seconds, False
        while not over:
            over = time.monotonic() >= until
            if not self.live.turn():
                time.sleep(0.005)
            found += self.line.given()
        return found

    def until(self, true: Callable[[], bool]) -> list[Any]:
        """Go on for as long as it takes; the observations that come of it."""
        found, end = [], time.monotonic() + 60
        while not true():
            assert time.monotonic() < end
            found += self.turn(0.02)
            if self._stands is not None:
                self.ahead += 0.02
        return found

    def taken_over(self, times: int) -> bool:
        """Whether so many filters have followed others."""
        return bool(self.counts["takeovers"] == times)

    def send(self, *sent: bytes) -> list[Any]:
        """The observations that come of these frames, all of which have been looked at by the filter that there was.

        What is not read fills a ring in the end, so frames are seen to meanwhile, and nothing else.
        """
        for frame in sent:
            self._wire.send(frame)
            for tap in self.live.taps.values():
                while tap.read():
                    pass
        found, end = self.turn(0.02), time.monotonic() + 60
        while any(tap._rings.ring.unread() for tap in self.live.taps.values() if tap._rings.ring):
            assert time.monotonic() < end
            found += self.turn(0.02)
        return found

    @property
    def counts(self) -> dict[str, int]:
        return self.live.taps["far"].counts

    @property
    def gauges(self) -> dict[str, float]:
        return self.live.taps["far"].gauges()


def test_what_passes_is_found_and_accounted_for() -> None:
    def test() -> None:
        desk = Desk()
        kinds = {o.kind for o in desk.send(*VISIT)}
        assert {"smtp.greeting", "smtp.ehlo", "tls.sni", "tls.server_hello", "tcp.synack"} <= kinds
        desk.ahead = 2.0  # The card is asked once a second.
        desk.turn(0.02)
        counts = desk.counts
        assert counts["offered"] == len(VISIT)
        assert 0 < counts["frames_seen"] < len(VISIT)
        dropped = sum(n for name, n in counts.items() if name.startswith("drop_"))
        assert counts["frames_seen"] == counts["frames_used"] + dropped
        gauges = desk.gauges
        assert (gauges["up"], gauges["filter_suspect"]) == (1.0, 0.0)
        assert gauges["filter_instructions"] > 100
        desk.live.close()

    alone(test)


def test_an_objection_is_in_force_at_once_also_for_what_the_old_filter_lets_through() -> None:
    def test() -> None:
        desk = Desk()
        desk.live.follow(wanted(number=4, handshakes=[], headers=["192.0.2.0/24"]))
        # The filter follows after that: the frames come in by the old one.
        found = desk.send(*VISIT)
        assert {o.kind for o in found} <= {"tcp.synack"}
        assert desk.counts["drop_outside_prefixes"] > 0
        desk.until(lambda: desk.live.settled)
        before = desk.counts
        found = desk.send(*VISIT) + desk.until(lambda: desk.taken_over(1)) + desk.send()
        assert {o.kind for o in found} <= {"tcp.synack"}
        after = desk.counts
        assert after["drop_outside_prefixes"] == before["drop_outside_prefixes"]
        assert (after["takeovers"], after["frames_seen"] > before["frames_seen"]) == (1, True)
        desk.live.close()

    alone(test)


def test_a_server_that_is_muted_is_left_alone_behind_the_ring_and_then_in_the_filter() -> None:
    def test() -> None:
        desk = Desk()
        desk.line.mute(["192.0.2.20"], time.time() + 100)
        assert desk.send(*VISIT) == []
        muted = desk.counts["drop_muted"]
        assert muted > 0
        desk.line._passed = 20_000  # It is worth a filter.
        desk.ahead = 40.0
        desk.until(lambda: desk.taken_over(1))
        assert desk.gauges["muted_in_filter"] == 1.0
        seen = desk.counts["frames_seen"]
        assert desk.send(*VISIT) == []
        assert (desk.counts["drop_muted"], desk.counts["frames_seen"]) == (muted, seen)
        desk.ahead = 120.0  # Its time is up, and it leaves the filter.
        desk.until(lambda: desk.taken_over(2))
        assert {o.kind for o in desk.send(*VISIT)} >= {"smtp.greeting", "tls.server_hello"}
        desk.live.close()

    alone(test)


def test_where_nobody_is_to_be_muted_the_filter_stays_as_it_is() -> None:
    def test() -> None:
        desk = Desk(mute_seconds=0)
        desk.line.mute(["192.0.2.20"], time.time() + 100)
        desk.line._passed = 20_000
        desk.ahead = 40.0
        desk.turn(0.3)
        assert desk.counts["takeovers"] == 0
        desk.live.close()

    alone(test)


@pytest.mark.parametrize(
    ("change", "anew"),
    [
        ({}, False),
        ({"fanout": 9}, False),
        ({"workers": 2}, True),
        ({"workers": 2, "fanout": 9}, True),
        ({"ports": [25]}, True),
    ],
)
def test_a_section_that_says_the_same_changes_nothing(change: dict[str, Any], anew: bool) -> None:
    def test() -> None:
        desk = Desk()
        desk.live.follow(wanted(number=9, **change))
        assert desk.live.settled is not anew
        desk.until(lambda: desk.live.settled and desk.taken_over(anew))
        desk.turn(0.05)
        assert desk.taken_over(anew)
        desk.live.close()

    alone(test)


def test_interfaces_come_and_go_with_the_section() -> None:
    def test() -> None:
        desk = Desk()
        desk.live.follow(wanted(number=4, interfaces=["near", "absent"]))
        desk.turn(0.05)
        assert set(desk.live.taps) == {"near", "absent"}
        assert desk.send(*VISIT)  # As it goes out.
        assert desk.live.taps["absent"].gauges()["up"] == 0.0
        assert desk.live.settled
        desk.live.follow(wanted(number=5, interfaces=[]))
        assert not desk.live.taps
        assert desk.live.patience(0.0) > 1
        desk.live.close()

    alone(test)


def test_a_response_head_that_goes_on_unseen_is_told_all_the_same() -> None:
    def test() -> None:
        desk = Desk()
        head = b"HTTP/1.1 302 Found\r\nX-OWA-Version: 15.2.1544.11\r\nServ"
        found = desk.send(frames.wrap((), frames.ipv4(6, frames.tcp(80, 40_000, head), source="192.0.2.20")))
        desk.ahead = 1.0
        found += desk.turn(0.05)
        assert ("http.header", "X-OWA-Version: 15.2.1544.11") in {(o.kind, o.value) for o in found}
        desk.live.close()

    alone(test)


def test_a_filter_that_lets_nothing_through_is_suspected() -> None:
    def test() -> None:
        desk = Desk(suspect_seconds=60)
        bulk = frames.wrap((), frames.ipv4(6, frames.tcp(443, 40_000, b"\x17\x03\x03" + bytes(60))))
        desk.send(*[bulk] * 1500)
        assert desk.gauges["filter_suspect"] == 0.0
        desk.ahead = 61.0
        desk.turn(0.05)
        assert desk.gauges["filter_suspect"] == 1.0
        desk.send(*VISIT)
        desk.ahead = 63.0
        desk.turn(0.05)
        assert desk.gauges["filter_suspect"] == 0.0
        desk.live.close()

    alone(test)


def test_a_flood_of_syn_acks_is_thinned_and_told_in_part() -> None:
    answer = [
        frames.wrap((), frames.ipv4(6, frames.tcp(443, n, b"", flags=0x12), source=f"192.0.2.{n % 250}"))
        for n in range(6000)
    ]

    def test() -> None:
        desk = Desk()
        desk.stand()
        desk.ahead = 1.0
        desk.turn(0.02)  # a look, from which on it is one second to the next
        told = desk.send(*answer)
        assert desk.line.counts["syn_acks"] == len(answer)
        assert len(told) == 250
        desk.ahead = 2.0
        desk.until(lambda: desk.taken_over(1))
        before = desk.line.counts["syn_acks"]
        desk.send(*answer)
        assert desk.line.counts["syn_acks"] - before < 1000
        for _ in range(12):
            desk.ahead += 1.0
            desk.turn(0.02)
        desk.until(lambda: desk.taken_over(2))
        desk.live.close()

    alone(test)


# Seconds, SYN-ACKs admitted in all, and what fewer of them should be by then.
FLOODS = (
    ((1, 100, 1), (2, 4_000, 1), (3, 9_000, 16), (4, 9_500, 16), (5, 9_600, 16), (14, 9_700, 1)),
    ((1, 6_000, 16), (2, 12_000, 16), (11, 12_100, 16), (12, 12_101, 1)),
    ((1, 5_000, 16), (1.1, 50_000, 16), (2, 50_000, 16)),
)


@pytest.mark.parametrize("told", FLOODS)
def test_when_a_flood_is_one(told: tuple[tuple[float, int, int], ...]) -> None:
    flood = Flood()
    for now, seen, factor in told:
        before = flood.factor
        assert flood.changes(now, seen) == (factor != before)
        assert flood.factor == factor


def test_syn_acks_of_many_servers_are_told_within_a_budget() -> None:
    line = Line()
    for n in range(2 * MOST_SYN_ACKS):
        frame = frames.wrap(
            (), frames.ipv4(6, frames.tcp(443, 40_000, b"", flags=0x12), source=f"192.0.{n % 250}.{n // 250}")
        )
        line.frame(7.0, 1, len(frame), frame)
    assert len(line.given()) == MOST_SYN_ACKS
    assert line.counts["syn_acks_untold"] == MOST_SYN_ACKS
    line.frame(8.0, 1, len(frame), frame)
    assert len(line.given()) == 1


class Kernel:
    """Links as a test wants them."""

    def __init__(self, *links: Link | None) -> None:
        self.links = list(links)

    def numbered(self, number: int) -> Link | None:
        link = self.links.pop(0)
        return link if link and link.number == number else None

    def named(self, name: str) -> Link | None:
        link = self.links.pop(0)
        return link if link and link.name == name else None


def link(name: str = "eth0", number: int = 2, *, up: bool = True, received: int = 0, kind: int = 32) -> Link:
    return Link(name, number, kind, up, received, 10 * received, 7 * received)


# Every answer of the kernel in turn (by number, then by name where that found none), and what is counted after all.
LIVES: tuple[tuple[tuple[Link | None, ...], dict[str, int]], ...] = (
    ((link(received=5), link(received=9)), {"offered": 44, "nic_missed": 28}),
    ((link(received=9), link(received=5), link(received=6)), {"offered": 11, "nic_missed": 7}),
    ((link(), link(up=False), link()), {"went_down": 1, "came_back": 1}),
    ((link(), None, None, link(number=3), link(number=3)), {"went_down": 1, "came_back": 1}),
    ((link(), None, link(number=3, received=50), link(number=3, received=51)), {"offered": 11, "came_back": 1}),
    ((link(), link("other"), link()), {"renamed": 2, "went_down": 0}),
    ((None, None, link()), {"came_back": 0, "went_down": 0}),
)


@pytest.mark.parametrize(("answers", "counted"), LIVES)
def test_what_becomes_of_an_interface_is_counted(answers: tuple[Link | None, ...], counted: dict[str, int]) -> None:
    kernel = Kernel(*answers)
    tap = Tap("eth0", kernel, lambda *_: None, Plan(no_program, Shape(), 300.0), LOG)  # type: ignore[arg-type]
    now = 0.0
    while kernel.links:
        tap.look(now)
        now += 1.0
    counts = tap.counts
    assert {name: counts[name] for name in counted} == counted
    # A hardware type that cannot be read is said, and tried again, not more than once a second.
    assert counts["not_opened"] <= len(answers)
    assert tap.settled


def no_program(_: int) -> Any:
    raise AssertionError("no filter is asked for where the hardware type is not known")


def test_what_this_machine_sends_does_not_count_as_offered_where_it_is_left_out() -> None:
    kernel = Kernel(link(received=5), link(received=9))
    plan = Plan(no_program, Shape(ignore_outgoing=True), 300.0)
    tap = Tap("eth0", kernel, lambda *_: None, plan, LOG)  # type: ignore[arg-type]
    tap.look(0.0)
    tap.look(1.0)
    assert tap.counts["offered"] == 4


def test_without_the_right_to_packet_sockets_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError("no right")

    monkeypatch.setattr("collectors.packets.tap.open_ring", refused)
    program: Callable[[int], Any] = lambda _: type("P", (), {"instructions": []})  # noqa: E731
    tap = Tap("eth0", Kernel(link(kind=1)), lambda *_: None, Plan(program, Shape(), 300.0), LOG)  # type: ignore[arg-type]
    with pytest.raises(PermissionError):
        tap.look(0.0)

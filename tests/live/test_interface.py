"""An interface that goes down, comes back, is renamed, is taken away and made again is survived, and counted."""

from __future__ import annotations

import pytest

from agent.lab import servers
from tests.live.daemon import Daemon, balanced, total
from tests.live.world import PATIENCE, World, wait

PAIR = "link add far0 type veth peer name tap0"
UP = ("link set far0 up", "link set tap0 up")
# What is done, by commands of ip(8); what is counted then; the interface is up afterwards.
HAPPENS: tuple[tuple[tuple[str, ...], dict[str, int], bool], ...] = (
    (("link set tap0 down",), {"went_down": 1}, False),
    (("link set tap0 up",), {"came_back": 1}, True),
    (("link set far0 down",), {"went_down": 2}, False),  # the other end: no carrier
    (("link set far0 up",), {"came_back": 2}, True),
    (("link set tap0 down", "link set tap0 name other0", "link set other0 up"), {"renamed": 1}, True),
    (("link set other0 down", "link set other0 name tap0", "link set tap0 up"), {"renamed": 2}, True),
    (("link del tap0",), {"went_down": 3}, False),
    ((PAIR, *UP), {"came_back": 3}, True),
    (("link del tap0", PAIR, *UP), {}, True),  # quicker than anybody looks
)


def test_an_interface_that_goes_and_comes_is_survived_and_counted(bare: World) -> None:
    bare.ip("router", PAIR, *UP)
    with Daemon(bare, capture={"interfaces": ["tap0"]}) as daemon:
        capture = daemon.children()["capture"]
        for number, (commands, counted, up) in enumerate(HAPPENS, start=1):
            bare.ip("router", *commands)
            wait(lambda: _counted(daemon, counted, up=up), PATIENCE, lambda: f"{commands}: {daemon.log}")  # noqa: B023
            if up:
                _looked_at(bare, daemon, "far0", number)
        assert daemon.children()["capture"] == capture, f"capture was restarted: {daemon.log}"
        samples = daemon.settled()
    assert balanced(samples, "tap0")
    assert "Traceback" not in daemon.log


def test_an_interface_that_is_not_there_yet_is_waited_for(bare: World) -> None:
    with Daemon(bare, capture={"interfaces": ["cust0", "late0"]}).begun() as daemon:
        wait(lambda: "ready" in _text(bare) and daemon.children().get("capture", 0) > 0, PATIENCE, lambda: daemon.log)
        bare.ip("router", "link add far1 type veth peer name late0", "link set far1 up", "link set late0 up")
        wait(
            lambda: total(daemon.samples(), "knockfirst_capture_filter_instructions", interface="late0") > 0,
            PATIENCE, lambda: daemon.log,
        )  # fmt: skip
        _looked_at(bare, daemon, "far1", 99)


def _counted(daemon: Daemon, counted: dict[str, int], *, up: bool) -> bool:
    samples = daemon.samples()
    shown = {
        event: total(samples, "knockfirst_capture_link_events_total", interface="tap0", event=event)
        for event in counted
    }
    is_up = total(samples, "knockfirst_capture_interface_up", interface="tap0") == 1
    return all(shown[event] >= least for event, least in counted.items()) and is_up is up


def _looked_at(world: World, daemon: Daemon, where: str, number: int) -> None:
    """Another server is seen there; sent again and again, for nobody says when the kernel carries frames again."""
    before = daemon.exchanges()

    def found() -> bool:
        world.send("router", where, _frames(number))
        return daemon.exchanges() > before

    wait(found, PATIENCE, lambda: f"nothing is seen after event {number}: {daemon.log}", 0.3)


def _frames(number: int) -> list[bytes]:
    server = servers.exchange("2019", f"192.0.2.{100 + number}", domain=f"site{number}.example")
    return [frame.data for frame in server.visited()]


def _text(world: World) -> str:
    try:
        return world.fetched("/-/ready")[1]
    except OSError:
        return ""


pytestmark = pytest.mark.usefixtures("able")

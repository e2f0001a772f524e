"""How the work is shared out and saved: several capture processes, and segments that the kernel has joined."""

from __future__ import annotations

import pytest

from agent.lab import servers
from tests.live import peers
from tests.live.daemon import Daemon, balanced, exchanges, total
from tests.live.world import World, address

SERVERS = range(10, 60)


@pytest.fixture(scope="module")
def copies(world: World) -> World:
    """What leaves by copy0 comes in at copy1."""
    world.ip("router", "link add copy0 type veth peer name copy1", "link set copy0 up", "link set copy1 up")
    return world


def visit(world: World, number: int) -> None:
    server = servers.exchange("2019", f"192.0.2.{number}", domain=f"site{number}.example")
    world.send("router", "copy0", (frame.data for frame in server.visited()))


def test_two_workers_share_out_the_flows_and_each_frame_is_counted_once(copies: World) -> None:
    with Daemon(copies, capture={"interfaces": ["copy1"], "workers": 2}) as daemon:
        assert len(daemon.processes("capture")) == 2
        for number in SERVERS:
            visit(copies, number)
        samples = daemon.settled()
    assert exchanges(samples) == len(SERVERS)
    assert total(samples, "knockfirst_observations_total", kind="smtp.greeting") == len(SERVERS)
    assert balanced(samples, "copy1")


def test_segments_that_the_kernel_has_joined_are_as_good_as_any(world: World) -> None:
    """With offloads a tap sees segments of up to 64 KiB, and sums that nobody has computed yet."""
    for where in ("cust", "net"):
        world.run(where, "ethtool", "-K", "eth0", "tx", "on", "tso", "on", "gso", "on", "gro", "on")
    try:
        with Daemon(world) as daemon:
            peers.visit_exchange(world)
            peers.visit_negatives(world)
            body = peers.curl(world, f"http://{address('nginx')[0]}/large")
            samples = daemon.settled()
    finally:
        for where in ("cust", "net"):
            world.run(where, "ethtool", "-K", "eth0", "tx", "off", "tso", "off", "gso", "off")
    assert len(body) > peers.LARGE
    assert exchanges(samples) == exchanges(samples, generation="2019") == 1
    assert balanced(samples)
    assert total(samples, "knockfirst_capture_malformed_total") == 0

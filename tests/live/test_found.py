"""The whole line over a router: the simulated Exchange is found, real servers that are none are not, and soon."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.live import peers
from tests.live.daemon import Daemon, balanced, exchanges, total
from tests.live.world import World, address, in_thread

SOON = 1.0  # seconds from the start of the first client to the scrape that shows the server
STACKS = (
    "",
    "vlan:101",
    "qinq:200 vlan:101",
    "vlan:200 vlan:101",
    "pppoe:17",
    "qinq:200 vlan:101 pppoe:17",
    "mpls:3001 mpls:17",
)


@pytest.fixture(scope="module", params=STACKS, ids=lambda stack: stack or "plain")
def stack(request: pytest.FixtureRequest) -> str:
    text: str = request.param
    return text


@pytest.mark.parametrize("six", [False, True], ids=["ipv4", "ipv6"])
def test_exchange_is_found_and_nothing_else_is(
    world: World, six: bool, record_property: Callable[[str, object], None]
) -> None:
    peers.visit_exchange(world, six)  # whatever is slow the first time is not ours
    with Daemon(world) as daemon:
        began = time.monotonic()
        client = in_thread(lambda: peers.mail(world, address("exchange")[six], "--tls"))
        took = daemon.wait_found(since=began)
        record_property("seconds_to_metrics", took)
        client.join()
        peers.visit_exchange(world, six)
        peers.visit_negatives(world, six)
        samples = daemon.settled()
    assert took <= SOON
    assert exchanges(samples) == 1
    assert exchanges(samples, generation="2019") == 1, daemon.log
    assert balanced(samples)
    assert total(samples, "knockfirst_capture_frames_used_total", interface="cust0") > 20
    assert total(samples, "knockfirst_capture_malformed_total") == 0
    kinds = {kind: total(samples, "knockfirst_observations_total", kind=kind) for kind in ("smtp.greeting", "tls.sni")}
    assert kinds["smtp.greeting"] >= 2, kinds  # that of Postfix too: it was looked at, and is none

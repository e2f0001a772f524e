"""Copies: one direction alone, by the kernel's mirred or as a tunnel brings them from another router's mirror port."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator

import pytest

from agent.lab import servers
from agent.lab.traffic import PLAIN, SERVER, one_way
from tests.live import peers
from tests.live.daemon import Daemon, balanced, exchanges, total
from tests.live.world import World

# From the server to the client alone, and the other way round. What a client says does not tell what its server is,
# but for the name that it asks for; so nothing may be claimed of that direction.
_SIDES = {"from the server": ("cust0", True), "from the client": ("net0", False)}


def copied(world: World, port: str, to: str) -> None:
    """Everything that comes in at the router's ``port`` also leaves by its interface ``to``."""
    for words in (
        ("qdisc", "replace", "dev", port, "clsact"),
        ("filter", "replace", "dev", port, "ingress", "pref", "1", "protocol", "all", "u32", "match", "u32", "0", "0",
         "action", "mirred", "egress", "mirror", "dev", to),
    ):  # fmt: skip
        done = world.run("router", "tc", *words)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def mirror(world: World) -> World:
    """The world with a pair of interfaces for copies: what leaves by copy0 comes in at copy1."""
    world.ip("router", "link add copy0 type veth peer name copy1", "link set copy0 up", "link set copy1 up")
    return world


@pytest.mark.parametrize("side", _SIDES)
def test_one_direction_is_enough_or_claims_nothing(mirror: World, side: str) -> None:
    port, enough = _SIDES[side]
    mirror.run("router", "tc", "qdisc", "del", "dev", "cust0", "clsact")
    mirror.run("router", "tc", "qdisc", "del", "dev", "net0", "clsact")
    copied(mirror, port, "copy0")
    with Daemon(mirror, capture={"interfaces": ["copy1"]}) as daemon:
        peers.visit_exchange(mirror)
        peers.visit_negatives(mirror)
        samples = daemon.settled()
    assert total(samples, "knockfirst_capture_frames_offered_total", interface="copy1") > 0
    assert (total(samples, "knockfirst_observations_total", kind="smtp.greeting") > 0) is enough
    assert exchanges(samples) == int(enough)
    assert balanced(samples, "copy1")


def test_a_copy_in_vxlan_is_looked_into_where_it_is_configured(mirror: World) -> None:
    mirror.ip("router", "link add monitor0 type veth peer name monitor1", "addr add 203.0.113.1/24 dev monitor0",
              "link set monitor0 up", "link set monitor1 up",
              "neigh replace 203.0.113.2 lladdr 2e:00:5e:00:00:99 dev monitor0",
              "link add vx0 type vxlan id 42 remote 203.0.113.2 dev monitor0 dstport 4789 noudpcsum",
              "link set vx0 up")  # fmt: skip
    copied(mirror, "cust0", "vx0")
    for encapsulations, found in ((["vxlan"], 1), ([], 0)):
        with Daemon(mirror, capture={"interfaces": ["monitor1"], "encapsulations": encapsulations}) as daemon:
            peers.visit_exchange(mirror)
            samples = daemon.settled()
        assert exchanges(samples) == found, encapsulations
        assert balanced(samples, "monitor1")


def _ipv4(protocol: int, inside: bytes) -> bytes:
    """An IPv4 packet from one router to the next (RFC 791); nobody checks its sum."""
    ends = socket.inet_aton("203.0.113.1") + socket.inet_aton("203.0.113.2")
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(inside), 0, 0, 64, protocol, 0) + ends
    return bytes.fromhex("2e005e000099 2e005e000098 0800") + head + inside


def _udp(port: int, inside: bytes) -> bytes:
    return _ipv4(17, struct.pack("!HHHH", 50_000, port, 8 + len(inside), 0) + inside)


# How each tunnel wraps a frame, after its own document.
TUNNELS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gre (RFC 2784, transparent Ethernet)": ("gre", lambda f: _ipv4(47, struct.pack("!HH", 0, 0x6558) + f)),
    "gre with a key (RFC 2890)": ("gre", lambda f: _ipv4(47, struct.pack("!HHI", 0x2000, 0x6558, 7) + f)),
    "gre (RFC 2784, bare IP)": ("gre", lambda f: _ipv4(47, struct.pack("!HH", 0, 0x0800) + f[14:])),
    "erspan I": ("erspan", lambda f: _ipv4(47, struct.pack("!HH", 0, 0x88BE) + f)),
    "erspan II": ("erspan", lambda f: _ipv4(47, struct.pack("!HHIHHI", 0x1000, 0x88BE, 1, 0x1000, 1, 0) + f)),
    "erspan III": ("erspan", lambda f: _ipv4(47, struct.pack("!HHIHHIHH", 0x1000, 0x22EB, 1, 0x2000, 1, 0, 0, 0) + f)),
    "geneve (RFC 8926)": ("geneve", lambda f: _udp(6081, struct.pack("!BBHI", 0, 0, 0x6558, 42 << 8) + f)),
    "gtp-u (3GPP TS 29.281)": ("gtpu", lambda f: _udp(2152, struct.pack("!BBHI", 0x30, 255, len(f) - 14, 9) + f[14:])),
    "tzsp": ("tzsp", lambda f: _udp(37_008, bytes.fromhex("01 00 0001 01") + f)),
}


def test_no_tunnel_is_looked_into_that_is_not_configured(mirror: World) -> None:
    frames = one_way(servers.exchange("2016", "192.0.2.120").visited(PLAIN), SERVER)
    with Daemon(mirror, capture={"interfaces": ["copy1"], "encapsulations": []}) as daemon:
        for _, wrap in TUNNELS.values():
            mirror.send("router", "copy0", (wrap(frame.data) for frame in frames))
        samples = daemon.settled()
    assert total(samples, "knockfirst_observations_total") == 0
    assert balanced(samples, "copy1")


@pytest.fixture(scope="module")
def looking(mirror: World) -> Iterator[Daemon]:
    """A daemon that looks into every kind of tunnel."""
    names = sorted({name for name, _ in TUNNELS.values()})
    with Daemon(mirror, capture={"interfaces": ["copy1"], "encapsulations": names}) as daemon:
        yield daemon


@pytest.mark.parametrize("tunnel", TUNNELS)
def test_a_crafted_copy_is_looked_into_from_one_direction(mirror: World, looking: Daemon, tunnel: str) -> None:
    number = list(TUNNELS).index(tunnel)
    server = servers.exchange("2016", f"192.0.2.{100 + number}", domain=f"site{number}.example")
    before = looking.exchanges()
    _, wrap = TUNNELS[tunnel]
    mirror.send("router", "copy0", (wrap(frame.data) for frame in one_way(server.visited(PLAIN), SERVER)))
    looking.wait_found(int(before) + 1)
    assert balanced(looking.samples(), "copy1")

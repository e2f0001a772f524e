"""With which rights it works, what capture keeps of them, and what is said where they are missing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.live import peers
from tests.live.daemon import AS_NOBODY, Daemon, exchanges
from tests.live.world import PATIENCE, World, wait

CAP_NET_RAW = 1 << 13
_WITHOUT = tuple(word.replace(",+net_raw", "") for word in AS_NOBODY)


def status(pid: int) -> dict[str, str]:
    """/proc/PID/status by its keys."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def sockets(pid: int) -> dict[str, str]:
    """Inode of every socket that a process holds -> the table of /proc/PID/net that it is in."""
    found: dict[str, str] = {}

    def all_found() -> bool:
        """Not so of what is closed while we look: then we look again."""
        links = [_link(place) for place in Path(f"/proc/{pid}/fd").iterdir()]
        held = {link[8:-1] for link in links if link.startswith("socket:[")}
        found.clear()
        for table in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6", "icmp", "icmp6", "packet", "netlink", "unix"):
            path = Path(f"/proc/{pid}/net/{table}")
            for line in path.read_text().splitlines()[1:] if path.exists() else ():
                found.update(dict.fromkeys(held & set(line.split()), table))
        return held == set(found)

    wait(all_found, PATIENCE, lambda: "a socket of a kind that is in no table")
    return found


def _link(place: Path) -> str:
    try:
        return os.readlink(place)
    except FileNotFoundError:
        return ""


@pytest.mark.parametrize("rights", [(), AS_NOBODY], ids=["root", "nobody"])
def test_capture_keeps_cap_net_raw_alone_and_no_inet_socket(world: World, rights: tuple[str, ...]) -> None:
    with Daemon(world, rights) as daemon:
        peers.visit_exchange(world)
        daemon.wait_found()
        capture = daemon.children()["capture"]
        has = status(capture)
        kinds = set(sockets(capture).values())
        exporter = set(sockets(daemon.children()["exporter"]).values())
        agent = set(sockets(daemon.children()["agent"]).values())
    for name in ("CapPrm", "CapEff"):
        assert int(has[name], 16) == CAP_NET_RAW, has
    for name in ("CapInh", "CapAmb", "CapBnd"):
        assert int(has[name], 16) & ~CAP_NET_RAW == 0, has
    assert has["Uid"].split() == ["65534"] * 4 and has["Gid"].split() == ["65534"] * 4
    assert has["Groups"] in ("", "65534")
    assert has["NoNewPrivs"] == "1"
    assert "packet" in kinds and kinds <= {"packet", "netlink", "unix"}, kinds
    assert agent == {"unix"}
    assert "packet" not in exporter


def test_without_the_right_one_line_says_what_is_missing_and_how_to_give_it(world: World) -> None:
    with Daemon(world, _WITHOUT).begun() as daemon:
        wait(lambda: "CAP_NET_RAW" in daemon.log, PATIENCE, lambda: daemon.log)
        wait(
            lambda: daemon.total("knockfirst_not_ready", reason="capture_not_permitted") == 1,
            PATIENCE,
            lambda: daemon.log,
        )
        lines = [line for line in daemon.log.splitlines() if "CAP_NET_RAW" in line]
        assert len(set(lines)) >= 1 and all(way in lines[0] for way in ("setcap", "AmbientCapabilities", "setpriv"))
        assert "Traceback" not in daemon.log
        assert exchanges(daemon.samples()) == 0
    assert daemon.process.returncode == 0

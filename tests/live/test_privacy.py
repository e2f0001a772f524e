"""Whose handshakes reach the process, live: prefix files that change, the tier `headers`, and what never comes out."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from agent.lab import servers, sessions
from agent.lab.traffic import WINDOWS, Conversation, frames
from tests.live import peers
from tests.live.daemon import Daemon, balanced, exchanges, prefix_file, total
from tests.live.world import PATIENCE, World, wait

IN_FORCE = 1.0  # seconds from a changed prefix file to frames that are judged by it
VISITS = 30
CANARY = "Zebra-Quagga-4711"


@pytest.fixture(scope="module")
def copies(bare: World) -> World:
    """A pair of interfaces for crafted frames: what leaves by copy0 comes in at copy1."""
    bare.ip("router", "link add copy0 type veth peer name copy1", "link set copy0 up", "link set copy1 up")
    return bare


def frames_of(number: int) -> list[bytes]:
    """A client's connections to one customer's Exchange."""
    server = servers.exchange("2019", f"192.0.2.{number}", domain=f"site{number}.example")
    return [frame.data for frame in server.visited()]


def visit(world: World, number: int) -> None:
    world.send("router", "copy0", frames_of(number))


def greetings(daemon: Daemon) -> float:
    return daemon.total("knockfirst_observations_total", kind="smtp.greeting")


def test_a_changed_prefix_file_is_in_force_within_a_second_both_ways(copies: World) -> None:
    """Once a change is said to be in force it holds for every frame; how long that took is what the metric says."""
    consented, objected = copies.directory / "consented", copies.directory / "objected"
    privacy = {
        "handshakes": "consented",
        "consented": prefix_file(consented, "192.0.2.40/32"),
        "objected": prefix_file(objected),
    }
    with Daemon(copies, capture={"interfaces": ["copy1"]}, privacy=privacy) as daemon:
        visit(copies, 41)
        visit(copies, 40)
        daemon.wait_found()
        assert greetings(daemon) == 1, "41 has not consented"

        visit(copies, 64)
        assert total(daemon.settled(), "knockfirst_observations_total", kind="smtp.greeting") == 1, "nor has 64"
        _changed(daemon, consented, "192.0.2.40/32", "192.0.2.64/26")
        for number in range(64, 64 + VISITS):
            visit(copies, number)
        assert total(daemon.settled(), "knockfirst_observations_total", kind="smtp.greeting") == 1 + VISITS, "a grant"

        _changed(daemon, objected, "192.0.2.96/27")
        for number in range(96, 96 + VISITS):
            visit(copies, number)
        samples = daemon.settled()
        assert total(samples, "knockfirst_observations_total", kind="smtp.greeting") == 1 + VISITS, "an objection"
        assert total(samples, "knockfirst_capture_filter_takeovers_total", interface="copy1") >= 2
        assert total(samples, "knockfirst_capture_frames_dropped_total", interface="copy1", reason="ring") == 0
        assert balanced(samples, "copy1")


def _changed(daemon: Daemon, path: Path, *prefixes: str) -> None:
    """The file says something else, and that is in force, within a second."""
    before = daemon.total("knockfirst_section")
    prefix_file(path, *prefixes)
    wait(lambda: _applied(daemon, before), PATIENCE, lambda: daemon.log)
    assert 0 < daemon.total("knockfirst_prefixes_applied_seconds") <= IN_FORCE


def _applied(daemon: Daemon, before: float) -> bool:
    """Whether a section of a higher number is in force."""
    samples = daemon.samples()
    return total(samples, "knockfirst_section_applied") == total(samples, "knockfirst_section") > before


def test_nothing_is_lost_or_counted_twice_while_filters_take_over(copies: World) -> None:
    """Servers are visited one after the other while the sets change at once again and again; each is seen once."""
    consented = copies.directory / "often"
    privacy = {"handshakes": "consented", "consented": prefix_file(consented, "192.0.2.0/25")}
    seen = range(50, 110)
    with Daemon(copies, capture={"interfaces": ["copy1"]}, privacy=privacy) as daemon:
        for first in seen[::10]:
            before = daemon.total("knockfirst_section")
            prefix_file(consented, "192.0.2.0/25", f"192.0.2.{first + 128}/32")
            daemon.process.send_signal(signal.SIGHUP)
            for number in range(first, first + 10):
                visit(copies, number)
                time.sleep(0.05)
            wait(lambda: _applied(daemon, before), PATIENCE, lambda: daemon.log)  # noqa: B023 - called at once
        samples = daemon.settled()
    assert total(samples, "knockfirst_capture_filter_takeovers_total", interface="copy1") >= 2
    assert total(samples, "knockfirst_observations_total", kind="smtp.greeting") == len(seen)
    assert exchanges(samples) == len(seen)
    assert balanced(samples, "copy1")


@pytest.mark.parametrize("way", ["off", "headers by consent"])
def test_the_tier_headers_gives_no_payload_and_no_observation_of_one(world: World, way: str) -> None:
    privacy = {"handshakes": "off"} if way == "off" else {"handshakes": "consented"}
    with Daemon(world, privacy=privacy) as daemon:
        for six in (False, True):
            peers.visit_exchange(world, six)
            peers.visit_negatives(world, six)
        samples = daemon.settled()
    kinds = {
        dict(labels)["kind"] for (name, labels), value in samples.items()
        if name == "knockfirst_observations_total" and value
    }  # fmt: skip
    assert kinds == {"tcp.synack"}
    assert exchanges(samples) == 0
    assert total(samples, "knockfirst_capture_frames_used_total", interface="cust0") > 0


def test_a_canary_in_a_greeting_comes_out_nowhere(copies: World) -> None:
    """With handshakes off no byte of a payload is anywhere: in no metric, log, store, nor in a process or its ring."""
    there = "192.0.2.120"
    said = sessions.smtp(f"mx.{CANARY}.example Microsoft ESMTP MAIL Service ready", CANARY, ("SIZE", "XRDST"))
    seen = frames(Conversation("203.0.113.9", there, 25, said, WINDOWS))
    state = copies.directory / "state"
    state.mkdir()
    with Daemon(
        copies, capture={"interfaces": ["copy1"]}, privacy={"handshakes": "off"}, agent={"state": str(state)},
        log={"level": "debug"},
    ) as daemon:  # fmt: skip
        copies.send("router", "copy0", (frame.data for frame in seen))
        wait(lambda: daemon.total("knockfirst_observations_total", kind="tcp.synack") > 0, PATIENCE, lambda: daemon.log)
        _, metrics = copies.fetched("/metrics")
        pids = daemon.children()
        assert set(pids) == {"agent", "capture", "exporter"}
        for role, pid in pids.items():
            assert CANARY.encode() not in _memory(pid), role
    canary = CANARY.encode()
    assert canary not in metrics.encode() and CANARY not in daemon.log
    assert not any(canary in path.read_bytes() for path in state.rglob("*") if path.is_file())
    # The same frames do come out where they may: the canary was on the line.
    with Daemon(copies, capture={"interfaces": ["copy1"]}) as daemon:
        copies.send("router", "copy0", (frame.data for frame in seen))
        wait(lambda: greetings(daemon) > 0, PATIENCE, lambda: daemon.log)
        assert all(canary in _memory(daemon.children()[role]) for role in ("agent", "capture"))


def _memory(pid: int) -> bytes:
    """Every writable private byte of a process."""
    found = []
    with Path(f"/proc/{pid}/mem").open("rb", 0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, rights, *_ = line.split()
            if not rights.startswith("rw") or "[v" in line:
                continue
            first, last = (int(end, 16) for end in span.split("-"))
            try:
                memory.seek(first)
                found.append(memory.read(last - first))
            except (OSError, ValueError, OverflowError):
                continue
    return b"".join(found)

"""A glance says of a frame that it need not be looked at only where looking would have told nothing."""

from __future__ import annotations

import random

import pytest

from agent.lab import demo, servers
from agent.lab.traffic import Path
from collectors.line import Line
from collectors.packets.decode import ETHERNET
from tests import frames

STACKS = ("", "vlan:7", "pppoe:9", "qinq:7 vlan:8", "mpls:5")


def conversations(seed: int) -> list[bytes]:
    """Visits of several clients to the servers of the demo, with the frames of a busy line between them."""
    r = random.Random(seed)
    visits = []
    for server, _ in r.sample(demo.roster(), 5):
        for client in range(6):
            by = f"2001:db8:ffff::{client + 9}" if ":" in server.address else f"203.0.113.{client + 9}"
            visits.append([f.data for f in server.visited(Path(r.choice(STACKS)), servers.EPOCH_NS, by)])
    out: list[bytes] = []
    while visits:
        visit = r.choice(visits)
        out.append(visit.pop(0))
        if not visit:
            visits.remove(visit)
        if r.random() < 0.3:
            out.append(frames.damaged(r, frames.wrap(frames.random_stack(r), frames.random_packet(r))))
    return out


@pytest.mark.parametrize("seed", range(6))
def test_with_and_without_a_glance_the_same_is_told(seed: int) -> None:
    quick, slow = Line(), Line()
    slow._glance = lambda *_: False
    told: list[object] = []
    expected: list[object] = []
    for number, frame in enumerate(conversations(seed) * 3):
        when = 1e9 + number * 0.01
        quick.frame(when, ETHERNET, len(frame), frame)
        slow.frame(when, ETHERNET, len(frame), frame)
        told += quick.given()
        expected += slow.given()
    assert told == expected
    assert len(told) > 20
    assert quick.counts["streams_of_the_sated"] > 20


def test_a_glance_takes_any_bytes() -> None:
    r = random.Random("bytes")
    line = Line()
    for _ in range(3000):
        frame = frames.damaged(r, frames.wrap(frames.random_stack(r), frames.random_packet(r)))
        line.frame(1.0, ETHERNET, len(frame), frame)
        for end in (0, 14, 60, 86):
            line.frame(1.0, ETHERNET, len(frame), frame[:end])

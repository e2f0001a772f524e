"""Ten thousand requests to knock, among objections, hand-overs, ends and crashes: nothing was sent but what may be.

What was sent is what was seen at the far end of a pair of interfaces, by somebody who looked from before the beginning;
what may be sent is what the log on the disk says when all is over. See tests/live/knocking.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from agent.audit.log import Log
from agent.audit.verify import verified
from agent.config import check
from tests.live.knocking import far, ledger
from tests.live.knocking.capture import Capture
from tests.live.knocking.part import CLOCK
from tests.live.knocking.processes import Part
from tests.live.knocking.story import BEGINS, Place, Story
from tests.live.world import PATIENCE, ROOT, World, ended, said, wait

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.sections import Config

SOURCES = ("192.0.2.1", "2001:db8:1::1")  # the router's own, on the customers' side
SEED = int(os.environ.get("KNOCKFIRST_SEED", "20261124"))
REQUESTS = 50_000 if os.environ.get("KNOCKFIRST_SCENARIO") == "full" else 10_000
# Of the outcomes there have been all but those of our own faults and of what has tests of its own.
EVERY = {
    "confirmed", "contradicted", "connection_refused", "timeout", "protocol_error", "holder_changed", "cancelled",
    "unknown",
}  # fmt: skip
SIX, FOUR = 84, 12  # customers
_ALWAYS = ["daily 00:00-24:00"]
_HOURS = {1: ["Mon-Fri 09:00-17:00"], 2: ["daily 22:00-06:00"]}


def configured(directory: Path) -> Config:
    written: dict[str, Any] = {
        "consent": {
            "operator": "Example ISP", "public_url": "https://isp.example/objections", "drop": str(directory / "drop"),
        },
        "probe": {
            "armed": True, "laboratory": True, "sources": list(SOURCES), "contact": "mailto:abuse@isp.example",
            "probing_url": "https://isp.example/.well-known/probing.txt", "per_minute": 60, "seconds": 3,
            "self_audit": True,
        },
        "audit": {"file": str(directory / "checkpoints"), "origin": "knockfirst/scenario"},
        "notices": {"route": "abuse@isp.example"},
        "agent": {"state": str(directory / "state")},
    }  # fmt: skip
    for name in ("drop", "state"):
        (directory / name).mkdir(mode=0o700)
    (directory / "config.json").write_text(json.dumps(written))
    (directory / "clock").write_bytes(CLOCK.pack(BEGINS))
    (directory / "fingerprint").write_text(far.fingerprint())
    return check(written, "scenario")


def places(chance: random.Random) -> list[Place]:
    """A /48 each, with a few servers of all sorts; and some who have a part of one /24."""
    made = []
    for number in range(SIX + FOUR):
        if number < SIX:
            prefix = f"2001:db8:{0x100 + number:x}::/48"
            hosts = [f"2001:db8:{0x100 + number:x}::{host:x}" for host in chance.sample(range(16, 64), 5)]
        else:
            at = (number - SIX) * 16
            prefix = f"203.0.113.{at}/28"
            hosts = [f"203.0.113.{at + host}" for host in chance.sample(range(1, 15), 3)]
        made.append(Place(prefix, hosts, _HOURS.get(number % 7, _ALWAYS), number))
    return made


@pytest.fixture(scope="module")
def served(bare: World) -> Iterator[World]:
    """A world in which every address of the customers answers, each in its way."""
    bare.ip("router", "route add 2001:db8:100::/40 via 2001:db8:1::10 dev cust0",
            "route add 203.0.113.0/24 via 192.0.2.10 dev cust0")  # fmt: skip
    bare.ip("cust", "route add local 2001:db8:100::/40 dev lo", "route add local 203.0.113.0/24 dev lo")
    process = bare.start("cust", "env", f"PYTHONPATH={ROOT}", sys.executable, "-P", "-m", "tests.live.knocking.far")
    wait(lambda: "ready" in said(process), PATIENCE, lambda: said(process))
    yield bare
    ended(process)


def silenced(world: World, among: list[Place]) -> None:
    """Of some addresses not even a refusal comes."""
    for host in [host for place in among for host in place.hosts if far.way(host) == "silent"]:
        world.ip("cust", f"route add blackhole {host}/{128 if ':' in host else 32} table local")


def test_nothing_is_sent_that_may_not_be(served: World, tmp_path: Path) -> None:
    began = time.monotonic()
    with served.inside("cust"):
        capture = Capture("eth0")
    config, among = configured(tmp_path), places(random.Random(SEED))
    silenced(served, among)
    part = Part(served, tmp_path)
    try:
        story = Story(config, part, tmp_path, among, SEED)
        part.start()
        story.begin()
        story.go(REQUESTS)
        story.finish()
    finally:
        part.end()
        segments = capture.end()
    seconds = time.monotonic() - began

    log = Log(tmp_path / "state", origin="", now=lambda: story.now, monotonic=time.monotonic)
    log.open()
    entries = ledger.read(tmp_path / "state", log)
    log.close()
    held = ledger.Ledger(entries, ledger.connections(segments, SOURCES), story.answered)
    held.away_counts()
    audited = held.audited()
    whole = verified(tmp_path / "state")
    told: dict[str, Any] = {
        "seconds": round(seconds, 1), "requests": story.told.requests, "granted": story.told.granted,
        "intents": len(held.intents), "days": round((story.now - BEGINS) / 86_400),
        "connections": len(held.begun), "segments": len(segments), "entries": len(entries),
        "kills": dict(part.kills), "events": dict(story.told.events), "answers": dict(story.told.answers),
        "faults": dict(held.faults), "counts": dict(held.counts), "delays": dict(held.delays),
        "cancelled": dict(held.cancelled()), "audited": audited,
        "ways": {why: dict(held.ways(why)) for why in ("objection", "handed")},
        "outcomes": dict(Counter(intent.outcome for intent in held.intents.values())),
    }  # fmt: skip
    print(json.dumps(told | {"words": held.words}, indent=1))
    assert capture.lost == 0
    assert +held.faults == {}, held.words
    assert whole.faults == []
    assert audited["difference"] <= audited["reused"], held.unseen()
    # It happened, too: else nothing of this says anything.
    assert story.told.requests == REQUESTS
    assert len(held.intents) >= REQUESTS / 10
    assert min(part.kills.values()) >= REQUESTS / 5000
    assert {held.ways(why)["RST"] >= REQUESTS / 2000 for why in ("objection", "handed")} == {True}
    assert told["cancelled"]["RST"] >= REQUESTS / 200
    assert {intent.outcome for intent in held.intents.values()} >= EVERY


@pytest.mark.parametrize("woken", ["before the deadline", "after it"])
def test_what_was_granted_by_an_agent_that_was_killed_is_never_sent(woken: str, served: World, tmp_path: Path) -> None:
    """The intent is on disk, the grant is on its way to a prober that is stopped, and the agent is killed."""
    with served.inside("cust"):
        capture = Capture("eth0")
    config = configured(tmp_path)
    host = next(f"2001:db8:100::{number:x}" for number in range(16, 64) if far.way(f"::{number:x}") == "exchange")
    part = Part(served, tmp_path)
    try:
        story = Story(config, part, tmp_path, [Place("2001:db8:100::/48", [host], _ALWAYS, 0)], SEED)
        part.start()
        story.begin()
        part.stop_prober()
        assert story.asked(host) == ""
        began = time.monotonic()
        part.kill("agent")
        part.again()
        assert story.asked(host) == "rate"
        if woken == "after it":
            time.sleep(max(0.0, began + config.probe.seconds + 0.2 - time.monotonic()))
        part.wake_prober()
        time.sleep(1.0)
    finally:
        part.end()
        segments = capture.end()
    log = Log(tmp_path / "state", origin="", now=lambda: story.now, monotonic=time.monotonic)
    log.open()
    entries = ledger.read(tmp_path / "state", log)
    log.close()
    held = ledger.Ledger(entries, ledger.connections(segments, SOURCES))
    assert [intent.outcome for intent in held.intents.values()] == ["unknown"]
    assert held.begun == []

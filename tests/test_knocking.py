"""The whole line, once: three customers are seen, and the one who agreed is knocked at; what was done is on record."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agent.lab import fronts, keys, leave, servers
from agent.lab.fronts_door import Door
from agent.supervisor import Daemon
from tests.asking import config, enrol, kinds, office, seen, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = keys.generate("knocking")
LEAF = replace(fronts.LEAF, key=KEY)
WHO = {"agreed": "127.10.0.1", "told": "127.20.0.1", "objected": "127.30.0.1"}


@pytest.fixture
def doors() -> Iterator[dict[str, Door]]:
    made = {who: Door(fronts.serve(fronts.pages("2016")), KEY, address) for who, address in WHO.items()}
    for door in made.values():
        door.open()
    yield made
    for door in made.values():
        door.close()


def test_only_who_agreed_is_knocked_at(doors: dict[str, Door], tmp_path: Path) -> None:
    capture = tmp_path / "edge.pcap"
    capture.write_bytes(
        seen(*((servers.exchange("2016", door.address, leaf=LEAF), door.port) for door in doors.values()))
    )
    of = config(tmp_path, capture={"files": [str(capture)]})
    now = time.time()
    nets = {who: [f"{address}/32"] for who, address in WHO.items()}
    enrol(
        of,
        *leave.agreed("agreed", nets["agreed"], now, port=doors["agreed"].port),
        leave.mapped("told", nets["told"], now),
        leave.announced("told", now),
        *leave.agreed("objected", nets["objected"], now, port=doors["objected"].port),
        leave.objected("objected", None, now),
    )
    with Daemon(of) as daemon:
        assert daemon.wait_ready(20)
        assert until(lambda: build(daemon, WHO["agreed"])["precision"] == "su")
        time.sleep(1)
        builds = {who: build(daemon, address) for who, address in WHO.items()}
    assert builds["agreed"]["low"] == builds["agreed"]["high"] == servers.RELEASES["2016"].build
    # Of who has objected not even the handshakes are looked at.
    assert [builds[who]["precision"] for who in ("told", "objected")] == ["product", "none"]
    assert {who: door.visits for who, door in doors.items()} == {"agreed": 1, "told": 0, "objected": 0}
    with office(of) as opened:
        [intent], [outcome] = kinds(opened, "probe.intent"), kinds(opened, "probe.outcome")
        assert opened.gate.held == {}
    assert intent.private["address"] == WHO["agreed"]
    assert (outcome.customer, outcome.public["intent"]) == ("agreed", intent.number)
    assert (outcome.public["outcome"], outcome.public["connections"]) == ("confirmed", 1)
    sent = doors["agreed"].requests[0].decode()
    assert f"X-Knockfirst-Probe: {intent.public['id']}\r\n" in sent
    assert "User-Agent: Example-ISP/" in sent


def build(daemon: Daemon, address: str) -> dict[str, str]:
    return {a["address"]: a["build"] for a in daemon.assessments()}.get(address) or {"precision": "none"}

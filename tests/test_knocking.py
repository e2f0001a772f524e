"""The whole line, once: three customers are seen, and the one who agreed is knocked at; what was done is on record."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from argparse import Namespace
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from agent.__main__ import main
from agent.lab import fronts, keys, leave, servers
from agent.lab.fronts_door import Door
from agent.orders import ordered
from agent.supervisor import Daemon
from tests.agent.test_supervisor import get, pids
from tests.asking import config, enrol, kinds, office, seen, until
from tests.exporters.test_prometheus import samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from agent.lab.fronts_door import Visit
    from agent.sections import Config

pytestmark = pytest.mark.usefixtures("ahead")

FORM = "application/x-www-form-urlencoded"

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
    proof = tmp_path / "proof"
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
        assert daemon.wait_finished(60)
        assert until(lambda: build(daemon, WHO["agreed"])["precision"] == "su")
        time.sleep(1)
        assert (
            main(["audit", "prove", "--customer", "agreed", "--out", str(proof), "--control", daemon.control_path]) == 0
        )
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
    checked = subprocess.run(
        [sys.executable, "docs/verify.py", str(proof)], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")
    assert intent.public["id"] in checked.stdout and WHO["agreed"] in checked.stdout
    assert not [who for who in ("told", "objected") if WHO[who] in proof.read_text() + checked.stdout]


def build(daemon: Daemon, address: str) -> dict[str, str]:
    return {a["address"]: a["build"] for a in daemon.assessments()}.get(address) or {"precision": "none"}


# What ends a probe that is under way.


class Hanging:
    """A front end that takes a request and never answers: how and when its visitor goes."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.gone: list[tuple[str, float]] = []
        self.port = 0

    def __call__(self, visit: Visit) -> None:
        visit.secure(LEAF)
        visit.request()
        self.asked.set()
        # What is below TLS, where a reset is one.
        with socket.socket(fileno=os.dup(visit.connection.fileno())) as bare:
            bare.settimeout(120)
            try:
                left = bare.recv(100).hex() or "closed"
            except ConnectionResetError:
                left = "reset"
        self.gone.append((left, time.monotonic()))


@contextmanager
def under_way(directory: Path) -> Iterator[tuple[Daemon, Hanging, Config]]:
    """A daemon whose probe waits for an answer that does not come."""
    hanging = Hanging()
    door = Door(hanging, KEY, WHO["agreed"])
    door.open()
    hanging.port = door.port
    (directory / "edge.pcap").write_bytes(seen((servers.exchange("2016", door.address, leaf=LEAF), door.port)))
    of = config(
        directory,
        capture={"files": [str(directory / "edge.pcap")]},
        exporter={"answers": "127.0.0.1:0"},
        probe={"seconds": 60},
    )
    enrol(of, *leave.agreed("agreed", [f"{door.address}/32"], time.time(), port=door.port))
    try:
        with Daemon(of) as daemon:
            assert daemon.wait_ready(60)
            assert hanging.asked.wait(60)
            yield daemon, hanging, of
    finally:
        door.close()


def metrics(daemon: Daemon) -> dict[tuple[str, tuple[str, ...]], float]:
    return samples(get(daemon.metrics_url, "/metrics")[1])


def post(daemon: Daemon, **said: str) -> str:
    """The status of the answer to a no that comes by the answers' socket."""
    host, _, port = daemon.url("answers").removeprefix("http://").partition(":")
    body = "&".join(f"{key}={value}" for key, value in said.items()).encode()
    head = f"POST /objections HTTP/1.0\r\nContent-Type: {FORM}\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.socket() as client:
        client.settimeout(60)
        client.connect((host, int(port)))
        client.sendall(head.encode() + body)
        return client.recv(4096).decode().split()[1]


def order(daemon: Daemon, verb: str, **words: Any) -> list[dict[str, Any]]:
    return list(ordered(Namespace(config=None, state=None, control=daemon.control_path), verb, words))


def object_(daemon: Daemon) -> None:
    assert post(daemon, prefix=WHO["agreed"]) == "200"


def switch(daemon: Daemon) -> None:
    [answer] = order(daemon, "kill_switch.on")
    assert answer["on"] is True


def kill(daemon: Daemon) -> None:
    os.kill(pids(daemon)["prober"], signal.SIGKILL)


ENDS: list[tuple[Callable[[Daemon], None], str, str]] = [
    (object_, "cancelled", "objection"), (switch, "cancelled", "kill_switch"), (kill, "unknown", "rate"),
]  # fmt: skip


@pytest.mark.parametrize(("end", "outcome", "reason"), ENDS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_probe_that_is_under_way_ends(
    end: Callable[[Daemon], None], outcome: str, reason: str, tmp_path: Path
) -> None:
    with under_way(tmp_path) as (daemon, hanging, of):
        began = time.monotonic()
        end(daemon)
        assert until(lambda: hanging.gone)
        ((how, at),) = hanging.gone
        if outcome == "cancelled":
            assert how == "reset" and at - began < 5.0  # of 60; how long it took within is counted below
        name = "knockfirst_probe_outcomes_total"
        assert until(lambda: metrics(daemon).get((name, (outcome, "exchange-http"))) == 1)
        if end is object_:
            # Capture answers by a link of its own, before the prober or after it.
            assert until(lambda: metrics(daemon)["knockfirst_objection_effect_seconds_count", ()] == 1)
        told = metrics(daemon)
        if end is object_:
            assert told["knockfirst_objection_effect_seconds_bucket", ("1.0",)] == 1
            assert told["knockfirst_objections_total", ("prefix",)] == 1
            assert told["knockfirst_objections_pending", ()] == 0
        assert told["knockfirst_probe_kill_switch", ()] == (end is switch)
        assert until(lambda: metrics(daemon)["knockfirst_probe_prober_up", ()] == 1), "a new one, where it was killed"
        [answer] = order(daemon, "probe.now", address=WHO["agreed"], port=hanging.port)
        assert answer["reason"] == reason
        assert until(lambda: metrics(daemon)["knockfirst_gate_decisions_total", ("refused", reason)] >= 1)
        assert told["knockfirst_gate_decisions_total", ("granted", "")] == 1
    with office(of) as opened:
        [ended] = kinds(opened, "probe.outcome")
        assert ended.public["outcome"] == outcome
        assert opened.history.flights == {}

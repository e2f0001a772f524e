"""Objections while the daemon looks: by the web and by a dropped file, in force within a second, also in the middle."""

from __future__ import annotations

import logging
import os
import re
import signal
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from agent.lab import leave, servers
from agent.office import Office
from agent.sections import Config
from tests.live.daemon import Daemon, Samples, total
from tests.live.test_privacy import IN_FORCE, frames_of, visit
from tests.live.world import METRICS, PATIENCE, World, wait

ANSWERS = METRICS + 1
# Whose is what; 192.0.2.240/28 is nobody's.
MAPPED = {"c-1": ["192.0.2.96/27"], "c-2": ["192.0.2.64/27"], "c-3": ["192.0.2.160/27"]}
BEFORE = 8  # visits before somebody says no


@pytest.fixture(scope="module")
def copies(bare: World) -> World:
    """A pair of interfaces for crafted frames: what leaves by copy0 comes in at copy1."""
    bare.ip("router", "link add copy0 type veth peer name copy1", "link set copy0 up", "link set copy1 up")
    return bare


def daemon(world: World, directory: Path, *, workers: int = 1, consent: dict[str, Any] | None = None) -> Daemon:
    """One that takes objections, with a register of three customers."""
    state = directory / "state"
    state.mkdir(mode=0o700)
    (directory / "drop").mkdir()
    now = time.time()
    office = Office(Config(), state, log=logging.getLogger("test"), now=time.time, monotonic=time.monotonic)
    office.open()
    with closing(office):
        office.record([item for ref, prefixes in MAPPED.items() for item in leave.agreed(ref, prefixes, now)])
    return Daemon(
        world,
        capture={"interfaces": ["copy1"], "workers": workers},
        consent={"drop": str(directory / "drop"), **(consent or {})},
        exporter={"answers": f"127.0.0.1:{ANSWERS}"},
        agent={"state": str(state)},
    )


def objected(world: World, path: str = "/objections", **fields: str) -> str:
    """Say no by the web; the receipt."""
    body = urlencode(fields).encode()
    with world.connected("router", "127.0.0.1", ANSWERS, PATIENCE) as connection:
        connection.sendall(f"POST {path} HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    assert " 200 " in answer.splitlines()[0], answer
    return answer


def greetings(samples: Samples) -> float:
    return total(samples, "knockfirst_observations_total", kind="smtp.greeting")


def in_force(running: Daemon, count: int = 1) -> None:
    """So many objections have had their effect everywhere, each within a second."""
    name = "knockfirst_objection_effect_seconds"
    wait(lambda: running.total(f"{name}_count") >= count, PATIENCE, lambda: running.log)
    samples = running.samples()
    at_most = {float(dict(labels)["le"]): value for (n, labels), value in samples.items() if n == f"{name}_bucket"}
    assert at_most[IN_FORCE] == total(samples, f"{name}_count") == count, at_most


def looked_at(world: World, running: Daemon) -> Samples:
    """The metrics once whoever was killed is back, and tells of c-2; each time by another server, for a connection
    whose middle was missed is not told of by its repetition."""
    numbers = iter(range(64, 96))

    def looks() -> bool:
        visit(world, next(numbers))
        with suppress(OSError):
            return greetings(running.samples()) >= 1
        return False

    wait(looks, PATIENCE, lambda: running.log, 2.0)
    return running.settled()


def started(running: Daemon) -> set[int]:
    """The process ids of all roles, found in a fraction of the time that one of them takes to begin."""
    lists = Path("/proc", str(running.process.pid), "task").glob("*/children")
    return {int(pid) for there in lists for pid in there.read_text().split()}


@pytest.mark.parametrize(("way", "workers"), [("prefix", 2), ("token", 1), ("file", 1), ("link", 1)])
def test_nothing_of_an_objector_is_told_any_more(copies: World, tmp_path: Path, way: str, workers: int) -> None:
    """Others of his servers are visited once his objection is acknowledged, or by a file: said to be in force."""
    with daemon(copies, tmp_path, workers=workers) as running:
        prepared = [frames_of(number) for number in range(96, 126)]
        for seen in prepared[:BEFORE]:
            copies.send("router", "copy0", seen)
        wait(lambda: greetings(running.samples()) == BEFORE, PATIENCE, lambda: running.log)
        if way == "file":
            (tmp_path / "drop" / "monday").write_text("# by phone\n192.0.2.96/27\n")
            in_force(running)
        elif way == "link":
            assert "geldt nu al" in objected(copies, f"/answers/{leave.token('c-1')}", action="stop")
        else:
            fields = {"prefix": "192.0.2.96/27"} if way == "prefix" else {"token": leave.token("c-1")}
            assert "genoteerd" in objected(copies, **fields)
        for seen in prepared[BEFORE:]:
            copies.send("router", "copy0", seen)
        told = greetings(running.settled())
        assert told == BEFORE
        in_force(running)
        if way != "link":  # which is counted with the answers
            assert running.total("knockfirst_objections_total", event=way) == 1
        # His headers are looked at, and others as before.
        assert running.total("knockfirst_observations_total", kind="tcp.synack") > told
        visit(copies, 64)
        wait(lambda: greetings(running.samples()) == told + 1, PATIENCE, lambda: running.log)
    if way == "file":
        assert [path.name for path in (tmp_path / "drop").iterdir()] == ["taken"]


def test_not_even_headers_of_who_says_so(copies: World, tmp_path: Path) -> None:
    with daemon(copies, tmp_path) as running:
        objected(copies, prefix="192.0.2.96/27", headers="on")
        in_force(running)
        before = total(running.settled(), "knockfirst_observations_total")
        for number in range(96, 100):
            visit(copies, number)
        assert total(running.settled(), "knockfirst_observations_total") == before


def test_a_stream_that_was_begun_is_not_read_on(copies: World, tmp_path: Path) -> None:
    """The greeting has passed when he objects; the answer to EHLO comes after that."""
    server = servers.exchange("2019", "192.0.2.97", domain="site97.example")
    frames = [frame.data for frame in server.visited()]
    cut = next(at for at, frame in enumerate(frames) if b"\r\n250-" in frame or b"250-" in frame[54:60])
    with daemon(copies, tmp_path) as running:
        copies.send("router", "copy0", frames[:cut])
        wait(lambda: greetings(running.samples()) == 1, PATIENCE, lambda: running.log)
        objected(copies, prefix="192.0.2.97")
        in_force(running)
        copies.send("router", "copy0", frames[cut:])
        samples = running.settled()
        assert total(samples, "knockfirst_observations_total", kind="smtp.ehlo") == 0
        assert total(samples, "knockfirst_observations_total", kind="tls.server_hello") == 0
        visit(copies, 98)
        wait(
            lambda: running.total("knockfirst_observations_total", kind="smtp.ehlo") == 1, PATIENCE, lambda: running.log
        )


def test_who_comes_to_look_right_after_an_objection_does_not_look_at_him_either(copies: World, tmp_path: Path) -> None:
    """Capture is killed the moment the objection is noted, and the next one hears nothing until there is a section that
    knows: what he was told before that is all there at once when he begins."""
    with daemon(copies, tmp_path) as running:
        before, roles, sections = running.children()["capture"], started(running), running.log.count("msg=section")
        objected(copies, prefix="192.0.2.96/27", headers="on")
        os.kill(before, signal.SIGKILL)
        wait(lambda: bool(started(running) - roles), PATIENCE, lambda: running.log, 0.001)
        (after,) = started(running) - roles
        os.kill(after, signal.SIGSTOP)
        try:
            wait(lambda: running.log.count("msg=section") > sections, PATIENCE, lambda: running.log)
        finally:
            os.kill(after, signal.SIGCONT)

        before_one = total(looked_at(copies, running), "knockfirst_observations_total")
        visit(copies, 160)
        samples = running.settled()
        after_one, greeted = total(samples, "knockfirst_observations_total"), greetings(samples)
        for number in range(96, 106):
            visit(copies, number)
        visit(copies, 161)
        samples = running.settled()
        assert greetings(samples) == greeted + 1
        assert total(samples, "knockfirst_observations_total") - after_one == after_one - before_one > 0


def test_an_agent_that_is_killed_has_not_forgotten(copies: World, tmp_path: Path) -> None:
    with daemon(copies, tmp_path) as running:
        objected(copies, prefix="192.0.2.96/27")
        os.kill(running.children()["agent"], signal.SIGKILL)
        greeted = greetings(looked_at(copies, running))
        for number in range(96, 106):
            visit(copies, number)
        visit(copies, 160)
        assert greetings(running.settled()) == greeted + 1
        assert running.total("knockfirst_consent_objections") == 1


def test_what_fits_nobody_is_on_record_and_stops_nobody(copies: World, tmp_path: Path) -> None:
    with daemon(copies, tmp_path) as running:
        answers = [objected(copies, prefix=prefix) for prefix in ("192.0.2.240/28", "0.0.0.0/0", "192.0.2.160")]
        pages = {re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "", answer.partition("\r\n\r\n")[2]) for answer in answers}
        assert len(pages) == 1, "whether it fits somebody or not, but for the receipt"
        events = {"unmatched": 2, "prefix": 1}
        for event, count in events.items():
            wait(
                lambda: running.total("knockfirst_objections_total", event=event) == count,  # noqa: B023
                PATIENCE,
                lambda: running.log,
            )
        for number in (64, 96, 241):
            visit(copies, number)
        wait(lambda: greetings(running.samples()) == 3, PATIENCE, lambda: running.log)
        assert "192.0.2.240" not in running.log


def test_a_hundred_at_once_are_all_noted_and_the_metrics_answer_meanwhile(copies: World, tmp_path: Path) -> None:
    with daemon(copies, tmp_path) as running:
        token = leave.token("c-2")
        threads = [threading.Thread(target=objected, args=(copies,), kwargs={"token": token}) for _ in range(20)]
        for thread in threads:
            thread.start()
        running.samples()
        for thread in threads:
            thread.join(PATIENCE)
        in_force(running, 20)
        assert running.total("knockfirst_objections_total", event="token") == 20

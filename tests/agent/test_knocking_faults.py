"""What goes wrong around a probe: a disk, a clock, a sink, a prober, the agent itself. Nothing is sent off the record.

The office, the gate and the prober process are the real ones; the servers are at loopback and count who comes.
"""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from agent.audit.verify import verified
from agent.consent import probing_txt
from agent.consent.history import DAY
from agent.errors import ConfigError
from agent.ipc import Type
from agent.lab import leave
from agent.leave import Grant
from tests.agent.knocking_line import Line, outcome
from tests.probes.peers import ANSWER, Peer, says, silent

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("ahead")

HOUR = 3600.0
_UNWRITABLE = ("not_recorded", "audit_not_writable")
_ZONE = ZoneInfo("Europe/Amsterdam")


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    """Nobody knocks, and what would be sent to who does is kept."""
    (tmp_path / "state").mkdir(mode=0o700)
    made = Line(tmp_path, 443)
    made.open()
    made.enrol()
    yield made
    made.close()


@contextmanager
def disk(place: Path, image: Path | None) -> Iterator[Path]:
    """A file system of a few megabytes of its own: in memory, or ext4 in an image. Skips where none can be had."""
    place.mkdir(mode=0o700)
    how = ["-t", "tmpfs", "-o", "size=1m", "none"]
    if image:
        image.write_bytes(b"")
        os.truncate(image, 8 << 20)
        how = ["-o", "loop", str(image)]
    done = None
    if os.geteuid() == 0:
        path = os.environ["PATH"] + ":/usr/sbin:/sbin"
        if image and shutil.which("mkfs.ext4", path=path):
            subprocess.run([str(shutil.which("mkfs.ext4", path=path)), "-qF", str(image)], check=False)
        done = subprocess.run(["mount", *how, str(place)], capture_output=True, text=True, check=False)
    if done is None or done.returncode:
        pytest.skip("needs root: a file system of its own" if done is None else f"no file system: {done.stderr}")
    try:
        place.chmod(0o700)
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(directory: Path) -> Path:
    """Until there is no byte of room."""
    rest = directory / "rest"
    with rest.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0" * 4096)
    return rest


def test_with_a_full_disk_nothing_is_sent_and_with_room_it_goes_on(tmp_path: Path) -> None:
    with disk(tmp_path / "state", None) as state, Peer(says(ANSWER), address="0.0.0.0") as peer:
        line = Line(tmp_path, peer.port)
        line.open()
        line.enrol()
        line.spawn()
        assert line.ask() == ""
        line.hear()
        rest = fill(state)
        reasons = []
        while (reason := line.ask()) == "":  # what fits into files that are there already is written
            line.hear()
            reasons.append(reason)
            assert len(reasons) < 50
        before = peer.connections
        assert reason == "not_recorded"
        assert [line.ask() for _ in range(5)] == ["audit_not_writable"] * 5
        line.tend(6.0)
        assert line.ask() in _UNWRITABLE  # tried again, and no grant of it
        time.sleep(0.2)
        assert peer.connections == before
        rest.unlink()
        line.tend(6.0)
        assert line.ask() == ""
        line.hear()
        assert peer.connections > before
        intents, outcomes = line.on_record()
        assert [number for number, _ in outcomes] == intents
        assert peer.connections == sum(len(told.knocks) for told in line.ended)
        line.close()
        assert verified(state).faults == []


def test_an_outcome_that_finds_the_disk_full_waits_for_room(tmp_path: Path) -> None:
    with disk(tmp_path / "state", None) as state, Peer(says(ANSWER), address="0.0.0.0") as peer:
        line = Line(tmp_path, peer.port)
        line.open()
        line.enrol()
        line.spawn()
        assert line.ask() == ""
        rest = fill(state)
        while line.office.failures == 0:
            line.office.log.size  # noqa: B018
            with suppress(Exception):
                line.office.record([leave.synced(line.now)])
        line.hear()
        intents, outcomes = line.on_record()
        assert (len(intents), outcomes, len(line.office.gate.held), line.ended) == (1, [], 1, [])
        rest.unlink()
        line.tend(6.0)
        intents, outcomes = line.on_record()
        assert [number for number, _ in outcomes] == intents
        line.close()


def test_with_a_file_system_that_became_read_only_nothing_is_sent(tmp_path: Path) -> None:
    with disk(tmp_path / "state", tmp_path / "image") as state, Peer(says(ANSWER), address="0.0.0.0") as peer:
        line = Line(tmp_path, peer.port)
        line.open()
        line.enrol()
        line.spawn()
        assert line.ask() == ""
        line.hear()
        before = peer.connections
        # What the kernel does to a file system in which it found a fault, while files are open.
        done = subprocess.run(["mount", "-o", "remount,abort", str(state)], capture_output=True, check=False)
        with suppress(OSError):
            (state / "touched").touch()
        if done.returncode or (state / "touched").exists():
            line.close()
            pytest.skip("this file system cannot be made to fail")
        assert [line.ask() for _ in range(3)] == ["not_recorded", "audit_not_writable", "audit_not_writable"]
        line.tend(6.0)
        assert line.ask() in _UNWRITABLE
        time.sleep(0.2)
        assert peer.connections == before
        line.close()
        with pytest.raises(ConfigError, match="Read-only file system"):
            line.open()


@pytest.mark.parametrize("sink", ["file", "syslog"])
def test_without_a_sink_that_takes_checkpoints_it_stops_in_a_quarter_of_an_hour(sink: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"

    def there() -> socket.socket | None:
        outside.mkdir()
        if sink == "file":
            return None
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listening.bind(str(outside / "sink"))
        return listening

    listening = there()
    (tmp_path / "state").mkdir(mode=0o700)
    line = Line(tmp_path, 443, **{sink: str(outside / "sink")})
    line.open()
    line.enrol()
    assert line.ask() == ""
    shutil.rmtree(outside)
    for _ in range(14):
        line.tend(60.0)
    assert line.ask() == ""

    def failed() -> bool:
        line.tend()
        return line.office.sinks.failures > 0

    line.until(failed)
    line.tend(61.0)
    assert [line.ask() for _ in range(3)] == ["checkpoint_stale"] * 3
    assert len(line.granted()) == 2
    again = there()

    def reached() -> bool:
        line.tend(1.0)  # the last failure may not have been heard of yet, and only then is it tried again
        return (line.office.sinks.age(line.monotonic()) or 0.0) < 60

    line.until(reached)
    assert line.ask() == ""
    line.close()
    for one in (listening, again):
        if one:
            one.close()


# How far the wall clock jumps after one probe, and what the next request for the same host is told.
JUMPS: dict[str, tuple[float, str]] = {
    "an hour": (HOUR, "rate"),
    "just not a day": (DAY - 1, "rate"),
    "a second more": (DAY + 1, "mapping_stale"),
    "a week": (7 * DAY, "mapping_stale"),
    "a year and more": (400 * DAY, "not_armed"),
    # What is on record of a time that is yet to come was not seen yet: probing.txt comes first.
    "a minute back": (-60, "not_armed"),
    "a day back": (-DAY, "not_armed"),
    "a month back": (-30 * DAY, "not_armed"),
}


@pytest.mark.parametrize("name", JUMPS)
def test_a_clock_that_jumps_opens_nothing(name: str, line: Line) -> None:
    jump, reason = JUMPS[name]
    assert line.ask("127.0.0.1") == ""
    line.knocking.ended(outcome(line.sent[-1][1]["grant"]))
    line.now += jump
    assert line.ask("127.0.0.1") == reason
    line.tend()
    # And back, where something of that time is on record: then nobody knows which of the two it is.
    line.now -= jump
    assert line.ask("127.0.0.1") == ("rate" if jump < 0 else "clock_not_synced")
    assert line.granted() == line.on_record()[0]


@pytest.mark.parametrize("seed", range(3))
def test_under_a_clock_that_jumps_about_no_rate_opens_early_and_no_hour_is_left(seed: int, line: Line) -> None:
    chance = random.Random(seed)
    line.office.record([
        leave.mapped("c-2", ["127.2.0.0/16"], line.now), leave.announced("c-2", line.now),
        leave.given("c-2", ["127.2.0.0/16"], line.now, scope={
            **leave.record("c-2", ["127.2.0.0/16"], line.now, port=443)["scope"],
            "window": {"hours": ["Mon-Fri 09:00-17:00"], "tz": "Europe/Amsterdam"},
        }),
    ])  # fmt: skip
    line.now += 8 * DAY  # part of another's block: until then it is let be
    reasons = set()
    for _ in range(1500):
        line.now += chance.choice((1, 60, HOUR, HOUR, 5 * HOUR, DAY, -HOUR, -5 * HOUR, -DAY, 3 * DAY)) * chance.random()
        if chance.random() < 0.3:
            line.office.record([leave.synced(line.now), leave.checked(line.now, _describes(line))])
        reasons.add(line.ask(f"127.2.{chance.randrange(4)}.1"))
        line.tend()
        for kind, body in line.sent:
            if kind is Type.GRANT:
                line.knocking.ended(outcome(body["grant"]))
    granted = set(line.granted())
    begun: dict[str, list[float]] = {}
    for entry in line.office.log.read(["probe.intent"]):
        assert entry.private
        assert entry.number in granted
        local = datetime.fromtimestamp(entry.time, _ZONE)
        assert local.weekday() < 5
        assert 9 <= local.hour < 17
        begun.setdefault(entry.private["address"], []).append(entry.time)
    assert sum(map(len, begun.values())) >= 10
    # In the order in which they were written: a day apart at the least, whatever the clock did between them.
    assert all(second - first >= DAY for times in begun.values() for first, second in pairwise(times))
    assert {"", "clock_not_synced", "rate", "outside_hours"} <= reasons


def _describes(line: Line) -> str:
    return probing_txt.describes(probing_txt.facts(line.config))


def test_leave_that_runs_out_by_time_alone_ends_what_runs_on_it(line: Line) -> None:
    assert line.ask("127.0.0.1") == ""
    ident = line.sent[-1][1]["grant"]["id"]
    line.now += DAY + 1  # nobody has said anew whose the address is
    line.tend(1.0)
    line.tend(1.0)
    cancelled = [body["ids"] for kind, body in line.sent if kind is Type.CANCEL]
    assert cancelled == [[ident]]


def test_a_prober_that_dies_leaves_nothing_open_and_its_hosts_alone(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    with Peer(silent, address="0.0.0.0") as peer:
        line = Line(tmp_path, peer.port)
        line.open()
        line.enrol()
        line.spawn()
        hosts = [f"127.3.{number}.1" for number in range(3)]
        assert [line.ask(host) for host in hosts] == [""] * 3
        line.until(lambda: peer.connections == 3)
        assert line.prober
        line.prober.kill()
        line.prober.wait()
        line.knocking.lost()
        assert line.ask("127.4.0.1") == "not_armed"
        intents, outcomes = line.on_record()
        assert outcomes == [(number, "unknown") for number in intents]
        assert line.office.gate.held == {}
        line.spawn()
        assert [line.ask(host) for host in hosts] == ["rate"] * 3
        time.sleep(0.2)
        assert peer.connections == 3
        line.close()


@pytest.mark.parametrize("moved", [False, True])
def test_what_a_prober_that_died_was_doing_is_on_record_as_unknown_and_not_as_nothing(moved: bool, line: Line) -> None:
    assert line.ask("127.0.0.1") == ""
    if moved:
        line.office.record([
            leave.unmapped("c-1", ["127.0.0.0/8"], line.now), leave.mapped("c-2", ["127.0.0.0/8"], line.now),
        ])  # fmt: skip
    line.knocking.lost()
    (entry,) = line.office.log.read(["probe.outcome"])
    assert (entry.public["outcome"], entry.public["connections"], entry.public["ms"]) == ("unknown", None, None)
    assert entry.customer == "c-1"
    assert "knocks" not in (entry.private or {})


# What a prober says of a grant that it was given first, in order; and the outcome that is on record after it.
ANSWERS: dict[str, tuple[tuple[dict[str, Any], ...], str]] = {
    "twice the same": (({}, {}), "confirmed"),
    "twice, and not the same": (({"outcome": "contradicted"}, {"outcome": "confirmed"}), "contradicted"),
    "of an id that nobody gave": (({"id": "0" * 32}, {}), "confirmed"),
    "of nobody's id alone": (({"id": "f" * 32},), ""),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_of_each_grant_one_outcome_counts(name: str, line: Line) -> None:
    said, expected = ANSWERS[name]
    assert line.ask() == ""
    grant = line.sent[-1][1]["grant"]
    for changes in said:
        line.knocking.ended(outcome(grant, **changes))
    intents, outcomes = line.on_record()
    assert outcomes == ([(intents[0], expected)] if expected else [])
    assert [told.id for told in line.ended] == ([grant["id"]] if expected else [])
    assert len(line.office.gate.held) == (not expected)


def test_what_is_said_too_late_is_not_heard(line: Line) -> None:
    assert line.ask() == ""
    grant = line.sent[-1][1]["grant"]
    line.tend(line.config.probe.seconds + 11)
    assert line.on_record()[1] == [(grant["number"], "unknown")]
    line.knocking.ended(outcome(grant))
    assert line.on_record()[1] == [(grant["number"], "unknown")]
    assert line.ended == []


def test_of_two_answers_while_nothing_can_be_written_the_first_counts(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agent.audit.log import AuditError

    assert line.ask() == ""
    grant = line.sent[-1][1]["grant"]

    def refuses(_: object) -> None:
        raise AuditError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(line.office.log, "append", refuses)
        line.knocking.ended(outcome(grant, outcome="contradicted"))
        line.knocking.ended(outcome(grant))
    line.tend(6.0)
    assert line.on_record()[1] == [(grant["number"], "contradicted")]


def test_an_agent_that_is_started_anew_says_of_what_was_out_that_nobody_knows(line: Line) -> None:
    assert [line.ask("127.0.0.1"), line.ask("127.5.0.1")] == ["", ""]
    before, line.sent = line.sent, []
    # Nothing is closed: so it is left by one that was killed.
    left = line.office
    line.open()
    assert line.on_record()[1] == [(body["grant"]["number"], "unknown") for _, body in before]
    assert line.office.gate.held == {}
    # What the prober says to it of the grants of the one before is not heard, and their hosts are let be.
    for _, body in before:
        line.knocking.ended(outcome(body["grant"]))
    assert len(line.on_record()[1]) == 2
    assert line.ask("127.0.0.1") == "rate"
    assert isinstance(left.gate.held.popitem()[1].grant, Grant)
    left.log.close()

"""``knockfirst capture``: the role alone, on a veth pair in a namespace of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.lab import servers
from tests.live.world import PATIENCE, wait
from tests.namespace import Wire, alone, pair

ROOT = Path(__file__).resolve().parents[2]
VISIT = [f.data for f in servers.exchange("2019", "192.0.2.20", "EX20", "atelier.example").visited()]
NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all")


def started(*words: str, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    command = [*before, sys.executable, "-P", "-m", "agent", "capture", *words]
    return subprocess.Popen(
        command, cwd=ROOT, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def looking(process: subprocess.Popen[str]) -> None:
    """Wait until its namespace has two running packet sockets: that of the wire, and its own."""

    def both() -> bool:
        rows = Path("/proc/thread-self/net/packet").read_text().splitlines()[1:]
        return sum(row.split()[4] != "0" and row.split()[5] == "1" for row in rows) == 2 or process.poll() is not None

    wait(both, PATIENCE, lambda: "it does not look")
    assert process.poll() is None, process.communicate()[1]


def visited(*words: str) -> tuple[list[dict[str, Any]], str]:
    """What it prints over a visit that ends with SIGINT, and what it says on stderr."""

    def test() -> tuple[list[dict[str, Any]], str]:
        pair()
        wire = Wire()
        process = started("--interface", "far", *words)
        try:
            looking(process)
            for frame in VISIT:
                wire.send(frame)
            process.send_signal(signal.SIGINT)
            said, complaint = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
        assert process.returncode == 0, complaint
        return [json.loads(line) for line in said.splitlines()], complaint

    return alone(test)


def test_stats_are_one_line_whose_sums_hold() -> None:
    (said,), complaint = visited("--stats")
    assert complaint == ""
    counts = said["interfaces"]["far"]
    assert (said["received"], said["dropped"]) == (counts["frames_seen"], 0)
    assert 0 < said["received"] < len(VISIT)
    dropped = sum(n for name, n in counts.items() if name.startswith("drop_"))
    assert counts["frames_seen"] == counts["frames_used"] + dropped
    assert said["line"]["observations"] > 5


def test_observations_are_printed_as_they_would_be_told() -> None:
    said, _ = visited()
    assert {"address", "port", "transport", "kind", "value", "time", "collector", "frame"} == set(said[0])
    assert {"smtp.greeting", "tls.server_hello"} <= {line["kind"] for line in said[:-1]}
    assert {line["address"] for line in said[:-1]} == {"192.0.2.20"}


def test_only_customers_are_looked_at() -> None:
    (said,), _ = visited("--stats", "--prefix", "198.51.100.0/24")
    assert said["received"] == 0


def ended(*words: str, before: tuple[str, ...] = ()) -> tuple[int, str]:
    process = started(*words, before=before)
    _, complaint = process.communicate(timeout=PATIENCE)
    return process.returncode, complaint


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--interface", "absent0"), "knockfirst capture: no interface 'absent0'; `ip -brief link` lists those that "),
        (("--interface", "lo", "--prefix", "192.0.2.1/24"), "knockfirst capture: command line: capture.prefixes[0]: "),
    ],
)
def test_what_cannot_be_used(words: tuple[str, ...], complaint: str) -> None:
    code, said = ended(*words)
    assert (code, said.startswith(complaint), said.count("\n")) == (2, True, 1)


def test_without_the_right_one_line_says_what_is_missing_and_how_to_give_it() -> None:
    code, said = alone(lambda: ended("--interface", "lo", before=NOBODY))
    if code == 126 or "Permission denied" in said:
        pytest.skip("the interpreter is where nobody may not read")
    assert (code, said.count("\n")) == (77, 1)
    assert "CAP_NET_RAW" in said
    assert "setpriv" in said

"""The demo as its reader sees it: all that is simulated is listed, nothing is claimed wrongly, 100 columns do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent.errors import InputError
from agent.lab import demo, screens


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, Path]:
    """What one run wrote, and the capture it kept."""
    kept = tmp_path_factory.mktemp("demo") / "kept.pcap"
    command = [sys.executable, "-m", "agent", "demo", "--once", "--keep", str(kept)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr, kept


def test_every_simulated_server_is_seen_for_what_it_is(once: tuple[str, str, Path]) -> None:
    rows = {line.split()[0]: line for line in once[0].splitlines() if line[:1].isdigit()}
    for server, _ in demo.roster():
        row = rows[server.address]
        assert "not seen" not in row
        others = ("IIS SMTP", "Postfix", "Dovecot", "nginx", "grommunio", "Cobalt Strike")
        assert ("other" in row or "IIS SMTP  " in row) is (server.label in others), row


def test_screens_fit(once: tuple[str, str, Path]) -> None:
    assert max(map(len, once[0].splitlines())) <= 100
    assert once[1] == ""


def test_metrics_and_explanation_are_shown(once: tuple[str, str, Path]) -> None:
    assert "knockfirst_servers{" in once[0]
    assert "http://127.0.0.1:" in once[0]
    assert "ProxyShell" in once[0]


def test_the_capture_is_kept_and_the_same_each_time(once: tuple[str, str, Path]) -> None:
    assert once[2].read_bytes() == demo._capture()[0]


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--keep"):
        demo.main(["--once", "--keep", str(tmp_path / "absent" / "x.pcap")])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stays_up_until_it_is_ended(number: signal.Signals, tmp_path: Path) -> None:
    """Nothing is left behind: no directory and no process."""
    command = [sys.executable, "-m", "agent", "demo"]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as running:
        assert running.stdout is not None
        seen = ""
        while "Ctrl-C" not in seen:
            line = running.stdout.readline()
            assert line, "it ended by itself"
            seen += line
        running.send_signal(number)
        # The roles hold the other end of this pipe: it ends when the last of them has gone.
        rest = running.stdout.read()
        assert running.wait(20) == 0
    assert "nothing of it is left" in rest
    assert list(tmp_path.iterdir()) == []


SAID = {
    "address": "192.0.2.25",
    "product": "exchange",
    "generation": "2016",
    "verdict": "confirmed",
    "confidence": 0.999,
    "build": {"low": "15.1.2507.0", "high": "15.1.2507.65535", "precision": "cu"},
    "exposure": [{"cve": None, "name": "end of support", "status": "vulnerable"}],
    "evidence": [],
}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, ("Exchange 2016", "15.1.2507.x")),
        ({"build": None, "generation": None}, ("Exchange", "-")),
        ({"build": {"low": "15.1.2507.6", "high": "15.1.2507.6", "precision": "su"}}, ("Exchange 2016", "15.1.2507.6")),
        ({"build": {"low": "15.1.0.0", "high": "15.1.9.9", "precision": "generation"}}, ("Exchange 2016", "-")),
        ({"product": "exchange-edge", "generation": None}, ("Exchange Edge", "15.1.2507.x")),
        ({"product": "other", "verdict": "none", "generation": None}, ("other", "15.1.2507.x")),
    ],
)
def test_words(changed: dict[str, object], expected: tuple[str, str]) -> None:
    said = SAID | changed
    assert (screens.product(said), screens.build(said)) == expected


def test_a_server_of_which_nothing_is_said() -> None:
    shown = screens.overview(
        [("192.0.2.1", "Postfix", "mpls:3 control vlan:1"), ("192.0.2.25", "x", "")], {"192.0.2.25": SAID}, on=False
    )
    missing, known = shown.splitlines()[2:]
    assert "mpls pw vlan  Postfix" in missing
    assert "not seen" in missing
    assert known.split()[-1] == "ended"

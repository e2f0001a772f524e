"""Personal data planted everywhere in a capture comes out nowhere: no screen, JSON, metric or log has it."""

from __future__ import annotations

import json
import socket

import pytest

from agent.__main__ import main
from agent.config import Config
from agent.supervisor import Daemon
from tests.golden import CASES, made

CASE = CASES / "canaries"
CAPTURE = CASE / "input.pcap"
CANARIES: tuple[str, ...] = made(CASE).CANARIES


def found(text: str) -> list[str]:
    return [canary for canary in CANARIES if canary.lower() in text.lower()]


def test_every_canary_is_there_to_be_found() -> None:
    """Without this the other tests could not fail."""
    planted = CAPTURE.read_bytes().decode("latin-1")
    assert found(planted) == list(CANARIES)


@pytest.mark.parametrize(
    "words",
    [
        ["--all"],
        ["--all", "--stats"],
        ["--json", "--all", "--frames", "--stats"],
        *(["--explain", address] for address in made(CASE).TRUTH),
    ],
    ids=" ".join,
)
def test_no_canary_in_replay(words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", *words, str(CAPTURE)]) == 0
    told = capfd.readouterr()
    assert "192.0.2.2" in told.out
    assert not found(told.out + told.err)


def test_no_canary_in_the_expectations() -> None:
    for path in CASE.glob("expected.*"):
        assert not found(path.read_text()), path.name


def test_no_canary_in_the_daemon(capfd: pytest.CaptureFixture[str]) -> None:
    """What the agent answers, what Prometheus collects, and what the roles log at their most talkative."""
    config = Config.model_validate(
        {"capture": {"files": (str(CAPTURE),)}, "exporter": {"listen": "127.0.0.1:0"}, "log": {"level": "debug"}}
    )
    with Daemon(config, patience=2) as daemon:
        assert daemon.wait_finished(60)
        answered = json.dumps(daemon.assessments(), ensure_ascii=False)
        metrics = page(daemon.metrics_url)
    log = capfd.readouterr()
    assert "192.0.2.25" in answered
    assert "knockfirst_" in metrics
    assert "role=capture" in log.err
    assert not found(answered + metrics + log.out + log.err)
    assert not [address for address in made(CASE).TRUTH if address in metrics + log.out + log.err]


def page(url: str) -> str:
    host, port = url.removeprefix("http://").partition("/")[0].rsplit(":", 1)
    with socket.socket() as connection:
        connection.settimeout(60)
        connection.connect((host, int(port)))
        connection.sendall(f"GET /metrics HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()

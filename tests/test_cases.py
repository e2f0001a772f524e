"""Every case directory: make.py gives its capture byte for byte, and the passive line says of it what it should."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from collectors.replay import main as replay
from tests.golden import cases, contradictions, expectations, made

CASES = cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Path) -> None:
    module = made(case)
    capture = case / module.INPUT
    texts = expectations(capture)
    assert module.make() == capture.read_bytes()
    assert {name: (case / name).read_text() for name in texts} == texts
    assert not contradictions(module.TRUTH, texts["expected.findings.json"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case_says_what_it_is(case: Path) -> None:
    words = [line.partition(": ")[0] for line in (case / "README").read_text().splitlines()]
    assert words == ["What", "Expected", "Whence"]
    known = {"README", "make.py", made(case).INPUT, *expectations(case / made(case).INPUT)}
    assert {path.name for path in case.iterdir()} - {"__pycache__"} == known


def test_replay_prints_what_the_cases_expect(capsys: pytest.CaptureFixture[str]) -> None:
    """The command is the same line; its exposure alone depends on the day it is run."""
    for case in CASES:
        capture = case / made(case).INPUT
        assert replay(["--json", "--all", "--stats", str(capture)]) == 0
        *printed, counts = map(json.loads, capsys.readouterr().out.splitlines())
        expected = [json.loads(line) for line in (case / "expected.findings.json").read_text().splitlines()]
        for finding in (*printed, *expected):
            del finding["exposure"]
        assert printed == expected
        assert counts == {"stats": json.loads((case / "expected.stats.json").read_text())}


def test_replay_without_counting_finds_the_same_facts(capsys: pytest.CaptureFixture[str]) -> None:
    """libpcap filters where the frames are not counted; what passes it must not say less."""
    for case in CASES:
        capture = case / made(case).INPUT
        told = []
        for words in (["--frames"], []):
            assert replay(["--json", "--all", *words, str(capture)]) == 0
            told.append([_without_frames(line) for line in capsys.readouterr().out.splitlines()])
        assert told[0] == told[1], case.name


def _without_frames(line: str) -> dict[str, object]:
    finding: dict[str, object] = json.loads(line)
    evidence = finding["evidence"]
    assert isinstance(evidence, list)
    for each in evidence:
        del each["frame"]
    return finding


@pytest.mark.parametrize(
    ("truth", "said", "fault"),
    [
        ("exchange 2016 15.1.2507.39", {}, False),
        ("exchange 2016 15.1.2507.39", {"generation": None, "build": None}, False),
        ("exchange 2016 15.1.2507.39", {"generation": "2019"}, True),
        ("exchange 2016 15.1.2242.4", {}, True),
        ("exchange 2016", {"verdict": "suspected"}, True),
        ("other", {}, True),
        ("other", {"product": "unknown", "verdict": "none"}, True),
        ("other", {"product": "other", "verdict": "none", "generation": None}, False),
        ("silent", {"verdict": "suspected", "generation": None}, False),
        ("exchange-edge", {"generation": None}, False),
    ],
)
def test_contradictions(truth: str, said: dict[str, object], fault: bool) -> None:
    build = {"low": "15.1.2507.39", "high": "15.1.2507.39", "precision": "su"}
    finding = {
        "address": "192.0.2.25",
        "product": "exchange",
        "verdict": "confirmed",
        "generation": "2016",
        "build": build,
    }
    assert bool(contradictions({"192.0.2.25": truth}, json.dumps(finding | said))) is fault


def test_contradictions_of_what_is_not_said() -> None:
    assert contradictions({"192.0.2.25": "exchange"}, "")
    assert not contradictions({"192.0.2.25": "silent"}, "")
    stranger = {"address": "192.0.2.99", "product": "other", "verdict": "none", "generation": None, "build": None}
    assert contradictions({}, json.dumps(stranger)) == ["192.0.2.99: not in TRUTH"]

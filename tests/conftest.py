"""Options and settings of the whole test run."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fuzz-seconds", type=float, default=1.0, metavar="S", help="seconds of fuzzing for each target (default 1)"
    )
    parser.addoption("--fuzz-seed", type=int, default=None, metavar="N", help="the seed that a failed fuzz run printed")


@pytest.fixture
def fuzz_seconds(request: pytest.FixtureRequest) -> float:
    seconds: float = request.config.getoption("--fuzz-seconds")
    return seconds

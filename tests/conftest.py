"""Options and settings of the whole test run."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fuzz-seconds", type=float, default=1.0, metavar="S", help="seconds of fuzzing for each target (default 1)"
    )
    parser.addoption("--fuzz-seed", type=int, default=None, metavar="N", help="the seed that a failed fuzz run printed")


@pytest.fixture
def fuzz_seconds(request: pytest.FixtureRequest) -> float:
    seconds: float = request.config.getoption("--fuzz-seconds")
    return seconds


@pytest.fixture(autouse=True)
def _log_level_as_it_was() -> Iterator[None]:
    """What a test makes of this process's log (agent.logfmt.begin) is not to be found by those that follow."""
    root = logging.getLogger()
    before = root.level
    yield
    root.setLevel(before)

"""The state of the fuzz targets; the options are in tests/conftest.py, where pytest finds them in every run."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Iterator

import pytest

GRACE = 20  # seconds of a processor that a target may take beyond its time before it counts as hanging


@pytest.fixture
def fuzz_seed(request: pytest.FixtureRequest) -> int:
    """A new seed for each run, unless the operator repeats one."""
    given: int | None = request.config.getoption("--fuzz-seed")
    return secrets.randbits(32) if given is None else given


@pytest.fixture(autouse=True)
def no_hang(fuzz_seconds: float) -> Iterator[None]:
    """An input that a reader never finishes fails like any other, with its seed, instead of stopping the run."""

    def late(_number: int, _frame: object) -> None:
        raise TimeoutError("an input that is never finished")

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, fuzz_seconds + GRACE)
    yield
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.signal(signal.SIGPROF, before)

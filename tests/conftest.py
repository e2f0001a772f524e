"""Options and settings of the whole test run."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["tests.live.took"]

# No property is timed: how long an example takes says how busy the machine is.
settings.register_profile("untimed", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# What takes longest, by the start of the path: several workers begin with it, lest one ends long after the others.
_LONGEST = ("tests/live/", "tests/agent/lab/", "tests/agent/test_", "tests/systemd/", "tests/grafana/", "tests/fuzz/")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fuzz-seconds", type=float, default=1.0, metavar="S", help="seconds of fuzzing for each target (default 1)"
    )
    parser.addoption("--fuzz-seed", type=int, default=None, metavar="N", help="the seed that a failed fuzz run printed")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """What ``-n auto`` is: two for each processor, as many tests wait rather than work; four at most."""
    return min(2 * len(os.sched_getaffinity(0)), 4)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker and config.option.basetemp:
        # Sockets are in the directories of tests, and the path of a socket has an end (unix(7)).
        config.option.basetemp = str(Path(config.option.basetemp).with_name(worker.removeprefix("gw")))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: next((n for n, at in enumerate(_LONGEST) if item.nodeid.startswith(at)), 99))


@pytest.fixture(scope="module")
def ahead() -> Iterator[None]:
    """For a module that holds what it starts to a time: it goes ahead of whatever other workers do meanwhile.

    That takes a right (CAP_SYS_NICE); without, nothing changes.
    """
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    yield
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, before)


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

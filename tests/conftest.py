"""Options and settings of the whole test run."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["tests.live.took"]

# No property is timed: how long an example takes says how busy the machine is.
settings.register_profile("untimed", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# With several workers each takes file after file. Of what is held to a time (that uses ``ahead``), one worker has the
# tests with worlds of their own and another all the rest, so that no more than two of those are at work at once; they
# begin with them. The longest by far is not held to so short a time: it is by itself, and begins as early.
_WORLDS, _TIMED = "tests/live/", 'usefixtures("ahead")'
_LONGEST = "tests/live/test_knocking.py"
_LANES = (_WORLDS, _TIMED, _LONGEST)
_PR_SET_PDEATHSIG = 1  # of linux/prctl.h


@cache
def _lane(file: str) -> str:
    """The lane of a file of tests, "" without one."""
    if file == _LONGEST:
        return file
    if file.startswith(_WORLDS):
        return _WORLDS
    path = Path(__file__).parents[1] / file
    return _TIMED if path.is_file() and _TIMED in path.read_text() else ""


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fuzz-seconds",
        type=float,
        default=1.0,
        metavar="S",
        help="seconds of fuzzing for each target, of a processor (default 1)",
    )
    parser.addoption("--fuzz-seed", type=int, default=None, metavar="N", help="the seed that a failed fuzz run printed")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """What ``-n auto`` is: two for each processor where there are some, for many tests wait; four at most."""
    processors = len(os.sched_getaffinity(0))
    return min(2 * processors, 4) if processors > 1 else 1


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """What ``--dist loadfile`` is: by lane, else by file."""
    from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

    class ByLaneOrFile(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = _file(nodeid)
            return _lane(file) or file

    return ByLaneOrFile(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if not worker:
        return
    # A worker ends with whoever started it, however that ended, and takes down what it has built.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if config.option.basetemp:
        # Sockets are in the directories of tests, and the path of a socket has an end (unix(7)).
        config.option.basetemp = str(Path(config.option.basetemp).with_name(worker.removeprefix("gw")))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: (*_LANES, "").index(_lane(_file(item.nodeid))))


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

"""Worlds to look at. They need root, network namespaces and real servers: skipped without, but never where CI=true."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator

import pytest

from tests.live import peers
from tests.live.took import TOOK
from tests.live.world import World

_TOOLS = (
    "ip", "tc", "ss", "ps", "ethtool", "setpriv", "nginx", "postfix", "dovecot", "curl", "openssl", "swaks",
)  # fmt: skip


@pytest.fixture(autouse=True, scope="session")
def able() -> None:
    """Root, and every tool."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    # Whoever ends us from outside, such as a time limit, shall find no namespace left behind either.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    lacks = ["root"] if os.geteuid() != 0 else []
    if lacks + missing:
        why = f"live tests need {', '.join(lacks + missing)}"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)


@pytest.fixture(autouse=True, scope="module")
def soon(able: None, ahead: None) -> None:
    """Every module here: what is found or said soon on a quiet router is not to be late for the tests beside it."""


@pytest.fixture(scope="module")
def stack() -> str:
    """The layers on the access line; a module parametrises it for others."""
    return ""


@pytest.fixture(scope="module")
def bare(able: None, stack: str) -> Iterator[World]:
    """A world in which nobody serves yet."""
    with World(stack) as world:
        yield world


@pytest.fixture(scope="module")
def world(bare: World) -> World:
    """A world with the simulated Exchange 2019 and every real server that is none."""
    peers.everybody(bare)
    return bare


@pytest.fixture(scope="session")
def took(request: pytest.FixtureRequest) -> list[float]:
    """Seconds from the start of a client to the scrape that shows its server, of the whole run; said at its end."""
    return request.config.stash.setdefault(TOOK, [])

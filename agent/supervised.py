"""The agent's line to its supervisor, or to the steward that is one: what comes first by it, and how it ends."""

from __future__ import annotations

import signal
from contextlib import contextmanager, suppress
from socket import SHUT_RDWR
from typing import TYPE_CHECKING

from agent import ipc
from agent.config import check
from agent.ipc import Type
from agent.messages import validated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from socket import socket

    from agent.messages import Loaded
    from agent.sections import Config


def configured(supervisor: socket) -> tuple[Config, Loaded] | None:
    """What the supervisor sends first; None if it has gone. Raises ConfigError, Unexpected."""
    first = ipc.alone(supervisor, frozenset({Type.CONFIGURATION}))
    if first is None:
        return None
    message = validated(*first)
    return check(message.config, "configuration"), message.loaded


@contextmanager
def ending_with(supervisor: socket) -> Iterator[None]:
    """SIGTERM is taken as the supervisor's end: what waits is written first."""

    def caught(*_: object) -> None:
        with suppress(OSError):
            supervisor.shutdown(SHUT_RDWR)

    before = signal.signal(signal.SIGTERM, caught)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

"""The agent's end of a role's connection, for tests that look at what the role does and not at what it takes."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, Any

from agent import ipc
from agent.ipc import Type

if TYPE_CHECKING:
    import socket


class End(ipc.Link):
    """A link that passes over USAGE."""

    def __init__(self, connection: socket.socket, accepted: frozenset[Type]) -> None:
        super().__init__(connection, accepted | {Type.USAGE})

    def receive(self) -> tuple[Type, dict[str, Any]] | None:
        while (received := super().receive()) is not None and received[0] is Type.USAGE:
            pass
        return received

    def silent(self, seconds: float) -> bool:
        """Whether nothing else comes within so many seconds; what does is there to be received."""
        deadline = time.monotonic() + seconds
        while self._waiting or select.select([self.connection], [], [], max(0.0, deadline - time.monotonic()))[0]:
            received = super().receive()
            if received is None or received[0] is not Type.USAGE:
                self._waiting[:0] = [received] if received else []
                return False
        return True

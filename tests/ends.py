"""The agent's end of a role's connection, for tests that look at what the role does and not at what it takes."""

from __future__ import annotations

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

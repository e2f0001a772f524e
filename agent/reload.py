"""A reload on its way through the agent: who asked for it, and what became of it. The supervisor does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent import ipc
from agent.ipc import Type

if TYPE_CHECKING:
    from agent.doors import Connection, Doors


class Reloads:
    """Everybody who asks while one is on its way gets the answer to that one."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._askers: list[Connection] = []
        self.supervisor: Connection | None = None

    def asked(self, connection: Connection) -> None:
        """Somebody wants the configuration to be read anew."""
        if self.supervisor is None:
            self._tell(connection, Type.RELOADED, {"error": "there is no supervisor", "restarted": []})
            return
        if not self._askers:
            self._tell(self.supervisor, Type.RELOAD, {})
        self._askers.append(connection)

    def done(self, body: dict[str, Any]) -> None:
        """The supervisor has said what became of it."""
        askers, self._askers = self._askers, []
        for connection in askers:
            self._tell(connection, Type.RELOADED, body)

    def closed(self, connection: Connection) -> None:
        self._askers = [asker for asker in self._askers if asker is not connection]

    def _tell(self, connection: Connection, kind: Type, body: dict[str, Any]) -> None:
        self._doors.tell(connection, iter((ipc.frame(kind, body),)))

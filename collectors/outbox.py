"""What capture has to say to the agent: in order, in batches, bounded, and without waiting for a slow agent.

Frames do not wait, so capture must not either: what finds no room is not told, is counted, and may be told again.
"""

from __future__ import annotations

import select
from collections import deque
from typing import TYPE_CHECKING, Any

from agent import ipc
from agent.ipc import Type
from agent.model import Observation

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

# What one message holds at most; the agent refuses more (agent/messages.py).
MAX_BATCH = 256
MAX_VALUE = 16 << 10
_MAX_BATCH_BYTES = 768 << 10

_Message = tuple[Type, dict[str, Any]]


class Outbox:
    """A queue of observations and messages before a socket. ``room`` is for that many observations."""

    def __init__(self, connection: socket.socket, room: int) -> None:
        connection.settimeout(0)
        self.room = room
        self._connection = connection
        self._waiting: deque[Observation | _Message] = deque()
        self._observations = 0
        self._counting = False
        self._unsent = memoryview(b"")

    def meet(self, connection: socket.socket) -> None:
        """Talk to another agent from now on; what was for the one before is let go."""
        connection.settimeout(0)
        self._connection = connection
        self._waiting.clear()
        self._observations, self._counting, self._unsent = 0, False, memoryview(b"")

    @property
    def full(self) -> bool:
        return self._observations >= self.room

    @property
    def empty(self) -> bool:
        """Whether all has gone to the kernel."""
        return not self._unsent and not self._waiting

    def put(self, observation: Observation) -> None:
        """Queue one observation; whether there is room is asked before."""
        self._waiting.append(observation)
        self._observations += 1

    def say(self, kind: Type, body: dict[str, Any]) -> None:
        """Queue a message behind what waits. Counters that are still to go are enough: newer ones come soon."""
        if kind is Type.COUNTERS:
            if self._counting:
                return
            self._counting = True
        self._waiting.append((kind, body))

    def say_first(self, kind: Type, body: dict[str, Any]) -> None:
        """Queue a message before what waits: behind none but the one that is on its way."""
        self._waiting.appendleft((kind, body))

    def drop(self, wanted: Callable[[Observation], bool]) -> list[Observation]:
        """Let go of the observations that wait and are not wanted any more; they are given back."""
        gone = [each for each in self._waiting if isinstance(each, Observation) and not wanted(each)]
        if gone:
            unwanted = set(map(id, gone))
            self._waiting = deque(each for each in self._waiting if id(each) not in unwanted)
            self._observations -= len(gone)
        return gone

    def flush(self) -> None:
        """Send as much as the socket takes at once. Raises OSError when the agent has gone."""
        try:
            while not self.empty:
                if not self._unsent:
                    self._unsent = memoryview(self._next())
                self._unsent = self._unsent[self._connection.send(self._unsent) :]
        except BlockingIOError:
            return

    def drain(self, below: int = 1) -> None:
        """Send, and wait for the agent, until fewer than ``below`` observations wait. Raises OSError."""
        poll = select.poll()
        poll.register(self._connection, select.POLLOUT)
        while self._observations >= below or (below <= 1 and not self.empty):
            poll.poll()
            self.flush()

    def _next(self) -> bytes:
        first = self._waiting[0]
        if not isinstance(first, Observation):
            self._waiting.popleft()
            self._counting &= first[0] is not Type.COUNTERS
            return ipc.frame(*first)
        return ipc.frame(Type.OBSERVATIONS, {"told": self._batch()})

    def _batch(self) -> list[dict[str, Any]]:
        batch: list[dict[str, Any]] = []
        size = 0
        while self._waiting and len(batch) < MAX_BATCH and size < _MAX_BATCH_BYTES:
            observation = self._waiting[0]
            if not isinstance(observation, Observation):
                break
            self._waiting.popleft()
            batch.append(written(observation))
            # JSON writes a character as six bytes at most; what servers say is far shorter than that.
            size += 6 * len(observation.value) + 256
        self._observations -= len(batch)
        return batch


def written(observation: Observation) -> dict[str, Any]:
    """An observation as the agent takes it. What UTF-8 cannot hold is replaced: it would be refused."""
    server = observation.server
    return {
        "address": server.address,
        "port": server.port,
        "transport": server.transport,
        "kind": observation.kind,
        "value": observation.value.encode("utf-8", "replace").decode(),
        "time": observation.time,
        "collector": observation.collector,
        "frame": observation.frame,
    }

"""The agent's doors: listening sockets, one for each role that may come, and the connections that came in by them.

One thread and no waiting for any single peer: a slow one delays nobody, a faulty one loses its connection and nothing
else. What by which door may be said is the door's own closed list.
"""

from __future__ import annotations

import select
import selectors
import socket
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from agent import ipc

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 65_536


class Door(NamedTuple):
    """Who may come in (``uids``), what they may say (``accepted``), and how many may be in at once (``most``)."""

    name: str
    accepted: frozenset[ipc.Type]
    uids: frozenset[int]
    most: int = 1


@dataclass(eq=False, slots=True)
class Connection:
    """One peer, what it is still to be told, and what it has said so far of its next message."""

    door: Door
    socket: socket.socket
    who: ipc.Credentials
    reader: ipc.Reader
    untold: deque[Iterator[bytes]] = field(default_factory=deque)
    unsent: memoryview = field(default_factory=lambda: memoryview(b""))

    @property
    def busy(self) -> bool:
        """Whether there is something that it has not taken yet."""
        return bool(self.unsent or self.untold)


class House(Protocol):
    """Who lives behind the doors. What ``took`` raises as Unexpected closes that connection and nothing else."""

    def opened(self, connection: Connection) -> None: ...
    def took(self, connection: Connection, kind: ipc.Type, body: dict[str, Any]) -> None: ...
    def closed(self, connection: Connection) -> None: ...
    def rejected(self, door: Door, fault: ipc.Unexpected) -> None: ...


class Doors:
    """Turns readiness of sockets into calls on the house."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._selector = selectors.DefaultSelector()
        self._inside: list[Connection] = []
        self._line: Connection | None = None
        self.ended = False

    def open(self, door: Door, listener: socket.socket) -> None:
        """Let peers in by a listening socket from now on."""
        listener.settimeout(0)
        self._selector.register(listener, selectors.EVENT_READ, door)

    def end_with(self, line: socket.socket, door: Door) -> Connection:
        """A connection that is there already; ``ended`` becomes true when its other end has gone, or is faulty."""
        line.settimeout(0)
        self._line = Connection(door, line, ipc.peer(line), ipc.Reader(door.accepted))
        self._enter(self._line)
        return self._line

    def turn(self, timeout: float) -> None:
        """Wait at most ``timeout`` seconds for something to happen, and see to everything that has."""
        for key, events in self._selector.select(timeout):
            if isinstance(key.data, Door):
                self._let_in(key.data, key.fileobj)  # type: ignore[arg-type]
            elif key.data in self._inside:  # it may have been put out by what came before it in this turn
                self._see_to(key.data, events)

    def tell(self, connection: Connection, frames: Iterator[bytes]) -> None:
        """Begin to send; frames are taken one by one as there is room. No more is read until all has gone."""
        connection.untold.append(frames)
        self._flush(connection)

    def inside(self, name: str) -> list[Connection]:
        """The connections that came in by the door of that name."""
        return [connection for connection in self._inside if connection.door.name == name]

    def put_out(self, name: str) -> None:
        """Close the connections that came in by the door of that name."""
        for connection in self.inside(name):
            self._put_out(connection)

    def shut(self) -> None:
        """Close every connection; the listeners belong to who handed them over."""
        for connection in list(self._inside):
            self._put_out(connection)
        self._selector.close()

    def _let_in(self, door: Door, listener: socket.socket) -> None:
        try:
            came, _ = listener.accept()
        except OSError:
            return  # It has gone again, or there is no descriptor for it; the others matter more.
        try:
            who = ipc.admit(came, door.uids)
        except ipc.Unexpected as fault:
            came.close()
            self._house.rejected(door, fault)
            return
        came.settimeout(0)
        self._make_room(door)
        connection = Connection(door, came, who, ipc.Reader(door.accepted))
        self._enter(connection)
        self._house.opened(connection)

    def _enter(self, connection: Connection) -> None:
        self._inside.append(connection)
        self._selector.register(connection.socket, selectors.EVENT_READ, connection)

    def _make_room(self, door: Door) -> None:
        # A role that comes again has been restarted: its earlier connection is dead, whether that was noticed or not.
        inside = [connection for connection in self._inside if connection.door is door]
        inside.sort(key=lambda connection: not _hung_up(connection.socket))
        for least in inside[: max(0, len(inside) - door.most + 1)]:
            self._put_out(least)

    def _see_to(self, connection: Connection, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            self._flush(connection)
        if events & selectors.EVENT_READ:
            self._read(connection)

    def _read(self, connection: Connection) -> None:
        try:
            data = connection.socket.recv(_CHUNK)
            for kind, body in connection.reader.feed(data):
                self._house.took(connection, kind, body)
            if not data:
                connection.reader.end()
        except BlockingIOError:
            return
        except ipc.Unexpected as fault:
            self._house.rejected(connection.door, fault)
            self._put_out(connection)
        except OSError:
            self._put_out(connection)
        else:
            if not data:
                self._put_out(connection)

    def _flush(self, connection: Connection) -> None:
        try:
            self._send(connection)
        except BlockingIOError:
            self._watch(connection, selectors.EVENT_WRITE)
        except OSError:
            self._put_out(connection)
        else:
            self._watch(connection, selectors.EVENT_READ)

    def _send(self, connection: Connection) -> None:
        while connection.unsent or connection.untold:
            if not connection.unsent:
                following = next(connection.untold[0], None)
                if following is None:
                    connection.untold.popleft()
                    continue
                connection.unsent = memoryview(following)
            sent = connection.socket.send(connection.unsent)
            connection.unsent = connection.unsent[sent:]

    def _watch(self, connection: Connection, events: int) -> None:
        if connection in self._inside:
            self._selector.modify(connection.socket, events, connection)

    def _put_out(self, connection: Connection) -> None:
        if connection in self._inside:
            self._inside.remove(connection)
            self._selector.unregister(connection.socket)
            connection.socket.close()
            self.ended |= connection is self._line
            self._house.closed(connection)


def _hung_up(connection: socket.socket) -> bool:
    """Whether the other end has gone, though there may still be something to read from it."""
    look = select.poll()
    look.register(connection, 0)
    return bool(look.poll(0))

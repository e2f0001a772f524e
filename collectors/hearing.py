"""What the agent says to capture: the section to begin with, what comes after it, and the agent after this one."""

from __future__ import annotations

import select
from collections import deque
from typing import TYPE_CHECKING, Any

from agent import ipc
from agent.ipc import Type
from collectors.section import Section, section

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

_CHUNK = 65_536
_ACCEPTED = frozenset({Type.SECTION, Type.MUTES, Type.WITHDRAWN, Type.FORGET})


class Agent:
    """The agent's end of the link, as far as it is listened to; and after it the next one's.

    ``lifeline`` is where links to new agents come from. Without it, capture ends with its agent.
    """

    def __init__(self, connection: socket.socket, lifeline: socket.socket | None = None) -> None:
        self.connection = connection
        self.absent = False
        self.lifeline = lifeline
        self._reader = ipc.Reader(_ACCEPTED)
        # What was said together with the first section, and is still to be heard.
        self._said: deque[tuple[Type, dict[str, Any]]] = deque()

    def events(self, *, writing: bool) -> Iterator[tuple[int, int]]:
        """What to wait for of it, and of who hands over the next: descriptors, and events of poll(2)."""
        if not self.absent:
            yield self.connection.fileno(), select.POLLIN | (select.POLLOUT if writing else 0)
        if self.lifeline:
            yield self.lifeline.fileno(), select.POLLIN

    def first(self) -> Section | None:
        """The first section, waited for; None if the agent has gone. Raises Unexpected.

        Whatever else is said before it or together with it is heard later, and before any frame is looked at.
        """
        while data := self.connection.recv(_CHUNK):
            self._said.extend(self._reader.feed(data))
            for at, (kind, body) in enumerate(self._said):
                if kind is Type.SECTION:
                    del self._said[at]
                    return section(body)
        return None

    def met(self) -> bool:
        """Whether there is a new agent, who knows nothing yet. Raises ConnectionError when there will be none."""
        if not self.lifeline or not select.select([self.lifeline], [], [], 0)[0]:
            return False
        following = ipc.handed_over(self.lifeline)
        if following is None:
            raise ConnectionError("the supervisor has gone")
        self.connection.close()
        self.connection, self._reader, self.absent = following, ipc.Reader(_ACCEPTED), False
        self._said.clear()
        return True

    def lose(self) -> None:
        """The agent has gone. Raises ConnectionError where no other can come."""
        if not self.lifeline:
            raise ConnectionError("the agent has gone")
        self.absent = True

    def said(self) -> Iterator[tuple[Type, dict[str, Any]]]:
        """What came before the first section, or together with it."""
        while self._said:
            yield self._said.popleft()

    def heard(self) -> Iterator[tuple[Type, dict[str, Any]]]:
        """What has been said since. Raises Unexpected, and ConnectionError as ``lose`` does."""
        yield from self.said()
        if self.absent:
            return
        try:
            while data := self.connection.recv(_CHUNK):
                yield from self._reader.feed(data)
        except BlockingIOError:
            return
        except OSError:
            pass
        self.lose()

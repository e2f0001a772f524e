"""The end of a socket that a thread accepts at."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

_LOOK = 0.05  # seconds between two looks at the thread


def stop(listener: socket.socket, accepting: threading.Thread, meanwhile: Callable[[], object] | None = None) -> None:
    """Listen no more, and return when the thread has ended; ``meanwhile`` ends what else it may be at.

    Closed under who is about to accept, its number may be that of who listens next.
    """
    with suppress(OSError):  # closing alone does not wake who accepts
        listener.shutdown(socket.SHUT_RDWR)
    while accepting.is_alive():
        if meanwhile is not None:
            meanwhile()
        accepting.join(_LOOK)
    listener.close()

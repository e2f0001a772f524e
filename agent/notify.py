"""What systemd is told (sd_notify(3)): that the daemon is up, how it is, and that its work moves."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

READY = "READY=1"
ALIVE = "WATCHDOG=1"
RELOADING = "RELOADING=1"
STOPPING = "STOPPING=1"

_STATUS_GAP = 2.0  # seconds between two lines of status
_SHARE = 4  # the watchdog is told this many times in the time that it waits


def notify(state: str) -> None:
    """Tell whoever started us, if that is to be told; a message that cannot be sent is not missed by anybody."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if path[:1] not in ("/", "@"):
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.settimeout(0)
        # An @ stands for the NUL with which the name of an abstract socket begins.
        out.sendto(state.encode(), "\0" + path[1:] if path[0] == "@" else path)


class Pulse:
    """What a role that systemd started by itself tells it. Until ``begin`` nothing is told: a supervised role is mute.

    The watchdog is told that work moves, and nothing else: whoever works says ``moved`` each time round, and where it
    waits for what may never come, it does so in ``waiting``. A role that neither moves nor waits is killed for it.
    """

    def __init__(self) -> None:
        self._out: socket.socket | None = None
        self._moved = False
        self._waits = False
        self._status = ""
        self._status_due = float("-inf")

    def begin(self) -> None:
        """Connect now: later there may be neither the environment nor the right to."""
        path, microseconds = os.environ.get("NOTIFY_SOCKET", ""), os.environ.get("WATCHDOG_USEC", "")
        if path[:1] not in ("/", "@"):
            return
        out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            out.connect("\0" + path[1:] if path[0] == "@" else path)
        except OSError:
            out.close()
            return
        self._out = out
        if microseconds.isdecimal():
            pause = int(microseconds) / 1e6 / _SHARE
            threading.Thread(target=self._beat, args=(pause,), name="watchdog", daemon=True).start()

    def moved(self) -> None:
        """The work has gone round once more."""
        self._moved = True

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Waiting for what may come at any time, or never, is as good as moving."""
        self._waits = True
        try:
            yield
        finally:
            self._waits, self._moved = False, True

    def wants_status(self, now: float) -> bool:
        """Whether a line of status would be told; ``now``: seconds of a clock that only rises."""
        return self._out is not None and now >= self._status_due

    def status(self, now: float, **numbers: int) -> None:
        """One line of numbers for who asks systemd; never a name or an address."""
        text = " ".join(f"{name}={number}" for name, number in numbers.items())
        if self.wants_status(now) and text != self._status:
            self._status, self._status_due = text, now + _STATUS_GAP
            self.tell(f"STATUS={text}")

    def tell(self, state: str) -> None:
        """READY, RELOADING (with the time that notify-reload wants) or STOPPING."""
        if state == RELOADING:
            state += f"\nMONOTONIC_USEC={time.monotonic_ns() // 1000}"
        if self._out is not None:
            with contextlib.suppress(OSError):
                self._out.send(state.encode())

    def _beat(self, pause: float) -> None:
        while True:
            if self._waits or self._moved:
                self._moved = False
                self.tell(ALIVE)
            time.sleep(pause)


# A process has one: its own.
PULSE = Pulse()

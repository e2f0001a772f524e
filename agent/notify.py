"""What systemd is told (sd_notify(3)): that the daemon is up, and each second that it looks after its roles."""

from __future__ import annotations

import contextlib
import os
import socket

READY = "READY=1"
ALIVE = "WATCHDOG=1"


def notify(state: str) -> None:
    """Tell whoever started us, if that is to be told; a message that cannot be sent is not missed by anybody."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if path[:1] not in ("/", "@"):
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.settimeout(0)
        # An @ stands for the NUL with which the name of an abstract socket begins.
        out.sendto(state.encode(), "\0" + path[1:] if path[0] == "@" else path)

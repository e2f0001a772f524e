"""What is known of this machine's clocks: whether wall time is held to the world's, and which boot this is.

``adjtimex(2)`` by ctypes, read only. A machine whose time comes from elsewhere than the kernel's discipline (a guest
whose host steps its clock) says that it is not synchronised: better once too often.
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_BOOT = Path("/proc/sys/kernel/random/boot_id")  # random(4)
# include/uapi/linux/timex.h
_STA_UNSYNC = 0x0040
_TIME_ERROR = 5


class _Timex(ctypes.Structure):
    """``struct timex`` as far as it is read, with room for what comes behind."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("behind", ctypes.c_char * 256),
    )


def synced() -> bool | None:
    """Whether the kernel's clock is disciplined by somebody (NTP, PTP); None where that cannot be asked."""
    state = _Timex()  # modes 0: nothing is set
    adjtimex = _call()
    if adjtimex is None or (returned := adjtimex(ctypes.byref(state))) < 0:
        return None
    return bool(returned != _TIME_ERROR and not state.status & _STA_UNSYNC)


@cache
def _call() -> Callable[..., int] | None:
    try:
        call: Callable[..., int] = ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError):
        return None
    return call


def boot() -> str:
    """This boot's random name; "" where the kernel does not tell."""
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""

"""Capabilities (capabilities(7)): what a process of ours keeps of them. Everything else goes, and never comes back.

By prctl(2) and capset(2) through ctypes: plain calls, for which no memory need be both writable and executable.
"""

from __future__ import annotations

import ctypes
import os
from errno import EINVAL, EPERM

NET_RAW = 13  # CAP_NET_RAW of linux/capability.h: packet sockets

# linux/prctl.h
_SET_KEEPCAPS = 8
_CAPBSET_READ = 23
_CAPBSET_DROP = 24
_SET_NO_NEW_PRIVS = 38
_CAP_AMBIENT = 47
_CAP_AMBIENT_RAISE = 2
_CAP_AMBIENT_CLEAR_ALL = 4

_VERSION_3 = 0x20080522  # _LINUX_CAPABILITY_VERSION_3: two words of 32 capabilities for each set


class _Head(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Words(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


_libc = ctypes.CDLL(None, use_errno=True)


def held() -> frozenset[int]:
    """The capabilities that can be used now (the effective set). Raises OSError."""
    words = _sets()
    return frozenset(bit for bit in range(64) if words[bit // 32].effective >> bit % 32 & 1)


def keep(capabilities: frozenset[int]) -> None:
    """Have only these from now on, as far as they are held, and never more by any program that is run. Raises OSError.

    Whoever has no more than these already need not be allowed to give any up: a filter of system calls may forbid it.
    Whoever may not drop from the bounding set (that takes CAP_SETPCAP) need not: without new privileges nothing is
    drawn from it.
    """
    _prctl(_SET_NO_NEW_PRIVS, 1)
    _bound(capabilities)
    _prctl(_CAP_AMBIENT, _CAP_AMBIENT_CLEAR_ALL)
    words = _sets()
    more = False
    for place, word in enumerate(words):
        mask = sum(1 << bit - 32 * place for bit in capabilities if bit // 32 == place)
        more |= bool(word.permitted & ~mask)
        word.permitted &= mask
        word.effective = word.permitted
        word.inheritable = 0
    try:
        _check(_libc.capset(ctypes.byref(_Head(_VERSION_3, 0)), words))
    except PermissionError:
        if more:
            raise


def settle(user: str, capabilities: frozenset[int]) -> None:
    """As root, become ``user``, and keep only these capabilities. Raises OSError, and KeyError for no such user."""
    from pwd import getpwnam

    who = getpwnam(user)
    # Without this, leaving root behind empties the permitted set; the bounding set takes a right that goes with root.
    _prctl(_SET_KEEPCAPS, 1)
    _bound(capabilities)
    if who.pw_uid != os.geteuid():  # in a user namespace there may be nobody else to become
        os.setgroups([])
        os.setresgid(who.pw_gid, who.pw_gid, who.pw_gid)
        os.setresuid(who.pw_uid, who.pw_uid, who.pw_uid)
    keep(capabilities)


def _bound(capabilities: frozenset[int]) -> None:
    for bit in range(64):
        if bit in capabilities:
            continue
        try:
            if not _prctl(_CAPBSET_READ, bit):
                continue
            _prctl(_CAPBSET_DROP, bit)
        except OSError as error:
            if error.errno == EINVAL:  # the kernel knows no capability of that number, nor of a higher one
                return
            if error.errno != EPERM:
                raise


def _sets() -> ctypes.Array[_Words]:
    words = (_Words * 2)()
    _check(_libc.capget(ctypes.byref(_Head(_VERSION_3, 0)), words))
    return words


def _prctl(option: int, *values: int) -> int:
    # prctl is variadic and reads longs: an int would leave the upper half of a register to chance.
    four = (ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4])
    return _check(_libc.prctl(option, *four))


def _check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result

"""Runs in the machine, in the place of a role: tries what the role may and may not, and prints what came of each."""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import socket
import time
from collections.abc import Callable

_NEW_USER = 0x10000000  # CLONE_NEWUSER of linux/sched.h


def made(family: int, kind: int, protocol: int = 0) -> Callable[[], object]:
    return lambda: socket.socket(family, kind, protocol).close()


def written(path: str) -> Callable[[], object]:
    def write() -> None:
        with open(path, "w") as file:
            file.write("x")

    return write


def read(path: str) -> Callable[[], object]:
    return lambda: os.listdir(path) if os.path.isdir(path) else open(path).close()


def door(name: str) -> Callable[[], object]:
    return lambda: socket.socket(socket.AF_UNIX).connect(f"/run/knockfirst/{name}")


def called(name: str, *values: int) -> Callable[[], object]:
    def call() -> None:
        if getattr(ctypes.CDLL(None, use_errno=True), name)(*values) < 0:
            raise OSError(ctypes.get_errno(), name)

    return call


def listened() -> None:
    with socket.socket() as one:
        one.listen()


def others() -> None:
    if any(name.isdigit() and os.stat(f"/proc/{name}").st_uid != os.getuid() for name in os.listdir("/proc")):
        return
    raise OSError(errno.ESRCH, "nobody else is seen")


TRIALS: dict[str, Callable[[], object]] = {
    "unix": made(socket.AF_UNIX, socket.SOCK_STREAM),
    "inet": made(socket.AF_INET, socket.SOCK_STREAM),
    "inet6": made(socket.AF_INET6, socket.SOCK_STREAM),
    "raw": made(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
    "packet": made(socket.AF_PACKET, socket.SOCK_RAW),
    "netlink": made(socket.AF_NETLINK, socket.SOCK_RAW),
    "listen": listened,
    "write /etc": written("/etc/trial"),
    "write /usr": written("/usr/trial"),
    "write state": written("/var/lib/knockfirst/trial"),
    "read state": read("/var/lib/knockfirst"),
    "read configuration": read("/etc/knockfirst/knockfirst.toml"),
    "read home": read("/root"),
    "capture's door": door("capture/door"),
    "exporter's door": door("exporter/door"),
    "prober's door": door("prober/door"),
    "notifier's door": door("notifier/door"),
    "relay's password": read(f"{os.environ.get('CREDENTIALS_DIRECTORY', '/none')}/relay-password"),
    "read credentials": read("/etc/credstore"),
    "control": door("control"),
    "memory W+X": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC),
    "namespace": called("unshare", _NEW_USER),
    "clock": lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()),
    "others' processes": others,
    "kernel's log": read("/proc/kmsg"),
    "read disk": read("/dev/vda"),
}


def tried(trial: Callable[[], object]) -> str:
    try:
        trial()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "?")
    return "done"


print(json.dumps({name: tried(trial) for name, trial in TRIALS.items()}))

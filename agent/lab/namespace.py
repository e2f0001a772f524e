"""A network namespace of our own (network_namespaces(7)), by unshare(1): what happens in it reaches nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

# As root directly; otherwise, where users may, as the root of a user namespace.
_AS_ROOT = ("unshare", "--net")
_AS_USER = ("unshare", "--user", "--map-root-user", "--net")
_PACKAGES = {"ip": "iproute2", "unshare": "util-linux"}
_UP = 60.0  # seconds in which a pair comes up; it takes some thousandths
_SYSCTLS = (
    "kernel.unprivileged_userns_clone=1, user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns=0"
)


class ImpossibleError(Exception):
    """No network namespace can be made here; the text says why, and what would help."""


def current() -> int:
    """The number of the network namespace that this process is in."""
    return os.stat("/proc/self/ns/net").st_ino


def become(words: list[str]) -> None:
    """Turn this process into ``knockfirst WORDS`` in a namespace of its own. Raises ImpossibleError.

    One process and no child, so that whoever ends us ends the test.
    """
    way = _way()
    here = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))
    sys.stdout.flush()
    command = [*way, sys.executable, "-P", "-m", "agent", *words]
    os.execvpe(command[0], command, os.environ | {"PYTHONPATH": path})  # noqa: S606  (our own words)


def pair(first: str, second: str) -> str | None:
    """Make two interfaces joined to each other, up, and silent but for what is sent; why not, if they cannot be."""
    batch = f"link add {first} type veth peer name {second}\nlink set lo up\n"
    batch += "".join(f"link set {name} addrgenmode none\nlink set {name} up\n" for name in (first, second))
    done = subprocess.run(["ip", "-batch", "-"], input=batch, capture_output=True, text=True, check=False)  # noqa: S607
    if done.returncode != 0:
        return f"ip: {' '.join(done.stderr.split())}"
    # What is sent before the kernel has noted that the other end is there goes nowhere, and nobody is told.
    end = time.monotonic() + _UP
    while not (_is_up(first) and _is_up(second)):
        if time.monotonic() > end:
            return f"{first} and {second} do not come up"
        time.sleep(0.01)
    return None


def _is_up(name: str) -> bool:
    command = ["ip", "-brief", "link", "show", name]
    shown = subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603
    return shown.split()[1:2] == ["UP"]


def _way() -> tuple[str, ...]:
    fault = ""
    ways: list[tuple[str, ...]] = [_AS_ROOT, _AS_USER] if os.geteuid() == 0 else [_AS_USER]
    for way in ways:
        fault = _fault(way)
        if not fault:
            return way
    raise ImpossibleError(
        f"no network namespace can be made here ({fault}); run it as root, or let users make namespaces ({_SYSCTLS})"
    )


def _fault(way: tuple[str, ...]) -> str:
    """Why a namespace cannot be had in this way; empty if it can."""
    for tool in (way[0], "ip"):
        if shutil.which(tool) is None:
            return f"there is no {tool}(8); it is in Debian's {_PACKAGES[tool]}"
    # The first link tells whether the rights inside are real.
    probe = [*way, "ip", "link", "add", "type", "veth"]
    done = subprocess.run(probe, capture_output=True, text=True, check=False)  # noqa: S603
    return "" if done.returncode == 0 else " ".join(done.stderr.split()) or f"exit code {done.returncode}"

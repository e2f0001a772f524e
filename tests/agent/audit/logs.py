"""Logs for tests: with clocks that stand still until they are told to go on."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.audit.entry import Item
from agent.audit.log import Log

BOOT = "5d3f4a52-0000-4000-8000-000000000001"


class Clock:
    """Seconds, wall and monotonic."""

    def __init__(self) -> None:
        self.wall = 1_795_000_000.1234
        self.steady = 1000.5

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.steady


def log_in(directory: Path, clock: Clock | None = None, **more: Any) -> Log:
    clock = clock or Clock()
    more = {"origin": "isp.example/edge1", "synced": lambda: True, "boot": lambda: BOOT, **more}
    return Log(directory, now=clock.now, monotonic=clock.monotonic, **more)


def opened(directory: Path, *items: Item, **more: Any) -> Log:
    log = log_in(directory, **more)
    log.open()
    if items:
        log.append(items)
    return log


def intent(customer: str, address: str = "192.0.2.7", probe: str = "p-1") -> Item:
    return Item("probe.intent", {"id": probe, "why": "schedule"}, customer, {"address": address, "port": 443})


def outcome(number: int, customer: str) -> Item:
    public = {"intent": number, "id": "p-1", "outcome": "confirmed", "connections": 1, "ms": 80}
    return Item("probe.outcome", public, customer, {"address": "192.0.2.7", "port": 443, "build": "15.2.1544.11"})


@contextmanager
def small_disk(path: Path, size: str) -> Iterator[None]:
    """A file system of that size at ``path``. Skips with a reason where none may be mounted; fails there in CI."""
    why = "root, to mount a small disk" if os.geteuid() else "" if shutil.which("mount") else "mount(8)"
    if (
        not why
        and subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], check=False).returncode
    ):
        why = "leave to mount a file system"
    if why:
        assert os.environ.get("CI") != "true", f"CI has {why}"
        pytest.skip(f"needs {why}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", path], check=True)

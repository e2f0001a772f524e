"""A place to measure live capture in: a namespace with a veth pair, a capture process on one core, the load on another.

The load is `inject`, which sends the frames of a pool from inside the kernel (BPF_PROG_TEST_RUN); it is not part of
this project, and `--tools` names the directory with its sources. Needs root and two cores; nothing leaves the pair.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from struct import pack
from typing import Any

ROOT = Path(__file__).parents[1]
DATA = ROOT / "bench" / "data"
NEAR, FAR = "near", "far"  # frames are injected into the near end, where capture looks
POOL = 4096  # frames of a pool: what `inject` takes at most
LONGEST = 2048  # bytes of a frame that it takes


def built(tools: Path) -> Path:
    """The injector, compiled beside our data. Raises SystemExit where it cannot be had."""
    source, here = tools / "inject", DATA / "inject"
    if not source.is_dir():
        raise SystemExit(f"{source}: no injector there; --tools names the directory that holds it")
    if not (here / "inject").exists():
        shutil.copytree(source, here, dirs_exist_ok=True, copy_function=shutil.copyfile)
        subprocess.run(["make", "-s", "-C", str(here)], check=True)
    return here / "inject"


def write_pool(path: Path, frames: Iterable[bytes]) -> int:
    """A pcap file of these frames; how many there are."""
    held = [frame for frame in frames if 14 <= len(frame) <= LONGEST][:POOL]
    records = b"".join(pack("<IIII", 0, 0, len(frame), len(frame)) + frame for frame in held)
    path.write_bytes(pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, LONGEST, 1) + records)
    return len(held)


class Bed:
    """The namespace and its pair, made on the way in and taken away on the way out."""

    def __init__(self, injector: Path) -> None:
        self._injector = injector
        self._space = f"knockfirst-bench-{os.getpid()}"
        self._captures: list[Capture] = []

    def __enter__(self) -> Bed:
        _ip("netns", "add", self._space)
        _ip("-n", self._space, "link", "add", FAR, "type", "veth", "peer", "name", NEAR)
        for name in (FAR, NEAR):
            _ip("-n", self._space, "link", "set", name, "addrgenmode", "none", "up")
        return self

    def __exit__(self, *_: object) -> None:
        for capture in self._captures:
            capture.kill()
        _ip("netns", "del", self._space)

    def capture(self, *words: str) -> Capture:
        """`knockfirst capture` at work on the near end."""
        command = [sys.executable, "-m", "agent", "capture", "--interface", NEAR, "--stats", *words]
        process = subprocess.Popen(self._inside(1, command), cwd=ROOT, stdout=subprocess.PIPE, text=True)
        self._captures.append(Capture(process))
        return self._captures[-1]

    def inject(self, pool: Path, **options: object) -> dict[str, Any]:
        """Send a pool: ``pps``, ``seconds``, ``count`` and ``vary`` as the injector has them; gives what it says."""
        words = [f"--{name}={value}" for name, value in options.items() if value is not None]
        said = subprocess.run(
            self._inside(0, [str(self._injector), NEAR, "--frames", str(pool), "--mode", "stack", *words]),
            check=True, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        sent: dict[str, Any] = json.loads(said.stdout)
        return sent

    def _inside(self, core: int, command: list[str]) -> list[str]:
        cores = sorted(os.sched_getaffinity(0))
        return ["ip", "netns", "exec", self._space, "taskset", "-c", str(cores[core % len(cores)]), *command]


class Capture:
    """A capture process: what it takes of memory, and what it says when it is asked to end."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        deadline = time.monotonic() + 10
        while not self._looks():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise SystemExit("capture did not begin to look at the interface")
            time.sleep(0.02)
        time.sleep(0.3)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _looks(self) -> bool:
        """Whether its namespace has a running packet socket (proc_net: the sixth column)."""
        try:
            rows = Path(f"/proc/{self._process.pid}/net/packet").read_text().splitlines()[1:]
        except OSError:
            return False
        return any(row.split()[4] != "0" and row.split()[5] == "1" for row in rows)

    def resident(self) -> float:
        """MiB of memory that it holds, its ring included."""
        found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{self._process.pid}/status").read_text(), re.MULTILINE)
        return int(found[1]) / 1024 if found else 0.0

    def cpu(self) -> float:
        """Seconds of CPU that it has used."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> dict[str, Any]:
        """Its counters, after all that it still holds was read."""
        self._process.send_signal(signal.SIGINT)
        said, _ = self._process.communicate(timeout=30)
        counters: dict[str, Any] = json.loads(said.splitlines()[-1])
        return counters


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)

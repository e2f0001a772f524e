"""A machine without hardware: systemd as the first process of namespaces of its own, with the units of this tree."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCE = Path(__file__).resolve().parents[2]
_BEGIN = Path(__file__).with_name("begin.sh")
_SECONDS = 180.0


class Machine:
    """``with Machine(tree, etc) as machine:`` boots it; ``etc``: file below /etc -> its text.

    A bare one has nothing of ours, and may be given programs of this machine.
    """

    def __init__(self, tree: Path, etc: dict[str, str], *, bare: bool = False, programs: Sequence[Path] = ()) -> None:
        self._tree = tree
        self._etc = etc
        self._source = "" if bare else str(SOURCE)
        self._programs = tuple(map(str, programs))
        self._scratch = Path(tempfile.mkdtemp(prefix="knockfirst-machine-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._pid = 0
        self._cgroup = _cgroup2() / self._scratch.name

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self) -> None:
        for name, text in self._etc.items():
            place = Path(f"{self._scratch}.etc") / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        self._cgroup.mkdir()
        libraries = sysconfig.get_paths()["purelib"]
        # It enters the control group first, so that this is the root of the namespace of control groups.
        script = f'echo $$ >{self._cgroup}/cgroup.procs; exec unshare -m -p -n -C -u -i --fork --kill-child "$@"'
        begin = [str(_BEGIN), str(self._tree), str(self._scratch), self._source, libraries, *self._programs]
        with Path(f"{self._scratch}.log").open("wb") as said:
            self._process = subprocess.Popen(
                ["bash", "-c", script, "bash", "bash", *begin], stdin=subprocess.DEVNULL, stdout=said, stderr=said
            )
        self._pid = self._first_process()
        self.until("systemctl is-system-running | grep -E 'running|degraded'")

    def _first_process(self) -> int:
        assert self._process
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            for child in children.read_text().split():
                if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                    return int(child)
            time.sleep(0.05)
        raise RuntimeError(f"the machine does not start: {Path(f'{self._scratch}.log').read_text()}")

    def run(self, command: str, *, check: bool = True, seconds: float = _SECONDS) -> str:
        """What a command line says in the machine, as root. Raises CalledProcessError, TimeoutExpired."""
        inside = ["-m", "-p", "-n", "-C", "-u", "-i", f"--root=/proc/{self._pid}/root", f"--wd=/proc/{self._pid}/root"]
        clean = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/opt/knockfirst/bin", "bash", "-c", command]
        enter = ["nsenter", "-t", str(self._pid), *inside, *clean]
        done = subprocess.run(enter, check=False, capture_output=True, text=True, timeout=seconds)
        if check and done.returncode:
            raise AssertionError(f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout.strip()

    def put(self, file: Path, place: str) -> None:
        """Copy a file of ours into a directory of the machine."""
        shutil.copy(file, f"/proc/{self._pid}/root{place}")

    def until(self, command: str, seconds: float = _SECONDS) -> str:
        """What a command line says once it succeeds."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return self.run(command)
            except AssertionError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.1)

    def stop(self) -> None:
        """Off, at once."""
        if self._process is not None:
            if self._pid:
                os.kill(self._pid, signal.SIGKILL)
            self._process.terminate()
            self._process.wait(30)
        for directory in sorted(self._cgroup.rglob("*/"), reverse=True):
            _removed(directory)
        _removed(self._cgroup)
        shutil.rmtree(self._scratch, ignore_errors=True)
        shutil.rmtree(f"{self._scratch}.etc", ignore_errors=True)
        Path(f"{self._scratch}.log").unlink(missing_ok=True)


def _removed(directory: Path) -> None:
    deadline = time.monotonic() + 60
    while directory.is_dir() and time.monotonic() < deadline:
        try:
            directory.rmdir()
        except OSError:
            time.sleep(0.05)


def _cgroup2() -> Path:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(place)
    raise RuntimeError("no cgroup2 is mounted here")

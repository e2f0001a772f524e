"""What each role takes when there is nothing to do: memory, processor time while idle, and the time until ready.

    python -m bench.roles [--customers N] [--seconds S] [--directory DIR]

The whole daemon with all five roles: capture on one end of a veth pair in a network namespace of its own, a prober that
may knock at a laboratory, a notifier with a relay, and a register of so many customers: 3, as in the demo, by default.
Needs root. Resident memory is that of the kernel's books (Rss), with what is shared between the processes in each.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from agent.cast import ROLES
from agent.lab import namespace
from agent.sections import Config, Consent, Exporter, Notices, Probe
from agent.supervisor import Daemon
from bench.objection import configured, filled

_SETTLED = 5.0  # seconds after which what starting set off has ended
_MIB = 1 << 20


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.roles", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--customers", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0, help="for which nothing is done")
    parser.add_argument("--directory", type=Path, help="of a register that is to be used again")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(words)
    if not options.inside:
        again = [sys.executable, "-m", "bench.roles", *(sys.argv[1:] if words is None else words), "--inside"]
        return subprocess.run(["unshare", "--net", *again], check=False).returncode
    if fault := namespace.pair("near", "far") if os.geteuid() == 0 else "run it as root":
        raise SystemExit(fault)
    with ExitStack() as stack:
        directory = options.directory or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        filled(directory, options.customers)
        begun = time.perf_counter()
        daemon = stack.enter_context(Daemon(everything(configured(directory))))
        if not daemon.wait_ready(300):
            raise SystemExit("the daemon is not ready")
        took = time.perf_counter() - begun
        print(f"register of {options.customers} customers; ready after {took:.2f} s", flush=True)
        spent = (f"{role} {cpu(pid):.2f} s" for role, pid in processes().items())
        print("processor time until then:", *spent, flush=True)
        told(options.seconds)
    return 0


def everything(config: Config) -> Config:
    """The configuration with every role in it. The relay is never spoken to: nothing is due."""
    return config.model_copy(
        update={
            "consent": Consent(operator="Example Net", public_url="https://isp.example/checks"),
            "probe": Probe(armed=True, laboratory=True, sources=("127.0.0.1",), contact="security@isp.example"),
            "notices": Notices(relay="127.0.0.1:2525", tls="none", sender="notices@isp.example"),
            "exporter": Exporter(listen="127.0.0.1:0", answers="127.0.0.1:0", probing="127.0.0.1:0"),
        }
    )


def told(seconds: float) -> None:
    """A line for each role."""
    time.sleep(_SETTLED)
    found = processes()
    before = {role: cpu(pid) for role, pid in found.items()}
    time.sleep(seconds)
    for role, pid in found.items():
        share = (cpu(pid) - before[role]) / seconds
        print(f"{role:10} {resident(pid) / _MIB:6.1f} MiB  {share:7.2%} of a core")


def processes() -> dict[str, int]:
    """Role -> process, of those that we have started."""
    found = {}
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            words = _read(place / "cmdline").split("\0")
            found |= {role.name: int(place.name) for role in ROLES if role.module in words and _ours(place)}
    return {role.name: found[role.name] for role in ROLES if role.name in found}


def resident(pid: int) -> int:
    """Bytes."""
    return int(re.findall(r"^VmRSS:\s+(\d+) kB$", _read(Path(f"/proc/{pid}/status")), re.MULTILINE)[0]) << 10


def cpu(pid: int) -> float:
    """Seconds of processor time, user and system (proc(5), stat)."""
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _ours(place: Path) -> bool:
    return f"PPid:\t{os.getpid()}\n" in _read(place / "status")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


if __name__ == "__main__":
    raise SystemExit(main())

"""What `knockfirst replay` costs beside tcpdump, which only reads the file and writes it to nowhere.

    python -m bench.replay [FILE] [--rounds N] [--packets N]

Peer and ours take turns, and a ratio is that of one pair: what the machine does beside them hits both. CPU is user
and system time of the whole process (wait4), peak memory its largest resident set. See bench/README.md.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from struct import pack
from typing import IO, NamedTuple

from bench import bulk, stages

ROOT = Path(__file__).parents[1]
# A run with byte code that is not kept would pay for the compiler each time.
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
_SURE = ("confirmed", "probable")
_ON_PREMISES = ("exchange", "exchange-edge")


class Cost(NamedTuple):
    """Of one process: CPU and wall in seconds, peak in MiB."""

    cpu: float
    wall: float
    peak: float


def measured(command: Sequence[str], output: IO[bytes] | int = subprocess.DEVNULL) -> Cost:
    """Run a command to its end. Raises SystemExit where it fails."""
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, env=_ENVIRONMENT, stdout=output, stderr=subprocess.PIPE)
    assert process.stderr
    complaint = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - began
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit {process.returncode}: {complaint.decode()}")
    return Cost(used.ru_utime + used.ru_stime, wall, used.ru_maxrss / 1024)


def ours(path: Path) -> list[str]:
    return [sys.executable, "-m", "agent", "replay", "--json", str(path)]


def peer(path: Path) -> list[str] | None:
    tcpdump = shutil.which("tcpdump", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin")
    return [tcpdump, "-r", str(path), "-w", "/dev/null"] if tcpdump else None


def faults(path: Path) -> list[str]:
    """What `replay` says of a generated capture that is not so. Warms the page cache and the byte code."""
    truth = json.loads(Path(f"{path}.json").read_text())
    with tempfile.TemporaryFile() as output:
        measured(ours(path), output)
        output.seek(0)
        found = [json.loads(line) for line in output]
    sure = {a["address"] for a in found if a["product"] in _ON_PREMISES and a["verdict"] in _SURE}
    wanted = set(truth["exchange"])
    return [f"{a}: an Exchange server that is not found" for a in sorted(wanted - sure)] + [
        f"{a}: found, and no Exchange server" for a in sorted(sure - wanted)
    ]


def compared(path: Path, rounds: int) -> None:
    """Peer and ours in turn, and the ratios of each pair."""
    theirs = peer(path)
    if theirs is None:
        print("tcpdump is not installed (apt-get install tcpdump): no ratios, only our own figures.")
    pairs: list[tuple[Cost | None, Cost]] = []
    for _ in range(rounds):
        pairs.append((measured(theirs) if theirs else None, measured(ours(path))))
    print(f"\n{'':24}{'median':>10}{'min':>10}{'max':>10}")
    if theirs:
        _rows("tcpdump", [p for p, _ in pairs if p])
    _rows("knockfirst", [o for _, o in pairs])
    for name, field in (("CPU", "cpu"), ("wall", "wall"), ("peak memory", "peak")):
        ratios = [getattr(o, field) / getattr(p, field) for p, o in pairs if p]
        if ratios:
            _row(f"ratio of {name}", ratios, "x", 2)


def _rows(name: str, costs: list[Cost]) -> None:
    for field, unit, digits in (("cpu", " s", 2), ("wall", " s", 2), ("peak", " MiB", 0)):
        _row(f"{name} {field}", [getattr(cost, field) for cost in costs], unit, digits)


def _row(name: str, values: list[float], unit: str, digits: int) -> None:
    shown = "".join(f"{f'{value:.{digits}f}{unit}':>10}" for value in (median(values), min(values), max(values)))
    print(f"{name:24}{shown}")


def budget(path: Path, rounds: int) -> None:
    """Where our CPU time goes: each stage is measured with those below it, and they are taken off.

    Of each the least of all rounds, which take the stages in turn: what else the machine does can only add to them.
    """
    with tempfile.TemporaryDirectory() as directory:
        empty = Path(directory) / "empty.pcap"
        empty.write_bytes(pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1))
        runs = [
            (measured(ours(empty)).cpu, *(_stage(name, path) for name in stages.STAGES), measured(ours(path)).cpu)
            for _ in range(rounds)
        ]
    start, reading, filtered, line, total = map(min, zip(*runs, strict=True))
    print("\nCPU by stage (least)")
    for name, seconds in (
        ("start-up (an empty capture)", start),
        ("reading (libpcap, all rejected)", reading),
        ("filter (the generated program)", filtered - reading),
        ("admitted frames (the line)", line - filtered),
        ("the rest (assessment, output)", total - start - line),
        ("all of it", total),
    ):
        print(f"  {name:34}{seconds:8.3f} s{100 * seconds / total:7.1f} %")


def _stage(name: str, path: Path) -> float:
    command = [sys.executable, "-m", "bench.stages", name, str(path)]
    ended = subprocess.run(command, cwd=ROOT, env=_ENVIRONMENT, capture_output=True, text=True, check=True)
    return float(ended.stdout)


def _options() -> Namespace:
    parser = ArgumentParser(prog="python -m bench.replay", description="Measure `knockfirst replay` against tcpdump.")
    parser.add_argument("file", nargs="?", type=Path, help="a pcap file; without it one is made up in bench/data")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--packets", type=int, default=bulk.PACKETS, help="of the capture that is made up")
    return parser.parse_args()


def _made_up(packets: int) -> Path:
    path = bulk.DATA_DIRECTORY / f"bulk-{packets}.pcap"
    if not path.exists():
        print(f"Making up {packets:,} packets in {path} ...", flush=True)
        bulk.write(path, packets)
    return path


def main() -> int:
    """Exit 1 where what is found is not the truth."""
    options = _options()
    path = options.file.resolve() if options.file else _made_up(options.packets)
    print(f"{path.name}: {path.stat().st_size / 1e6:,.0f} MB, {options.rounds} rounds")
    if Path(f"{path}.json").exists() and not options.file:
        wrong = faults(path)
        print("\n".join(wrong) if wrong else "Every Exchange server of the truth is found, and no other.", flush=True)
        if wrong:
            return 1
    else:
        measured(ours(path))  # warms what a first run would pay for
    compared(path, options.rounds)
    try:
        import cypcap  # noqa: F401 - only to see that it is there
    except ImportError:
        print("\nNo libpcap binding on this machine: no stages.")
    else:
        budget(path, options.rounds)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

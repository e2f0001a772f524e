"""What live capture costs and stands: rates beside its peers, a long run, many handshakes, and floods.

    python -m bench.live {rate,soak,handshakes,flood} [--tools DIR] [--seconds N] [--pps N] ...

Needs root, two cores and the injector (bench/bed.py). See bench/README.md for what the figures mean.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from bench.bed import DATA, POOL, ROOT, Bed, Capture, built, write_pool
from collectors.packets import admit
from collectors.packets.decode import TCP, decode, tcp_header
from collectors.packets.pcap import CaptureFile

# The complete filter: every tunnel, and a set of prefixes as an ISP has it, those of the made-up servers among them.
CONFIGURATION = """[capture]
mute_seconds = {mute}
encapsulations = ["gre", "erspan", "vxlan", "geneve", "gtpu", "tzsp"]
prefixes = [
    "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "2001:db8::/32", "2001:2::/48",
    {more}
]
"""
_PACKETS = 300_000
_SCAN = 200_000


def main() -> None:
    options = _options()
    DATA.mkdir(exist_ok=True)
    configuration = DATA / "live.toml"
    more = ", ".join(f'"100.64.{n * 2}.0/24"' for n in range(100))
    # What a process can read is not known by how soon it need not.
    mute = "0" if options.scenario == "handshakes" else "3600"
    configuration.write_text(CONFIGURATION.replace("{more}", more).replace("{mute}", mute))
    SCENARIOS[options.scenario](options, built(Path(options.tools).resolve()), configuration, _capture())


def _options() -> Namespace:
    parser = ArgumentParser(prog="python -m bench.live", description=__doc__.splitlines()[0])
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("--tools", default="../shared/bench", metavar="DIR", help="where the injector's sources are")
    parser.add_argument(
        "--seconds", type=float, default=0.0, help="of load (default: rate 1, soak 600, handshakes 30, flood 20)"
    )
    parser.add_argument("--rounds", type=int, default=7, help="of `rate`")
    parser.add_argument("--pps", type=int, default=0, help="frames a second; 0: as fast as possible")
    parser.add_argument(
        "--share", type=float, default=0.0, help="of interesting frames (default 0.0175, handshakes 0.125)"
    )
    parser.add_argument("--vary", default="client", help="what changes from round to round: client or server")
    return parser.parse_args()


def _capture() -> Path:
    path = DATA / f"live-{_PACKETS}.pcap"
    if not path.exists():
        subprocess.run(
            [sys.executable, "-m", "bench.bulk", "--packets", str(_PACKETS), "--out", str(path)], cwd=ROOT, check=True
        )
    return path


# ---- rate ----


def rate(options: Namespace, injector: Path, configuration: Path, capture: Path) -> None:
    """The injector's own comparison: floors, tcpdump, p0f and ours, interleaved."""
    command = f"{sys.executable} -m agent capture --interface {{iface}} --stats --config {configuration}"
    words = ["--rounds", str(options.rounds), "--seconds", str(options.seconds or 1), "--capture", str(capture)]
    words += ["--share", str(options.share or 0.0175), "--vary", options.vary, "--limit", "3600"]
    words += ["--pps", str(options.pps)] if options.pps else []
    subprocess.run(
        [sys.executable, str(injector.parent / "run_live.py"), *words, "--cmd", f"knockfirst={command}"],
        cwd=ROOT, check=True,
    )  # fmt: skip


# ---- pools ----


def frames(capture: Path) -> Iterator[bytes]:
    return (frame.data for frame in islice(CaptureFile(str(capture)).frames(), _SCAN))


def kind(frame: bytes) -> str:
    """ "syn-ack", "handshake" for anything else that is worth looking at, or "bulk"."""
    packet = decode(frame, 1, len(frame))
    if isinstance(packet, str):
        return "bulk"
    protocol, _, _, at, end = packet
    if protocol != TCP:
        return "handshake" if frame[at : at + 2] == b"\0\x35" and admit.dns_wanted(frame[at + 8 :]) else "bulk"
    source, destination, _, _, offset, flags, _ = tcp_header(frame, at)
    if flags & 2:
        return "syn-ack" if flags & 16 and source in admit.SERVICE_PORTS else "bulk"
    start = at + (offset >> 2 & 0x3C)
    payload = frame[start:end]
    if start < at + 20 or not payload:
        return "bulk"
    return "handshake" if admit.Rules().side(payload, end - start, source, destination) else "bulk"


def mixed(parts: Iterable[tuple[list[bytes], int]]) -> list[bytes]:
    """A pool with so many frames of each list, spread evenly."""
    placed = [((n + 0.5) / count, frame) for held, count in parts for n, frame in enumerate(islice(cycle(held), count))]
    return [frame for _, frame in sorted(placed, key=lambda each: each[0])]


def _sorted_by_kind(capture: Path) -> dict[str, list[bytes]]:
    kinds: dict[str, list[bytes]] = {"bulk": [], "syn-ack": [], "handshake": []}
    for frame in frames(capture):
        if 60 <= len(frame) <= 2048:
            kinds[kind(frame)].append(frame)
    return kinds


# ---- one capture under load ----


class Watched:
    """Notes the most memory that a capture process holds, while it is under load."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._stop = threading.Event()
        self.first = self.last = self.most = capture.resident()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.5):
            self.last = self._capture.resident()
            self.most = max(self.most, self.last)

    def end(self) -> None:
        self._stop.set()
        self._thread.join()


def loaded(bed: Bed, pool: Path, words: list[str], **load: object) -> dict[str, Any]:
    """What one capture process says of one load, with its CPU and memory and what was sent."""
    capture = bed.capture(*words)
    watched = Watched(capture)
    before, began = capture.cpu(), time.monotonic()
    sent = bed.inject(pool, **load)
    time.sleep(0.3)
    cpu, wall = capture.cpu() - before, time.monotonic() - began
    watched.end()
    said = capture.end()
    return said | {
        "sent": sent["sent"], "mpps": sent["mpps"], "cpu": cpu, "wall": wall,
        "memory": (watched.first, watched.last, watched.most),
    }  # fmt: skip


def told(name: str, said: dict[str, Any]) -> None:
    received, dropped = said["received"], said["dropped"]
    first, last, most = said["memory"]
    lost = 100 * dropped / max(1, received + dropped)
    print(
        f"{name:28} {said['mpps']:6.2f} Mpps  {received / said['wall'] / 1000:7.1f} k/s read  "
        f"{100 * (received + dropped) / said['sent']:6.2f} % admitted  {dropped} lost ({lost:.3f} %)  "
        f"{1e6 * said['cpu'] / max(1, received):5.2f} us each  {100 * said['cpu'] / said['wall']:4.0f} % CPU  "
        f"memory {first:.0f} -> {last:.0f} MiB, {most:.0f} at most",
        flush=True,
    )


def soak(options: Namespace, injector: Path, configuration: Path, capture: Path) -> None:
    """Ten minutes of the usual mix: nothing may be lost, and memory stays flat."""
    _mix(options, injector, configuration, capture, 0.0175, 600, "soak")


def handshakes(options: Namespace, injector: Path, configuration: Path, capture: Path) -> None:
    """Many handshakes: how many a process reads in a second, for as long as it likes."""
    _mix(options, injector, configuration, capture, 0.125, 30, "handshakes")


def _mix(
    options: Namespace, injector: Path, configuration: Path, capture: Path, share: float, seconds: float, name: str
) -> None:
    kinds = _sorted_by_kind(capture)
    interesting = round(POOL * (options.share or share))
    synacks = round(interesting * len(kinds["syn-ack"]) / (len(kinds["syn-ack"]) + len(kinds["handshake"])))
    counts = {"bulk": POOL - interesting, "syn-ack": synacks, "handshake": interesting - synacks}
    pool = DATA / "pool.pcap"
    write_pool(pool, mixed((kinds[name], count) for name, count in counts.items()))
    with Bed(injector) as bed:
        load = {"seconds": options.seconds or seconds, "pps": options.pps or None, "vary": options.vary}
        told(f"{name}, vary {options.vary}", loaded(bed, pool, ["--config", str(configuration)], **load))


def flood(options: Namespace, injector: Path, configuration: Path, capture: Path) -> None:
    """A load of handshakes alone, then among SYN-ACKs and among SYNs at full rate: is one of them lost?"""
    kinds = _sorted_by_kind(capture)
    shown = kinds["handshake"][:256]
    floods = {
        "SYN-ACK flood": kinds["syn-ack"],
        "SYN scan": [_syn(frame) for frame in kinds["syn-ack"]],
    }
    with Bed(injector) as bed:
        for name, flooding in floods.items():
            pool = DATA / "pool.pcap"
            write_pool(pool, mixed(((flooding, POOL - len(shown)), (shown, len(shown)))))
            # Less than the time after which who has told enough leaves the filter: all that are sent are counted on.
            seconds = options.seconds or 20
            said = loaded(
                bed, pool, ["--config", str(configuration)], seconds=seconds, pps=options.pps or None, vary=options.vary
            )
            told(name, said)
            due = said["sent"] * len(shown) / POOL
            seen = said["received"] - said["line"]["syn_acks"]
            print(f"{'':28} handshakes: {seen} read of {due:.0f} sent, {100 * (1 - seen / due):.3f} % lost")


def _syn(frame: bytes) -> bytes:
    """The frame with the flags of a SYN."""
    packet = decode(frame, 1, len(frame))
    assert not isinstance(packet, str)
    at = packet[3] + 13
    return frame[:at] + b"\x02" + frame[at + 1 :]


SCENARIOS = {"rate": rate, "soak": soak, "handshakes": handshakes, "flood": flood}

if __name__ == "__main__":
    main()

"""``knockfirst selftest``: a synthetic handshake through a veth pair and the live line, and each stage that it passes.

Everything happens in a network namespace of its own, made by unshare(1): no link of this machine is touched, nothing
leaves it, and where the kernel lets users make namespaces, no rights are needed.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
import time
from argparse import SUPPRESS, ArgumentParser
from typing import TYPE_CHECKING, NamedTuple

from agent.errors import UnavailableError
from agent.lab import namespace, servers
from agent.lab.scrape import fetched
from agent.lab.stages import Run, Stage, stages
from agent.lab.traffic import Path as Line
from agent.screen import colour, coloured

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from agent.diagnosis import Diagnosis
    from agent.lab.servers import Server
    from agent.supervisor import Daemon

FAILED = 1
NOT_POSSIBLE = 77  # EX_NOPERM of sysexits.h

# The access lines. What the kernel does with a tag depends on its place: it takes the outermost out of the frame.
LINES = ("", "vlan:101", "qinq:200 vlan:102", "pppoe:17", "vlan:103 pppoe:18", "mpls:3001")
_OUT, _IN = "kf-out", "kf-in"  # frames are sent on the one, and looked at on the other
_PREFIXES = ("192.0.2.0/24", "2001:db8:1::/48")
_READY = 60.0  # seconds until the daemon must be looking
_SECONDS = 20.0  # until it must show what was sent; it takes well below one, but where the machine has other work
_COUNTED = 20.0  # until its counters must have been told: each second, so that those of the last frames come later
_POLL = 0.05


class Visited(NamedTuple):
    """A simulated server, the access line that it is reached by, and whether it is Exchange."""

    server: Server
    line: str
    exchange: bool


def roster() -> list[Visited]:
    """By each access line an Exchange server by IPv4, one by IPv6, and a Postfix."""
    made = []
    for number, line in enumerate(LINES, start=1):
        domain = f"line{number}.example"
        made += [
            Visited(servers.exchange("2019", f"192.0.2.{10 + number}", f"EX{number}", domain), line, exchange=True),
            Visited(servers.exchange("2016", f"2001:db8:1::{number}", f"SIX{number}", domain), line, exchange=True),
            Visited(servers.postfix(f"192.0.2.{100 + number}", f"mx.{domain}"), line, exchange=False),
        ]
    return made


def main(words: list[str]) -> int:
    """``selftest``. 0 if every stage passed, 1 if one did not, 77 where no network namespace can be made."""
    parser = ArgumentParser(
        prog="knockfirst selftest",
        description="Send synthetic handshakes through a pair of interfaces and the live line, in a network namespace "
        "of its own, and show each stage that they pass. Needs no rights where users may make namespaces.",
    )
    # The namespace that we come from: whatever goes wrong, nothing is ever done in that one.
    parser.add_argument("--outside", type=int, help=SUPPRESS)
    outside = parser.parse_args(words).outside
    if outside not in (None, namespace.current()):
        return inside()
    try:
        namespace.become(["selftest", "--outside", str(namespace.current())])
    except namespace.ImpossibleError as error:
        sys.stderr.write(f"knockfirst selftest: {error}\n")
    return NOT_POSSIBLE


def inside() -> int:
    """The test itself, in a network namespace in which nothing else is."""
    # A supervisor that ends us shall find nothing left behind either.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    seen = roster()
    _say(
        f"{len(seen)} simulated servers behind {len(LINES)} kinds of access line, in a network namespace of its own:\n"
    )
    fault = namespace.pair(_OUT, _IN)
    if not _show([Stage("link made", fault is None, f"{_OUT} to {_IN}", fault or "")]):
        return FAILED
    return _with_daemon(seen)


def _with_daemon(seen: list[Visited]) -> int:
    from agent.config import Config
    from agent.supervisor import Daemon

    config = Config.model_validate(
        {
            "capture": {"interfaces": (_IN,), "prefixes": _PREFIXES, "synack_sample": 1, "user": "root"},
            "exporter": {"listen": "127.0.0.1:0"},
            "log": {"level": "error"},
        }
    )
    began = time.monotonic()
    with Daemon(config, patience=2) as daemon:
        ready = daemon.wait_ready(_READY) and _looks(daemon)
        seconds = f"after {time.monotonic() - began:.2f} s"
        if not _show([Stage("daemon looks", ready, seconds, "a role cannot live or look: its log says why")]):
            return FAILED
        return 0 if _sent_and_shown(daemon, seen) else FAILED


def _looks(daemon: Daemon) -> bool:
    """Wait until capture has a filter on the interface."""

    def looking() -> bool:
        return any(one.gauges.get("filter_instructions") for one in _diagnosis(daemon).interfaces)

    return _until(looking, _READY)


def _sent_and_shown(daemon: Daemon, seen: list[Visited]) -> bool:
    frames = servers.gathered(*((one.server, Line(one.line)) for one in seen))
    began = time.monotonic()
    sent = _send(frame.data for frame in frames)
    if not _show([Stage("frames sent", sent == len(frames), f"{sent} of {len(frames)}", f"{_OUT} took no more")]):
        return False
    wanted = sum(one.exchange for one in seen)
    _until(lambda: _shown(daemon) >= wanted, _SECONDS)
    took = time.monotonic() - began
    _until(lambda: all(stage.passed for stage in _stages(daemon, seen, sent)), _COUNTED)
    passed = _show(_stages(daemon, seen, sent))
    if passed:
        _say(f"\nEvery stage passed; {took:.2f} s from the first frame to /metrics.")
    return passed


def _stages(daemon: Daemon, seen: list[Visited], sent: int) -> list[Stage]:
    taken_for = {
        str(found["address"]) for found in daemon.assessments()
        if found["verdict"] != "none" and str(found["product"]).startswith("exchange")
    }  # fmt: skip
    mistaken = sum(one.server.address in taken_for for one in seen if not one.exchange)
    run = Run(
        interface=_IN,
        sent=sent,
        connections=sum(len(one.server.services) for one in seen),
        servers=sum(one.exchange for one in seen),
        others=sum(not one.exchange for one in seen),
        believed=_believed(seen, taken_for),
        mistaken=mistaken,
        shown=_shown(daemon),
    )
    return stages(run, _diagnosis(daemon))


def _believed(seen: list[Visited], taken_for: set[str]) -> Mapping[str, tuple[int, int]]:
    lines: dict[str, tuple[int, int]] = {}
    for one in seen:
        if one.exchange:
            found, all_ = lines.get(one.line or "plain", (0, 0))
            lines[one.line or "plain"] = found + (one.server.address in taken_for), all_ + 1
    return lines


def _send(frames: Iterable[bytes]) -> int:
    """Send frames as they are, link header and all; how many went."""
    sent = 0
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as line:
        line.bind((_OUT, 0))
        with contextlib.suppress(OSError):
            for frame in frames:
                line.send(frame)
                sent += 1
    return sent


def _diagnosis(daemon: Daemon) -> Diagnosis:
    from agent.tuning.asking import Daemon as Running

    running = Running(daemon.control_path)
    try:
        return running.ask()
    finally:
        running.close()


def _shown(daemon: Daemon) -> float:
    """How many Exchange servers the metrics show."""
    rows = [line for line in fetched(daemon.metrics_url).splitlines() if line.startswith("knockfirst_servers{")]
    ours = [row for row in rows if 'product="exchange"' in row and 'verdict="none"' not in row]
    return sum(float(row.rpartition(" ")[2]) for row in ours)


def _until(true: Callable[[], bool], seconds: float) -> bool:
    """Wait until it is true; False if it never was."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        with contextlib.suppress(OSError, UnavailableError):
            if true():
                return True
        time.sleep(_POLL)
    return False


def _show(passed: Sequence[Stage]) -> bool:
    """One line a stage; names the first that failed. Whether none did."""
    on = coloured(sys.stdout)
    for stage in passed:
        mark = colour("ok    ", "green", on) if stage.passed else colour("FAILED", "red", on)
        _say(f"{mark}  {stage.name:24}  {stage.numbers}")
    first = next((stage for stage in passed if not stage.passed), None)
    if first:
        _say(f"\nLost at the stage `{first.name}`: {first.cause}")
    return first is None


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()

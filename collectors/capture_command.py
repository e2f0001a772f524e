"""``knockfirst capture``: the capture role alone, without an agent, for whoever tunes it or measures it.

It prints what it would tell the agent, one JSON object a line; with ``--stats`` nothing but its counters at the end.
"""

from __future__ import annotations

import gc
import json
import logging
import select
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from agent.errors import InputError
from agent.logfmt import begin
from collectors.line import Line
from collectors.live import Live
from collectors.outbox import written
from collectors.packets.interface import Links
from collectors.section import Section, section

if TYPE_CHECKING:
    from argparse import Namespace

NOT_PERMITTED = 77  # EX_NOPERM of sysexits.h
_LINGER = 0.3  # seconds at the end in which the kernel hands over its last block


def main(words: list[str]) -> int:
    """Runs until SIGINT, SIGTERM or ``--seconds``. 0; 2 for an argument, 77 without CAP_NET_RAW."""
    options = _options(words)
    wanted = section(_body(options))
    begin("capture", "warning")
    links = Links()
    missing = [name for name in wanted.interfaces if links.named(name) is None]
    if missing:
        raise InputError(f"no interface {missing[0]!r}; `ip -brief link` lists those that there are")
    # What is kept here grows to its bounds and stays; looking for garbage among it costs a burst of frames.
    gc.freeze()
    gc.set_threshold(100_000)
    line = Line(wanted.wanted, wanted.bounds)
    live = Live(line, links, logging.getLogger("capture"), time.monotonic, time.time)
    try:
        _run(live, line, wanted, options)
    except PermissionError as error:
        sys.stderr.write(f"knockfirst capture: {error}\n")
        return NOT_PERMITTED
    _print_counters(live, line)
    return 0


def _options(words: list[str]) -> Namespace:
    from argparse import ArgumentParser

    parser = ArgumentParser(
        prog="knockfirst capture",
        description="Look at interfaces without an agent, and print what is observed; nothing is kept.",
    )
    parser.add_argument("--interface", action="append", required=True, metavar="IFACE", help="look at this one")
    parser.add_argument("--stats", action="store_true", help="print no observations, only the counters at the end")
    parser.add_argument("--seconds", type=float, default=0.0, help="end after so long; 0: at SIGINT")
    parser.add_argument("--config", metavar="FILE", help="take everything else from this configuration")
    parser.add_argument("--prefix", action="append", default=[], metavar="CIDR", help="only servers in this prefix")
    return parser.parse_args(words)


def _body(options: Namespace) -> dict[str, Any]:
    """The section that the agent would send. Raises ConfigError."""
    from agent.config import load, over
    from agent.prefixes import looked, sets
    from agent.sections import Config

    config = load(options.config) if options.config else Config()
    prefixes = {"prefixes": options.prefix} if options.prefix else {}
    config = over(config, {"interfaces": [], "files": [], **prefixes})
    # Without interfaces of its own, a configuration that names no customers means everybody, as for a capture file.
    tiers = looked(config, sets(config))
    return {
        **config.capture.model_dump(mode="json"),
        "interfaces": list(options.interface),
        **tiers._asdict(),
        "log": config.log.model_dump(),
        "number": 1,
        "fanout": 0,
    }


def _run(live: Live, line: Line, wanted: Section, options: Namespace) -> None:
    ends = time.monotonic() + options.seconds if options.seconds else float("inf")
    signals = _Signals()
    live.follow(wanted)
    more = False
    while not signals.came and time.monotonic() < ends:
        _wait(live, 0.0 if more else live.patience(time.monotonic() + 0.5))
        more = live.turn()
        _print(line, quiet=options.stats)
    ends = time.monotonic() + _LINGER
    while live.turn() or time.monotonic() < ends:
        _wait(live, 0.02)
        _print(line, quiet=options.stats)


class _Signals:
    """Whether a signal to end has come. A second one ends the process as it always would."""

    def __init__(self) -> None:
        self.came = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._catch)

    def _catch(self, number: int, _: object) -> None:
        self.came = True
        signal.signal(number, signal.SIG_DFL)


def _wait(live: Live, seconds: float) -> None:
    poll = select.poll()
    for descriptor in live.filenos():
        poll.register(descriptor, select.POLLIN)
    poll.poll(seconds * 1000)


def _print(line: Line, *, quiet: bool) -> None:
    for observation in line.given():
        if not quiet:
            sys.stdout.write(json.dumps(written(observation), ensure_ascii=False) + "\n")
    if not quiet:
        sys.stdout.flush()


def _print_counters(live: Live, line: Line) -> None:
    """One JSON line. ``received``: frames read from the rings; ``dropped``: those for which a ring had no room."""
    taps = {name: tap.counts for name, tap in live.taps.items()}
    live.close()
    dropped = sum(counts["drop_ring"] for counts in taps.values())
    received = sum(counts["frames_seen"] for counts in taps.values()) - dropped
    said = {"received": received, "dropped": dropped, "interfaces": taps, "line": line.counts}
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()

"""The capture role without an agent: it prints what it would tell, one JSON object a line, and its counters at the end.

``knockfirst capture`` becomes this (collectors/capture_command.py).
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import time

from agent.logfmt import begin
from collectors.line import Line
from collectors.live import Live
from collectors.outbox import written
from collectors.packets.interface import Links
from collectors.section import section
from collectors.service import NOT_PERMITTED, settle

_LINGER = 0.3  # seconds at the end in which the kernel hands over its last block


def main(words: list[str]) -> int:
    """``section=FD seconds=N stats=0|1``: until a signal or the end of the seconds. 0; 77 without CAP_NET_RAW."""
    given = dict(word.split("=", 1) for word in words)
    with os.fdopen(int(given["section"]), "rb") as file:
        wanted = section(json.load(file))
    log = begin("capture", "warning")
    settle(wanted)
    # What is kept here grows to its bounds and stays; looking for garbage among it costs a burst of frames.
    gc.freeze()
    gc.set_threshold(100_000)
    line = Line(wanted.wanted, wanted.bounds)
    live = Live(line, Links(), log, time.monotonic, time.time)
    live.follow(wanted)
    try:
        _run(live, line, float(given["seconds"]), quiet=given["stats"] == "1")
    except PermissionError as error:
        sys.stderr.write(f"knockfirst capture: {error}\n")
        return NOT_PERMITTED
    except BrokenPipeError:
        return 141
    _print_counters(live, line)
    return 0


def _run(live: Live, line: Line, seconds: float, *, quiet: bool) -> None:
    ends = time.monotonic() + seconds if seconds else float("inf")
    signals = _Signals()
    more = True
    while not signals.came and time.monotonic() < ends:
        live.wait(0.0 if more else live.patience(time.monotonic() + 0.5))
        more = live.turn()
        _print(line, quiet=quiet)
    ends, over = time.monotonic() + _LINGER, False
    # However long each step takes: what is there at the end is read.
    while live.turn() or not over:
        _print(line, quiet=quiet)
        over = time.monotonic() >= ends
        live.wait(0.0 if over else 0.02)
    _print(line, quiet=quiet)


class _Signals:
    """Whether a signal to end has come. A second one ends the process as it always would."""

    def __init__(self) -> None:
        self.came = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._catch)

    def _catch(self, number: int, _: object) -> None:
        self.came = True
        signal.signal(number, signal.SIG_DFL)


def _print(line: Line, *, quiet: bool) -> None:
    observations = line.given()
    if observations and not quiet:
        sys.stdout.writelines(json.dumps(written(each), ensure_ascii=False) + "\n" for each in observations)
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What rounds of single servers cost: the agent's turns while one is made, its messages, and a scrape of them.

    python -m bench.series [--servers N] [--groups N] [--rounds N]

An inventory of servers that all show signs of Exchange, three in four with a build; every one has series of its own.
The longest turn is how long the agent is away from everybody else at once; see bench/README.md.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from agent.config import check
from agent.exchange.catalogue import catalogue
from agent.exchange.fingerprint import book
from agent.inventory import Inventory
from agent.ipc import LIMITS, Type
from agent.messages import validated
from agent.model import Endpoint, Observation
from agent.pseudonym import Pseudonyms
from agent.series import Series as Made
from exporters.service import Latest, pages

NOW = 1_795_514_400.0  # 2026-11-24T10:00:00Z


def inventory(count: int, chance: random.Random) -> Inventory:
    """So many servers, each with an address of its own, v4 and v6."""
    made = Inventory(book(), catalogue(), count)
    builds = [str(known.build) for known in catalogue().builds]
    for number in range(count):
        address = f"2a0c:{number >> 16:x}:{number & 0xFFFF:x}::1" if number % 4 == 3 else _four(number)
        facts = [
            ("smtp.greeting", f"ex{number} Microsoft ESMTP MAIL Service ready at Tue, 3 Nov 2026 09:00:00 +0100", 25)
        ]
        if chance.random() < 0.75:
            facts.append(("http.header", f"X-OWA-Version: {chance.choice(builds)}", 443))
        for kind, value, port in facts:
            made.observe(Observation(Endpoint(address, port), kind, value, NOW - number, "passive", "bench"))
    return made


def _four(number: int) -> str:
    return f"60.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


class Exporter:
    """Takes each part at once, and keeps its bytes."""

    busy = False

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def tell(self, _: object, frames: Iterator[bytes]) -> None:
        self.frames += frames


def one_round(made: Made, exporter: Any, clock: list[float]) -> tuple[float, float]:
    """The seconds of all turns of a round, and of the longest."""
    exporter.frames.clear()
    clock[0] += 10_000.0
    turns: list[float] = []
    # A round ends with its last message: what follows is nothing but a pause.
    while not turns or made.until_due() == 0.0:
        began = time.perf_counter()
        made.tend(exporter, exporter.tell)
        turns.append(time.perf_counter() - began)
    return sum(turns), max(turns)


def grouped(directory: Path, count: int) -> str:
    """So many groups that share out the addresses."""
    for number in range(count):
        (directory / f"g{number}.txt").write_text(f"60.0.{number % 256}.0/24\n2a0c:0:{number:x}::/48\n")
    return str(directory) if count else ""


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.series", description=__doc__.partition("\n")[0])
    parser.add_argument("--servers", type=int, default=10_000)
    parser.add_argument("--groups", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as directory:
        config = check(
            {"exporter": {"servers": asked.servers, "groups": grouped(Path(directory), asked.groups)}}, "bench"
        )
        clock, exporter = [0.0], Exporter()
        made = Made(
            config, inventory(asked.servers, random.Random(1)), lambda: Pseudonyms(bytes(32), 30),
            log=logging.getLogger("bench"), now=lambda: NOW, monotonic=lambda: clock[0],
        )  # fmt: skip
        gc.freeze()
        first = one_round(made, exporter, clock)
        rounds = [one_round(made, exporter, clock) for _ in range(asked.rounds)]
    sizes = [len(frame) for frame in exporter.frames]
    told(f"first round ({first[0] * 1e3:.0f} ms): everything is assessed; longest turn", first[1])
    told("round", median(each[0] for each in rounds))
    told("its longest turn", max(each[1] for each in rounds))
    share = max(sizes) / LIMITS[Type.SERVERS]
    print(f"{len(sizes)} messages of at most {max(sizes):,} bytes, {share:.0%} of what one may have")
    return scraped(exporter.frames, asked.rounds)


def told(what: str, seconds: float) -> None:
    print(f"{seconds * 1e3:8.1f} ms  {what}")


def scraped(frames: list[bytes], rounds: int) -> int:
    """What the exporter makes of the messages."""
    latest, began = Latest(), time.perf_counter()
    for frame in frames:
        latest.series.take(validated(Type.SERVERS, json.loads(frame[6:])))
    taken = time.perf_counter() - began
    metrics = pages(latest, lambda: None).metrics
    for accept in ("", "application/openmetrics-text"):
        seconds = []
        for _ in range(rounds):
            began = time.perf_counter()
            body = metrics(accept)[1]
            seconds.append(time.perf_counter() - began)
        lines = sum(not line.startswith(b"#") for line in body.splitlines())
        told(f"scrape, {lines:,} series, {len(body):,} bytes, {accept or 'text/plain'}", median(seconds))
    told("messages checked, and families made of them", taken)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

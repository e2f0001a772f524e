"""What one stage of `replay` costs, in a process of its own: ``python -m bench.stages STAGE FILE``.

Prints the CPU seconds of the stage and of those below it, without the start of the interpreter and its imports.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

STAGES = ("reading", "filter", "line")


def _pass_over(path: str, program: list[tuple[int, int, int, int]]) -> float:
    """libpcap reads a file and applies a program; what it admits is counted."""
    import cypcap

    count = 0

    def take(header: Any, data: bytes) -> None:
        nonlocal count
        count += 1

    began = time.process_time()
    with cypcap.open_offline(path) as pcap:
        pcap.setfilter(cypcap.BpfProgram(program))
        pcap.loop(-1, take)
    return time.process_time() - began


def reading(path: str) -> float:
    """libpcap with a filter that rejects all."""
    return _pass_over(path, [(0x06, 0, 0, 0)])


def filtering(path: str) -> float:
    """libpcap with the program that `replay` begins with."""
    from collectors.packets.bpf import generate
    from collectors.packets.pcap import CaptureFile
    from collectors.packets.wanted import Wanted

    return _pass_over(path, generate(CaptureFile(path).link, Wanted()).instructions)


def line(path: str) -> float:
    """Everything up to the observations, which are thrown away."""
    from collectors.line import Line

    began = time.process_time()
    for _ in Line().read(path):
        pass
    return time.process_time() - began


_RUN: dict[str, Callable[[str], float]] = dict(zip(STAGES, (reading, filtering, line), strict=True))


if __name__ == "__main__":
    print(_RUN[sys.argv[1]](sys.argv[2]))

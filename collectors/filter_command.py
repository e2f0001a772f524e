"""``knockfirst capture-filter``: the program that the kernel runs on every frame, so that anybody can check it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from agent.errors import InputError
from collectors.packets import bpf
from collectors.packets.assembler import MAX_INSTRUCTIONS
from collectors.packets.decode import ETHERNET, LINK_TYPES
from collectors.packets.listing import listing, numbers
from collectors.packets.wanted import ANSWERS, ENCAPSULATIONS, HANDSHAKES, HEADERS
from collectors.section import wanted

if TYPE_CHECKING:
    from argparse import Namespace

    from collectors.packets.bpf import Program
    from collectors.packets.wanted import Tiers, Wanted


def main(words: list[str]) -> int:
    """Prints the program. 0; 2 for an argument, 78 for a configuration that cannot be used."""
    options = _options(words)
    looked_at = wanted(_body(options))
    program = bpf.generate(options.link, looked_at)
    if options.numbers:
        sys.stdout.write(numbers(program.instructions))
    else:
        sys.stdout.write(_head(program, looked_at, options.link) + listing(program.instructions))
    return 0


def _options(words: list[str]) -> Namespace:
    from argparse import ArgumentParser

    parser = ArgumentParser(
        prog="knockfirst capture-filter",
        description="Print the generated capture filter, a classic-BPF program, as `tcpdump -d` would. Without "
        "--config it is the one for capture files: it draws no lots, and libpcap runs it too.",
    )
    parser.add_argument("--config", metavar="FILE", help="as the daemon attaches it by this configuration")
    parser.add_argument("--prefix", action="append", default=[], metavar="CIDR", help="only servers in this prefix")
    parser.add_argument(
        "--prefix-file", action="append", default=[], metavar="FILE", help="only servers in these, one prefix a line"
    )
    parser.add_argument(
        "--encapsulation", action="append", default=[], choices=ENCAPSULATIONS, help="look into these tunnels too"
    )
    parser.add_argument(
        "--link", type=int, default=ETHERNET, choices=sorted(LINK_TYPES), metavar="NUMBER",
        help="link type, as libpcap numbers them (default: 1, Ethernet)",
    )  # fmt: skip
    parser.add_argument("--numbers", action="store_true", help="as the numbers of `tcpdump -ddd`")
    return parser.parse_args(words)


def _body(options: Namespace) -> dict[str, Any]:
    """The section that the agent would send. Raises ConfigError and InputError."""
    from agent.config import load, over
    from agent.prefixes import looked, sets
    from agent.sections import Config

    config = load(options.config) if options.config else Config()
    change: dict[str, Any] = {}
    if options.prefix or options.prefix_file:
        change["prefixes"] = [*options.prefix, *(text for path in options.prefix_file for text in _read(path))]
    if options.encapsulation:
        change["encapsulations"] = options.encapsulation
    config = over(config, change)
    return {**config.capture.model_dump(mode="json"), **looked(config, sets(config))._asdict()}


def _read(path: str) -> list[str]:
    from agent.prefixes import parse
    from agent.privacy import cidrs

    try:
        with open(path, "rb") as file:
            return cidrs(parse(file.read()))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None


def _head(program: Program, looked_at: Wanted, link: int) -> str:
    inside = " ".join(name for name in ENCAPSULATIONS if name in looked_at.encapsulations) or "none"
    count = len(program.instructions)
    lines = [
        f"{count} instructions of {MAX_INSTRUCTIONS}, link type {link}, tunnels: {inside}",
        f"ranges of addresses: {_ranges(looked_at.tiers)}",
        f"of these, for want of room, cut down to their headers: {program.demoted}",
    ]
    if looked_at.sample > 1:
        lines.append(f"one SYN-ACK in {looked_at.sample}, and one in {looked_at.glimpse} of what nobody can read")
    return "".join(f"# {line}\n" for line in lines)


def _ranges(tiers: Tiers) -> str:
    every = [tier for size in (4, 16) for _, tier in tiers.steps(size)]
    named = (("handshakes", HANDSHAKES), ("headers alone", HEADERS), ("DNS answers alone", ANSWERS))
    counts = dict.fromkeys((name for name, _ in named), 0)
    for tier in every:
        for name, bit in named:
            if tier & bit:
                counts[name] += 1
                break
    return ", ".join(f"{count} {name}" for name, count in counts.items())

"""``knockfirst capture``: the capture role alone, without an agent, for whoever tunes it or measures it.

What it is to look at is worked out here, as the agent would; then this process becomes ``collectors.alone``, which is
as small as the role is: reading a configuration takes more memory than looking at a line.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from agent.child import itself
from agent.errors import InputError
from collectors.packets.interface import Links

if TYPE_CHECKING:
    from argparse import Namespace


def main(words: list[str]) -> int:
    """Becomes the role. Raises InputError and ConfigError for what cannot be used."""
    options = _options(words)
    body = _body(options)
    _there(options.interface)
    # A file in memory: a set of prefixes may be longer than an argument can be.
    handed = os.memfd_create("section", 0)
    os.write(handed, json.dumps(body).encode())
    os.lseek(handed, 0, os.SEEK_SET)
    words = [f"section={handed}", f"seconds={options.seconds}", f"stats={int(options.stats)}"]
    os.execve(*itself("collectors.alone", *words))  # noqa: S606  (our own interpreter and our own words)


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
        "interfaces": options.interface,
        "workers": 1,
        **tiers._asdict(),
        "log": config.log.model_dump(),
        "number": 1,
        "fanout": 0,
    }


def _there(interfaces: list[str]) -> None:
    links = Links()
    missing = [name for name in interfaces if links.named(name) is None]
    links.close()
    if missing:
        raise InputError(f"no interface {missing[0]!r}; `ip -brief link` lists those that there are")

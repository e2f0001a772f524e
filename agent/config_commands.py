"""``check-config`` and ``dump-config``: what a configuration file means, before a daemon runs by it."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from agent import groups
from agent.config import dump, load
from agent.errors import InputError
from agent.prefixes import usable
from agent.sections import Config

if TYPE_CHECKING:
    from collections.abc import Iterator

_USAGE = "usage: knockfirst {command} [--config] FILE\n\n{what}\n"


def check_main(words: list[str]) -> int:
    """``check-config FILE``: 0, and what may not be meant, if the file can be used; ConfigError otherwise."""
    path = _one_file(
        words, "check-config", "Checks a configuration file; exit 78 and every fault if it cannot be used."
    )
    if path is not None:
        config = load(path)
        usable(config, path)
        exporter_usable(config)
        print(f"{path}: can be used")
        for warning in warnings(config):
            print(f"{path}: warning: {warning}")
    return 0


def warnings(config: Config) -> Iterator[str]:
    """What is no fault, and may not be meant."""
    if not config.notices.mails:
        yield (
            "notices.relay: is empty, so no mail is sent to customers; telling them is a person's task "
            "(`knockfirst cases tasks`)"
        )


def exporter_usable(config: Config) -> None:
    """Raises ConfigError where exporter.web_config or exporter.groups names what cannot be used; both are read anew
    by who needs them.
    """
    groups.usable(config.exporter.groups)
    if config.exporter.web_config:
        import_module("exporters.webconfig").read(config.exporter.web_config, os.environ.get("CREDENTIALS_DIRECTORY"))


def dump_main(words: list[str]) -> int:
    """``dump-config [FILE]``: the configuration in effect, defaults included, as TOML."""
    if not words:
        words = [""]
    path = _one_file(words, "dump-config", "Prints the configuration in effect; without FILE, the defaults.")
    if path is not None:
        sys.stdout.write(dump(load(path) if path else Config()))
    return 0


def _one_file(words: list[str], command: str, what: str) -> str | None:
    """The file that the words name; None after the usage was printed. Raises InputError."""
    if words in (["-h"], ["--help"]):
        print(_USAGE.format(command=command, what=what), end="")
        return None
    named = words[1:] if words[:1] == ["--config"] else [word.removeprefix("--config=") for word in words]
    if len(named) != 1 or named[0].startswith("-"):
        raise InputError(f"give one configuration file: knockfirst {command} FILE")
    return named[0]

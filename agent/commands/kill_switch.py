"""``kill-switch on|off|status``: nobody is knocked at while its file is there.

``on`` needs neither a daemon nor a log: the file comes first, and what else there is follows it. ``off`` is put on
record before the file goes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from agent import killswitch
from agent.errors import ConfigError

if TYPE_CHECKING:
    from argparse import Namespace


def main(words: list[str]) -> int:
    """The command behind ``knockfirst kill-switch``. Raises ConfigError; then nothing has changed."""
    from argparse import ArgumentParser

    from agent.orders import add_options

    parser = ArgumentParser(prog="knockfirst kill-switch", description="Stop every probe, at once, until it is off.")
    parser.add_argument("what", choices=("on", "off", "status"))
    add_options(parser)
    options = parser.parse_args(words)
    return {"on": on, "off": off, "status": status}[options.what](options)


def place(options: Namespace) -> Path | None:
    """The file of the switch, as far as the options tell; None where only a daemon knows. Raises ConfigError."""
    from agent.orders import configured

    return killswitch.place(configured(options))


def on(options: Namespace) -> int:
    """Put the file there, then on record. Raises ConfigError where it is not on."""
    from agent.orders import ordered

    path = place(options)
    if path is not None:
        killswitch.throw(path)
    try:
        (answer,) = ordered(options, "kill_switch.on", {})
    except ConfigError as error:
        if path is None:
            raise
        _say(path, f"but that is not on record: {error}")
        return 0
    _say(Path(answer["path"]), "" if answer["recorded"] else "but that is not on record: the log cannot be written")
    return 0


def _say(path: Path, but: str) -> None:
    print(f"the kill switch is on: {path}")
    if but:
        sys.stderr.write(f"knockfirst kill-switch: {but}\n")


def off(options: Namespace) -> int:
    """Put it on record, then take the file away. Raises ConfigError where it is still on."""
    from agent.orders import ordered

    (answer,) = ordered(options, "kill_switch.off", {})
    print(f"the kill switch is off: {answer['path']} is not there")
    return 0


def status(options: Namespace) -> int:
    """Say how it stands: as the daemon or the store has it, and without either by its file. Raises ConfigError."""
    from agent.orders import ordered

    path = place(options)
    try:
        (answer,) = ordered(options, "kill_switch.status", {})
        path, state = Path(answer["path"]), answer["on"]
    except ConfigError:
        if path is None:
            raise
        state = killswitch.state(path)
    word = "not known, which is as good as on" if state is None else ("on" if state else "off")
    print(f"the kill switch is {word}: {path}")
    return 0

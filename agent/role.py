"""``knockfirst role``: one role by itself, as systemd starts it. There is no supervisor: each role is a unit.

The agent opens its doors; every other role connects to its own, waiting for the agent, and is told there all that it
needs to know. Nothing of the configuration is read by anybody but the agent.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from importlib import import_module
from typing import TYPE_CHECKING

from agent import ipc
from agent.logfmt import begin
from agent.notify import PULSE, STOPPING
from agent.rights import keep
from agent.role_doors import DOORS, GUESTS, path_of, taken_over

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from pathlib import Path

    from agent.role_doors import Guest

_PAUSE = 0.2  # seconds between two attempts to reach the agent
_ENDS = 3.0  # seconds that an agent that closes its doors may take to end


def main(words: list[str]) -> int:
    """``agent --config FILE [--doors DIR] [--let ROLE=USER ...]`` or ``exporter|capture|prober|notifier`` alike.

    The exit code is the role's own: 0, 70, 75 (the agent has gone, or wants it to begin anew), 77, 78.
    """
    options = _parser().parse_args(words)
    if options.role == "agent":
        from agent.role_agent import be

        return be(options.config, options.doors, options.let)
    return _be(options.role, GUESTS[options.role], options.doors)


def _parser() -> ArgumentParser:
    import argparse
    from pathlib import Path

    parser = argparse.ArgumentParser(prog="knockfirst role", description="Be one role, under a service manager.")
    roles = parser.add_subparsers(dest="role", required=True, metavar="ROLE")
    made = {name: roles.add_parser(name, help=f"be the {name} role") for name in ("agent", *GUESTS)}
    for one in made.values():
        place = os.environ.get("RUNTIME_DIRECTORY") or DOORS
        one.add_argument(
            "--doors", metavar="DIR", type=Path, default=Path(place), help=f"directory of the doors ({place})"
        )
    made["agent"].add_argument("--config", metavar="FILE", required=True, help="configuration file (TOML)")
    made["agent"].add_argument(
        "--let", metavar="ROLE=USER", action="append", default=[], help="the user whom a role's door is for (our own)"
    )
    return parser


def _be(name: str, guest: Guest, doors: Path) -> int:
    if os.geteuid():  # root becomes somebody else first, and gives its rights up with that
        keep(guest.capabilities)
    log = begin(name)
    PULSE.begin()
    path = str(path_of(doors, name))
    signal.signal(signal.SIGTERM, _ending)
    with PULSE.waiting():
        link = _reached(path)
    log.info("agent found")
    handed = {"agent": link, **taken_over()}
    if guest.waits:
        handed["lifeline"] = _held(path, link)
    if name == "prober":
        # No proxy, no key log, no other list of certificates, no library put in between: nothing of it is ours.
        os.environ.clear()
    module = import_module(guest.module)
    code: int = module.main([f"{word}={handed_over.detach()}" for word, handed_over in handed.items()])
    return code


def _ending(*_: object) -> None:
    PULSE.tell(STOPPING)
    sys.exit(0)


def _reached(path: str) -> socket.socket:
    """A connection to the agent, waited for."""
    while True:
        try:
            link = ipc.connect(path, frozenset()).connection
        except OSError:
            time.sleep(_PAUSE)
        else:
            link.settimeout(None)
            return link


def _held(path: str, link: socket.socket) -> socket.socket:
    """The role's end of a lifeline, by which a thread of ours hands over a link to the next agent, and the next."""
    from threading import Thread

    ours, theirs = socket.socketpair()
    Thread(
        target=_follow, args=(path, os.dup(link.fileno()), ipc.peer(link).pid, ours), name="link", daemon=True
    ).start()
    return theirs


def _follow(path: str, descriptor: int, agent: int, lifeline: socket.socket) -> None:
    while _outlived(descriptor, agent):
        link = _reached(path)
        descriptor, agent = os.dup(link.fileno()), ipc.peer(link).pid
        try:
            ipc.hand_over(lifeline, link)
        except OSError:
            return
        link.close()
    lifeline.close()


def _outlived(descriptor: int, agent: int) -> bool:
    """Wait for the end of a connection: whether the agent has ended with it.

    One that lives on has put us out, for what it has to tell us holds for a new process only.
    """
    try:
        process = os.pidfd_open(agent)
    except ProcessLookupError:
        process = -1
    try:
        _wait_for(descriptor, 0, None)
        return process < 0 or _wait_for(process, select.POLLIN, _ENDS)
    finally:
        os.close(descriptor)
        if process >= 0:
            os.close(process)


def _wait_for(descriptor: int, events: int, seconds: float | None) -> bool:
    poll = select.poll()
    poll.register(descriptor, events)
    return bool(poll.poll(None if seconds is None else seconds * 1000))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

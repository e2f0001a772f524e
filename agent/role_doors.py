"""The doors between roles that systemd starts: where they are, for whom, and what systemd hands over at them."""

from __future__ import annotations

import os
import socket
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from agent.rights import NET_RAW

if TYPE_CHECKING:
    from pathlib import Path

DOORS = "/run/knockfirst"  # where systemd/tmpfiles.d makes a directory for each door

_FIRST_HANDED = 3  # SD_LISTEN_FDS_START of sd_listen_fds(3)


class Guest(NamedTuple):
    """A role beside the agent: its module, what it keeps of capabilities, and whether it waits for the next agent."""

    module: str
    capabilities: frozenset[int]
    waits: bool


GUESTS = {
    "exporter": Guest("exporters.service", frozenset(), waits=True),
    "capture": Guest("collectors.service", frozenset({NET_RAW}), waits=True),
    "notifier": Guest("exporters.notices.service", frozenset(), waits=True),
    # Behind its wall it could take no connection anew; systemd starts another, which is as good.
    "prober": Guest("probes.service", frozenset(), waits=False),
}


def path_of(doors: Path, name: str) -> Path:
    """The socket of a role's door. Its directory is the role's group's, where somebody has made it so."""
    return doors / name / "door"


def taken_over() -> dict[str, socket.socket]:
    """The sockets that systemd hands over, by the name that their unit gives (sd_listen_fds(3)).

    All of one unit have one name: the second is ``name.2``, and so on.
    """
    if os.environ.pop("LISTEN_PID", "") != str(os.getpid()):
        return {}
    names = os.environ.pop("LISTEN_FDNAMES", "").split(":")
    count = int(os.environ.pop("LISTEN_FDS", "0"))
    taken: dict[str, socket.socket] = {}
    of: Counter[str] = Counter()
    for at, name in zip(range(count), names, strict=False):
        of[name] += 1
        one = socket.socket(fileno=_FIRST_HANDED + at)
        one.set_inheritable(False)
        taken[name if of[name] == 1 else f"{name}.{of[name]}"] = one
    return taken

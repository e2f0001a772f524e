"""A machine that runs the units. It needs root and a Debian tree: skipped without, but never where CI=true."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.systemd import tree
from tests.systemd.machine import SOURCE, Machine

ROLES = ("agent", "capture", "exporter", "prober", "notifier")
CONFIGURATION = """
[capture]
interfaces = ["eth0"]
prefixes = ["192.0.2.0/24"]
ring_mib = 4
[probe]
armed = {armed}
laboratory = true
"""
_HERE = Path(__file__).parent
# What is of the role's life; the rest of its unit is what is tried.
_OF_LIFE = re.compile(
    r"(Type|NotifyAccess|WatchdogSec|Restart\w*|Exec\w+|SuccessExitStatus|TimeoutStartSec|PartOf|Wants|After|Requires"
    r"|StartLimit\w+|Condition\w+)="
)


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    """One machine for all of them."""
    etc = {
        "knockfirst/knockfirst.toml": CONFIGURATION.format(armed="false"),
        "systemd/system/knockfirst-exporter.socket.d/both.conf": "[Socket]\nListenStream=[::1]:10125\n",
    }
    for name in ("trial.py", "enrol.py"):
        etc[name] = (_HERE / name).read_text()
    for role in ROLES:
        etc[f"systemd/system/trial-{role}.service"] = trial(role)
    with Machine(debian(), etc) as made:
        yield made


def debian() -> Path:
    """The tree; skips where none can be made, and fails there in CI."""
    why = tree.lacking()
    if not why:
        try:
            return tree.made()
        except subprocess.SubprocessError as error:
            why = f"no Debian tree can be made: {getattr(error, 'stderr', error)!r:.400}"
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


def trial(role: str) -> str:
    """A unit with the rights of a role's own, that runs trial.py instead."""
    text = (SOURCE / "systemd" / f"knockfirst-{role}.service").read_text().replace("\\\n", " ")
    lines = [line for line in text.partition("[Install]")[0].splitlines() if not _OF_LIFE.match(line)]
    place = lines.index("[Service]") + 1
    lines[place:place] = [
        "Type=oneshot",
        "ExecStart=/usr/bin/python3 /etc/trial.py",
        f"StandardOutput=file:/run/{role}",
    ]
    return "\n".join(lines)

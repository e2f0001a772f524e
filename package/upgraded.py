"""Runs in the installed package after an upgrade: says what it means for the store.

``upgraded.py VERSION``: the version that was there before. It reads the store's number and changes nothing.
"""

from __future__ import annotations

import sqlite3
import sys
from importlib.metadata import version
from pathlib import Path

from agent.schema import DATABASE, STEPS

STATE = Path("/var/lib/knockfirst")


def told(before: str, store: Path) -> list[str]:
    """The lines that are printed."""
    lines = [f"knockfirst: {before} -> {version('knockfirst')}; what changed: /usr/share/doc/knockfirst/changelog.gz"]
    if not store.exists():
        return lines
    connection = sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True, timeout=5)
    try:
        number = int(connection.execute("PRAGMA user_version").fetchone()[0])
    finally:
        connection.close()
    if number == len(STEPS):
        return [*lines, f"knockfirst: the store stays as it is, at version {number}"]
    if number > len(STEPS):
        return [*lines, f"knockfirst: the store is at version {number}, newer than {len(STEPS)}: it cannot be used"]
    return [
        *lines,
        f"knockfirst: the agent brings the store from version {number} to {len(STEPS)} when it starts; "
        f"{before} cannot use it after that",
    ]


if __name__ == "__main__":
    print("\n".join(told(sys.argv[1], STATE / DATABASE)))

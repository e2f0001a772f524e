"""Reads a book file without its examples, and without the milliseconds that a whole TOML parser takes to start.

Book files keep to a part of TOML: one ``key = value`` a line, tables as dotted keys, strings in single quotes or as
JSON has them, a list on one line or closed by a line of its own. ``load()`` holds every file against tomllib, so what
this reads is what TOML says.
"""

from __future__ import annotations

import json
from itertools import takewhile
from typing import Any

ENTRY = "[[fingerprint]]"


def bare_entries(text: str) -> list[dict[str, Any]]:
    """The ``[[fingerprint]]`` tables of a book file, without examples. Raises ValueError for any other form."""
    found: list[dict[str, Any]] = []
    inside = False
    lines = iter(text.split("\n"))
    for line in lines:
        if line.startswith("[["):
            inside = line == ENTRY
            if inside:
                found.append({})
        elif inside and not line.startswith("#"):
            key, equals, value = line.partition(" = ")
            if equals:
                _set(found[-1], key, "".join(("[", *takewhile("]".__ne__, lines), "]")) if value == "[" else value)
    return found


def _set(table: dict[str, Any], key: str, value: str) -> None:
    *tables, last = key.split(".")
    for name in tables:
        table = table.setdefault(name, {})
    table[last] = value[1:-1] if value[0] == "'" else json.loads(value)

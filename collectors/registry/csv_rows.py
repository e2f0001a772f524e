"""CSV: a line of column names, then one row a line. docs/registry.md has the columns.

A column is the path of a field, with dots; a list of plain values is written in one cell, with | between them.
"""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Any

from collectors.registry.reading import Reading, content, text, time_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collectors.registry.reading import Row

# What a file is of, as it is asked for -> what each of its rows is.
WHATS = {
    "mapping": "mapping",
    "records": "record",
    "events": "event",
    "announcements": "announcement",
    "objections": "objection",
    "lifted": "lifted",
    "contacts": "contacts",
    "documents": "document",
}

_LISTS = ("prefixes", "ports", "tiers", "probes", "hours", "exclude", "personal_data", "recipients")
_COLUMN = re.compile(r"[a-z][a-z0-9_]*(\.([a-z][a-z0-9_]*|[0-9]{1,2}))*")
_END = re.compile(r"# *end +([0-9]{1,9}) +rows?\s*")
_MADE = re.compile(r"# *made +(\S+)\s*")
_LINE = 1 << 20  # characters of one field


def read(path: str, what: str, *, full: bool) -> Reading:
    """A file of such rows. Raises InputError where it cannot be read at all."""
    faults: list[str] = []
    raw, changed = content(path)
    lines = text(raw, faults).splitlines(keepends=True)
    made = next((found for line in lines[:10] if (found := _MADE.fullmatch(line))), None)
    at = time_of(made and made[1], changed, faults, "# made")
    return Reading(at, full, _rows(lines, what, faults), faults)


def _rows(lines: list[str], what: str, faults: list[str]) -> Iterator[Row]:
    """The rows; what is wrong with the file as a whole is found on the way."""
    if not "".join(lines[:10]).strip():
        faults.append("is empty; the first line names the columns")
        return
    if not lines[-1].endswith("\n"):
        faults.append(f"line {len(lines)}: has no end; the file is cut off, or its last line lacks a newline")
    header, count = None, 0
    csv.field_size_limit(_LINE)
    said = next((found for line in reversed(lines[-3:]) if (found := _END.fullmatch(line))), None)
    numbers = [number for number, line in enumerate(lines, 1) if not line.startswith("#")]
    reader = csv.reader((lines[number - 1] for number in numbers), delimiter=_delimiter(lines), strict=True)
    before = 0
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            at = numbers[min(before, len(numbers) - 1)]
            faults.append(f"line {at}: {error}; close every quote")
            before = reader.line_num
            count += 1
            continue
        if cells is None:
            break
        at, before = numbers[min(before, len(numbers) - 1)], reader.line_num
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = [cell.strip() for cell in cells]
            if unusable := _unusable(header):
                faults.append(f"line {at}: {unusable}")
                return
            continue
        count += 1
        yield from _row(f"line {at}", header, cells, what, faults)
    if said and int(said[1]) != count:
        faults.append(f"its last line says {said[1]} rows, and it has {count}: a part of it is lost")


def _delimiter(lines: list[str]) -> str:
    """A comma, or the semicolon that a spreadsheet writes where the comma is in numbers."""
    header = next((line for line in lines if not line.startswith("#") and line.strip()), "")
    return ";" if header.count(";") > header.count(",") else ","


def _unusable(header: list[str]) -> str | None:
    for name in header:
        if not _COLUMN.fullmatch(name):
            return f"{name[:60]!r} is no column; the first line names the columns, like prefix,customer,kind"
    twice = [name for name in header if header.count(name) > 1]
    return f"the column {twice[0]} is there twice" if twice else None


def _row(where: str, header: list[str], cells: list[str], what: str, faults: list[str]) -> Iterator[Row]:
    if len(cells) != len(header):
        faults.append(
            f"{where}: has {len(cells)} cells, and there are {len(header)} columns; quote what has the comma in it"
        )
        if what not in ("objections", "events"):
            return
    row: dict[str, Any] = {}
    for name, cell in zip(header, cells, strict=False):
        if written := cell.strip():
            *path, last = name.split(".")
            _at(row, path)[last] = [one.strip() for one in written.split("|")] if last in _LISTS else written
    yield where, {"what": WHATS[what], **_plain(row)}


def _at(row: dict[str, Any], path: list[str]) -> dict[str, Any]:
    for part in path:
        below = row.setdefault(part, {})
        row = below if isinstance(below, dict) else {}
    return row


def _plain(value: Any) -> Any:
    """The same with lists where the parts of a path are numbers."""
    if not isinstance(value, dict):
        return value
    made = {key: _plain(below) for key, below in value.items()}
    if made and all(key.isdigit() for key in made):
        return [made[key] for key in sorted(made, key=int)]
    return made

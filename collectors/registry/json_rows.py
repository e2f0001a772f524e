"""JSON: one object with a list for each sort of row, or, for large ones, one row a line. docs/registry.md."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from agent.errors import InputError
from collectors.registry.csv_rows import WHATS
from collectors.registry.reading import Reading, content, text, time_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collectors.registry.reading import Row

SCHEMA = "registry/1"
MAX_OBJECT = 64 << 20  # bytes of a file that is one object

# A no comes first, so that what undoes it comes after it.
_ORDER = ("events", "objections", "documents", "records", "announcements", "contacts", "lifted", "mapping")
_HEAD = ("schema", "made", "full")
_WANTED = f'it begins with {{"schema": "{SCHEMA}", "made": "2026-11-24T08:00:00Z", "full": false'


def read(path: str) -> Reading:
    """A file of rows. Raises InputError where it cannot be read at all."""
    faults: list[str] = []
    raw, changed = content(path)
    first, newline, rest = raw.partition(b"\n")
    head = _object(first.decode("utf-8", "replace")) if newline and rest.strip() else None
    if head is not None:
        at, full = _head(head, changed, faults, "line 1")
        return Reading(at, full, _lines(raw, faults), faults)
    if len(raw) > MAX_OBJECT:
        raise InputError(f"{path}: larger than {MAX_OBJECT} bytes as one object; write it as JSON lines")
    return _whole(text(raw, faults), changed, faults)


def _head(head: dict[str, Any], changed: str, faults: list[str], where: str) -> tuple[str, bool]:
    if head.get("schema") != SCHEMA:
        faults.append(f"{where}: schema: is not {SCHEMA}; {_WANTED}")
    full = head.get("full", False)
    if not isinstance(full, bool):
        faults.append(f"{where}: full: is neither true nor false")
        full = False
    return time_of(head.get("made"), changed, faults, f"{where}: made"), full


def _lines(raw: bytes, faults: list[str]) -> Iterator[Row]:
    if not raw.endswith(b"\n"):
        last = raw.count(b"\n") + 1
        faults.append(f"line {last}: has no end; the file is cut off, or its last line lacks a newline")
    count, end, start, number = 0, None, 0, 0
    while start < len(raw):
        stop = raw.find(b"\n", start)
        line = raw[start : stop if stop >= 0 else None]
        start, number = (stop + 1 if stop >= 0 else len(raw)), number + 1
        if number == 1 or not line.strip():
            continue
        row = _object(line.decode("utf-8", "replace"))
        if row is None or b"\xef\xbf\xbd" in line:
            faults.append(f"line {number}: is no JSON object; write one row a line")
        elif row.keys() == {"end"}:
            end = row["end"]
        else:
            count += 1
            yield f"line {number}", row
    if end is not None and end != count:
        faults.append(f"its last line says {end} rows, and it has {count}: a part of it is lost")


def _object(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _whole(written: str, changed: str, faults: list[str]) -> Reading:
    try:
        made = json.loads(written)
        if not isinstance(made, dict):
            raise ValueError("is no object")
    except (ValueError, RecursionError) as error:
        reason = f"line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else str(error)
        faults.append("is empty" if not written.strip() else f"is not JSON: {reason}")
        return Reading(changed, full=False, rows=_fragments(written), faults=faults)
    at, full = _head(made, changed, faults, "the object")
    for strange in sorted(made.keys() - {*_HEAD, *_ORDER}):
        faults.append(f"{strange[:60]}: is nothing that is imported; that is one of {', '.join(_ORDER)}")
    return Reading(at, full, _listed(made, faults), faults)


def _listed(made: dict[str, Any], faults: list[str]) -> Iterator[Row]:
    for key in _ORDER:
        rows = made.get(key, [])
        if not isinstance(rows, list):
            faults.append(f"{key}: is no list")
            continue
        for number, row in enumerate(rows):
            yield f"{key}[{number}]", {"what": WHATS[key], **row} if isinstance(row, dict) else row


def _fragments(written: str) -> Iterator[Row]:
    """What a broken file says no to: its events and objections, each as far as they can be read."""
    decoder = json.JSONDecoder()
    for key in ("events", "objections"):
        for found in re.finditer(rf'"{key}"\s*:\s*\[', written):
            at, number = found.end(), 0
            while begin := re.compile(r"[\s,]*(?=\{)").match(written, at):
                try:
                    row, at = decoder.raw_decode(written, begin.end())
                except (ValueError, RecursionError):
                    break
                yield f"{key}[{number}]", {"what": WHATS[key], **row}
                number += 1

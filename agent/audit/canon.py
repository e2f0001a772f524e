"""The text of an entry that is hashed: canonical JSON (RFC 8785) of values that need the least of it.

Keys are ASCII and there are no floats, so what ``json`` writes with sorted keys and no spaces is that form already.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Any

from pydantic_core import from_json

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_EXACT = 2**53 - 1  # RFC 8785 3.2.2.3: numbers are those of ECMAScript
_PLAIN_LEAF = ',"public":{},"synced":'
_encoder = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical(value: dict[str, Any]) -> bytes:
    """UTF-8. Raises ValueError for what has no canonical form here: floats, keys beyond ASCII, half a character."""
    _check(value)
    return _encoder.encode(value).encode()


def parsed(text: str | bytes) -> dict[str, Any]:
    """What ``canonical`` wrote, in two thirds of the time that ``json`` takes. Raises ValueError for what is none."""
    value: dict[str, Any] = from_json(text, cache_strings="keys")
    return value


def kind_of(text: str) -> str:
    """The kind of a leaf, without parsing all of it: what stands before it is a boot's name and a hash."""
    at = text.index('"kind":"') + 8
    return text[at : text.index('"', at)]


def leaf(text: str) -> tuple[str, float, dict[str, Any]]:
    """Kind, time and public part of a leaf. Raises KeyError or ValueError where it is none.

    Most say nothing that is public, and end as many others do: of these no more is parsed than the ends that differ.
    """
    head, _, end = text.partition(_PLAIN_LEAF)
    time = _ended(end) if end else None
    if time is not None:
        return kind_of(head), time, {}
    entry = parsed(text)
    return entry["kind"], read(entry["time"]), entry["public"]


@lru_cache(1024)
def _ended(end: str) -> float | None:
    """The time in what follows a public part; None where this is something else, inside of one."""
    try:
        told = parsed(f'{{"synced":{end}')
    except ValueError:
        return None
    return read(told["time"]) if told.keys() == {"synced", "time", "v"} else None


def commitment(salt: bytes, private: bytes) -> str:
    """What a leaf says of its private part: SHA-256, in hex, over 32 random bytes and the canonical JSON."""
    return sha256(salt + private).hexdigest()


def milliseconds(time: float) -> int:
    """The whole milliseconds of a time in seconds since the epoch."""
    return int(time * 1000 // 1)


def written(ms: int) -> str:
    """RFC 3339 in UTC, with milliseconds, from such since the epoch."""
    return (_EPOCH + ms * _MILLISECOND).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read(text: str) -> float:
    """Seconds since the epoch: what ``written`` was given, divided by 1000. Raises ValueError."""
    return (datetime.fromisoformat(text) - _EPOCH) // _MILLISECOND / 1000


# Of nearly all that is put on record there is nothing more to be asked.
_PLAIN = frozenset({str, bool, type(None)})


def _check(value: Any) -> None:
    if value is None or isinstance(value, str | bool):
        return
    if isinstance(value, int):
        if not -_EXACT <= value <= _EXACT:
            raise ValueError(f"{value} is beyond what JSON can carry exactly")
    elif isinstance(value, dict):
        for key, below in value.items():
            if not (isinstance(key, str) and key.isascii()):
                raise ValueError(f"a key that is not ASCII text: {key!r}")
            if type(below) not in _PLAIN:
                _check(below)
    elif isinstance(value, list | tuple):
        for below in value:
            if type(below) not in _PLAIN:
                _check(below)
    else:
        raise ValueError(f"{type(value).__name__} has no place in the log")

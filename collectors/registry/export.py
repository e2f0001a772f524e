"""``knockfirst consent export``: the register for the operator to read, or signed, for another register to take."""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentParser
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from agent.errors import InputError
from agent.orders import add_options, opened

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Iterator


def main(words: list[str]) -> int:
    """The command. Raises ConfigError, InputError, UnavailableError."""
    options = _options(words)
    signed = options.snapshot is not None
    with opened(options) as give:
        pieces = give("registry.export", {"signed": signed, "contacts": options.contacts, "days": options.days})
        if signed:
            rows = _written(options.snapshot, (piece["text"] for piece in pieces))
            print(f"{options.snapshot}: {rows} lines")
            return 0
        for line in _lines(piece["text"] for piece in pieces):
            sys.stdout.write(line + "\n" if options.json else _shown(json.loads(line)))
    return 0


def _written(path: str, pieces: Iterable[str]) -> int:
    """Write the snapshot, whole or not at all; how many lines it has. Raises InputError."""
    beside, lines = f"{path}.new", 0
    try:
        # What is in it is personal: for its owner alone.
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "w", encoding="utf-8", newline="\n") as file:
            for piece in pieces:
                lines += piece.count("\n")
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        with suppress(OSError):
            os.unlink(beside)
        raise InputError(f"{path}: {error.strerror}; name a file that can be written") from None
    return lines


def _lines(pieces: Iterable[str]) -> Iterator[str]:
    rest = ""
    for piece in pieces:
        *lines, rest = (rest + piece).split("\n")
        yield from lines
    if rest:
        yield rest


def _shown(row: dict[str, Any]) -> str:
    """One line for people."""
    if "schema" in row:
        return f"# {row['origin']}: {row['rows']} rows, as of {row['made']}\n"
    if row["what"] == "document":
        return f"document {row['kind']} {row['version']} {row['lang']} {row['sha256']}\n"
    if row["what"] == "mapping":
        return f"{row['customer']} prefix {row['prefix']} {row['kind']} ({row['source']})\n"
    body, name = row["body"], row["kind"].partition(".")[2]
    at = body.get("at") or body.get("created_at") or body.get("sent_at")
    about = body.get("objection_id") or body.get("record_id") or ""
    more = ""
    if name == "given":
        scope = body["scope"]
        more = f"{body['basis']} {' '.join(scope['tiers'])} {' '.join(scope['prefixes'])} until {body['valid_until']}"
    elif name == "objected":
        more = " ".join(body.get("prefixes") or ["everything"])
    elif name == "announced":
        more = f"{body['channel']} delivered {body['delivered']}"
    return " ".join(filter(None, (row["customer"], name, at, about, more))) + "\n"


def _options(words: list[str]) -> Namespace:
    parser = ArgumentParser(prog="knockfirst consent export", description="Print the register, or write a snapshot.")
    parser.add_argument("--snapshot", metavar="FILE", help="write all of it, signed, for another register to take")
    parser.add_argument("--contacts", action="store_true", help="with the addresses of contacts")
    parser.add_argument("--days", type=int, default=7, metavar="N", help="until a snapshot expires (7)")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    add_options(parser)
    return parser.parse_args(words)

"""``knockfirst consent export``: the register for the operator to read, or signed, for another register to take."""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentParser
from contextlib import suppress
from itertools import chain
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any

from agent.errors import InputError
from agent.orders import add_options, opened
from collectors.registry.sending import driven

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable

NEWLINE = "\n"


def main(words: list[str]) -> int:
    """The command. Raises ConfigError, InputError, UnavailableError."""
    options = _options(words)
    signed = options.snapshot is not None
    orders = {"signed": signed, "contacts": options.contacts, "days": options.days}
    with opened(options) as give, _unnamed(options.snapshot) as rows:
        head = _spooled(driven(give, "registry.export", orders), rows)
        if signed:
            _written(options.snapshot, head, rows)
            print(f"{options.snapshot}: {json.loads(head.partition(NEWLINE)[0])['rows']} rows")
            return 0
        for line in chain([head], rows):
            row = line.partition(NEWLINE)[0]
            sys.stdout.write(row + NEWLINE if options.json else _shown(json.loads(row)))
    return 0


def _unnamed(snapshot: str | None) -> IO[str]:
    """A file for what comes before its head is known: ours alone, beside the snapshot. Raises InputError."""
    where = snapshot and (os.path.dirname(snapshot) or ".")
    try:
        return TemporaryFile("w+", encoding="utf-8", newline=NEWLINE, dir=where)
    except OSError as error:
        raise InputError(f"{snapshot or '$TMPDIR'}: {error.strerror}; name a file that can be written") from None


def _spooled(answers: Iterable[dict[str, Any]], rows: IO[str]) -> str:
    """Take the rows; what belongs before them. Raises InputError."""
    head = ""
    try:
        for answer in answers:
            rows.write(answer.get("text", ""))
            head = answer.get("head", "")
        rows.seek(0)
    except OSError as error:
        raise InputError(f"the rows cannot be kept: {error.strerror}; make room there, or in $TMPDIR") from None
    return head


def _written(path: str, head: str, rows: IO[str]) -> None:
    """Write the snapshot, whole or not at all. Raises InputError."""
    beside = f"{path}.new"
    try:
        # What is in it is personal: for its owner alone.
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "w", encoding="utf-8", newline=NEWLINE) as file:
            file.write(head)
            copyfileobj(rows, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        with suppress(OSError):
            os.unlink(beside)
        raise InputError(f"{path}: {error.strerror}; name a file that can be written") from None


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

"""``knockfirst consent objections``: those of nobody who is known, which wait for a person."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from agent.screen import table

if TYPE_CHECKING:
    from argparse import Namespace


def main(words: list[str]) -> int:
    """The command behind ``knockfirst consent objections``. Raises InputError, UnavailableError."""
    from agent.orders import ordered

    options = _options(words)
    if options.done is not None:
        (answer,) = ordered(options, "consent.unmatched_done", {"entry": options.done})
        print(json.dumps(answer) if options.json else f"entry {answer['seen']} was seen to; entry {answer['entry']}")
        return 0
    head, *rows = ordered(options, "consent.unmatched", {})
    if options.json:
        for row in rows:
            print(json.dumps(row))
    else:
        print(screen(rows, head["waiting"]))
    return 0


def _options(words: list[str]) -> Namespace:
    from argparse import ArgumentParser

    from agent.orders import add_options

    parser = ArgumentParser(
        prog="knockfirst consent objections",
        description="List the objections that came in without a token and fit no single customer. Nothing stops yet: "
        "find out whose each is, and enter it with `consent object`.",
    )
    parser.add_argument(
        "--unmatched", action="store_true", required=True,
        help="those of nobody who is known; those of a customer are in `consent show`",
    )  # fmt: skip
    parser.add_argument("--done", type=int, metavar="ENTRY", help="put on record that a person has seen to this one")
    parser.add_argument("--json", action="store_true", help="print JSON, one objection a line")
    add_options(parser)
    return parser.parse_args(words)


def screen(rows: list[dict[str, Any]], waiting: int) -> str:
    """Who waits, since when, and what was said."""
    if not rows:
        return "no objection waits for a person"
    lines = [
        (
            str(row["entry"]),
            row["time"],
            "erased" if row["erased"] else ", ".join(row["prefixes"] or ()) or "no prefix",
            "yes" if row["headers"] else "",
            row["channel"],
            ", ".join(row["customers"]) or "-",
        )
        for row in rows
    ]
    shown = table(("entry", "came in", "to what", "headers too", "by", "held by"), lines)
    count = f"{waiting} wait{'s' if waiting == 1 else ''}" + (
        "" if len(rows) == waiting else f", the oldest {len(rows)} first"
    )
    return (
        f"{shown}\n\n{count}; `consent object --prefix PREFIX` or `--customer REF` enters one, "
        "then `--unmatched --done ENTRY` says that it was seen to"
    )

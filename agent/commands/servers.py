"""``knockfirst servers``: the list behind a number of the metrics. ``servers whois``: the server behind a pseudonym."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from agent.leave import MEANINGS
from agent.screen import colour, coloured, table

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

_HEADERS = ("address", "server", "product", "build", "verdict", "exploited", "open", "support", "asked", "customer")
_WIDTH = 140
_LIMIT = 100
_FILTERS = ("product", "generation", "support", "verdict", "cve", "chain", "status", "customer")

Answer = dict[str, Any]


def main(words: list[str]) -> int:
    """The command behind ``knockfirst servers``. Raises InputError, UnavailableError."""
    return whois(_whois_options(words[1:])) if words[:1] == ["whois"] else listed(_options(words))


def _options(words: list[str]) -> Namespace:
    from agent.believed import OPEN, STATUSES
    from agent.verbs.servers import CHOICES

    parser = _parser(
        "knockfirst servers",
        "List servers that are believed to run Exchange, the most urgent first. "
        "`servers whois PSEUDONYM` says whose a pseudonym is. What is shown is on record first.",
    )
    for name, allowed in CHOICES.items():
        parser.add_argument(f"--{name}", choices=allowed, metavar=name[:1].upper(), help=f"one of {', '.join(allowed)}")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--cve", metavar="CVE", help="where this one is open, or may be; --status says which of it")
    which.add_argument("--chain", metavar="NAME", help="where any of this chain is open, like ProxyShell")
    parser.add_argument(
        "--status", choices=tuple(dict.fromkeys((*STATUSES, *OPEN))), metavar="S",
        help=f"of the CVE, or of any: {', '.join(STATUSES)}; of a chain: {', '.join(OPEN)}",
    )  # fmt: skip
    parser.add_argument("--customer", metavar="REF", help="at this customer's addresses")
    parser.add_argument(
        "--limit", type=int, default=_LIMIT, metavar="N", help=f"the first N (default {_LIMIT}); 0: all of them"
    )
    return parser.parse_args(words)


def _whois_options(words: list[str]) -> Namespace:
    parser = _parser(
        "knockfirst servers whois",
        "Say which server a pseudonym of this period or the one before is of. That it was asked is on record first.",
    )
    parser.add_argument("server", metavar="PSEUDONYM", help="as it stands in a label or on the console: s-...")
    return parser.parse_args(words)


def _parser(program: str, what: str) -> ArgumentParser:
    from argparse import ArgumentParser

    from agent.orders import add_options

    parser = ArgumentParser(prog=program, description=what)
    parser.add_argument("--json", action="store_true", help="print JSON, one server a line")
    add_options(parser)
    return parser


def listed(options: Namespace) -> int:
    """Print those that fit. Raises InputError, UnavailableError."""
    found, rows = 0, []
    for answer in _answers(options):
        if "found" in answer:
            found = answer["found"]
        elif options.json:
            print(json.dumps(answer))
        else:
            rows.append(answer)
    if not options.json:
        print(screen(rows, found, coloured(sys.stdout)))
    return 0


def _answers(options: Namespace) -> Iterator[Answer]:
    from agent.orders import opened

    words = {key: getattr(options, key) for key in _FILTERS if getattr(options, key) is not None}
    left, start = options.limit or sys.maxsize, 0
    with opened(options) as give:
        while left:
            head, *rows = give("servers.list", {**words, "start": start, "limit": left})
            yield head
            yield from rows
            left -= len(rows)
            if head["next"] is None:
                return
            start = head["next"]


def whois(options: Namespace) -> int:
    """Print whose it is. Raises InputError, UnavailableError."""
    from agent.orders import ordered

    (row,) = ordered(options, "servers.whois", {"server": options.server})
    if options.json:
        print(json.dumps(row))
        return 0
    on = coloured(sys.stdout)
    print(table(_HEADERS, [_line(row, on)], _WIDTH))
    print(f"\nnames: {', '.join(row['names']) or 'none seen'}\nports: {', '.join(map(str, row['ports']))}")
    print(f"asked: {MEANINGS[row['asked']] if row['asked'] else 'it may be asked for its build'}")
    print(f"`knockfirst consent explain {row['address']}` says all that it hangs on")
    return 0


def screen(rows: list[Answer], found: int, on: bool) -> str:
    """The table of servers, and how many there are beside them."""
    if not rows:
        return "no server"
    more = f", the first {len(rows)} of them; --limit lists more" if len(rows) < found else ""
    count = f"{found} server{'' if found == 1 else 's'}{more}"
    return f"{table(_HEADERS, [_line(row, on) for row in rows], _WIDTH)}\n\n{count}"


def _line(row: Answer, on: bool) -> tuple[str, ...]:
    exploited = row["open"]["exploited"] if row["open"] else None
    return (
        row["address"],
        row["server"],
        row["product"] + ("" if row["generation"] == "unknown" else f" {row['generation']}"),
        row["build"],
        row["verdict"],
        "-" if exploited is None else colour(str(exploited), "red" if exploited else "", on),
        str(sum(row["open"].values())) if row["open"] else "-",
        row["support"],
        row["asked"] or "may be",
        ", ".join(row["customers"]) or "-",
    )

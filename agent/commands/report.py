"""``knockfirst report weekly``: the week of the abuse desk as Markdown, without addresses and names."""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from agent.errors import InputError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from agent.cases.week import Week

_WEEK = 7 * 86_400.0


def main(words: list[str]) -> int:
    """``weekly``. Raises ConfigError, and InputError for its words."""
    from agent.cases.week import written

    options = _parser().parse_args(words)
    since, until = _span(options, time.time())
    text = written(_told(options, since, until), options.lang, options.templates)
    if options.out:
        _put(options.out, text)
    else:
        sys.stdout.write(text)
    return 0


def _parser() -> ArgumentParser:
    from argparse import ArgumentParser

    from agent.cases.week import LANGUAGES
    from agent.orders import add_options

    parser = ArgumentParser(prog="knockfirst report", description="Reports for the abuse desk.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    what = "write what happened in a week, as Markdown, without addresses and names"
    made = commands.add_parser("weekly", help=what, description=f"{what[:1].upper()}{what[1:]}.")
    made.add_argument("--lang", choices=LANGUAGES, default="en", help="default: en")
    made.add_argument("--since", metavar="DATE", help="first day, in UTC; without it, seven days before the end")
    made.add_argument("--until", metavar="DATE", help="last day, in UTC; without it, until now")
    made.add_argument("--out", metavar="FILE", help="write there, for its owner alone; without it, standard output")
    made.add_argument("--templates", metavar="DIR", default="", help="your own weekly.nl.md or weekly.en.md")
    add_options(made)
    return parser


def _span(options: Namespace, now: float) -> tuple[float, float]:
    """From the beginning of a day to the end of another. Raises InputError."""
    until = min(now, _day("--until", options.until, 1)) if options.until else now
    since = _day("--since", options.since, 0) if options.since else until - _WEEK
    if since >= until:
        raise InputError("--since: name a day that is not after the end, and not in the future")
    return since, until


def _day(option: str, written: str, later: int) -> float:
    try:
        day = date.fromisoformat(written) + timedelta(days=later)
    except (ValueError, OverflowError):
        raise InputError(f"{option} {written}: is no day; write it like 2026-11-24") from None
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def _told(options: Namespace, since: float, until: float) -> Week:
    """All that the agent tells, page by page; who asks is on record before anything of a case is told."""
    from agent.cases.week import Week
    from agent.orders import opened

    words = {"since": since, "until": until}
    with opened(options) as give:
        cases = [row["case"] for row in _pages(give, "report.cases", words)]
        counts = list(_pages(give, "report.counted", words))
        (stands,) = give("report.standing", {})
    return Week(since, until, cases, counts, stands)


def _pages(give: Any, verb: str, words: dict[str, Any]) -> Iterator[dict[str, Any]]:
    start: int | None = 0
    while start is not None:
        page, start = list(give(verb, words | {"start": start})), None
        for row in page:
            if "next" in row:
                start = row["next"]
            else:
                yield row


def _put(path: str, text: str) -> None:
    """A file that its owner alone can read, whoever could before. Raises InputError."""
    try:
        with open(path, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(text)
    except OSError as error:
        raise InputError(f"--out {path}: {error.strerror}; name a file to write") from None

"""``knockfirst consent request``: ask customers for leave by mail, with a link to say yes or no."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from agent.screen import printable

if TYPE_CHECKING:
    from argparse import Namespace


def main(words: list[str]) -> int:
    """The command. 0 where somebody is asked, 1 where nobody is. Raises ConfigError, InputError, UnavailableError."""
    options = _options(words)
    answers = _ordered(options)
    asked = [answer for answer in answers if answer["record"]]
    if options.json:
        for answer in answers:
            print(json.dumps(answer))
        return 0 if asked else 1
    for answer in answers:
        if answer["record"] is None:
            sys.stderr.write(f"{printable(answer['customer'])}: not asked: {printable(answer['said'])}\n")
    done = "would be asked" if options.dry_run else "will be asked, as soon as the relay takes it"
    print(f"{len(asked)} customer{'' if len(asked) == 1 else 's'} {done}")
    if options.dry_run and asked:
        print(f"\n{asked[0]['customer']} would agree to this:\n\n{asked[0]['text']}", end="")
    return 0 if asked else 1


def _options(words: list[str]) -> Namespace:
    from argparse import ArgumentParser
    from typing import get_args

    from agent.consent.written import Lang
    from agent.orders import add_options
    from agent.verbs.request import SUBJECTS

    parser = ArgumentParser(
        prog="knockfirst consent request",
        description="Ask customers for leave: a mail to a verified contact of each, with a link to agree or to stop. "
        "Who has objected, said no, agreed or was asked in the last 90 days is not asked.",
    )
    parser.add_argument("--customer", action="append", default=[], metavar="REF", help="this one; may be there again")
    parser.add_argument("--customers", action="append", default=[], metavar="FILE", help="one reference a line")
    parser.add_argument("--lang", choices=get_args(Lang), help="language of the mail (default: his contact's)")
    parser.add_argument("--subject", choices=SUBJECTS, help="what they are, where no record of theirs says it")
    parser.add_argument("--hours", action="append", metavar="HOURS", help="like 'Mon-Fri 22:00-06:00' (default: daily)")
    parser.add_argument("--tz", metavar="ZONE", help="whose hours, like Europe/Amsterdam (default: of his last record)")
    parser.add_argument("--dry-run", action="store_true", help="only say who would be asked, and for what")
    parser.add_argument("--json", action="store_true", help="print JSON, one customer a line")
    add_options(parser)
    return parser.parse_args(words)


def _ordered(options: Namespace) -> list[dict[str, Any]]:
    from agent.commands.announce import references
    from agent.errors import InputError
    from agent.orders import opened
    from agent.verbs.request import AT_ONCE

    if lost := [path for path in options.customers if not os.path.isfile(path)]:
        raise InputError(f"--customers {lost[0]}: no such file; a reference by itself is for --customer")
    customers = [named.ref for named in references([*options.customer, *options.customers])]
    if not customers:
        raise InputError("whom? --customer REF, or --customers FILE")
    wanted = {"lang": options.lang, "subject": options.subject, "hours": options.hours, "zone": options.tz}
    answers: list[dict[str, Any]] = []
    with opened(options) as give:
        for start in range(0, len(customers), AT_ONCE):
            part = customers[start : start + AT_ONCE]
            answers += give("consent.request", wanted | {"customers": part, "dry_run": options.dry_run})
    return answers

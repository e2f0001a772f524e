"""``knockfirst notices``: ``preview`` shows a message without sending it, ``export`` writes findings for machines.

Both work without a daemon on made-up servers; a case's own facts come from the daemon or its store, which puts on
record who read them. What else there is to do with notices is an order, and agent.commands.notices gives those.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import InputError
from agent.notice import MESSAGES, Facts
from agent.orders import add_options, configured, opened, ordered
from exporters.notices import examples, formats, texts
from exporters.notices.words import LANGUAGES

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

FACTS = "notices.facts"  # the verb by which the agent tells what a message of a case would say
_ORDERS = "agent.commands.notices"
_HERE = ("preview", "export", "-h", "--help")


def main(words: list[str]) -> int:
    """The command behind ``knockfirst notices``. Raises ConfigError, and InputError for its words."""
    if words and words[0] not in _HERE and find_spec(_ORDERS):
        code: int = import_module(_ORDERS).main(words)
        return code
    options = _parser().parse_args(words)
    return preview(options) if options.what == "preview" else export(options)


def _parser() -> ArgumentParser:
    more = (
        "queue, send, status: what waits, try it now, how telling stands; `knockfirst notices queue --help` and so on."
    )
    about = "See what customers are told, and export what was found."
    parser = ArgumentParser(prog="knockfirst notices", description=about, epilog=more)
    commands = parser.add_subparsers(dest="what", required=True)
    one = commands.add_parser("preview", help="show a message as it would be sent; nothing is")
    one.add_argument("--message", choices=MESSAGES, default="tell")
    one.add_argument("--lang", choices=LANGUAGES, help="default: the customer's own; of what is made up, nl")
    one.add_argument("--kind", choices=tuple(examples.KINDS), default="chain", help="which made-up finding")
    one.add_argument("--case", metavar="ID", help="the facts of this case, and not made-up ones")
    one.add_argument("--html", action="store_true", help="the HTML part in place of the text")
    one.add_argument("--no-links", action="store_true", help="as it is where there is no public page")
    one.add_argument("--letter", metavar="FILE", help="write the letter as PDF there")
    one.add_argument("--date", metavar="DAY", default="", help="date of the letter, like 2026-11-24; of a case: today")
    one.add_argument("--templates", metavar="DIR", help="your templates; without it, notices.templates")
    one.add_argument("--check", action="store_true", help="look at every text of yours in both languages, print none")
    add_options(one)
    one = commands.add_parser("export", help="write open findings for machines, on standard output")
    one.add_argument("--format", choices=formats.FORMATS, required=True)
    one.add_argument("--case", metavar="ID", help="this case alone")
    one.add_argument("--example", action="store_true", help="made-up servers, one of each kind")
    add_options(one)
    return parser


def preview(options: Namespace) -> int:
    """Print a message, or write the letter. Raises ConfigError for a template, InputError for a case or a file."""
    own = configured(options).notices.templates if options.templates is None else options.templates
    if options.check:
        return _checked(own)
    facts = _facts_of(options)
    if options.letter:
        return _letter(facts, own, options)
    if facts.message not in texts.MAIL:
        print(texts.script(facts, own) if facts.message == "phone" else texts.letter_text(facts, own), end="")
        return 0
    mail = texts.rendered(facts, own)
    print(mail.html if options.html else texts.whole(mail), end="")
    return 0


def _facts_of(options: Namespace) -> Facts:
    if options.case is None:
        return examples.example(options.message, options.lang or "nl", options.kind, links=not options.no_links)
    words = {"case": options.case, "message": options.message, "lang": options.lang}
    (item,) = ordered(options, FACTS, words)
    facts = Facts.model_validate(item["facts"])
    return facts.model_copy(update={"links": {}}) if options.no_links else facts


def _found(options: Namespace) -> Iterator[Facts]:
    """What is known of one case, or of every one that is live, page by page."""
    with opened(options) as give:
        start: int | None = 0
        while start is not None:
            words, start = {"start": start} if options.case is None else {"case": options.case}, None
            for item in give(FACTS, words):
                start = item.get("next")
                if "facts" in item:
                    yield Facts.model_validate(item["facts"])


def _letter(facts: Facts, own: str, options: Namespace) -> int:
    from datetime import UTC, date, datetime

    from exporters.notices.letter import letter

    today = "" if options.case is None else datetime.now(UTC).date().isoformat()
    try:
        day = date.fromisoformat(options.date).isoformat() if options.date else today
    except ValueError:
        raise InputError(f"--date {options.date}: is no day; write it like 2026-11-24") from None
    made = letter(facts, own, day)
    try:
        Path(options.letter).write_bytes(made)
    except OSError as error:
        raise InputError(f"--letter {options.letter}: {error.strerror}; name a file to write") from None
    print(options.letter)
    return 0


def _checked(own: str) -> int:
    """Every text about every made-up finding; what is amiss is told, and is the exit code. Raises ConfigError."""
    amiss = dict.fromkeys(texts.unequal(own))
    for facts in examples.examples():
        amiss |= dict.fromkeys(_broken(facts, texts.any_of(facts, own)))
    for line in amiss:
        sys.stderr.write(f"knockfirst notices preview: {line}\n")
    if not amiss:
        print(
            f"{len(MESSAGES)} messages in {len(LANGUAGES)} languages: all can be made, and tell the same facts in each"
        )
    return 1 if amiss else 0


def _broken(facts: Facts, text: str) -> Iterator[str]:
    """Which rules that every message keeps this one does not: docs/notices.md."""
    file = texts.name(facts.message, facts.lang)
    if facts.customer not in "".join(text.split("\n\n", 2)[:2]):
        yield f"{file}: does not begin with the customer's number, by which it can be verified"
    if "http" in text and not facts.links:
        yield f"{file}: has a link where there is no public page; put links only where a fact has one"


def export(options: Namespace) -> int:
    """Write findings in a format of exporters.notices.formats. Raises ConfigError as the order does."""
    if options.example:
        found: Iterator[Facts] = (examples.example("tell", "en", kind) for kind in examples.KINDS)
    else:
        found = _found(options)
    for line in formats.written(found, options.format):
        sys.stdout.write(line)
    return 0

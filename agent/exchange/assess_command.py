"""``knockfirst assess``: what is known of one Exchange build, for people and (``--json``) for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from agent.build import BuildRange, Precision, generation_of, parse, span
from agent.errors import InputError
from agent.exchange.catalogue import Catalogue, Support, catalogue, line_of

if TYPE_CHECKING:
    import argparse
    from datetime import date

    from agent.build import Generation
    from agent.exchange.known import Known
    from agent.model import Finding, Product

_PRECISION: dict[int, Precision] = {2: "generation", 3: "cu", 4: "su"}


class Question(NamedTuple):
    """What was asked: the build as normal text, what it can mean, and the day.

    ``displayed``: it came in the form of Get-ExchangeServer, which goes on showing the first build of the
    cumulative update after a security update (Microsoft Learn, "Exchange Server build numbers and release dates").
    """

    text: str
    range: BuildRange
    at: date
    displayed: bool = False


class Answer(NamedTuple):
    """What the catalogue says to a question. ``known`` is None where no single entry of the table stands for it."""

    product: Product
    generation: Generation | None
    cu: str | None
    known: Known | None
    status: Support
    findings: tuple[Finding, ...]


def ask(text: str, at: date, tables: Catalogue) -> Question:
    """The question for a build in any of its notations. Raises InputError."""
    try:
        parts = parse(text)
    except ValueError as error:
        raise InputError(f"BUILD: {error}") from None
    low, high = span(parts)
    displayed = False
    if "(" in text:
        known = tables.lookup(low)
        displayed = known is not None and known.update == "RTM"
        low, high = span(line_of(low)) if displayed else (low, high)
    normal = ".".join(map(str, parts))
    return Question(normal, BuildRange(low, high, "cu" if displayed else _PRECISION[len(parts)]), at, displayed)


def answer(question: Question, tables: Catalogue) -> Answer:
    """Everything that the catalogue knows of what was asked."""
    wanted = tables.clamp(question.range)
    generations = {generation_of(wanted.low), generation_of(wanted.high)}
    return Answer(
        tables.product_of(wanted.low),
        generations.pop() if len(generations) == 1 else None,
        _cu(wanted, tables),
        tables.lookup(wanted.low) if question.range.exact else None,
        tables.status(question.range, question.at),
        tables.findings(question.range, question.at),
    )


def _cu(wanted: BuildRange, tables: Catalogue) -> str | None:
    if line_of(wanted.low) != line_of(wanted.high):
        return None
    # Below the lowest and above the highest known build the branch still tells the cumulative update.
    known = tables.lookup(wanted.high) or tables.newest(wanted.high)
    return known.cu if known else None


def as_json(question: Question, found: Answer) -> dict[str, Any]:
    """The machine contract. ``findings``: every CVE but those that do not affect it, and the end of support."""
    return {
        "build": question.text,
        "product": found.product,
        "generation": found.generation,
        "cu": found.cu,
        "update": found.known.update if found.known else None,
        "status": found.status,
        "findings": [
            {"cve": f.cve, "name": f.name, "status": f.status, "kev": f.kev, "cvss": f.cvss}
            for f in found.findings
            if f.status != "not_affected"
        ],
    }


def main(words: list[str]) -> int:
    """The command. Raises InputError for a build or a date that cannot be used."""
    options = _options(words)
    tables = catalogue()
    question = ask(" ".join(options.build), _day(options.at), tables)
    found = answer(question, tables)
    if options.json:
        import json

        print(json.dumps(as_json(question, found)))
        return 0
    import sys

    from agent.exchange.assess_screen import Page, summary
    from agent.screen import coloured

    print(summary(Page(question, found, tables, coloured(sys.stdout)), fixed_too=options.all))
    return 0


def _options(words: list[str]) -> argparse.Namespace:
    import argparse

    parser = argparse.ArgumentParser(prog="knockfirst assess", description="Say what is known of one Exchange build.")
    parser.add_argument(
        "build",
        nargs="+",
        metavar="BUILD",
        help="15.2.1748.36, 15.02.1748.036, 15.2.1748 (only the cumulative update is known), 15.1 (only the "
        "generation), or 'Version 15.2 (Build 1748.10)'",
    )
    parser.add_argument("--at", metavar="DATE", help="judge the support as of that day, YYYY-MM-DD (today in UTC)")
    parser.add_argument("--all", action="store_true", help="list also the CVEs that are fixed or were not assessed")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args(words)


def _day(text: str | None) -> date:
    from datetime import UTC, date, datetime

    if text is None:
        return datetime.now(UTC).date()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"--at: {text!r} is not a date; a date is YYYY-MM-DD such as 2026-11-23") from None

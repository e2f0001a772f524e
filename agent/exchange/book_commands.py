"""``knockfirst fingerprints``: list, show, match and test the fingerprint book."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.errors import InputError
from agent.exchange.book_lines import ENTRY
from agent.exchange.fingerprint import PACKAGED, Book, book, load
from agent.exchange.normal import canonical
from agent.model import KINDS, Claims, Endpoint, Evidence, Observation

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable
    from typing import TextIO

    from agent.build import BuildRange

# The address of a text that came from nowhere (RFC 5737); nothing of it is shown.
NOWHERE = Endpoint("192.0.2.1", 0)
MAX_LINE = 1 << 20  # characters of one line of JSON; no banner is as long


def main(words: list[str]) -> int:
    """Runs ``list``, ``show``, ``match`` or ``test``; returns the exit code. Raises ConfigError and InputError."""
    options = _parser().parse_args(words)
    code: int = options.run(options)
    return code


def _parser() -> argparse.ArgumentParser:
    import argparse

    parser = argparse.ArgumentParser(prog="knockfirst fingerprints", description="The fingerprint book.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="the entries, with what they claim and how much that weighs")
    listing.add_argument("--kind", choices=KINDS, metavar="KIND", help="only this kind of observation")
    listing.set_defaults(run=_list)
    show = commands.add_parser("show", help="one entry as it stands in the book")
    show.add_argument("id", metavar="ID")
    show.set_defaults(run=_show)
    match = commands.add_parser("match", help="what a text amounts to")
    match.add_argument("--jsonl", action="store_true", help='read {"kind", "text"} lines from standard input')
    match.add_argument("kind", nargs="?", metavar="KIND", help=f"one of {', '.join(KINDS)}")
    match.add_argument("text", nargs="?", metavar="TEXT", help=r"the banner; \n stands for a new line")
    match.set_defaults(run=_match)
    test = commands.add_parser("test", help="prove every entry by its examples")
    test.add_argument("directory", nargs="?", metavar="DIR", help="a book of your own; default: the packaged one")
    test.set_defaults(run=_test)
    return parser


def _list(options: argparse.Namespace) -> int:
    from agent.screen import table

    kinds = [options.kind] if options.kind else KINDS
    rows = [(f.id, f.kind, _claimed(f.claims), f"{f.weight:g}", f.precision) for k in kinds for f in book().of(k)]
    print(table(("id", "kind", "claims", "weight", "precision"), rows))
    return 0


def _claimed(claims: Claims) -> str:
    words = ["|".join(claims.products), ",".join(claims.generations), claims.windows and f"Windows {claims.windows}"]
    return " ".join(word for word in words if word) or "-"


def _show(options: argparse.Namespace) -> int:
    for kind in KINDS:
        if any(f.id == options.id for f in book().of(kind)):
            path = Path(PACKAGED) / f"{kind}.toml"
            entries = path.read_text("utf-8").split(ENTRY + "\n")
            text = next(e for e in entries if e.startswith(f'id = "{options.id}"\n'))
            # A comment that stands above the next entry belongs to that one.
            print(f"# {kind}\n{text.partition(chr(10) * 2)[0].strip()}")
            return 0
    raise InputError(f"no fingerprint {options.id!r}; `knockfirst fingerprints list` names them")


def _test(options: argparse.Namespace) -> int:
    import tomllib

    directory = Path(options.directory or PACKAGED)
    load(directory)
    raws = [raw for path in directory.glob("*.toml") for raw in tomllib.loads(path.read_text("utf-8"))["fingerprint"]]
    examples, counterexamples = (sum(len(raw[key]) for raw in raws) for key in ("example", "counterexample"))
    print(f"{len(raws)} fingerprints hold: {examples} examples match, {counterexamples} look-alikes do not")
    return 0


def _match(options: argparse.Namespace) -> int:
    if options.jsonl:
        if options.kind is not None:
            raise InputError("--jsonl reads standard input and takes no KIND and TEXT")
        return match_lines(sys.stdin.buffer, sys.stdout)
    if options.kind is None or options.text is None:
        raise InputError("give KIND and TEXT, or --jsonl")
    if options.kind not in KINDS:
        raise InputError(_no_kind(options.kind))
    for name, value in judged(book(), options.kind, options.text.replace(r"\n", "\n")).items():
        print(f"{name + ':':14}{_plain(value)}")
    return 0


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value['low']} to {value['high']} ({value['precision']})"
    return ", ".join(value) or "none" if isinstance(value, list) else str(value or "unknown")


def match_lines(lines: Iterable[bytes], out: TextIO) -> int:
    """One JSON answer for each line of ``{"kind", "text"}``; 2 where a line could not be read, else 0."""
    code = 0
    for number, line in enumerate(lines, 1):
        try:
            answer = judged(book(), *_asked(line))
        except ValueError as error:
            answer, code = {"error": f"line {number}: {error}"}, 2
        out.write(json.dumps(answer) + "\n")
    return code


def _asked(line: bytes) -> tuple[str, str]:
    """Kind and text of one line. Raises ValueError that says what would be right."""
    if len(line) > MAX_LINE:
        raise ValueError(f"longer than {MAX_LINE} characters")
    try:
        asked = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON: {error}") from None
    if not isinstance(asked, dict) or not all(isinstance(asked.get(key), str) for key in ("kind", "text")):
        raise ValueError('needs {"kind": ..., "text": ...}, both texts')
    if asked["kind"] not in KINDS:
        raise ValueError(_no_kind(asked["kind"]))
    return asked["kind"], asked["text"]


def _no_kind(kind: str) -> str:
    return f"{kind!r} is no kind of observation; the kinds are {', '.join(KINDS)}"


def judged(fingerprints: Book, kind: str, text: str) -> dict[str, Any]:
    """What one text amounts to by itself: product, generation, verdict, build and the fingerprints that matched."""
    from agent.exchange.assess import judge

    matches = fingerprints.match(kind, text)
    seen = Observation(NOWHERE, *canonical(kind, text), 0.0, "passive", "command line")
    belief = judge(Evidence(seen, m.fingerprint, m.claims, m.weight) for m in matches)
    return {
        "product": belief.product if matches else "unknown",
        "generation": belief.generation,
        "verdict": belief.verdict,
        "build": _range(belief.build),
        "fingerprints": [m.fingerprint for m in matches],
    }


def _range(build: BuildRange | None) -> dict[str, str] | None:
    return build and {"low": str(build.low), "high": str(build.high), "precision": build.precision}

"""What a command line may say: every command, and every word below it, with its own argument parser.

There is no second list of commands or options: each command is asked for its help, and stopped where it would read its
words, when its parser is complete. A command without such a parser is known by the text of its help alone.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from argparse import SUPPRESS, ArgumentParser, _SubParsersAction
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

from agent.__main__ import COMMANDS, main

if TYPE_CHECKING:
    from argparse import Action
    from collections.abc import Iterator

PROGRAM = "knockfirst"
# A line of a help text that begins with a word, and a word that may stand in place of an argument: these may be
# commands with a parser of their own, and are asked whether they are.
_MAY_BE_WORDS = re.compile(r"^ +([a-z][a-z-]+)(?= )|\|([a-z][a-z-]+)", re.M)


class Command(NamedTuple):
    """The words that name it, what it does in a few words, its parser, and its help where it has no parser."""

    words: tuple[str, ...]
    what: str
    parser: ArgumentParser | None
    text: str = ""

    @property
    def name(self) -> str:
        return " ".join((PROGRAM, *self.words))

    def arguments(self) -> list[Action]:
        """What it takes, but for its help, what is not for people, and the words of further commands."""
        found = self.parser._actions if self.parser else []
        return [
            one
            for one in found
            if one.help != SUPPRESS and "--help" not in one.option_strings and not isinstance(one, _SubParsersAction)
        ]


class _Complete(BaseException):
    """A parser is about to read its words. It is no error, so that no command catches it."""

    def __init__(self, parser: ArgumentParser) -> None:
        super().__init__()
        self.parser = parser


def commands() -> list[Command]:
    """Every command in the order of the command table, each followed by those below it."""
    found: list[Command] = []
    for name, (_, what) in COMMANDS.items():
        parser, text = _asked((name,))
        found.append(Command((name,), what, parser, text))
        found += _below((name,), parser)
    return found


def _below(words: tuple[str, ...], parser: ArgumentParser | None) -> Iterator[Command]:
    """Those that the parser knows, and those that are behind it with a parser of their own."""
    if parser is None:
        return
    known = dict(_subparsers(parser))
    for name, (what, inner) in known.items():
        yield Command((*words, name), what, inner)
        yield from _below((*words, name), inner)
    if parser.prog != " ".join((PROGRAM, *words)):
        return
    help_text = parser.format_help()
    for match in _MAY_BE_WORDS.finditer(help_text):
        further = (*words, match[1] or match[2])
        if further[-1] in known:
            continue
        known[further[-1]] = ("", parser)
        own, _ = _asked(further)
        if own is not None and own.prog == " ".join((PROGRAM, *further)):
            said = re.search(rf"^ +{further[-1]} +(\S.*)$", help_text, re.M)
            yield Command(further, said[1] if said else (own.description or "").rstrip("."), own)
            yield from _below(further, own)


def _subparsers(parser: ArgumentParser) -> Iterator[tuple[str, tuple[str, ArgumentParser]]]:
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            said = {one.dest: one.help or "" for one in action._choices_actions}
            for name, inner in action.choices.items():
                yield name, (said.get(name, ""), inner)


def _asked(words: tuple[str, ...]) -> tuple[ArgumentParser | None, str]:
    """The parser that would have read ``WORDS --help``; without one, what was printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()), _stopped():
        try:
            main([*words, "--help"])
        except _Complete as complete:
            return complete.parser, ""
        except SystemExit:
            pass
    return None, printed.getvalue()


@contextlib.contextmanager
def _stopped() -> Iterator[None]:
    def stop(parser: ArgumentParser, *_: Any, **__: Any) -> Any:
        raise _Complete(parser)

    # What is printed is the same wherever it is made.
    with patch.dict(os.environ, {"COLUMNS": "100"}), patch.object(ArgumentParser, "parse_known_args", stop):
        os.environ.pop("RUNTIME_DIRECTORY", None)
        yield

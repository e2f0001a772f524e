"""Templates that the operator may edit: ours, and a directory of his own whose files take the place of ours.

They run in jinja2's sandbox, where they can compute and nothing else, and a name that is no fact is a fault, so that no
text ever goes out with a hole in it. What is wrong is told with file and line.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from traceback import walk_tb
from typing import TYPE_CHECKING, NamedTuple

from jinja2 import BaseLoader, FileSystemLoader, StrictUndefined, TemplateNotFound, TemplateSyntaxError, nodes
from jinja2.loaders import ChoiceLoader
from jinja2.meta import find_referenced_templates, find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from agent.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

MAX_TEXT = 1 << 20  # characters of one text; a template that makes more than that has gone wrong
MAX_TURNS = 1 << 20  # of all its loops and macros together, which ours need some thousands of


class Made(NamedTuple):
    """What came of a template. ``path``: the file that it is."""

    text: str
    path: str


class Templates(ImmutableSandboxedEnvironment):
    """Templates of ``own`` ("" for none) before ``ours``; HTML is escaped. ``key``: of the configuration, for ``own``.

    ``finish``: what is done to each value as it is put into a text; ``trim``: a line that only holds a statement
    leaves none behind.
    """

    def __init__(
        self, own: str, ours: Path, key: str, finish: Callable[[object], object] | None = None, *, trim: bool = False
    ) -> None:
        places: list[BaseLoader] = [FileSystemLoader(place) for place in (own, str(ours)) if place]
        super().__init__(
            loader=ChoiceLoader(places),
            undefined=StrictUndefined,
            autoescape=lambda name: bool(name) and str(name).endswith(".html"),
            keep_trailing_newline=True,
            finalize=finish,
            trim_blocks=trim,
            lstrip_blocks=trim,
        )
        self.key = key
        self._turns = 0

    def turn(self) -> None:
        """Once for each turn of a loop and of a macro: a template that goes round without end is told, and not waited
        for. Raises ValueError.
        """
        self._turns += 1
        if self._turns > MAX_TURNS:
            raise ValueError(f"goes round more than {MAX_TURNS} times")

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        parsed = super()._parse(source, name, filename)
        for node in parsed.find_all((nodes.For, nodes.Macro, nodes.CallBlock)):
            assert isinstance(node, nodes.For | nodes.Macro | nodes.CallBlock)
            turn = nodes.Call(nodes.EnvironmentAttribute("turn"), [], [], None, None)
            node.body.insert(0, nodes.ExprStmt(turn, lineno=node.lineno).set_environment(self))
        return parsed

    def made(self, file: str, told: Mapping[str, object]) -> Made:
        """The text of a template with these facts. Raises ConfigError: file, line, what is wrong."""
        self._turns = 0
        with self._told(file):
            template = self.get_template(file)
            text = _bounded(template.generate(told))
        if not text.strip():
            raise ConfigError(f"{file}: comes to an empty text")
        return Made(text, template.filename or file)

    def uses(self, file: str) -> frozenset[str]:
        """The facts that a template and what it includes name. Raises ConfigError as ``made``."""
        with self._told(file):
            return frozenset(self._uses(file, set()))

    def written(self, file: str) -> str:
        """A template and what it includes, as they are written. Raises ConfigError as ``made``."""
        with self._told(file):
            seen: set[str] = set()
            self._uses(file, seen)
            return "\n".join(self.loader.get_source(self, each)[0] for each in sorted(seen))  # type: ignore[union-attr]

    @contextmanager
    def _told(self, file: str) -> Iterator[None]:
        """What goes wrong with a template, as its author is told."""
        try:
            yield
        except TemplateSyntaxError as error:
            raise ConfigError(f"{error.filename or file}: line {error.lineno}: {error.message}") from None
        except TemplateNotFound as error:
            raise ConfigError(f"{file}: there is no template {error}; put it into {self.key}") from None
        except Exception as error:
            # Whatever a template does wrong is its author's, who is told where: its lines are in the traceback.
            raise ConfigError(f"{_place(error, file)}: {_said(error)}") from None

    def _uses(self, file: str, seen: set[str]) -> set[str]:
        seen.add(file)
        source, path, _ = self.loader.get_source(self, file)  # type: ignore[union-attr]
        parsed = self.parse(source, file, path)
        uses = set(find_undeclared_variables(parsed))
        for other in find_referenced_templates(parsed):
            if other is not None and other not in seen:
                uses |= self._uses(other, seen)
        return uses


def own_files(directory: str, known: Iterable[str], key: str) -> set[str]:
    """The operator's files. Raises ConfigError for one that takes the place of nothing: a slip of the pen."""
    try:
        there = {entry for entry in os.listdir(directory) if not entry.startswith((".", "_"))}
    except OSError as error:
        raise ConfigError(f"{key}: {directory}: {error.strerror}; name a directory of templates") from None
    known = sorted(known)
    stray = sorted(there.difference(known))
    if stray:
        raise ConfigError(
            f"{key}: {directory}/{stray[0]}: takes the place of no text; name it like one of "
            f"{', '.join(known)}, or begin it with _ if another one includes it"
        )
    return there


def _bounded(pieces: Iterable[str]) -> str:
    made, length = [], 0
    for piece in pieces:
        length += len(piece)
        if length > MAX_TEXT:
            raise ValueError(f"makes more than {MAX_TEXT} characters")
        made.append(piece)
    return "".join(made)


def _place(error: Exception, file: str) -> str:
    """File and line of the template in which it went wrong: the innermost that is no code of Python's."""
    places = [(frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__)]
    ours = [f"{path}: line {line}" for path, line in places if not path.endswith(".py") and os.path.exists(path)]
    return ours[-1] if ours else file


def _said(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8; save the file as UTF-8"
    return str(error) or type(error).__name__

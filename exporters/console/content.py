"""What a page of the console is made of, before any of it is HTML: sections of facts and tables of cells.

Every text here may be a stranger's. exporters/console/render.py is the one place where it becomes HTML.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Cell(NamedTuple):
    """A text; ``state`` ("ok", "warn", "bad", "quiet") marks it, ``note`` stands below it, small.

    ``href`` is a path of ours; ``kind``: "" for words, "number" to the right, "code" as it was said.
    """

    text: str
    href: str = ""
    state: str = ""
    note: str = ""
    kind: str = ""


class Table(NamedTuple):
    """``caption`` says what the rows are; ``empty`` what it means where there are none."""

    caption: str
    heads: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    empty: str = "None."


class Figure(NamedTuple):
    """A number that is read first."""

    label: str
    value: str
    note: str = ""
    state: str = ""
    href: str = ""


class Choice(NamedTuple):
    """A field of a form; without ``options`` (value and words) it is a line to be filled in."""

    name: str
    label: str
    value: str
    options: tuple[tuple[str, str], ...] = ()


class Section(NamedTuple):
    """``facts``: name and value, for what is one of each; ``form``: fields that a GET of this page takes."""

    ident: str
    title: str
    lead: str = ""
    facts: Sequence[tuple[str, Cell]] = ()
    tables: Sequence[Table] = ()
    form: Sequence[Choice] = ()
    more: Sequence[Cell] = ()


class Page(NamedTuple):
    """``place``: which entry of the navigation it belongs to; ``private``: it shows single servers."""

    title: str
    place: str
    lead: str = ""
    state: str = ""
    figures: Sequence[Figure] = ()
    sections: Sequence[Section] = ()
    status: HTTPStatus = HTTPStatus.OK
    private: bool = False


def count(number: float, href: str = "", state: str = "") -> Cell:
    """A number, with its thousands apart; a nought is quiet."""
    return Cell(f"{number:,.0f}", href if number else "", state or ("" if number else "quiet"), "", "number")

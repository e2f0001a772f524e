r"""A text of few marks, as plain text of lines that fit and as small HTML: the same words, since both are made of it.

A line that begins with ``# `` is a heading, with ``- `` or ``1. `` an item, with ``> `` quoted; lines after one another
are one paragraph, in which a ``\`` at the end of a line ends it; an empty line ends what went before. A mark counts
only where a template wrote it: values stand between VALUE, so that none can look like one.
"""

from __future__ import annotations

import re
from textwrap import TextWrapper
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDTH = 78  # characters of a line of mail (RFC 5322, 2.1.1)
VALUE = "\x00"  # stands around each value in what a template makes, and is in no value

_ITEM = re.compile(r"(- |\d{1,2}\. )(.*)", re.DOTALL)

Kind = Literal["heading", "paragraph", "item", "quote"]


class Block(NamedTuple):
    """``mark``: ``- `` or ``1. `` of an item; ``lines``: of a paragraph, to be filled; of a quotation, as they are."""

    kind: Kind
    mark: str
    lines: tuple[str, ...]


def value(given: object) -> str:
    """A value as it stands in a text: of one line, and no mark."""
    said = " ".join(str(given).replace(VALUE, "").split())
    return f"{VALUE}{said}{VALUE}" if said else ""


def parsed(text: str) -> list[Block]:
    """What a template made, as blocks without VALUE in them."""
    found: list[Block] = []
    for group in re.split(r"\n[ \t]*\n", text):
        found += _grouped(group)
    return found


def _grouped(group: str) -> Iterator[Block]:
    """The blocks of lines that no empty line divides."""
    begun: Block | None = None
    for line in filter(None, map(str.strip, group.split("\n"))):
        block = _begun(line)
        if begun is not None and _goes_on(begun, block):
            begun = begun._replace(lines=begun.lines + block.lines)
        else:
            yield from _closed(begun)
            begun = block
    yield from _closed(begun)


def _goes_on(begun: Block, block: Block) -> bool:
    """Whether a line belongs to what began before it: further words of anything but a heading, or of a quotation."""
    return begun.kind != "heading" if block.kind == "paragraph" else block.kind == begun.kind == "quote"


def _begun(line: str) -> Block:
    if line.startswith("# "):
        return Block("heading", "", (line[2:],))
    if line == ">" or line.startswith("> "):
        return Block("quote", "", (line[2:],))
    item = _ITEM.fullmatch(line)
    return Block("item", item[1], (item[2],)) if item else Block("paragraph", "", (line,))


def _closed(block: Block | None) -> Iterator[Block]:
    if block is not None:
        lines = block.lines if block.kind == "quote" else tuple(_joined(block.lines))
        yield block._replace(lines=tuple(line.replace(VALUE, "").strip() for line in lines))


def _joined(lines: tuple[str, ...]) -> Iterator[str]:
    """Lines of a paragraph as one, up to each that ends with a backslash of the template's own."""
    held: list[str] = []
    for line in lines:
        held.append(line.removesuffix("\\"))
        if line.endswith("\\"):
            yield " ".join(" ".join(held).split())
            held = []
    if held:
        yield " ".join(" ".join(held).split())


def plain(blocks: list[Block], width: int = WIDTH) -> str:
    """Plain text. Only a word that is longer by itself (a link) makes a longer line."""
    made: list[str] = []
    for before, block in zip([None, *blocks], blocks, strict=False):
        if before is not None and not _close(before, block):
            made.append("")
        made += _filled(block, width)
    return "\n".join(made) + "\n"


def _close(before: Block, block: Block) -> bool:
    """Whether two blocks stand without an empty line between: a heading and its own, and items."""
    return before.kind == "heading" or before.kind == block.kind == "item"


def _filled(block: Block, width: int) -> Iterator[str]:
    first = {"item": block.mark, "quote": "> "}.get(block.kind, "")
    rest = "> " if block.kind == "quote" else " " * len(first)
    filler = TextWrapper(width, break_long_words=False, break_on_hyphens=False, subsequent_indent=rest)
    for line in block.lines:
        filler.initial_indent = first
        yield from filler.wrap(line) or [first.rstrip()]
        if block.kind == "item":
            first = rest

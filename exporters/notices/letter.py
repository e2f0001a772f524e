"""A letter as a PDF to be printed and put into an envelope with a window: A4, fonts embedded, always the same bytes.

The place of the address stays empty: whom a letter goes to is in the operator's own records, by the customer number
that stands beside it, and whoever prints it puts it there. reportlab is imported when a letter is made, and not before.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from html import escape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.cases.case import grouped
from exporters.notices import texts, words
from exporters.notices.told import clean

if TYPE_CHECKING:
    from agent.notice import Facts
    from exporters.notices.blocks import Block

_MM = 72 / 25.4  # points
WIDTH, HEIGHT = 210 * _MM, 297 * _MM
LEFT, RIGHT, BOTTOM, TOP = 25 * _MM, 20 * _MM, 22 * _MM, 22 * _MM
# Of the first page: where the window of a C5/6 envelope shows, from the left and top edges, and what begins below it.
WINDOW = (20 * _MM, 45 * _MM, 110 * _MM, 85 * _MM)  # left, top, right, bottom
FIRST_TOP = 95 * _MM
_SIZE = 9.5  # points
_FONT, _BOLD = "Vera", "VeraBd"  # of reportlab's package, free to embed


def letter(facts: Facts, own: str = "", day: str = "") -> bytes:
    """The letter as PDF. ``day``: its date (ISO), "" for none. Raises ConfigError as exporters.notices.texts does."""
    parts = texts.letter_parts(facts, own)
    pages = _built(parts, facts, day, 0)[1]
    return _built(parts, facts, day, pages)[0]


def _built(parts: list[Block], facts: Facts, day: str, of: int) -> tuple[bytes, int]:
    """The PDF, and how many pages it has. ``of``: what each page says that is, known from the time before."""
    from reportlab.platypus import BaseDocTemplate, Frame, NextPageTemplate, PageTemplate

    def head(canvas: Any, document: Any) -> None:
        _corner(canvas, facts, day)
        foot(canvas, document)

    def foot(canvas: Any, document: Any) -> None:
        canvas.setFont(_FONT, 7.5)
        said = _printable(_foot(facts, document.page, of))
        canvas.drawString(LEFT, 12 * _MM, _cut(said, WIDTH - LEFT - RIGHT, canvas, 7.5)[0])

    _fonts()
    made = BytesIO()
    paper = BaseDocTemplate(
        made, pagesize=(WIDTH, HEIGHT), invariant=1, initialFontName=_FONT, lang=facts.lang,
        title=clean(parts[0].lines[0]), author=clean(facts.operator), subject="", creator="knockfirst",
    )  # fmt: skip
    room = {"leftPadding": 0, "rightPadding": 0, "topPadding": 0, "bottomPadding": 0}
    wide = WIDTH - LEFT - RIGHT
    first = Frame(LEFT, BOTTOM, wide, HEIGHT - FIRST_TOP - BOTTOM, **room)
    later = Frame(LEFT, BOTTOM, wide, HEIGHT - TOP - BOTTOM, **room)
    paper.addPageTemplates([PageTemplate("first", [first], onPage=head), PageTemplate("later", [later], onPage=foot)])
    paper.build([NextPageTemplate("later"), *_flowing(parts)])
    return made.getvalue(), paper.page


def _corner(canvas: Any, facts: Facts, day: str) -> None:
    """Who writes, whose letter it is and of which day: beside the window, where the address is not."""
    lang = facts.lang
    own: words.Words = ("", "")
    rows = [(own, facts.operator), (own, "")]
    rows += [(words.LETTER["customer"], facts.customer), (words.LETTER["case"], grouped(facts.case))]
    rows.append((words.LETTER["day"], words.day(day, lang)))
    at = HEIGHT - 30 * _MM
    for label, said in rows:
        if said or label == own:
            canvas.setFont(_BOLD if label == own else _FONT, 8.5)
            text = said if label == own else f"{words.of(label, lang)}: {said}"
            for line in _cut(_printable(clean(text)), WIDTH - RIGHT - (WINDOW[2] + 10 * _MM), canvas, 8.5):
                canvas.drawString(WINDOW[2] + 10 * _MM, at, line)
                at -= 12


def _cut(text: str, room: float, canvas: Any, size: float) -> list[str]:
    """A text as lines that fit, at most three, cut anywhere: a name may be one long word."""
    lines = [""]
    for letter_ in text:
        if canvas.stringWidth(lines[-1] + letter_, _BOLD, size) > room:  # the wider of the two
            lines.append("")
        lines[-1] += letter_
    return [line.strip() for line in lines[:3]]


def _foot(facts: Facts, page: int, of: int) -> str:
    told = [f"{words.of(words.LETTER['customer'], facts.lang)} {clean(facts.customer)}"]
    if facts.case:
        told.append(f"{words.of(words.LETTER['case'], facts.lang)} {grouped(clean(facts.case))}")
    return ", ".join([*told, words.of(words.LETTER["page"], facts.lang).format(page=page, of=of)])


def _flowing(parts: list[Block]) -> list[Any]:
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph

    body = ParagraphStyle("body", fontName=_FONT, fontSize=_SIZE, leading=_SIZE * 1.4, spaceBefore=4, spaceAfter=6)
    item = ParagraphStyle("item", body, leftIndent=14, spaceBefore=0, spaceAfter=2)
    item.bulletFontName, item.bulletFontSize = _FONT, _SIZE
    styles = {
        "paragraph": body,
        "heading": ParagraphStyle("heading", body, fontName=_BOLD, spaceBefore=6, spaceAfter=0, keepWithNext=1),
        "item": item,
        "quote": ParagraphStyle("quote", body, leftIndent=14),
    }
    subject = ParagraphStyle("subject", body, fontName=_BOLD, spaceAfter=12)
    flowing = []
    for number, part in enumerate(parts):
        style = styles[part.kind] if number else subject
        said = "<br/>".join(escape(_printable(line)) for line in part.lines)
        flowing.append(Paragraph(said, style, bulletText=part.mark.strip() or None))
    return flowing


@cache
def _fonts() -> frozenset[int]:
    """Registers the fonts, and says which characters they have."""
    import reportlab
    from reportlab.pdfbase.pdfmetrics import registerFont
    from reportlab.pdfbase.ttfonts import TTFont

    place = Path(reportlab.__file__).parent / "fonts"
    there = []
    for name in (_FONT, _BOLD):
        font = TTFont(name, place / f"{name}.ttf")
        registerFont(font)
        there.append(frozenset(font.face.charToGlyph))
    return there[0] & there[1]


def _printable(text: str) -> str:
    """In letters that the font has: what it lacks loses its accents, or is a question mark where that is not enough."""
    there = _fonts()
    return "".join(letter if ord(letter) in there else _plainer(letter, there) for letter in text)


def _plainer(letter: str, there: frozenset[int]) -> str:
    parts = [part for part in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(part)]
    return "".join(part if ord(part) in there else "?" for part in parts)

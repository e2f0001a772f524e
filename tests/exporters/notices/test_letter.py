"""A letter, looked at as the pages that are printed: what is on them, where, and that nothing is cut off."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import unicodedata
from html import unescape
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from exporters.notices import examples, texts
from exporters.notices.letter import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, WINDOW, letter

_WORD = re.compile(r'<word xMin="([\d.]+)" yMin="([\d.]+)" xMax="([\d.]+)" yMax="([\d.]+)">(.*?)</word>')
DAY = "2026-11-24"


class Word(NamedTuple):
    """A word on a page, and its box from the left and upper edges, in points."""

    page: int
    left: float
    top: float
    right: float
    bottom: float
    text: str


def poppler(tool: str, *words: str) -> str:
    if not shutil.which(tool):
        assert os.environ.get("CI") != "true", f"CI must have {tool} (Debian package poppler-utils)"
        pytest.skip(f"needs {tool} (Debian package poppler-utils)")
    return subprocess.run((tool, *words), check=True, capture_output=True, text=True, timeout=60).stdout


def made(tmp_path: Path, lang: str = "nl", kind: str = "chain", **changed: Any) -> Path:
    facts = examples.example("letter", lang, kind).model_copy(update=changed)
    path = tmp_path / "letter.pdf"
    path.write_bytes(letter(facts, day=DAY))
    return path


def words(path: Path) -> list[Word]:
    pages = poppler("pdftotext", "-bbox", str(path), "-").split("<page ")[1:]
    return [
        Word(number, *map(float, found[:4]), found[4])
        for number, page in enumerate(pages, 1)
        for found in _WORD.findall(page)
    ]


def flat(text: str) -> str:
    """What was printed, however its lines and long words were broken; dashes of items are told apart from nothing."""
    return re.sub(r"\s|-", "", unicodedata.normalize("NFC", unescape(text)))


@pytest.mark.parametrize("lang", ["nl", "en"])
@pytest.mark.parametrize("kind", ["chain", "passive-ended"])
def test_it_is_two_pages_of_a4_within_the_margins_and_whole(tmp_path: Path, lang: str, kind: str) -> None:
    path = made(tmp_path, lang, kind)
    told = poppler("pdfinfo", str(path))
    assert re.search(r"Pages: +[12]\n", told)
    assert "(A4)" in told
    there = words(path)
    for word in there:
        assert LEFT - 1 <= word.left < word.right <= WIDTH - RIGHT + 1, word
        assert TOP - 1 <= word.top < word.bottom <= HEIGHT - 10 * 72 / 25.4, word
    body = [word for word in there if word.bottom <= HEIGHT - BOTTOM + 4]
    text = texts.letter_text(examples.example("letter", lang, kind))
    for part in text.split("\n\n"):
        assert flat(part) in flat("".join(word.text for word in body)), part


def test_the_window_for_the_address_is_empty_and_beside_it_is_whose_letter_it_is(tmp_path: Path) -> None:
    first = [word for word in words(made(tmp_path)) if word.page == 1]
    left, top, right, bottom = WINDOW
    assert not [
        word for word in first if word.left < right and word.right > left and top < word.bottom and word.top < bottom
    ]
    beside = " ".join(word.text for word in first if word.left > right and word.top < bottom)
    assert beside == "Example Net Klantnummer: C-1001 Zaak: K-27 Datum: 24 november 2026"


def test_each_page_says_whose_it_is_and_which_of_how_many(tmp_path: Path) -> None:
    there = words(made(tmp_path, "en"))
    for page in (1, 2):
        foot = " ".join(word.text for word in there if word.page == page and word.top > HEIGHT - BOTTOM + 4)
        assert foot == f"Customer number C-1001, Case K-27, page {page} of 2"


def test_fonts_are_embedded_and_nothing_in_it_is_active(tmp_path: Path) -> None:
    path = made(tmp_path)
    fonts = poppler("pdffonts", str(path)).splitlines()[2:]
    assert len(fonts) == 2
    assert all(re.search(r"WinAnsi +yes yes yes", line) for line in fonts)
    content = path.read_bytes()
    assert not re.search(rb"/(JavaScript|JS|OpenAction|URI|Launch|EmbeddedFile|AcroForm)\b", content)


def test_ink_is_where_words_are_and_no_page_is_blank(tmp_path: Path) -> None:
    path = made(tmp_path)
    poppler("pdftoppm", "-r", "36", "-gray", str(path), str(tmp_path / "page"))
    pages = sorted(tmp_path.glob("page*.pgm"))
    assert len(pages) == 2
    for page in pages:
        _, size, _, pixels = page.read_bytes().split(b"\n", 3)
        wide, high = map(int, size.split())
        dark = [divmod(place, wide) for place, value in enumerate(pixels[: wide * high]) if value < 160]
        assert len(dark) > 300
        assert min(column for _, column in dark) >= LEFT / 2 - 2
        assert max(column for _, column in dark) <= (WIDTH - RIGHT) / 2 + 2


def test_it_is_the_same_to_the_byte_whenever_it_is_made() -> None:
    facts = examples.example("letter", "nl")
    first = letter(facts, day=DAY)
    assert first.startswith(b"%PDF-")
    assert letter(facts, day=DAY) == first
    assert letter(facts, day="2026-11-25") != first


def test_names_that_are_long_or_in_other_letters_stay_on_the_page(tmp_path: Path) -> None:
    path = made(tmp_path, customer="C" * 64, operator="Zażółć gęślą jaźń 你好 <b>&" + "W" * 150, product="a" * 200)
    there = words(path)
    assert all(word.right <= WIDTH - RIGHT + 1 for word in there)
    text = "".join(word.text for word in there)
    assert "??" in text
    assert "<b>&" in unescape(text)


def test_nothing_of_it_is_imported_before_a_letter_is_made() -> None:
    code = "import sys, exporters.notices.commands, exporters.notices.letter; sys.exit('reportlab' in sys.modules)"
    assert subprocess.run((sys.executable, "-c", code), check=False, timeout=60).returncode == 0

"""Every made-up message as it would be read, made once for all the rules that are tried on it."""

from __future__ import annotations

from functools import cache
from html.parser import HTMLParser
from typing import NamedTuple

from agent.notice import Facts
from exporters.notices import examples, texts


class Shown(NamedTuple):
    """A message, its subject ("" where it has none), its text and its HTML."""

    facts: Facts
    subject: str
    text: str
    html: str

    @property
    def flat(self) -> str:
        """The text without its line ends."""
        return " ".join(self.text.split())


@cache
def shown() -> tuple[Shown, ...]:
    return tuple(map(of, examples.examples()))


def of(facts: Facts, own: str = "") -> Shown:
    if facts.message in texts.MAIL:
        return Shown(facts, *texts.rendered(facts, own))
    return Shown(facts, "", texts.any_of(facts, own), "")


def about(*messages: str) -> list[Shown]:
    """Those that are one of these messages."""
    return [one for one in shown() if one.facts.message in messages]


class Page(HTMLParser):
    """What a reader of HTML gets: its words, its elements, its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self._body = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        self._body |= tag == "body"

    def handle_data(self, data: str) -> None:
        if self._body:
            self.words += words(data)

    @property
    def links(self) -> list[str]:
        return [value or "" for name, value in self.attributes if name == "href"]


def words(text: str) -> list[str]:
    """The words of a text, without the mark of what is quoted."""
    return [word for word in text.split() if word != ">"]

"""A page as a strict reader takes it: what is in it, and what must not be."""

from __future__ import annotations

import re
from contextlib import suppress
from html.parser import HTMLParser
from ipaddress import ip_address

LANDMARKS = ("header", "nav", "main", "footer")
# What can fetch, run, or send something elsewhere: none of these is in a page of ours.
FORBIDDEN = {
    "script", "iframe", "object", "embed", "img", "svg", "math", "style", "base", "video", "audio", "source",
    "template",
}  # fmt: skip
VOID = {"meta", "link", "input", "br", "hr"}


def addresses(text: str) -> list[str]:
    """Everything in it that is an address."""
    found = []
    for word in re.findall(r"[0-9A-Fa-f:.]+", text):
        with suppress(ValueError):
            found.append(str(ip_address(word.strip("."))))
    return found


class Read(HTMLParser):
    """``tags`` in their order with their attributes, ``text`` all that is shown, ``faults`` what is not well formed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.faults: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        if self._open:
            self.faults.append(f"never closed: {self._open}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.faults.append(f"</{tag}> closes something else")

    def handle_data(self, data: str) -> None:
        self.text += data + "\n"

    def handle_comment(self, data: str) -> None:
        self.faults.append(f"a comment: {data}")

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attrs for each, attrs in self.tags if each == tag]

    def check(self) -> None:
        """What holds of every page: it is well formed, names its landmarks, and reaches for nothing."""
        assert self.faults == []
        for landmark in LANDMARKS:
            assert len(self.all(landmark)) == 1, landmark
        assert self.all("html") == [{"lang": "en"}]
        assert len(self.all("h1")) == 1
        assert not FORBIDDEN & {tag for tag, _ in self.tags}
        for tag, attrs in self.tags:
            assert not [name for name in attrs if name.startswith("on") or name in ("style", "src", "srcdoc", "action")]
            if "href" in attrs:
                assert re.fullmatch(r"/[a-z0-9/.?=&_A-Z-]*|#[a-z]+", attrs["href"]), (tag, attrs["href"])
        assert self.all("link") == [{"rel": "stylesheet", "href": "/console.css"}]
        idents = [attrs["id"] for _, attrs in self.tags if "id" in attrs]
        assert len(idents) == len(set(idents))
        self._check_tables()

    def _check_tables(self) -> None:
        tables = len(self.all("table"))
        assert len(self.all("caption")) == tables
        assert {attrs.get("scope") for attrs in self.all("th")} <= {"col", "row"}
        assert len([1 for attrs in self.all("tr") if attrs.get("role") != "row"]) == 0
        for labelled in self.all("section"):
            assert labelled["aria-labelledby"] in {attrs.get("id") for _, attrs in self.tags}

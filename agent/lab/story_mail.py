"""Mails and pages of the demo's story, as their readers see them. At most 100 columns."""

from __future__ import annotations

import re
import textwrap
from email import message_from_bytes, policy
from html.parser import HTMLParser
from typing import TYPE_CHECKING, NamedTuple

from agent.lab.story_commands import FailedError

if TYPE_CHECKING:
    from email.message import EmailMessage

_WIDTH = 98
_HEADERS = ("Date", "From", "To", "Subject", "Message-ID", "Auto-Submitted", "Content-Language")
_HOLE = re.compile(r"- .*CVE-\d+-\d+")
_HOLES = 3  # that are shown of the mail's list
_LINK = re.compile(r"https://\S+#(\w+)")
_RECIPIENT = re.compile(r"RCPT TO:<([^>]*)>", re.IGNORECASE)


class Arrived(NamedTuple):
    """A mail: headers that matter, its plain text, and what kinds of content it has beside."""

    headers: tuple[tuple[str, str], ...]
    text: str
    others: tuple[str, ...]

    def link(self, action: str) -> str:
        """The link for an answer. Raises FailedError."""
        found = {each[1]: each[0] for each in _LINK.finditer(self.text)}
        if action not in found:
            raise FailedError(f"the mail has no link for {action}")
        return found[action]

    def shown(self) -> str:
        """As it is read; of the list of holes only its beginning, and that is said."""
        headers = [f"{name}: {value}" for name, value in self.headers]
        return textwrap.indent("\n".join([*headers, "", *shortened(self.text.rstrip().splitlines())]), "  ") + "\n"


def arrived(content: bytes) -> Arrived:
    """A mail as a relay got it. Raises FailedError."""
    mail: EmailMessage = message_from_bytes(content, policy=policy.default)
    plain = mail.get_body(("plain",))
    if plain is None:
        raise FailedError("the mail has no plain text")
    kinds = [part.get_filename() or part.get_content_type() for part in mail.walk() if not part.is_multipart()]
    headers = tuple((name, str(mail[name])) for name in _HEADERS if mail[name])
    return Arrived(headers, plain.get_content(), tuple(kind for kind in kinds if kind != "text/plain"))


def recipient(line: str) -> str:
    """Whom a line to a relay names; "" for nobody."""
    found = _RECIPIENT.match(line)
    return found[1] if found else ""


def shortened(lines: list[str]) -> list[str]:
    """A mail's lines, without most of the holes that it lists."""
    named = [place for place, line in enumerate(lines) if _HOLE.match(line)]
    if not named:
        return lines
    end = next((n for n in range(named[-1] + 1, len(lines)) if not lines[n].startswith("  ")), len(lines))
    items = [place for place in range(named[0], end) if lines[place].startswith("- ")]
    if len(items) <= _HOLES + 1:
        return lines
    note = f"  [{len(items) - _HOLES} more that it lists are not shown here]"
    return [*lines[: items[_HOLES]], note, *lines[end:]]


class _English(HTMLParser):
    """What a reader sees of the English part of a page; buttons stand in brackets."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "div":
            self._inside = ("lang", "en") in attrs
        if self._inside and tag == "p":
            self.lines.append("")
        if self._inside and tag == "button":
            self.lines[-1] += "[ "

    def handle_endtag(self, tag: str) -> None:
        if tag == "div":
            self._inside = False
        if self._inside and tag == "button":
            self.lines[-1] += " ]"

    def handle_data(self, data: str) -> None:
        if self._inside and data.strip():
            self.lines[-1] += data.replace("\n", " ")


def page(html: str) -> str:
    """The English part of a page for customers. Raises FailedError where there is none."""
    reader = _English()
    reader.feed(html)
    if not reader.lines:
        raise FailedError("the page has no part in English")
    filled = [textwrap.fill(line, _WIDTH, initial_indent="  ", subsequent_indent="  ") for line in reader.lines]
    return "\n".join([*filled, ""])

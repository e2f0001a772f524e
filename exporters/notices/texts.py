"""The messages to customers, from the facts of a case: as mail, as a script for a call, and as blocks for a letter.

Each is one template for a language, and plain text and HTML are made of what it says (exporters/notices/blocks.py), so
that both have the same words. A file of the same name in ``notices.templates`` takes the place of one of ours.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from agent.errors import ConfigError
from agent.notice import MAX_TEXT, MESSAGES
from agent.templates import Made, Templates, own_files
from exporters.notices import blocks
from exporters.notices.told import links, told
from exporters.notices.words import LANGUAGES

if TYPE_CHECKING:
    from agent.notice import Facts

OURS = Path(__file__).parent / "templates"
KEY = "notices.templates"
MAIL = ("tell", "contact", "owner", "quiet", "closing", "request", "receipt")
PAGE = "mail.html"
MAX_SUBJECT = 120  # characters; the facts in it are cut to fit

_SUBJECT = {"nl": "Onderwerp: ", "en": "Subject: "}
# What no subject tells: what is wrong, as it tells no address, since others may read it over a shoulder.
_CVE = re.compile(r"CVE-[\d-]*", re.IGNORECASE)
# What would load something, or run it, at whoever reads the HTML.
_LOADS = re.compile(
    r"<\s*(img|image|svg|script|i?frame|object|embed|applet|link|base|video|audio|source|picture|form|input)\b"
    r"|\b(src|srcset|background|poster|http-equiv|on[a-z]+)\s*=|url\s*\(|@import|javascript:", re.I,
)  # fmt: skip


class Mail(NamedTuple):
    """One message: a subject of one line, the text, and the same words as HTML."""

    subject: str
    text: str
    html: str


def name(message: str, lang: str) -> str:
    """The name of a message's template."""
    return f"{message}.{lang}.txt"


def known() -> list[str]:
    """Every template that a file of the operator's may take the place of."""
    return [*(name(message, lang) for message in MESSAGES for lang in LANGUAGES), PAGE]


def rendered(facts: Facts, own: str = "") -> Mail:
    """A message that is mail. ``own``: directory of the operator's templates. Raises ConfigError: file, line, fault."""
    if facts.message not in MAIL:
        raise ValueError(f"{facts.message} is no mail")
    made, parts = _made(facts, own)
    subject = _subject(made, parts, facts)
    mail = Mail(subject, blocks.plain(parts[1:]), _page(parts[1:], subject, facts, own))
    if (length := len(whole(mail))) > MAX_TEXT:
        raise ConfigError(f"{made.path}: comes to {length} characters; a message has {MAX_TEXT} at most")
    return mail


def whole(mail: Mail) -> str:
    """Subject, empty line and text of a message: what is kept of it, and what it is known by."""
    return f"{mail.subject}\n\n{mail.text}"


def script(facts: Facts, own: str = "") -> str:
    """What the abuse desk says on the telephone, as plain text. Raises ConfigError as ``rendered``."""
    return blocks.plain(_made(facts.model_copy(update={"message": "phone"}), own)[1])


def letter_parts(facts: Facts, own: str = "") -> list[blocks.Block]:
    """What a letter says, its subject first. Raises ConfigError as ``rendered``."""
    return _made(facts.model_copy(update={"message": "letter"}), own)[1]


def letter_text(facts: Facts, own: str = "") -> str:
    """What a letter says, as plain text."""
    return blocks.plain(letter_parts(facts, own))


def any_of(facts: Facts, own: str = "") -> str:
    """The text of a message, whichever it is, with its subject. Raises ConfigError as ``rendered``."""
    if facts.message not in MAIL:
        return script(facts, own) if facts.message == "phone" else letter_text(facts, own)
    return whole(rendered(facts, own))


def unequal(own: str = "") -> list[str]:
    """Which messages name a fact in one language that they do not name in the other, a sentence each."""
    found = []
    for message in MESSAGES:
        named = {lang: uses(message, lang, own) for lang in LANGUAGES}
        for lang, there in named.items():
            for other, more in named.items():
                if more - there:
                    lacks = ", ".join(sorted(more - there))
                    found.append(f"{name(message, lang)}: does not name {lacks}, and {name(message, other)} does")
    return found


def uses(message: str, lang: str, own: str = "") -> frozenset[str]:
    """The facts that a message's template names, with all that it includes."""
    return _templates(own)[0].uses(name(message, lang))


def _made(facts: Facts, own: str) -> tuple[Made, list[blocks.Block]]:
    made = _templates(own)[0].made(name(facts.message, facts.lang), told(facts))
    return made, blocks.parsed(made.text)


@lru_cache(maxsize=4)
def _templates(own: str) -> tuple[Templates, Templates]:
    """Those of texts, in which values are no marks, and those of pages. Raises ConfigError, also where a page loads."""
    if own:
        own_files(own, known(), KEY)
    pages = Templates(own, OURS, KEY)
    empty = pages.made(PAGE, {"lang": "en", "subject": "", "blocks": []})
    # As it is written, too: what it has for one language or one kind of block alone is not in an empty one.
    if found := _LOADS.search(empty.text) or _LOADS.search(pages.written(PAGE)):
        raise ConfigError(f"{empty.path}: has {found[0]!r}; a message loads nothing and runs nothing at its reader's")
    return Templates(own, OURS, KEY, blocks.value, trim=True), pages


def _subject(made: Made, parts: list[blocks.Block], facts: Facts) -> str:
    """The first line, which says that it is the subject; without an address and a CVE, whatever a template says."""
    mark = _SUBJECT[facts.lang]
    line = parts[0].lines[0] if parts and parts[0].kind == "paragraph" else ""
    if not line.startswith(mark):
        raise ConfigError(f"{made.path}: line 1: begin with {mark!r} and the subject, and an empty line after it")
    subject = _CVE.sub("", line.removeprefix(mark))
    if facts.address:
        subject = subject.replace(facts.address, "")
    return " ".join(subject.split())[:MAX_SUBJECT].strip()


def _page(parts: list[blocks.Block], subject: str, facts: Facts, own: str) -> str:
    there = frozenset(links(facts).values())
    shown = [
        {"kind": part.kind, "mark": part.mark, "lines": [_runs(line, there) for line in part.lines]} for part in parts
    ]
    return _templates(own)[1].made(PAGE, {"lang": facts.lang, "subject": subject, "blocks": shown}).text


def _runs(line: str, links: frozenset[str]) -> list[dict[str, object]]:
    """A line as words and what is between: a word is a link where it is one of the facts', and nothing else is."""
    return [{"text": word, "link": word in links} for word in re.split(r"(\s+)", line) if word]

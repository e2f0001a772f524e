"""The frame of every page for customers, and what comes in from them: a form or JSON, read with suspicion.

The pages stand behind the operator's proxy. No client's address is used for anything, neither the proxy's nor one that
a header claims, and nothing that was sent is shown again.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from exporters.web import TEXT, Answer

if TYPE_CHECKING:
    from exporters.web import Posted

FORM, JSON = "application/x-www-form-urlencoded", "application/json"
HEAD = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Robots-Tag", "noindex, nofollow"),
)

_ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})")
_PAGE = """<!DOCTYPE html>
<html lang="nl"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title></head><body>
{nl}
<hr>
<div lang="en">
{en}
</div>
</body></html>
"""
_ASK = (
    "U kunt ook bezwaar maken bij de klantenservice van uw provider; het nummer staat op uw factuur.",
    "You can also object by your provider's customer service; the number is on your invoice.",
)
_ASK_AT = ("U kunt ook bezwaar maken via {}.", "You can also object by {}.")


class Said(NamedTuple):
    """An answer in both languages, in which places in braces are filled in."""

    status: HTTPStatus
    nl: str
    en: str


class Names(NamedTuple):
    """The operator and how to reach him, as customers know them; "" where that is not said."""

    operator: str = ""
    contact: str = ""

    def ways(self) -> tuple[str, str]:
        """How else one can object, in Dutch and in English."""
        return (_ASK_AT[0].format(self.contact), _ASK_AT[1].format(self.contact)) if self.contact else _ASK


class Sent(NamedTuple):
    """The fields that were sent, and whether as JSON: then the answer is JSON, too."""

    fields: dict[str, Any]
    as_json: bool


def sent(posted: Posted) -> Sent | Answer:
    """What a POST holds, or why it is not taken. Of what is neither a form nor an object of JSON, no fields."""
    media = posted.media.partition(";")[0].strip().lower()
    if not posted.whole:
        return Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, TEXT, b"at most 4096 bytes, with a Content-Length\n")
    if media not in (FORM, JSON, ""):
        text = f"send {FORM} or {JSON}\n"
        return Answer(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, TEXT, text.encode(), (("Accept-Post", f"{FORM}, {JSON}"),))
    return Sent(_fields(posted.body, media), media == JSON)


def page(status: HTTPStatus, title: str, nl: str, en: str) -> Answer:
    """A page in both languages. What is in it must have been escaped."""
    return Answer(status, "text/html; charset=utf-8", _PAGE.format(title=title, nl=nl, en=en).encode(), HEAD)


def program(status: HTTPStatus, said: dict[str, Any]) -> Answer:
    """The same for a program."""
    return Answer(status, JSON, json.dumps(said, ensure_ascii=False).encode() + b"\n", HEAD)


def text(value: Any) -> str | None:
    """A text without the spaces around it; None for none, and for what is no text."""
    return value.strip() or None if isinstance(value, str) else None


def _fields(body: bytes, media: str) -> dict[str, Any]:
    if media != JSON:
        return form_fields(body)
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def form_fields(body: bytes) -> dict[str, str]:
    """A form as browsers send it (URL standard, application/x-www-form-urlencoded); of two of one name, the first."""
    fields: dict[str, str] = {}
    for pair in body.split(b"&"):
        name, _, value = (unescaped(part.replace(b"+", b" ")) for part in pair.partition(b"="))
        fields.setdefault(name, value)
    return fields


def unescaped(text: bytes) -> str:
    """What percent-encoded bytes stand for, as UTF-8; what is none is replaced."""
    return _ESCAPED.sub(lambda found: bytes((int(found[1], 16),)), text).decode("utf-8", "replace")

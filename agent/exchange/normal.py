"""Banner text as people, scanners and dissectors write it -> the normal form of docs/observations.md.

Dissectors already write that form; people paste ``220 mx.example.org ESMTP`` and scanners drop the code. Normalising
both makes them match alike. Every function here is idempotent and takes any text.
"""

from __future__ import annotations

import re
from binascii import Error as NotBase64
from binascii import a2b_base64

MAX_TEXT = 4096  # characters; the longest capability reply seen in the wild has a tenth of that
MAX_GREETING = 512  # octets: RFC 1939 section 3 allows a POP3 reply no more

_CODES = {
    "smtp.greeting": r"(?:[ \t]*220[ \t-])+",
    "smtp.ehlo": r"(?:[ \t]*250[ \t-])+",
    "smtp.help": r"(?:[ \t]*214[ \t-])+",
    "imap.greeting": r"(?:\s*\* (?:OK|PREAUTH)(?: |$))+",
    "pop3.greeting": r"(?:\s*\+OK(?: |$))+",
}
_LINES = re.compile(r"\r\n|\r|\n")
_BLANK = " \t\r\n"
_EHLO_HOST = re.compile(r"(\S{1,255})(?: +(Hello)(?: +(\[))?)?", re.IGNORECASE)
_TIMESTAMP = re.compile(r"<[^<>\s]*>")
_SUFFIX = re.compile(r" \[([A-Za-z0-9+/]{4,680}={0,2})\]$")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")


def canonical(kind: str, text: str) -> tuple[str, str]:
    """The kind and the normal form of ``text``, at most MAX_TEXT characters.

    A ``Server:`` header comes back as the kind of its own that it has.
    """
    value = _normalised(kind, text[:MAX_TEXT])[:MAX_TEXT].strip(_BLANK)
    if kind == "http.header" and value[:7].lower() == "server:":
        return "http.server", value[7:].strip(_BLANK)
    return kind, value


def normalise(kind: str, text: str) -> str:
    """The normal form of ``text`` as a value of ``kind``."""
    return canonical(kind, text)[1]


def _normalised(kind: str, text: str) -> str:
    if kind == "http.header":
        name, colon, value = text.partition(":")
        return f"{name.strip(_BLANK)}: {value.strip(_BLANK)}" if colon else text
    lines = [line.strip(" \t") for line in _LINES.split(text)]
    if kind in _CODES:
        code = re.compile(_CODES[kind], re.IGNORECASE)
        lines = [line[found.end() :].strip(" \t") if (found := code.match(line)) else line for line in lines]
    value = "\n".join(lines).strip(_BLANK)
    if kind == "smtp.ehlo":
        return _host_line(value)
    if kind == "pop3.greeting":
        value = _without_timestamp(value[:MAX_GREETING])
    return _decoded(value) if kind in ("imap.greeting", "pop3.greeting") else value


def _host_line(value: str) -> str:
    """The EHLO reply with only the name, ``Hello`` and ``[]`` left of its first line: the rest is the client's."""
    first, newline, keywords = value.partition("\n")
    found = _EHLO_HOST.match(first)
    if not found:
        return value
    name, hello, bracket = found.groups()
    return name + (" Hello" if hello else "") + (" []" if bracket else "") + newline + keywords


def _without_timestamp(value: str) -> str:
    # Removing one can complete another around it, so this goes on until nothing is left to remove.
    while (shorter := _TIMESTAMP.sub("", value)) != value:
        value = shorter
    return value.strip(_BLANK)


def _decoded(value: str) -> str:
    """With a closing ``[base64 of UTF-16LE]``, as Exchange writes its own name, replaced by ``[that name]``.

    Scanners and lists drop the padding; read as it stands, Exchange Online's name would look like a customer's.
    """
    while found := _SUFFIX.search(value):
        try:
            unpadded = found[1].rstrip("=")
            name = a2b_base64(unpadded + "=" * (-len(unpadded) % 4), strict_mode=True).decode("utf-16-le")
        except (NotBase64, UnicodeDecodeError):
            break
        if not _NAME.fullmatch(name):
            break
        value = f"{value[: found.start()]} [{name}]"
    return value

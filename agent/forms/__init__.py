"""The normal forms of facts: what may be told of a server's own words, and how it is written.

Shared by who overhears an answer and who asked for it, so that both tell the same fact in the same words. Every
reader here takes any bytes, raises no exception but ``Malformed``, and leaves out what names a person.
"""

from __future__ import annotations

# The kind of an observation and its value; docs/observations.md has the normal form of each.
Fact = tuple[str, str]


def text(raw: bytes) -> str:
    """Server text: UTF-8, or else Latin-1, in which every octet means something."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")

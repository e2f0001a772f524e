"""Papers from templates, in Dutch and English; a file of the same name in the operator's directory goes first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.templates import Templates

LANGUAGES = ("nl", "en")
OURS = Path(__file__).parent / "templates"


def made(texts: Templates, file: str, told: dict[str, Any]) -> str:
    """The text of a template, without more than one empty line in a row. Raises ConfigError: file, line, fault."""
    text = texts.made(file, told).text
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text.strip("\n") + "\n"

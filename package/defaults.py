"""The configuration that is installed: every key at its default and commented out, with all that is known of it.

Everything is read from agent/sections.py: what a key means, what it takes, and what a change of it needs.
"""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.sections import Config

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = """\
# The configuration of knockfirst. Every key is here, at its default and commented out: take the # away from those
# that are to be otherwise. To look at an interface it takes two: capture.interfaces and capture.prefixes.
#
#   knockfirst check-config /etc/knockfirst/knockfirst.toml    says whether it can be used, and what is wrong
#   systemctl reload knockfirst-agent                          brings a change in force
#
# Relative paths are taken from the directory of this file."""
_NEEDS = {
    "nothing": "A change needs nothing but a reload.",
    "agent": "A change restarts the agent, by a reload.",
}
_KINDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "table",
}


class Key(NamedTuple):
    """One key: its meaning, what it takes and within which bounds, its default, and what a change of it needs."""

    name: str
    meaning: str
    kind: str
    default: object
    needs: str


def keys(section: str) -> Iterator[Key]:
    """The keys of one section, in their order."""
    model: Any = Config.model_fields[section].annotation
    schema = model.model_json_schema()
    for name, field in model.model_fields.items():
        said = schema["properties"][name]
        needs = _NEEDS.get(said["needs"]) or f"A change restarts the {said['needs']} role, by a reload."
        yield Key(name, field.description or "", _kind(said, schema), getattr(model(), name), needs)


def about(section: str) -> str:
    """What a section is about."""
    model: Any = Config.model_fields[section].annotation
    return model.__doc__ or ""


def text() -> str:
    """The file."""
    lines = [_HEAD]
    for name in Config.model_fields:
        lines += ["", "", *_comment(about(name)), f"[{name}]"]
        for key in keys(name):
            lines += ["", *_comment(key.meaning), *_comment(f"{key.kind}. {key.needs}")]
            lines.append(f"#{key.name} = {written(key.default)}")
    return "\n".join(lines) + "\n"


def written(value: object) -> str:
    """A value as TOML takes it, on one line. JSON's texts, numbers and lists are TOML's, too."""
    return json.dumps(value, ensure_ascii=False)


def _comment(text: str) -> list[str]:
    return textwrap.wrap(
        " ".join(text.split()), 110, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False
    )


def _kind(said: dict[str, Any], schema: dict[str, Any]) -> str:
    """What a key takes, from its JSON schema: "whole number, 1 to 4096", "list, at most 64; each: text"."""
    said = schema.get("$defs", {}).get(said.get("$ref", "").rpartition("/")[2], said)
    if "anyOf" in said:
        return " or ".join(_kind(one, schema) for one in said["anyOf"])
    if "enum" in said or "const" in said:
        return f"one of {', '.join(written(one) for one in said.get('enum', [said.get('const')]))}"
    if said.get("type") == "array":
        return f"list{_bounds(said, 'Items')}; each: {_kind(said.get('items', {}), schema)}"
    return f"{_KINDS.get(said.get('type', ''), 'value')}{_bounds(said, 'Length')}"


def _bounds(said: dict[str, Any], of: str) -> str:
    least = said.get("minimum", said.get("exclusiveMinimum", said.get(f"min{of}")))
    most = said.get("maximum", said.get("exclusiveMaximum", said.get(f"max{of}")))
    unit = " characters" if of == "Length" and f"max{of}" in said else ""
    if least is not None and most is not None:
        return f", {least} to {most}{unit}"
    if most is not None:
        return f", at most {most}{unit}"
    return f", at least {least}{unit}" if least is not None else ""

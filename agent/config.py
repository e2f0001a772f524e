"""The configuration: one TOML file, checked as a whole, every fault named with file, key and what would be right.

Defaults stand beside the keys they belong to. Nothing here opens a socket or a capture: a configuration that loads is
well formed, not necessarily reachable.
"""

from __future__ import annotations

import json
import tomllib
from difflib import get_close_matches
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from agent.errors import ConfigError, InputError
from agent.places import host
from agent.sections import Config, Needs

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("MAX_FILE", "Config", "changes", "check", "dump", "fingerprint", "load", "parse")

MAX_FILE = 1 << 20  # a configuration of a mebibyte is another file, given by mistake


def load(path: str) -> Config:
    """Read and check one file. Relative paths in it are taken from its own directory. Raises ConfigError."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_FILE + 1)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {getattr(error, 'strerror', None) or error}; give a TOML file") from None
    if len(content) > MAX_FILE:
        raise ConfigError(f"{path}: larger than {MAX_FILE} bytes; give a TOML file of the size of a page")
    return parse(content, path)


def parse(content: bytes, path: str) -> Config:
    """The configuration that the bytes of the file ``path`` hold. Raises ConfigError."""
    try:
        # Some editors write a byte order mark at the start, which TOML 1.0 does not know.
        written = tomllib.loads(content.removeprefix(b"\xef\xbb\xbf").decode())
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}: line {line}: not UTF-8; save the file as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {_placed(str(error), content)}") from None
    except RecursionError:
        raise ConfigError(f"{path}: not usable TOML: arrays inside arrays without end") from None
    return check(written, path, str(Path(path).absolute().parent))


def over(config: Config, capture: dict[str, Any]) -> Config:
    """The configuration with what a command line says of ``[capture]`` in place of its own. Raises InputError."""
    written = config.model_dump(mode="json")
    try:
        return check(written | {"capture": written["capture"] | capture}, "command line")
    except ConfigError as error:
        raise InputError(str(error)) from None


def check(written: dict[str, Any], path: str, here: str = "") -> Config:
    """The configuration that a parsed file in the directory ``here`` says; without ``here``, paths stay as they are.

    Raises ConfigError that lists every fault, one a line.
    """
    try:
        config = Config.model_validate(written, context={"here": here})
    except ValidationError as error:
        faults = [f"{path}: {_fault(fault)}" for fault in error.errors(include_url=False)]
        raise ConfigError("\n".join(faults)) from None
    if faults := [f"{path}: {fault}" for fault in _together(config)]:
        raise ConfigError("\n".join(faults))
    return config


def _together(config: Config) -> Iterator[str]:
    """What is well formed by itself, and does not go together."""
    notices = config.notices
    if notices.relay and not notices.sender:
        yield "notices.sender: is empty, and there is a relay; name the mail address that notices come from"
    if notices.relay and notices.tls == "none" and not _loopback(host(notices.relay)[0]):
        yield f"notices.tls: none, and {notices.relay} is another machine; write starttls or tls"


def _loopback(there: str) -> bool:
    try:
        return ip_address(there).is_loopback
    except ValueError:
        return there == "localhost"


def changes(before: Config, after: Config) -> dict[str, Needs]:
    """Every key that differs, as ``section.key``, and what its change needs."""
    changed: dict[str, Needs] = {}
    for name in Config.model_fields:
        old, new = getattr(before, name), getattr(after, name)
        for key, field in type(old).model_fields.items():
            if getattr(old, key) != getattr(new, key):
                changed[f"{name}.{key}"] = field.json_schema_extra["needs"]
    return changed


def fingerprint(config: Config) -> str:
    """What tells one configuration in effect from another: the first 16 digits of a SHA-256 over all its keys."""
    return sha256(json.dumps(config.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()[:16]


def _placed(message: str, content: bytes) -> str:
    """The TOML reader's message with the line in front; "at end of document" is the last line."""
    text, _, place = message.removesuffix(")").rpartition(" (at ")
    if place.startswith("line "):
        line, _, column = place.removeprefix("line ").partition(", column ")
        return f"line {line}, column {column}: {text}"
    return f"line {max(1, len(content.splitlines()))}: {text or message}"


def _fault(fault: Any) -> str:
    """One fault of pydantic as a key, what is wrong, and what would be right."""
    key = _key(fault["loc"])
    given = _shown(fault["input"])
    kind, context = fault["type"], fault.get("ctx", {})
    if kind == "extra_forbidden":
        return f"{key}: no such key; {_known(fault['loc'])}"
    if kind == "value_error":
        return f"{key}: {given} {context['error']}"
    if kind == "literal_error":
        return f"{key}: {given} is not one of {context['expected'].replace(' or ', ', ')}"
    wanted = {
        "tuple_type": 'is not a list; write it like ["first", "second"]',
        "model_type": f"is not a section; write it as [{key}]",
        "string_type": "is not a text; write it in quotes",
        "int_type": "is not a whole number",
        "bool_type": "is neither true nor false",
        "string_too_long": f"is longer than {context.get('max_length')} characters",
        "string_pattern_mismatch": "is not the name of a user",
        "too_short": "is empty; leave the key out for its default",
        "too_long": f"names more than {context.get('max_length')}",
        "greater_than_equal": f"is less than {context.get('ge')}",
        "less_than_equal": f"is more than {context.get('le')}",
    }.get(kind, fault["msg"])
    return f"{key}: {given} {wanted}"


def _key(location: tuple[int | str, ...]) -> str:
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in location]
    return "".join(parts).removeprefix(".")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _known(location: tuple[int | str, ...]) -> str:
    """What may stand where an unknown key does, the likeliest first."""
    fields: Any = Config.model_fields
    for part in location[:-1]:
        fields = fields[part].annotation.model_fields
    meant = get_close_matches(str(location[-1]), fields, n=1)
    guess = f"did you mean {meant[0]}? " if meant else ""
    return f"{guess}Known here: {', '.join(fields)}"


def dump(config: Config) -> str:
    """The configuration in effect as TOML, each key with what it means; ``load`` takes it back unchanged."""
    lines = []
    for name, field in Config.model_fields.items():
        section = getattr(config, name)
        lines.append(f"[{name}]")
        described: Any = field.annotation
        for key, inner in described.model_fields.items():
            lines += [f"# {inner.description}", f"{key} = {_toml(getattr(section, key))}"]
        lines.append("")
    return "\n".join(lines)


def _toml(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + "".join(f"\n    {_toml(item)}," for item in value) + ("\n]" if value else "]")
    # JSON's escapes are TOML's, except that TOML also wants DEL escaped and JSON does not.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

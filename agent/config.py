"""The configuration: one TOML file, checked as a whole, every fault named with file, key and what would be right.

Defaults stand beside the keys they belong to. Nothing here opens a socket or a capture: a configuration that loads is
well formed, not necessarily reachable.
"""

from __future__ import annotations

import json
import sys
import tomllib
from difflib import get_close_matches
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from agent.errors import ConfigError, InputError

MAX_FILE = 1 << 20  # a configuration of a mebibyte is another file, given by mistake

_USAGE = "usage: knockfirst {command} [--config] FILE\n\n{what}\n"


def _prefix(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError:
        pass
    try:
        meant = ip_network(text, strict=False)
    except ValueError:
        raise ValueError("is not a prefix; write it like 192.0.2.0/24 or 2001:db8::/32") from None
    raise ValueError(f"has bits set behind its length; the prefix is {meant}")


def _listen(text: str) -> str:
    address(text)
    return text


def _path(text: str) -> str:
    if not text or "\0" in text:
        raise ValueError("is not the path of a file")
    return text


def address(listen: str) -> tuple[str, int]:
    """The address and port of ``127.0.0.1:10125`` or ``[::1]:10125``; port 0 is any free one. Raises ValueError."""
    host, _, port = listen.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    wanted = "write an address and a port, like 127.0.0.1:10125 or [::1]:10125"
    try:
        version = ip_address(bare).version
    except ValueError:
        raise ValueError(f"does not start with an address; {wanted}") from None
    if (version == 6) != (bare != host):
        raise ValueError(f"needs brackets around an IPv6 address, and only there; {wanted}")
    if not (port.isascii() and port.isdigit() and int(port) <= 65_535):
        raise ValueError(f"does not end with a port from 0 to 65535; {wanted}")
    return bare, int(port)


class Section(BaseModel):
    """What every section has in common: a key that is not known is a fault, and nothing changes after loading."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Capture(Section):
    """What is looked at."""

    files: tuple[Annotated[str, AfterValidator(_path)], ...] = Field(
        default=(), strict=False, description="capture files to read, in this order; relative to this file"
    )
    prefixes: tuple[Annotated[str, AfterValidator(_prefix)], ...] = Field(
        default=(),
        strict=False,
        description="the customers' prefixes: servers elsewhere are not told of; empty: no restriction",
    )
    count_frames: bool = Field(
        default=True, description="count every frame of a file, with the reason why it was not used; false is faster"
    )


class Exporter(Section):
    """Where the metrics are."""

    listen: Annotated[str, AfterValidator(_listen)] = Field(
        default="127.0.0.1:10125", description="address and port of /metrics; port 0 takes any free one"
    )


class Agent(Section):
    """What is kept."""

    max_servers: int = Field(default=65_536, ge=1, le=10_000_000, description="servers kept; beyond it the oldest goes")
    control: str = Field(
        default="", max_length=100, description="path of the control socket; empty: in a directory of its own"
    )


class Log(Section):
    """What is written to stderr."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="the least that is written")
    format: Literal["logfmt", "json"] = Field(default="logfmt", description="logfmt or json")


class Config(Section):
    """The whole of it; every section may be left out."""

    capture: Capture = Capture()
    exporter: Exporter = Exporter()
    agent: Agent = Agent()
    log: Log = Log()


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
    config = check(written, path)
    here = Path(path).absolute().parent
    files = tuple(name if name.startswith("/") else f"{here}/{name}" for name in config.capture.files)
    return config.model_copy(update={"capture": config.capture.model_copy(update={"files": files})})


def check(written: dict[str, Any], path: str) -> Config:
    """The configuration that a parsed file says. Raises ConfigError that lists every fault, one a line."""
    try:
        return Config.model_validate(written)
    except ValidationError as error:
        faults = [f"{path}: {_fault(fault)}" for fault in error.errors(include_url=False)]
        raise ConfigError("\n".join(faults)) from None


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


def check_main(words: list[str]) -> int:
    """``check-config FILE``: 0 and one line if the file can be used; ConfigError otherwise."""
    path = _one_file(
        words, "check-config", "Checks a configuration file; exit 78 and every fault if it cannot be used."
    )
    if path is not None:
        load(path)
        print(f"{path}: can be used")
    return 0


def dump_main(words: list[str]) -> int:
    """``dump-config [FILE]``: the configuration in effect, defaults included, as TOML."""
    if not words:
        words = [""]
    path = _one_file(words, "dump-config", "Prints the configuration in effect; without FILE, the defaults.")
    if path is not None:
        sys.stdout.write(dump(load(path) if path else Config()))
    return 0


def _one_file(words: list[str], command: str, what: str) -> str | None:
    """The file that the words name; None after the usage was printed. Raises InputError."""
    if words in (["-h"], ["--help"]):
        print(_USAGE.format(command=command, what=what), end="")
        return None
    named = words[1:] if words[:1] == ["--config"] else [word.removeprefix("--config=") for word in words]
    if len(named) != 1 or named[0].startswith("-"):
        raise InputError(f"give one configuration file: knockfirst {command} FILE")
    return named[0]

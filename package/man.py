"""The manual pages, from the parsers of the commands and from the sections of the configuration (man(7) of groff)."""

from __future__ import annotations

import re
import textwrap
from argparse import ONE_OR_MORE, OPTIONAL, PARSER, REMAINDER, ZERO_OR_MORE
from typing import TYPE_CHECKING

from agent.sections import Config
from package.defaults import Key, about, keys, written
from package.spoken import PROGRAM, Command, commands

if TYPE_CHECKING:
    from argparse import Action
    from collections.abc import Iterator

_ABOUT = (
    "Looks at an ISP's edge for customers' Exchange servers in the metadata of handshakes, asks leave, knocks, for "
    "consenting customers only, with one harmless request, and tells. It never exercises a vulnerability, never "
    "authenticates, and blocks nobody."
)
_FILES = (
    ("/etc/knockfirst/knockfirst.toml", "the configuration: knockfirst.toml(5)"),
    ("/var/lib/knockfirst", "what is known, what is allowed and what was done; the agent's alone"),
    ("/usr/share/knockfirst", "the documentation (docs), dashboards and rules (grafana), and verify.py for customers"),
)
_STATUS = (
    ("0", "done"),
    ("1", "a check says no"),
    ("2", "an argument cannot be used"),
    ("69", "the daemon cannot be reached"),
    ("70", "it could not be done, by a fault that is not yours"),
    ("78", "the configuration or the store cannot be used; every fault is named"),
)


def command_page(version: str, date: str) -> str:
    """knockfirst(1)."""
    found = commands()
    lines = [_head(PROGRAM, 1, version, date), ".SH NAME", rf"{PROGRAM} \- look, ask leave, knock, tell"]
    lines += [".SH SYNOPSIS", rf".B {PROGRAM}", r".I COMMAND", r"[\fIARGUMENT\fR ...]", ".br"]
    lines += [rf".B {PROGRAM} \-\-version", ".SH DESCRIPTION", _text(_ABOUT), ".PP"]
    lines += [_text("`knockfirst COMMAND --help` says what is here of each.")]
    lines += [".SH COMMANDS"]
    for command in found:
        lines += _command(command)
    lines += [".SH FILES", *_table(_FILES), ".SH EXIT STATUS", *_table(_STATUS)]
    lines += [".SH SEE ALSO", r".BR knockfirst.toml (5),", r".BR systemctl (1)"]
    return "\n".join(lines) + "\n"


def configuration_page(version: str, date: str) -> str:
    """knockfirst.toml(5)."""
    lines = [_head("knockfirst.toml", 5, version, date), ".SH NAME"]
    lines += [r"knockfirst.toml \- configuration of knockfirst", ".SH DESCRIPTION"]
    lines += [_text("A TOML file. Every section and key may be left out. `knockfirst check-config FILE` checks one.")]
    for name in Config.model_fields:
        lines += [f".SH [{name.upper()}]", _text(about(name))]
        for key in keys(name):
            lines += _key(key)
    lines += [".SH SEE ALSO", r".BR knockfirst (1)"]
    return "\n".join(lines) + "\n"


def _head(name: str, section: int, version: str, date: str) -> str:
    return f'.TH {name.upper()} {section} "{date}" "knockfirst {version}" "knockfirst"\n.nh\n.ad l'


def _command(command: Command) -> Iterator[str]:
    yield f".SS {_bold(command.name)}"
    if command.parser is None:
        yield from (_text(paragraph) for paragraph in command.text.split("\n\n") if paragraph.strip())
        return
    yield _text(_sentence(command.parser.description or command.what))
    arguments = command.arguments()
    if not arguments:
        return
    yield ".PP"
    yield " ".join([_bold(command.name), *(_synopsis(one) for one in arguments)])
    for one in arguments:
        yield ".TP"
        yield _named(one)
        yield _text(_sentence(_help(command, one))) or r"\&"
    if command.parser.epilog and "\n" not in command.parser.epilog:
        yield ".PP"
        yield _text(_sentence(command.parser.epilog))


def _help(command: Command, one: Action) -> str:
    """The words beside an argument, with what argparse itself would put in."""
    assert command.parser
    said = command.parser._get_formatter()._expand_help(one) if one.help else ""
    choices = f"one of {', '.join(map(str, one.choices))}" if one.choices else ""
    return "; ".join(part for part in (said, choices if choices not in said else "") if part)


def _synopsis(one: Action) -> str:
    if not one.option_strings:
        return _value(one)
    inside = " ".join(part for part in (_bold(one.option_strings[-1]), _value(one)) if part)
    return inside if one.required else f"[{inside}]"


def _named(one: Action) -> str:
    if not one.option_strings:
        return _value(one)
    names = ", ".join(_bold(name) for name in one.option_strings)
    return " ".join(part for part in (names, _value(one)) if part)


def _value(one: Action) -> str:
    if one.nargs == 0:
        return ""
    if isinstance(one.metavar, tuple):
        return " ".join(_italic(word) for word in one.metavar)
    word = one.metavar or (one.dest.upper() if one.option_strings or one.choices is None else "WORD")
    name = _italic(word)
    if isinstance(one.nargs, int):
        return " ".join([name] * one.nargs)
    return {
        OPTIONAL: f"[{name}]",
        ZERO_OR_MORE: f"[{name} ...]",
        ONE_OR_MORE: f"{name} ...",
        REMAINDER: "...",
        PARSER: f"{name} ...",
    }.get(str(one.nargs), name)


def _key(key: Key) -> Iterator[str]:
    yield ".TP"
    yield f"{_bold(key.name)} = {_escaped(written(key.default))}"
    yield _text(_sentence(key.meaning))
    yield ".br"
    yield _text(f"{_sentence(key.kind)} {key.needs}")


def _table(rows: tuple[tuple[str, str], ...]) -> Iterator[str]:
    for name, meaning in rows:
        yield from (".TP", _bold(name), _text(_sentence(meaning)))


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    if not text:
        return ""
    first = text[:1].upper() if re.match(r"[a-z]+[ ,;:']", text) else text[:1]
    return f"{first}{text[1:]}" + ("" if text[-1] in ".!?" else ".")


def _text(text: str) -> str:
    """A paragraph as roff takes it: filled, no line a request by accident."""
    lines = textwrap.wrap(" ".join(text.split()), 110, break_long_words=False, break_on_hyphens=False)
    return "\n".join(_escaped(line) for line in lines)


def _escaped(text: str) -> str:
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq").replace("`", r"\(ga")
    text = text.replace("^", r"\(ha").replace("~", r"\(ti").replace('"', r"\(dq")
    return rf"\&{text}" if text.startswith((".", "'")) else text


def _bold(text: str) -> str:
    return rf"\fB{_escaped(text)}\fR"


def _italic(text: str) -> str:
    return rf"\fI{_escaped(text)}\fR"

"""The completion for bash, a static file from the parsers of the commands: no program runs when Tab is pressed.

For every command it knows the words that may come next, and for every argument what it takes: one of its choices, a
file, or something that cannot be known.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from package.spoken import PROGRAM, Command, commands

if TYPE_CHECKING:
    from argparse import Action
    from collections.abc import Iterable

# What arguments that take a file or a directory are called.
_FILES = frozenset({"FILE", "DIR", "PATH", "files", "file", "directory"})

_FUNCTION = """\
_knockfirst() {
    local current=${COMP_WORDS[COMP_CWORD]} command=knockfirst option= takes word
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        option=
        if [[ $word = -* ]]; then
            option=$word
        elif [[ -n ${_knockfirst_next["$command $word"]+x} ]]; then
            command+=" $word"
        fi
    done
    takes=${_knockfirst_values["$command $option"]-${_knockfirst_next["$command"]}}
    COMPREPLY=()
    if [[ " $takes " = *" @file "* && $current != -* ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        compopt -o filenames 2>/dev/null
    fi
    mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -W "${takes//@file/}" -- "$current")
}
complete -F _knockfirst knockfirst
"""


def text() -> str:
    """The file."""
    every = commands()
    following = {PROGRAM: ["--help", "--version", *(one.words[0] for one in every if len(one.words) == 1)]}
    following |= {one.name: [*_next(one), *_further(one, every)] for one in every}
    values = {
        f"{one.name} {option}": _takes(argument)
        for one in every
        for argument in one.arguments()
        for option in argument.option_strings
        if argument.nargs != 0
    }
    head = "# Completion of knockfirst for bash. Made from its parsers; not to be edited."
    return "\n".join([head, *_array("next", following.items()), *_array("values", values.items()), _FUNCTION])


def _further(command: Command, every: list[Command]) -> list[str]:
    """The words of the commands below this one."""
    depth = len(command.words)
    return [one.words[depth] for one in every if len(one.words) == depth + 1 and one.words[:depth] == command.words]


def _next(command: Command) -> list[str]:
    """The options of a command, and what its arguments by place take."""
    found = ["--help"] if command.parser else ["--help", "@file"]
    for argument in command.arguments():
        if argument.option_strings:
            found += argument.option_strings
        else:
            found += _takes(argument).split()
    return found


def _takes(argument: Action) -> str:
    """Its choices, ``@file``, or "" where nobody can know."""
    if argument.choices:
        return " ".join(str(choice) for choice in argument.choices)
    names = argument.metavar if isinstance(argument.metavar, tuple) else (argument.metavar or argument.dest,)
    return "@file" if _FILES.intersection(names) else ""


def _array(name: str, rows: Iterable[tuple[str, list[str] | str]]) -> list[str]:
    """A table of bash: words that name a command, or one of its options -> what may come."""
    lines = [
        f"    [{shlex.quote(key)}]={shlex.quote(value if isinstance(value, str) else ' '.join(value))}"
        for key, value in rows
    ]
    return [f"declare -gA _knockfirst_{name}=(", *lines, ")"]

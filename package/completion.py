"""The completion for bash and zsh, static files from the parsers of the commands: no program runs when Tab is pressed.

For every command it knows the words that may come next, and for every argument what it takes: one of its choices, a
file, or something that cannot be known.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from package.spoken import PROGRAM, Command, commands

if TYPE_CHECKING:
    from argparse import Action

# What arguments that take a file or a directory are called.
_FILES = frozenset({"FILE", "DIR", "PATH", "files", "file", "directory"})

_BASH = """\
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


# What the file says is a function, which zsh loads when it is first needed: zshcompsys(1), autoloaded files.
_ZSH = """\
local command=knockfirst option= takes word
local -a found
for word in "${(@)words[2,CURRENT-1]}"; do
    option=
    if [[ $word = -* ]]; then
        option=$word
    elif (( ${+following[$command $word]} )); then
        command+=" $word"
    fi
done
if (( ${+values[$command $option]} )); then
    takes=${values[$command $option]}
else
    takes=${following[$command]}
fi
found=(${=takes})
local given=1
if (( ${found[(Ie)@file]} )) && [[ $PREFIX != -* ]]; then
    _files && given=0
fi
found=(${found:#@file})
(( $#found )) && compadd -- $found && given=0
return given
"""

_Rows = dict[str, str]


def bash() -> str:
    """The file for bash, by the name of the program."""
    following, values = _tables()
    head = "# Completion of knockfirst for bash. Made from its parsers; not to be edited."
    arrays = (*_array("declare -gA _knockfirst_next=(", following), *_array("declare -gA _knockfirst_values=(", values))
    return "\n".join([head, *arrays, _BASH])


def zsh() -> str:
    """The file for zsh, which goes by the name of the program behind an underscore."""
    following, values = _tables()
    head = f"#compdef {PROGRAM}\n# Completion of knockfirst for zsh. Made from its parsers; not to be edited."
    head += "\nemulate -L zsh"
    pairs = (*_array("local -A following=(", following), *_array("local -A values=(", values))
    return "\n".join([head, *pairs, _ZSH])


def _tables() -> tuple[_Rows, _Rows]:
    """Of every command, what may come next; and of each of its options that takes a value, which."""
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
    return {name: " ".join(words) for name, words in following.items()}, values


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


def _array(begin: str, rows: _Rows) -> list[str]:
    """An associative array, as both shells write one (zsh since 5.5)."""
    return [begin, *(f"    [{shlex.quote(key)}]={shlex.quote(value)}" for key, value in rows.items()), ")"]

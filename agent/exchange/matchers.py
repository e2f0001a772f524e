"""The ways in which a fingerprint looks at a value: as text, as words in it, as a list of keywords, as named fields.

Each answers with what its named groups caught, or None. Patterns are compiled when first needed: most never are.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Captures = dict[str, str]

_WORD = re.compile(r"[^\W_]+")

# Keywords and their arguments: the value of these kinds is a list, one keyword a line or a word.
BY_LINE = ("smtp.ehlo", "pop3.capability")
BY_WORD = ("smtp.help", "imap.capability")
TITLED = ("smtp.ehlo", "smtp.help")  # the first line is the host's, or a heading, and no keyword
FIELDED = ("tls.certificate", "tls.server_hello")


class Matcher(Protocol):
    """One way of looking at a value."""

    def match(self, text: str) -> Captures | None:
        """What the named groups caught, or None where the value is another."""


class Pattern:
    """An anchored, bounded regular expression, matched without regard to case."""

    __slots__ = ("_compiled", "source")

    def __init__(self, source: str) -> None:
        self.source = source
        self._compiled: re.Pattern[str] | None = None

    def match(self, text: str) -> Captures | None:
        if self._compiled is None:
            self._compiled = re.compile(self.source, re.IGNORECASE | re.ASCII)
        found = self._compiled.match(text)
        return None if found is None else {name: caught for name, caught in found.groupdict().items() if caught}


class Words:
    """Any of the words, each standing alone in the text and not inside a host's name; none of the literals ``unless``.

    A closing ``*`` leaves a word's end open. Words and literals are lower case. A hundred names of products cost no
    regular expression this way, and of those that are plain words only the ones that the text holds cost anything.
    """

    __slots__ = ("_other", "_plain", "unless", "words")

    def __init__(self, words: Sequence[str], unless: Sequence[str] = ()) -> None:
        self.words = words
        self.unless = unless
        self._plain = frozenset(word for word in words if word.isalnum())
        self._other = [word for word in words if not word.isalnum()]

    def match(self, text: str) -> Captures | None:
        lower = text.lower()
        if any(literal in lower for literal in self.unless):
            return None
        held = self._plain.intersection(_WORD.findall(lower))
        return {} if any(_stands_alone(word, lower) for word in (*held, *self._other)) else None


class Keywords:
    """Conditions on a list of keywords. ``AUTH NTLM`` asks for the keyword AUTH with at least the argument NTLM,
    ``=AUTH NTLM`` for that argument and no other.

    ``all`` and ``any`` must be there, ``none`` must not, ``at_least`` asks for a number of some, ``order`` for a
    sequence that others may interrupt; ``host`` and ``not_host`` are patterns on the first line.
    """

    __slots__ = ("_kind", "_spec", "host", "not_host")

    def __init__(self, kind: str, spec: Mapping[str, object]) -> None:
        self._kind = kind
        self._spec = {name: _upper(value) for name, value in spec.items() if isinstance(value, list)}
        at_least = spec.get("at_least")
        if isinstance(at_least, dict):
            self._spec["at_least"] = _upper(at_least["of"])
            self._spec["count"] = (str(at_least["count"]),)
        self.host = Pattern(str(spec["host"])) if "host" in spec else None
        self.not_host = Pattern(str(spec["not_host"])) if "not_host" in spec else None

    def match(self, text: str) -> Captures | None:
        host, lines = _listed(self._kind, text)
        arguments: dict[str, set[str]] = {}
        for head, *rest in lines:
            arguments.setdefault(head, set()).update(rest)
        if not self._holds(arguments) or not _in_order(self._spec.get("order", ()), [line[0] for line in lines]):
            return None
        if self.not_host and self.not_host.match(host) is not None:
            return None
        return self.host.match(host) if self.host else {}

    def _holds(self, arguments: Mapping[str, set[str]]) -> bool:
        def has(wanted: str) -> bool:
            head, *rest = wanted.removeprefix("=").split()
            found = arguments.get(head)
            return found is not None and (found == set(rest) if wanted[0] == "=" else found.issuperset(rest))

        spec = self._spec
        return (
            all(map(has, spec.get("all", ())))
            and (any(map(has, spec["any"])) if "any" in spec else True)
            and not any(map(has, spec.get("none", ())))
            and (sum(map(has, spec["at_least"])) >= int(spec["count"][0]) if "at_least" in spec else True)
        )


class Fields:
    """Patterns on the ``key: value`` lines of a value; a line that is absent matches nothing."""

    __slots__ = ("patterns",)

    def __init__(self, spec: Mapping[str, str]) -> None:
        self.patterns = {name: Pattern(source) for name, source in spec.items()}

    def match(self, text: str) -> Captures | None:
        values = dict(line.split(": ", 1) for line in text.split("\n") if ": " in line)
        captures: Captures = {}
        for name, pattern in self.patterns.items():
            caught = pattern.match(values[name]) if name in values else None
            if caught is None:
                return None
            captures |= caught
        return captures


def _stands_alone(word: str, text: str) -> bool:
    stem = word.removesuffix("*")
    at = text.find(stem)
    while at >= 0:
        before, after = text[at - 1 : at], text[at + len(stem) : at + len(stem) + 2]
        inside_name = after[:1].isalnum() or after[:1] == "_" or (after[:1] in (".", "-") and after[1:].isalpha())
        if not (before.isalnum() or before in (".", "_", "-")) and (stem != word or not inside_name):
            return True
        at = text.find(stem, at + 1)
    return False


def _upper(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(word.upper() for word in words)


def _listed(kind: str, text: str) -> tuple[str, list[list[str]]]:
    """The first line and the keywords, each as [keyword, argument, ...] in upper case."""
    host, _, rest = text.partition("\n") if kind in TITLED else ("", "", text)
    if kind in BY_WORD:
        return host, [[word] for word in rest.upper().split()]
    # The old form X-EXPS=LOGIN says the same as X-EXPS LOGIN.
    lines = [line.upper().replace("=", " ", 1).split() for line in rest.split("\n")]
    return host, [line for line in lines if line]


def _in_order(wanted: Sequence[str], seen: Sequence[str]) -> bool:
    rest = iter(seen)
    return all(word in rest for word in wanted)

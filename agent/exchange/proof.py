"""What a book file must show before it is believed: its shape, bounded patterns, examples and look-alikes.

An entry that nobody has seen match, or that also matches its nearest look-alike, is a guess; it does not load.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from agent.errors import ConfigError
from agent.exchange.book_lines import bare_entries
from agent.exchange.fingerprint import Fingerprint, entry
from agent.exchange.matchers import BY_LINE, BY_WORD, FIELDED
from agent.exchange.normal import normalise
from agent.model import GENERATIONS, KINDS, PRODUCTS

MAX_REPEAT = 1024
GROUPS = frozenset(("name", "build", "branch", "windows"))
KEYS = frozenset(
    (
        "id",
        "pattern",
        "words",
        "unless",
        "keywords",
        "fields",
        "contains",
        "claims",
        "weight",
        "reason",
        "source",
        "precision",
    )
)
PROOF_KEYS = frozenset(("example", "counterexample"))
KEYWORD_KEYS = frozenset(("all", "any", "none", "at_least", "order", "host", "not_host"))
CLAIM_WORDS: dict[str, tuple[str, ...]] = {"products": PRODUCTS, "generations": GENERATIONS}

_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9.]+){0,9}")
_REPEAT = re.compile(r"\{(\d*)(,?)(\d*)\}")


def proved(directory: Path) -> dict[str, tuple[Fingerprint, ...]]:
    """The entries of every file in ``directory``, by kind. Raises ConfigError for the first that is not right."""
    if not directory.is_dir():
        raise ConfigError(f"{directory}: is not a directory; a book is a directory of <kind>.toml files")
    owner: dict[str, Path] = {}
    book = {}
    for path in sorted(directory.glob("*.toml")):
        book[path.stem] = entries = _file(path)
        for fingerprint in entries:
            if fingerprint.id in owner:
                raise _wrong(path, fingerprint.id, f"is an id of {owner[fingerprint.id].name} too; choose another")
            owner[fingerprint.id] = path
    if not book:
        raise ConfigError(f"{directory}: holds no <kind>.toml file")
    return book


def _wrong(path: Path, entry_id: str, what: str) -> ConfigError:
    return ConfigError(f"{path}: {entry_id}: {what}")


def _file(path: Path) -> tuple[Fingerprint, ...]:
    kind = path.stem
    if kind not in KINDS:
        raise ConfigError(f"{path}: {kind!r} is no kind of observation; one of {', '.join(KINDS)} would be")
    try:
        text = path.read_text("utf-8")
        raws = tomllib.loads(text).get("fingerprint")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path}: {error}") from error
    if not isinstance(raws, list) or not all(isinstance(raw, dict) for raw in raws):
        raise ConfigError(f"{path}: holds no [[fingerprint]] table")
    entries = tuple(_entry(path, kind, raw) for raw in raws)
    _plainly_written(path, text, raws)
    _disjoint(path, raws, entries)
    return entries


def _plainly_written(path: Path, text: str, raws: list[dict[str, Any]]) -> None:
    """A daemon reads the file by lines; it must read there what TOML says."""
    try:
        bare = bare_entries(text)
    except (ValueError, IndexError, AttributeError, TypeError) as error:
        raise ConfigError(f"{path}: {error}; write one `key = value` a line, as JSON or in single quotes") from error
    nothing: dict[str, Any] = {}
    for raw, read in zip_longest(raws, bare, fillvalue=nothing):
        if read != {key: value for key, value in raw.items() if key not in PROOF_KEYS}:
            what = "write one `key = value` a line, tables as dotted keys, the examples last"
            raise _wrong(path, str(raw.get("id", read.get("id"))), what)


def _entry(path: Path, kind: str, raw: dict[str, Any]) -> Fingerprint:
    name = raw.get("id")
    if not isinstance(name, str) or not _ID.fullmatch(name):
        raise _wrong(path, repr(name), "is no id; an id is lower-case words joined by hyphens")
    for fault in _faults(kind, raw):
        raise _wrong(path, name, fault)
    fingerprint = entry(kind, raw)
    for fault in _unproved(kind, raw, fingerprint):
        raise _wrong(path, name, fault)
    return fingerprint


def _faults(kind: str, raw: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the shape of an entry."""
    if unknown := set(raw) - KEYS - PROOF_KEYS:
        yield f"unknown key {min(unknown)}; the keys are {', '.join(sorted(KEYS | PROOF_KEYS))}"
    for key in ("reason", "source"):
        if not isinstance(raw.get(key), str) or not raw[key].strip():
            yield f"{key} is missing; write the {key} of the entry as text"
    if type(raw.get("weight")) not in (int, float) or not -20 <= raw["weight"] <= 20:
        yield "weight must be a number of nats from -20 to 20"
    if raw.get("precision") not in ("P", "G", "CU", "SU"):
        yield "precision must be P, G, CU or SU"
    for key in PROOF_KEYS:
        if not isinstance(raw.get(key), list) or not raw[key]:
            yield f"has no {key}; write at least one [[fingerprint.{key}]] with its text"
    if not _lower(raw.get("contains", [])):
        yield "contains must be a list of lower-case texts"
    if "unless" in raw and "words" not in raw:
        yield "unless goes with words; a pattern has a lookahead, keywords have none"
    yield from _claim_faults(raw.get("claims", {}))
    yield from _matcher_faults(kind, raw)


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) and text for text in value)


def _lower(value: object) -> bool:
    return _texts(value) and str(value) == str(value).lower()


def _claim_faults(claims: object) -> Iterator[str]:
    if not isinstance(claims, dict):
        yield "claims must be a table"
        return
    for key, value in claims.items():
        if key == "windows":
            if not isinstance(value, str):
                yield "claims.windows must be a Windows build such as 6.3.9600"
        elif key not in CLAIM_WORDS:
            yield f"unknown claim {key}; the claims are products, generations and windows"
        elif not _texts(value) or (unknown := set(value) - set(CLAIM_WORDS[key])):
            said = f"{min(unknown)!r} is none of them" if _texts(value) else "no list"
            yield f"claims.{key} must be a list of {', '.join(CLAIM_WORDS[key])}: {said}"


def _matcher_faults(kind: str, raw: dict[str, Any]) -> Iterator[str]:
    chosen = [key for key in ("pattern", "words", "keywords", "fields") if key in raw]
    if len(chosen) != 1:
        yield "must have one of pattern, words, keywords and fields"
    elif chosen == ["words"]:
        yield from _word_faults(raw)
    elif chosen == ["keywords"]:
        yield from _keyword_faults(kind, raw["keywords"])
    elif chosen == ["fields"]:
        yield from _field_faults(kind, raw["fields"])
    else:
        yield from pattern_faults("pattern", raw["pattern"])


def _word_faults(raw: dict[str, Any]) -> Iterator[str]:
    for key in ("words", "unless"):
        if not _lower(raw.get(key, [])):
            yield f"{key} must be a list of lower-case texts"
    if not raw["words"] or "*" in raw["words"]:
        yield "words must hold words, at the most with a * at their end"


def _keyword_faults(kind: str, spec: object) -> Iterator[str]:
    if kind not in BY_LINE + BY_WORD:
        yield f"keywords are for {', '.join(BY_LINE + BY_WORD)}; a {kind} has a pattern"
    if not isinstance(spec, dict) or not spec or set(spec) - KEYWORD_KEYS:
        yield f"keywords must have some of {', '.join(sorted(KEYWORD_KEYS))} and nothing else"
        return
    for key, value in spec.items():
        if key in ("host", "not_host"):
            yield from pattern_faults(f"keywords.{key}", value)
        elif key == "at_least":
            if not isinstance(value, dict) or set(value) != {"count", "of"} or not _texts(value["of"]):
                yield "keywords.at_least must be { count = NUMBER, of = [KEYWORD, ...] }"
            elif type(value["count"]) is not int or not 0 < value["count"] <= len(value["of"]):
                yield "keywords.at_least.count must be from 1 to the number of keywords"
        elif not _texts(value) or not value:
            yield f"keywords.{key} must be a list of keywords"


def _field_faults(kind: str, spec: object) -> Iterator[str]:
    if kind not in FIELDED:
        yield f"fields are for {', '.join(FIELDED)}; a {kind} has a pattern"
    if not isinstance(spec, dict) or not spec:
        yield "fields must be a table of field = pattern"
        return
    for field, source in spec.items():
        yield from pattern_faults(f"fields.{field}", source)


def pattern_faults(key: str, source: object) -> Iterator[str]:
    """Why ``source`` may not be matched against what a stranger sent: it must be anchored, bounded and compile."""
    if not isinstance(source, str) or not source.startswith("^"):
        yield f"{key} must be text that begins with ^"
        return
    try:
        unknown = set(re.compile(source).groupindex) - GROUPS
    except re.error as error:
        yield f"{key} is no regular expression: {error}"
        return
    if unknown:
        yield f"{key} has a group {min(unknown)}; the groups are {', '.join(sorted(GROUPS))}"
    yield from (f"{key}: {fault}" for fault in _unbounded(source))


def _unbounded(source: str) -> Iterator[str]:
    """Repeats without an upper bound, and alternatives that the ^ does not anchor; character classes aside."""
    depth, i = 0, 0
    while i < len(source):
        char = source[i]
        if char == "\\":
            i += 1
        elif char == "[":
            i = _class_end(source, i)
        elif char in "*+":
            yield f"{char} has no upper bound; write {{0,{MAX_REPEAT}}} or less"
        elif char == "{" and (repeat := _REPEAT.match(source, i)):
            low, comma, high = repeat.groups()
            if not (high or (low and not comma)) or int(high or low) > MAX_REPEAT:
                yield f"{repeat[0]} must have an upper bound of at most {MAX_REPEAT}"
        elif char == "|" and depth == 0:
            yield "the alternative after | is not anchored; put the alternatives into (?:...)"
        depth += (char == "(") - (char == ")")
        i += 1


def _class_end(source: str, start: int) -> int:
    """Where the character class that opens at ``start`` closes; the pattern compiles, so it does."""
    i = start + 1 + (source[start + 1] == "^") + 1  # A bracket in the first place stands for itself.
    i -= source[i - 1] == "\\"
    while source[i] != "]":
        i += 1 + (source[i] == "\\")
    return i


def _unproved(kind: str, raw: dict[str, Any], fingerprint: Fingerprint) -> Iterator[str]:
    """The examples that do not hold."""
    for example in raw["example"]:
        if not isinstance(example, dict) or not isinstance(example.get("text"), str):
            yield "an example needs a text"
            return
        wanted = {key: value for key, value in example.items() if key != "text"}
        text = normalise(kind, example["text"])
        caught = fingerprint.captures(text)
        if caught is None:
            literals = [w for w in fingerprint.contains if w in text.lower()]
            why = "" if literals or not fingerprint.contains else ": it contains none of the literals of `contains`"
            yield f"the example {example['text']!r} does not match{why}"
        elif caught != wanted:
            yield f"the example {example['text']!r} catches {caught}, not {wanted}"
    for counter in raw["counterexample"]:
        if not isinstance(counter, dict) or not isinstance(counter.get("text"), str) or set(counter) - {"text", "why"}:
            yield "a counterexample needs a text, and may say why"
        elif fingerprint.captures(normalise(kind, counter["text"])) is not None:
            yield f"the counterexample {counter['text']!r} matches"


def _disjoint(path: Path, raws: list[dict[str, Any]], entries: tuple[Fingerprint, ...]) -> None:
    """Entries of one file say different things: no example may match two of them."""
    for raw, own in zip(raws, entries, strict=True):
        for example in raw["example"]:
            text = normalise(own.kind, example["text"])
            for other in entries:
                if other is not own and other.captures(text) is not None:
                    what = f"the example {example['text']!r} matches {other.id} too; tell them apart"
                    raise _wrong(path, own.id, what)

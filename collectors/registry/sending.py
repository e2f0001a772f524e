"""How rows reach the register: in pieces, by orders, to a session in which nothing counts before all of it is there."""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from collectors.registry.reading import Reading

    Give = Callable[[str, dict[str, Any]], Iterable[dict[str, Any]]]

MAX_ROW = 1 << 20  # characters of JSON of one row
PIECE = 128 << 10  # characters of JSON in one order: the agent is back at its work soon


class Outcome(NamedTuple):
    """What an import came to. ``changes``: sign, what, customer, text, whether it waits; only where it was shown."""

    faults: list[str]
    fault_count: int
    changes: list[list[Any]]
    summary: dict[str, int]
    held: str
    recorded: int


def send(give: Give, reading: Reading, source: str, *, show: bool, accept_loss: bool) -> Outcome:
    """Order the register to take these rows, or to show what would change by them. Raises ConfigError."""
    begun = _last(give("registry.begin", {"source": source, "made": reading.made, "full": reading.full}))
    session, count = begun["session"], 0
    with given_up(give, session):
        read(give, session)
        for piece in _pieces(reading):
            count += len(piece)
            _last(give("registry.rows", {"session": session, "rows": piece}))
        words = {"session": session, "count": count, "faults": len(reading.faults), "accept_loss": accept_loss}
        return outcome(driven(give, "registry.show" if show else "registry.commit", words), reading.faults)


def read(give: Give, session: str) -> None:
    """Let it read what was told before, so that nothing of it has to be kept twice."""
    while not _last(give("registry.read", {"session": session}))["done"]:
        pass


def driven(give: Give, verb: str, words: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All answers of an order that is carried out in parts, each of which has to be asked for."""
    answers = list(give(verb, words))
    session = words.get("session") or answers[0]["session"]
    yield from answers
    while answers[-1].get("more"):
        answers = list(give("registry.go_on", {"session": session}))
        yield from answers


@contextmanager
def given_up(give: Give, session: str) -> Iterator[None]:
    """Say so where it is not gone on with."""
    try:
        yield
    except BaseException:
        with suppress(ConfigError):  # it forgets by itself, later
            _last(give("registry.forget", {"session": session}))
        raise


def outcome(answers: Iterable[dict[str, Any]], faults: list[str]) -> Outcome:
    """What the last order gave, with the faults that were found before it."""
    changes: list[list[Any]] = []
    result: dict[str, Any] = {}
    for answer in answers:
        changes += answer.get("changes", [])
        result = answer
    told = [*faults, *result["faults"]]
    return Outcome(told, result["refused"], changes, result["summary"], result["held"], result["recorded"])


def _pieces(reading: Reading) -> Iterator[list[list[Any]]]:
    piece: list[list[Any]] = []
    length = 0
    for where, whole in reading.rows:
        row, size = whole, len(json.dumps(whole))
        if size > MAX_ROW:
            reading.faults.append(f"{where}: is larger than {MAX_ROW} characters; divide it")
            row = _short(whole)
        piece.append([where, row])
        length += min(size, MAX_ROW)
        if length >= PIECE:
            yield piece
            piece, length = [], 0
    if piece:
        yield piece


def _short(row: Any) -> dict[str, Any]:
    """Whose a row is that is too large: enough for a no to count, to everything of his."""
    named = ("what", "event", "customer", "headers")
    fields = row if isinstance(row, dict) else {}
    return {
        key: fields[key] for key in named if isinstance(fields.get(key), (str, bool)) and len(str(fields[key])) < 100
    }


def _last(answers: Iterable[dict[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for made in answers:  # noqa: B007
        pass
    return made

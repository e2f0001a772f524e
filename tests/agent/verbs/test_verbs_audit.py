"""The order for a proof: what it gives, what it puts on record, and what it refuses."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.audit.proof import joined
from agent.desk import answered
from agent.errors import ConfigError, InputError
from agent.office import Office, Who
from agent.sections import Config
from tests.agent.audit.logs import Clock, intent, outcome
from tests.agent.audit.test_proof import verify

WHO = Who(1000, 42)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    clock = Clock()
    office = Office(Config(), tmp_path, log=logging.getLogger("test"), now=clock.now, monotonic=clock.monotonic)
    office.open()
    office.record([intent("C-1"), outcome(0, "C-1"), intent("C-2", "198.51.100.9"), outcome(2, "C-2")])
    yield office
    office.close()


def test_a_proof_is_given_and_that_it_was_is_on_record(office: Office) -> None:
    pieces = answered(office, "audit.prove", {"customer": "C-1"}, WHO)
    entries = verify.checked(joined(iter(pieces)), office.log.vkey)
    assert [leaf["n"] for leaf, _ in entries] == [0, 1, 4]
    (exported,) = office.log.read(start=4)
    assert (exported.kind, exported.public, exported.customer) == ("customer.exported", {"uid": 1000}, "C-1")
    pieces = answered(office, "audit.prove", {"customer": "C-1", "sizes": [2, 99]}, WHO)
    assert [piece["earlier"]["size"] for piece in pieces if "earlier" in piece] == [2, 5]
    assert "198.51.100.9" not in json.dumps(pieces)
    verify.checked(joined(iter(pieces)))


WORDS: list[dict[str, Any]] = [
    {}, {"customer": ""}, {"customer": 7}, {"customer": "nobody"}, {"customer": "C-1", "sizes": "2"},
    {"customer": "C-1", "sizes": [0]}, {"customer": "C-1", "sizes": [True]}, {"customer": "C-1", "sizes": [None]},
]  # fmt: skip


@pytest.mark.parametrize("words", WORDS, ids=str)
def test_words_that_are_none_are_refused_and_leave_nothing(office: Office, words: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        answered(office, "audit.prove", words, WHO)
    assert office.log.size == 4


def test_nothing_is_handed_over_that_cannot_be_put_on_record(office: Office) -> None:
    office.log._db.execute("PRAGMA query_only = ON")
    with pytest.raises(ConfigError, match="the log cannot be written"):
        answered(office, "audit.prove", {"customer": "C-1"}, WHO)


def test_an_erased_customer_has_nothing_to_be_handed(office: Office) -> None:
    office.log.erase("C-1")
    with pytest.raises(InputError, match="no entry is this customer's"):
        answered(office, "audit.prove", {"customer": "C-1"}, WHO)

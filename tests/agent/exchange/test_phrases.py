"""Replies of SMTP: how much a choice of words proves, and how often."""

from __future__ import annotations

from datetime import date

import pytest

from agent.exchange.catalogue import catalogue
from agent.exchange.fingerprint import book
from agent.inventory import Inventory
from agent.model import Assessment
from tests.belief import ADDRESS, observation

# The sample words of RFC 5321 with the status codes of RFC 3463: any author may come to them.
PLAIN = (
    "250 2.1.0 Sender OK", "250 2.1.5 Recipient OK", "354 Start mail input; end with <CRLF>.<CRLF>",
    "221 2.0.0 Service closing transmission channel",
)  # fmt: skip
OWN = "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain"


def assessed(*seen: tuple[str, str]) -> Assessment:
    inventory = Inventory(book(), catalogue())
    for kind, value in seen:
        inventory.observe(observation(kind, value))
    found = inventory.assessment(ADDRESS, date(2026, 11, 23))
    assert found
    return found


@pytest.mark.parametrize("greeting", ["mx.example.org ESMTP", "ESMTP", "mail.example.org SMTP server ready"])
def test_plain_words_make_no_exchange_however_many(greeting: str) -> None:
    found = assessed(("smtp.greeting", greeting), *(("smtp.reply", reply) for reply in PLAIN))
    assert found.verdict == "none"
    assert {e.observation.value for e in found.evidence} >= set(PLAIN)


def test_words_of_its_own_count_whatever_stands_beside_them() -> None:
    alone = assessed(("smtp.reply", OWN))
    assert (alone.product, alone.verdict) == ("exchange", "probable")
    beside = assessed(*(("smtp.reply", reply) for reply in (*PLAIN, OWN)))
    assert (beside.product, beside.verdict) == ("exchange", "probable")
    assert beside.confidence <= alone.confidence


def test_words_beside_another_sign_count() -> None:
    sign = ("smtp.hostname", "ex01.corp.example.org")
    assert assessed(sign, ("smtp.reply", PLAIN[0])).confidence > assessed(sign).confidence

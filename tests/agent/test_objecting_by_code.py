"""The page for objections asks for "the code from our letter or mail": the code of each of them is one."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from agent.messages import ObjectionTold
from agent.objecting import Objecting
from tests.agent.asking_world import URL, asking
from tests.agent.telling_world import CUSTOMER, World, world

if TYPE_CHECKING:
    from pathlib import Path


def says_no(made: World, token: str) -> str:
    """What becomes of it, and whose it was taken to be."""
    desk = Objecting(
        made.office,
        log=logging.getLogger("agent"),
        monotonic=made.clock.monotonic,
        ident=lambda: "00000000-0000-0000-0000-000000000001",
    )
    said = desk.told(ObjectionTold(number=1, prefix=None, token=token, headers=False))
    assert said["status"] == "noted"
    customer = made.office.register.customer(CUSTOMER)
    assert customer is not None
    return CUSTOMER if [each for each in customer.objections if each.prefixes is None and each.verified] else ""


def test_the_code_of_a_message_about_a_finding(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.sees()
        made.passes(2, 1.0)
        made.sends(made.dues()[0])
        code = made.office.book.token(made.case().id)
        assert says_no(made, code[:-1]) == says_no(made, f"{code}a") == ""
        assert says_no(made, f" {code.upper()} ") == CUSTOMER
        made.passes(120)
        assert made.case().state == "objected"


def test_the_code_of_a_case_that_is_deleted(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.sees()
        made.passes(2, 1.0)
        code = made.office.book.token(made.case().id)
        made.office.book.delete(made.case().id, made.clock.wall + 86_400.0)
        assert says_no(made, code) == CUSTOMER


def test_the_code_of_a_request_for_leave(tmp_path: Path) -> None:
    with asking(tmp_path) as made:
        link = made.asked().facts.links["stop"]
        code = link.removeprefix(f"{URL}/answers/").partition("#")[0]
        assert says_no(made, code) == CUSTOMER
        assert made.asks()[0]["why"] == "objected"

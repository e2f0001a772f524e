"""A customer is erased while a mail to him is at the notifier: it is not sent, and whoever is next gets his."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.desk import answered
from agent.notice import Sent
from agent.office import Who
from tests.agent.asking_world import asking, told
from tests.agent.leaving import NET, Clock
from tests.agent.telling_world import CUSTOMER, World, world

if TYPE_CHECKING:
    from pathlib import Path

ERASED = {"customer": CUSTOMER, "reason": "request"}


def erased_while_out(made: World, *, begun: bool) -> None:
    """He is erased while the notifier has a message to him, which ``begun`` says whether it was let send."""
    (due,) = made.dues()
    assert not begun or made.about(due)
    answered(made.office, "customer.erase", ERASED, Who(0, 1))
    assert begun or not made.about(due)
    made.says(Sent(id=due.id, outcome="sent" if begun else "cancelled"))


@pytest.mark.parametrize("begun", [False, True])
def test_a_request_of_the_next_goes_out(tmp_path: Path, begun: bool) -> None:
    clock = Clock()
    items = [*told(CUSTOMER, NET, clock.wall), *told("another", "198.51.100.0/24", clock.wall)]
    with asking(tmp_path, *items, clock=clock) as made:
        made.asks()
        made.passes(2, 1.0)
        erased_while_out(made, begun=begun)
        made.asks("another")
        made.passes(30, 1.0)
        assert [each.to for each in made.dues()[1:]] == ["owner@another.example"]


@pytest.mark.parametrize("begun", [False, True])
def test_a_message_about_a_finding_is_not_sent_and_leaves_nothing(tmp_path: Path, begun: bool) -> None:
    with world(tmp_path) as made:
        made.sees()
        made.passes(2, 1.0)
        erased_while_out(made, begun=begun)
        made.goes()
        made.comes()
        made.passes(120, 5.0)
        assert made.dues() == [] and made.office.book.cases == {}
        assert made.telling.waiting() == [] and made.telling._dispatch._out == {}

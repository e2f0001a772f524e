"""What a customer is told of himself and of who tells him, as the agent has it on record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.cases.case import Event
from exporters.notices import texts
from tests.agent.telling_world import world

if TYPE_CHECKING:
    from pathlib import Path


def test_whom_he_may_mail_is_a_mail_address_and_what_he_said_is_what_he_reads(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.sees()
        made.passes(2, 1.0)
        assert made.dues()[0].facts.contact == "abuse@isp.example"
        made.sends(made.dues()[0])
        open_ = made.telling.facts(made.case(), "quiet", "en")
        made.telling.put(made.case().id, Event(made.clock.wall, "declined", {"by": "customer"}))
        left = made.telling.facts(made.case(), "quiet", "en")
        assert open_ and left
        assert "We have not seen yet that this is solved" in texts.rendered(open_).text
        assert "You told us that you will not fix this" in texts.rendered(left).text

"""Whatever build a server shows, what the agent finds of it can be told, and is told as it was found."""

from __future__ import annotations

import pytest

from agent.cases.facts import Own, Papers, facts
from agent.exchange.catalogue import catalogue
from exporters.notices import formats, texts
from tests.agent.cases.servers import TODAY, assessed, began
from tests.exporters.notices.test_formats import faults

# The first build of each branch: what is open there is open in most ways.
FIRST = {known.build.branch: str(known.build) for known in reversed(catalogue().builds)}
OWN = Own("Example Net", "security@example.net", "nl", zone="Europe/Amsterdam")
PAPERS = Papers("r-1", "q-1", 12)


@pytest.mark.parametrize("major", sorted({branch[:2] for branch in FIRST}), ids=str)
def test_every_branch_can_be_told(major: tuple[int, int]) -> None:
    for place, build in enumerate(build for branch, build in FIRST.items() if branch[:2] == major):
        for origin in ("active", "passive"):
            own = OWN._replace(lang=("nl", "en")[place % 2])
            told = facts(began(), "tell", assessed(build, origin=origin), catalogue(), TODAY, own, PAPERS)
            text = " ".join(texts.rendered(told).text.split())
            assert told.product in text
            assert told.build in text
            assert told.install.build in text
            assert ("nummer 12" in text or "number 12" in text) == (told.origin == "active")
            assert all(cve in text for hole in told.holes for cve in hole.cves)
            assert faults(formats.xarf(told)) == []

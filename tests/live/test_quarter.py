"""A quarter of telling, by a real relay: to whom, when, how often; whatever happens meanwhile, and whoever dies.

`python -m bench.quarter` does the same with 10,000 cases.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.live.quarter.ledger import Ledger
from tests.live.quarter.play import Play

if TYPE_CHECKING:
    from pathlib import Path

CASES = int(os.environ.get("KNOCKFIRST_CASES", "120"))
SEED = int(os.environ.get("KNOCKFIRST_SEED", "20261125"))


def test_nobody_is_told_but_who_is_to_be(tmp_path: Path) -> None:
    play = Play(tmp_path, CASES, SEED, kills=12, hours=(5.0, 13.0))
    with play.relay:
        try:
            play.run()
            play.over()
            ledger = Ledger(play)
            faults = ledger.read()
        finally:
            play.close()
    told = "\n".join(faults[:10])
    assert not faults, f"seed {SEED}, {len(faults)} faults\n{told}\n{ledger.counts}"
    assert play.kills["agent"] and play.kills["notifier"], play.kills
    assert ledger.counts["mails"] > CASES

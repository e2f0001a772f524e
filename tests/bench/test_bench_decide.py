"""The bench of decisions: its register is one in which every tenth has objected, and most have agreed."""

from __future__ import annotations

from itertools import pairwise

import pytest

from bench import decide


def test_it_runs_and_finds_every_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert decide.main(["--customers", "200", "--prefixes", "400", "--probes", "100", "--rounds", "500"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[3:]]
    counts = {row[0]: int(row[1]) for row in rows}
    assert counts["all"] == 500
    assert counts["leave"] > counts["objection"] > 0
    assert counts["no_contact"] > 0


def test_the_prefixes_do_not_overlap() -> None:
    made = decide.prefixes(4000)
    ranges = sorted(map(decide.one, made))
    assert len(set(made)) == 4000
    assert all(before[1] < after[0] for before, after in pairwise(ranges))

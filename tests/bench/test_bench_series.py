"""The bench of single servers: each of them has its series, whatever is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import series

if TYPE_CHECKING:
    import pytest


def test_every_server_is_in_the_scrape(capsys: pytest.CaptureFixture[str]) -> None:
    assert series.main(["--servers", "40", "--groups", "2", "--rounds", "1"]) == 0
    out = capsys.readouterr().out
    count = int(out.partition("scrape, ")[2].partition(" series")[0])
    assert 40 * 2 < count < 40 * 5 + 60
    assert "1 messages of at most" in out

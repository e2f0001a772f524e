"""What the agent's tests begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.agent.telling_world import World, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def told(tmp_path: Path) -> Iterator[World]:
    """A case that was just opened, with its first message before the notifier."""
    with world(tmp_path) as made:
        made.sees()
        made.passes(2, 1.0)
        yield made

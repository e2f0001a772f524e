"""The state of the fuzz targets; the options are in tests/conftest.py, where pytest finds them in every run."""

from __future__ import annotations

import secrets

import pytest


@pytest.fixture
def fuzz_seed(request: pytest.FixtureRequest) -> int:
    """A new seed for each run, unless the operator repeats one."""
    given: int | None = request.config.getoption("--fuzz-seed")
    return secrets.randbits(32) if given is None else given

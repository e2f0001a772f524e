"""The machine contract, as an outsider checks it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHECK = Path("../shared/contract/check.py")
PROGRAM = Path(".venv/bin/knockfirst")


@pytest.mark.skipif(not CHECK.exists(), reason="no shared contract beside the project")
@pytest.mark.skipif(not PROGRAM.exists(), reason="not installed: make install")
def test_the_contract_holds_on_positives_traps_banners_and_vectors() -> None:
    checked = subprocess.run(
        [sys.executable, CHECK, PROGRAM.absolute()], check=False, capture_output=True, text=True, timeout=300
    )
    assert checked.returncode == 0, checked.stdout
    assert " 0 faults" in checked.stdout

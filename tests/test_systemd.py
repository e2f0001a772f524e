"""The unit, as systemd itself reads it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path("systemd/knockfirst.service")
ANALYZE = shutil.which("systemd-analyze")


@pytest.fixture(autouse=True)
def _tool() -> None:
    if ANALYZE is None:
        assert not os.environ.get("CI"), "CI must have systemd-analyze (Debian package systemd)"
        pytest.skip("no systemd-analyze here")


def test_systemd_understands_every_line(tmp_path: Path) -> None:
    # The program is not installed where the unit looks for it, and systemd would complain of that alone.
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/knockfirst/bin/knockfirst", "/bin/true"))
    said = subprocess.run([str(ANALYZE), "verify", unit], check=False, capture_output=True, text=True, timeout=60)
    assert (said.returncode, said.stderr.strip()) == (0, "")


def test_it_exposes_little() -> None:
    # The threshold is the exposure times ten: 2.0, where packaged exporters stand at 9 and more.
    command = [str(ANALYZE), "security", "--offline=true", "--threshold=20", str(UNIT.absolute())]
    assert subprocess.run(command, check=False, capture_output=True, timeout=60).returncode == 0

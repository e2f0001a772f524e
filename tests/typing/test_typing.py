"""What must not type-check does not, and for the reason that is meant: one run of mypy."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MISUSE = Path(__file__).with_name("misuse.py")


def test_misuse_does_not_type_check(tmp_path: Path) -> None:
    said = subprocess.run(
        [
            sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--hide-error-context", "--no-pretty",
            "--follow-imports", "silent", "--cache-dir", str(tmp_path), str(MISUSE),
        ],
        cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    errors = re.findall(r"misuse\.py:(\d+): error: .*\[([a-z-]+)\]$", said.stdout, re.MULTILINE)
    found = sorted((int(line), code) for line, code in errors)
    expected = [
        (number, code)
        for number, line in enumerate(MISUSE.read_text().splitlines(), 1)
        for code in re.findall(r"# E: ([a-z-]+)$", line)
    ]
    assert len(expected) > 25
    assert found == expected, said.stdout + said.stderr

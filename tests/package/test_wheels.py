"""The store of wheels: each is there whole or not at all, whoever else is at it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from package import wheels

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

# As `python -m pip download`: finds only what the store has, or else "downloads" one.
PIP = """#!/bin/sh
for to; do :; done
mkdir -p "$to"
case "$*" in
*--no-index*) cp "{kept}"/a-1-py3-none-any.whl "$to" ;;
*) echo whole >"$to"/a-1-py3-none-any.whl ;;
esac
"""


def test_a_wheel_is_kept_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, python = tmp_path / "kept", tmp_path / "python"
    python.write_text(PIP.format(kept=kept))
    python.chmod(0o755)
    copy, seen = shutil.copy, []

    def half(source: Path, to: Path) -> None:
        to.write_text("who")
        seen.append([path.name for path in kept.glob("*.whl")])
        copy(source, to)

    monkeypatch.setattr(wheels.shutil, "copy", half)
    for to in (tmp_path / "first", tmp_path / "second"):
        assert [path.read_text() for path in wheels.locked(python, tmp_path / "lock", kept, to)] == ["whole\n"]
    assert seen == [[]], "there was a half of it, or it was downloaded again"
    assert [(path.name, path.read_text()) for path in kept.iterdir()] == [("a-1-py3-none-any.whl", "whole\n")]

"""The package, built once for all tests of it from a copy of the sources, and others like it."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

from package import deb

# Any time will do that is always the same.
EPOCH = 1_790_000_000


def able() -> None:
    """Skips where no package can be built, and fails there in CI."""
    if why := deb.lacking():
        assert os.environ.get("CI") != "true", why
        pytest.skip(why)


@cache
def scratch() -> Path:
    """A directory that goes with this process."""
    made = Path(tempfile.mkdtemp(prefix="knockfirst-package-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


@cache
def sources() -> Path:
    """The sources as they are now: whoever edits them meanwhile does not make two packages differ."""
    leave = shutil.ignore_patterns(".*", "__pycache__", "dist", "build", "tests", "bench", "*.egg-info")
    return Path(shutil.copytree(deb.SOURCE, scratch() / "sources", ignore=leave))


@cache
def the_package() -> Path:
    """The one that `make deb` would make. Skips where it cannot be made."""
    able()
    try:
        return deb.build(sources(), scratch() / "one", deb.SOURCE / ".venv/wheels", EPOCH).package
    except subprocess.CalledProcessError as error:
        assert os.environ.get("CI") != "true", error
        pytest.skip(f"the locked packages cannot be had: {error}")


def later(package: Path, version: str) -> Path:
    """A later one: another version, another default configuration, and one more step of the store."""
    root = scratch() / version
    subprocess.run(["dpkg-deb", "-R", package, root], check=True)
    control = root / "DEBIAN/control"
    control.write_text(re.sub(r"(?m)^Version: .*$", f"Version: {version}", control.read_text()))
    with (root / deb.CONFIGURATION[1:]).open("a") as file:
        file.write("# new\n")
    (schema,) = root.glob("opt/knockfirst/lib/*/site-packages/agent/schema.py")
    with schema.open("a") as file:
        file.write('\nSTEPS = (*STEPS, ("CREATE TABLE more (one INTEGER) STRICT",))\n')
    for compiled in schema.parent.glob("__pycache__/schema.*"):
        compiled.unlink()
    made = scratch() / f"knockfirst_{version}_{package.stem.rpartition('_')[2]}.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "-b", root, made], check=True, capture_output=True)
    return made

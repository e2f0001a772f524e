"""A Debian with systemd as a directory tree: made once by mmdebstrap from apt's mirrors, and kept for the next run."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

_KEPT = Path("/var/cache/knockfirst-tests")
_SUITE = "bookworm"
# Another number where what is in the tree changes.
_TREE = f"{_SUITE}-1"
_PACKAGES = ("systemd", "systemd-sysv", "python3", "iproute2", "util-linux")
_SECONDS = 600


def lacking() -> str:
    """Why there can be no such tree here; "" where there can be."""
    if os.geteuid() != 0:
        return "needs root: namespaces, and a Debian of its own to boot"
    missing = [tool for tool in ("mmdebstrap", "unshare", "nsenter", "ip") if shutil.which(tool) is None]
    return f"needs {', '.join(missing)}" if missing and not (_KEPT / _TREE).is_dir() else ""


def made() -> Path:
    """The tree, which nobody may write to. Raises CalledProcessError where the mirror cannot be had."""
    tree = _KEPT / _TREE
    if tree.is_dir():
        return tree
    _KEPT.mkdir(parents=True, exist_ok=True)
    unfinished = tree.with_name(f"{_TREE}.{os.getpid()}")
    leave_out = [f"--dpkgopt=path-exclude=/usr/share/{what}/*" for what in ("doc", "man", "locale")]
    what = ["--quiet", "--variant=minbase", f"--include={','.join(_PACKAGES)}", *leave_out]
    try:
        subprocess.run(["mmdebstrap", *what, _SUITE, unfinished], check=True, capture_output=True, timeout=_SECONDS)
        unfinished.rename(tree)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return tree


if __name__ == "__main__":
    made()

"""The end of the demo's story: a customer checks what he was handed, with the program that needs nothing of ours."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from agent.audit import shipped
from agent.lab.story_commands import FailedError

if TYPE_CHECKING:
    from pathlib import Path

_SECONDS = 60


def verifier() -> Path:
    """The stand-alone verifier. Raises FailedError."""
    try:
        return shipped.verifier()
    except FileNotFoundError as error:
        raise FailedError(str(error)) from None


def checked(proof: Path) -> tuple[bool, str]:
    """Whether the proof holds, and what the verifier says; it is run apart from all of our code. Raises FailedError."""
    done = subprocess.run(  # noqa: S603  (our own interpreter, on the file that we ship)
        [sys.executable, "-I", str(verifier()), str(proof)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode not in (0, 1):
        raise FailedError(f"the verifier ended with {done.returncode}: {done.stderr.strip()}")
    return done.returncode == 0, done.stdout


def tampered(proof: Path, true: str, false: str) -> Path:
    """A copy of the proof in which somebody wrote something else. Raises FailedError where that is nowhere in it."""
    text = proof.read_text(encoding="utf-8")
    if true not in text:
        raise FailedError(f"{true!r} is not in the proof")
    copy = proof.with_name(f"changed-{proof.name}")
    copy.write_text(text.replace(true, false), encoding="utf-8")
    return copy

"""How soon servers were found, said at the end of the run: by whoever started the workers, where there are several."""

from __future__ import annotations

from statistics import median
from typing import Any

import pytest

TOOK = pytest.StashKey[list[float]]()


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["took"] = session.config.stash.get(TOOK, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    node.config.stash.setdefault(TOOK, []).extend(getattr(node, "workeroutput", {}).get("took", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if took := config.stash.get(TOOK, []):
        said = f"{median(took):.2f} s in the middle, {max(took):.2f} s at most, of {len(took)}"
        terminalreporter.write_line(f"from the start of a client to /metrics: {said}")

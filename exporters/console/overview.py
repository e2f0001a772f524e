"""The first page: how the daemon is, and what it knows, in counts. From a snapshot, and an older one for what moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporters.console import line, telling
from exporters.console.believed import exposure, figures, inventory
from exporters.console.content import Cell, Figure, Page, Section
from exporters.console.fresh import fresh, stale
from exporters.console.knocking import asking, consent, knocked
from exporters.console.words import lasted
from exporters.readiness import components

if TYPE_CHECKING:
    from agent.messages import Snapshot
    from agent.tuning.doctor import Step

_MARKS = {"ok": "ok", "warning": "warn", "error": "bad"}


def overview(before: Snapshot | None, snapshot: Snapshot | None, now: float) -> Page:
    """``before``: an older snapshot, or the same; ``now``: seconds since the epoch."""
    state = _state(snapshot, now)
    if snapshot is None:
        return Page("Overview", "overview", "Not ready: the agent has not told anything yet.", "bad", sections=[state])
    walked = line.steps(before or snapshot, snapshot)
    lead, mark = _lead(snapshot, walked, now)
    sections = [
        state, inventory(snapshot), exposure(snapshot), line.section(walked),
        *([asking(snapshot.permission), knocked(snapshot.permission), consent(snapshot.permission)]
          if snapshot.permission else [_NOTHING_KEPT]),
        *([telling.telling(snapshot.telling, now)] if snapshot.telling else []),
        fresh(snapshot, now),
    ]  # fmt: skip
    return Page("Overview", "overview", lead, mark, [*figures(snapshot), *_figures(snapshot)], sections)


_NOTHING_KEPT = Section(
    "asking",
    "Asking leave and knocking",
    "Nothing is kept on disk, so nobody is asked and nobody is knocked at: name a directory in agent.state.",
)


def _lead(s: Snapshot, walked: list[Step], now: float) -> tuple[str, str]:
    """The state of the whole in a line, and its mark: what is worst is said."""
    broken = [part for part in components(s, now) if part.state == "error"]
    if broken:
        return "Not ready: " + "; ".join(f"{part.name}: {part.why}" for part in broken) + ".", "bad"
    losing = sorted({step.place for step in walked if step.state == "loses"})
    old = stale(s, now)
    if losing or old:
        said = [f"loses at {', '.join(losing)}"] if losing else []
        said += [f"older than it should be: {', '.join(old)}"] if old else []
        return f"Ready, but {'; '.join(said)}.", "warn"
    return f"Ready. Up for {lasted(s.time - s.started)}; no stage loses, and nothing is older than it may be.", "ok"


def _state(snapshot: Snapshot | None, now: float) -> Section:
    facts = [
        (part.name.capitalize(), Cell(part.state, state=_MARKS[part.state], note=part.why))
        for part in components(snapshot, now)
    ]
    return Section("state", "State of each part", facts=facts)


def _figures(s: Snapshot) -> list[Figure]:
    said = s.permission
    if said is None:
        return []
    cases = telling.figures(s.telling) if s.telling else []
    granted = sum(row.count for row in said.decisions if row.decision == "granted")
    in_force = sum(row.count for row in said.records if row.state == "in_force")
    return [
        Figure("Records in force", f"{in_force:,}", f"of {said.customers:,} customers", href="#consent"),
        Figure("Probes granted", f"{granted:,}", f"{said.running:,} under way; since the start", href="#knocked"),
        *cases,
    ]

"""What the exporter is told: aggregates over the inventory and every counter. No address, name or customer is in it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agent.messages import Inputs
from agent.model import GENERATIONS, KINDS
from agent.totals import Totals

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping

    from agent.model import Assessment

# The statuses that are exported: what is fixed or not affected is no news, and would double the series.
STATUSES = ("vulnerable", "possible", "fixed_if_configured", "unknown")

# Why the daemon is not ready: label values of a metric, so the list is closed. The exporter adds the first two.
NOT_READY = (
    "no_snapshot", "agent_absent",
    "capture_absent", "capture_not_permitted", "inputs_unreadable", "prefixes_unreadable",
)  # fmt: skip


@dataclass(slots=True)
class Tally:
    """What the agent counts of itself and was told by capture; times are seconds since the epoch."""

    started: float
    progress: float = 0.0
    totals: Totals = field(default_factory=Totals)
    told_inputs: dict[Hashable, Inputs] = field(default_factory=dict)
    observations: Counter[str] = field(default_factory=Counter)
    connections: Counter[str] = field(default_factory=Counter)
    rejected: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def inputs(self) -> Inputs | None:
        """The inputs of every capture process that there is; None if there is none, or none has told of them."""
        told = self.told_inputs.values()
        sums = {name: sum(getattr(inputs, name) for inputs in told) for name in Inputs.model_fields}
        return Inputs(**sums) if told else None

    def gone(self, who: Hashable) -> None:
        """A capture process has ended."""
        self.totals.forget(who)
        self.told_inputs.pop(who, None)

    def not_ready(self) -> list[str]:
        """The reasons, of NOT_READY, for which what is shown cannot be relied on; none when it can."""
        if self.inputs is None:
            return ["capture_absent"]
        return ["inputs_unreadable"] if self.inputs.unreadable else []

    def body(self) -> dict[str, Any]:
        """Its part of a snapshot; the kinds of observation are all there from the start, at 0."""
        inputs = self.inputs
        return {
            "started": self.started,
            "progress": self.progress,
            "not_ready": self.not_ready(),
            "inputs": inputs.model_dump() if inputs else {"files": 0, "read": 0, "unreadable": 0},
            "counters": self.totals.counts,
            "interfaces": self.totals.interfaces(),
            "observations": {kind: self.observations[kind] for kind in KINDS},
            "connections": dict(self.connections),
            "rejected": [
                {"door": door, "reason": reason, "count": count}
                for (door, reason), count in sorted(self.rejected.items())
            ],
        }


def aggregates(assessments: Iterable[Assessment], kev: Mapping[str, bool]) -> dict[str, Any]:
    """Servers by what they are and what follows. ``kev``: every CVE of the catalogue, and whether it is exploited.

    Every CVE and generation is there with 0, so that a graph begins before the first server does.
    """
    servers: Counter[tuple[str, str, str]] = Counter()
    exposed: Counter[tuple[str, str]] = Counter({(cve, status): 0 for cve in kev for status in STATUSES})
    ended: Counter[tuple[str, str]] = Counter({(generation, "vulnerable"): 0 for generation in GENERATIONS})
    for assessment in assessments:
        generation = assessment.generation or "unknown"
        servers[assessment.product, generation, assessment.verdict] += 1
        for finding in assessment.findings:
            if finding.status not in STATUSES:
                continue
            if finding.cve is None:
                ended[generation, finding.status] += 1
            elif finding.cve in kev:
                exposed[finding.cve, finding.status] += 1
    return {
        "servers": [_row(("product", "generation", "verdict"), key, count) for key, count in sorted(servers.items())],
        "exposed": [
            {"cve": cve, "status": status, "kev": kev[cve], "count": count}
            for (cve, status), count in sorted(exposed.items())
        ],
        "ended": [_row(("generation", "status"), key, count) for key, count in sorted(ended.items())],
    }


def _row(names: tuple[str, ...], key: tuple[str, ...], count: int) -> dict[str, Any]:
    return {**dict(zip(names, key, strict=True)), "count": count}

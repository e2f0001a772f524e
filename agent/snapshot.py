"""What the exporter is told: aggregates over the inventory and every counter. No address, name or customer is in it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agent.ipc import REASONS
from agent.messages import Inputs
from agent.model import KINDS
from agent.totals import Roles, Totals
from agent.usage import usage

if TYPE_CHECKING:
    from collections.abc import Hashable

    from agent.sections import Config

# Why the daemon is not ready: label values of a metric, so the list is closed. The exporter adds the first two.
NOT_READY = (
    "no_snapshot", "agent_absent",
    "capture_absent", "capture_not_permitted", "inputs_unreadable", "prefixes_unreadable",
)  # fmt: skip
# Who may come to the agent, and the way to the supervisor.
DOORS = ("capture", "exporter", "prober", "notifier", "control", "supervisor")
# The roles that can tell here what they take.
ROLES = ("agent", "exporter", "prober", "notifier", "capture")
# Of the configuration, in seconds.
LIMITS = ("announce", "mapping", "quarantine", "checkpoint", "recheck", "probe", "retention", "suspect")

_DAY = 86_400.0


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
    roles: Roles = field(default_factory=Roles)

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
        """Its part of a snapshot; what has a closed list is all there from the start, at 0."""
        inputs = self.inputs
        rejected = {(door, reason): 0 for door in DOORS for reason in REASONS} | self.rejected
        return {
            "started": self.started,
            "progress": self.progress,
            "not_ready": self.not_ready(),
            "inputs": inputs.model_dump() if inputs else {"files": 0, "read": 0, "unreadable": 0},
            "counters": self.totals.counts,
            "interfaces": self.totals.interfaces(),
            "observations": {kind: self.observations[kind] for kind in KINDS},
            "connections": dict.fromkeys(DOORS, 0) | self.connections,
            "rejected": [
                {"door": door, "reason": reason, "count": count} for (door, reason), count in sorted(rejected.items())
            ],
            "usage": usage(),
            "roles": self.roles.body(),
        }


def limits(config: Config) -> dict[str, float]:
    """What the configuration says of each of LIMITS, in seconds, and how many probes may begin in a "minute"."""
    consent, probe = config.consent, config.probe
    return {
        "announce": consent.announce_days * _DAY,
        "mapping": consent.mapping_hours * 3600.0,
        "quarantine": consent.quarantine_days * _DAY,
        "checkpoint": config.audit.checkpoint_minutes * 60.0,
        "recheck": probe.recheck_hours * 3600.0,
        "probe": float(probe.seconds),
        "retention": config.agent.retention_days * _DAY,
        "suspect": float(config.capture.suspect_seconds),
        "per_minute": float(probe.per_minute),
    }

"""Two diagnoses, some seconds apart, as views: what each collector, and the line behind them, did in that time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.totals import FILE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.diagnosis import Diagnosis

LINE = "line"  # what is behind all collectors: streams, dissectors, the agent

# Of what is known of the store, what is counted; the rest is how it is now.
_STORED = ("write_failures", "deleted.age", "deleted.rows")

Where = str  # "interface", "file" or LINE


class View(NamedTuple):
    """One collector, or the line behind them all. Counts are since the agent started; gauges as they are now.

    ``where`` is "interface", "file" or LINE; ``said`` is the newer diagnosis.
    """

    where: Where
    name: str
    before: Mapping[str, int]
    after: Mapping[str, int]
    gauges: Mapping[str, float]
    seconds: float
    said: Diagnosis

    def total(self, *names: str) -> int:
        """The sum of these counters since the agent started."""
        return sum(self.after.get(name, 0) for name in names)

    def now(self, *names: str) -> int:
        """By how much they rose between the two diagnoses."""
        return self.total(*names) - sum(self.before.get(name, 0) for name in names)

    def rate(self, *names: str) -> float:
        """That, each second."""
        return self.now(*names) / self.seconds if self.seconds > 0 else 0.0

    def named(self, start: str) -> list[str]:
        """The counters whose names begin so, in order."""
        return sorted(name for name in self.after if name.startswith(start))


def views(before: Diagnosis, after: Diagnosis) -> list[View]:
    """A view of each interface, of the files if there are any, and of the line behind them."""
    if before.started != after.started:
        before = after  # The agent was started anew in between and counts from 0.
    seconds = after.time - before.time
    earlier = {interface.name: interface.counts for interface in before.interfaces}
    made = [
        View(
            "file" if i.name == FILE and "up" not in i.gauges else "interface", i.name,
            earlier.get(i.name, dict.fromkeys(i.counts, 0)), i.counts, _gauges(after, i.name, i.gauges), seconds, after,
        )
        for i in after.interfaces
    ]  # fmt: skip
    if after.inputs.files and not any(view.where == "file" for view in made):
        made.append(View("file", FILE, {}, {}, _gauges(after, FILE, {}), seconds, after))
    return [*made, View(LINE, LINE, line_counts(before), line_counts(after), _state(after), seconds, after)]


def _gauges(said: Diagnosis, name: str, gauges: Mapping[str, float]) -> Mapping[str, float]:
    """Those of the files are how far their reading has come."""
    inputs = said.inputs
    waiting = inputs.files - inputs.read - inputs.unreadable
    files = {"files": inputs.files, "read": inputs.read, "unreadable": inputs.unreadable, "waiting": max(0, waiting)}
    return files if name == FILE and "up" not in gauges else gauges


def line_counts(said: Diagnosis) -> dict[str, int]:
    """Everything that is counted behind the collectors, in one: kinds as ``kind.smtp.greeting`` and so on."""
    return {
        **said.counters,
        "frames_used": sum(interface.counts.get("frames_used", 0) for interface in said.interfaces),
        "received": sum(said.observations.values()),
        "matched": sum(said.evidence.values()),
        "rejected": sum(row.count for row in said.rejected),
        **{f"kind.{kind}": count for kind, count in said.observations.items()},
        **{f"evidence.{fingerprint}": count for fingerprint, count in said.evidence.items()},
        **{f"inventory.{event}": count for event, count in said.inventory.items()},
        **{f"connections.{door}": count for door, count in said.connections.items()},
        **{f"store.{name}": int(said.store[name] or 0) for name in _STORED if name in said.store},
    }


def _state(said: Diagnosis) -> dict[str, float]:
    numbers = [("sets", said.sets), ("store", said.store)]
    held = {f"{name}.{key}": value for name, of in numbers for key, value in of.items() if value is not None}
    servers = {f"servers.{verdict}": float(count) for verdict, count in said.servers.items()}
    return {"kept": float(said.kept), "exchange": float(said.exchange), **servers, **held}

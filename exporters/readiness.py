"""How each part of the whole is, and why: what /-/ready says to who asks for JSON. From one snapshot; counts alone.

A part is in error where the metrics cannot be relied on for it (agent.snapshot.NOT_READY), and then alone. A warning is
for what somebody should look at; its words are for people and may change.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from exporters.prometheus import not_ready
from exporters.web import Component

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agent.messages import Snapshot

OLD = 60.0  # seconds after which a snapshot is old
LATE = 7200.0  # seconds after which a deletion that comes each hour is late

# Which part each reason is about, and what it says there. One that is not known here is the agent's.
ERRORS = MappingProxyType(
    {
        "no_snapshot": ("agent", "it has not told anything yet"),
        "agent_absent": ("agent", "it has gone; what is shown grows old"),
        "capture_absent": ("capture", "no capture process is connected to the agent"),
        "capture_not_permitted": ("capture", "it lacks the right to look at interfaces (CAP_NET_RAW)"),
        "inputs_unreadable": ("inputs", "a file cannot be read; the log names it"),
        "prefixes_unreadable": ("prefixes", "a prefix file was never read; nobody is looked at"),
    }
)


def components(snapshot: Snapshot | None, now: float) -> list[Component]:
    """Every part. ``now``: seconds since the epoch."""
    errors: dict[str, list[str]] = {}
    for reason in not_ready(snapshot):
        name, why = ERRORS.get(reason, ("agent", reason))
        errors.setdefault(name, []).append(why)
    return [_component(name, errors.get(name, []), _warned(warnings, snapshot, now)) for name, warnings in _PARTS]


def _warned(warnings: Callable[[Snapshot, float], Iterator[str]], snapshot: Snapshot | None, now: float) -> list[str]:
    return list(warnings(snapshot, now)) if snapshot else []


def _component(name: str, errors: list[str], warnings: list[str]) -> Component:
    state = "error" if errors else "warning" if warnings else "ok"
    return Component(name, state, "; ".join(errors + warnings))


def _agent(s: Snapshot, now: float) -> Iterator[str]:
    if now - s.time > OLD:
        yield f"what is shown is {now - s.time:.0f} s old"


def _capture(s: Snapshot, now: float) -> Iterator[str]:
    for interface in s.interfaces:
        if interface.gauges.get("up") == 0:
            yield f"{interface.name} is down or not there"


def _inputs(s: Snapshot, now: float) -> Iterator[str]:
    pending = s.inputs.files - s.inputs.read - s.inputs.unreadable
    if pending > 0:
        yield f"{pending} of {s.inputs.files} files are not read yet"


def _prefixes(s: Snapshot, now: float) -> Iterator[str]:
    if s.config.prefix_files_failing:
        yield f"{s.config.prefix_files_failing} prefix files cannot be used; what was read from them before holds"


def _configuration(s: Snapshot, now: float) -> Iterator[str]:
    if not s.config.reload_successful:
        yield "the last reload failed; the one before holds"


def _store(s: Snapshot, now: float) -> Iterator[str]:
    if s.store and s.store.write_failures:
        yield f"{s.store.write_failures} writes failed since the agent started"
    if s.store and now - max(s.store.retention_last_success, s.started) > LATE:
        yield "what is too old was not deleted for more than two hours"


def _permission(s: Snapshot, now: float) -> Iterator[str]:
    if s.permission is None:
        return
    if s.permission.killed:
        yield "the kill switch is on; nobody is knocked at"
    if s.permission.effects_pending:
        yield f"{s.permission.effects_pending} changes of permission are not in force everywhere"
    if s.permission.self_audit.get("difference"):
        yield "connections seen and the log differ"


def _audit(s: Snapshot, now: float) -> Iterator[str]:
    if s.permission and s.permission.log_failures:
        yield f"{s.permission.log_failures} writes to the log failed"
    if s.permission and s.permission.checkpoint_failures:
        yield f"{s.permission.checkpoint_failures} checkpoints did not reach a sink"
    if s.permission and s.permission.erasures_unended:
        yield f"{s.permission.erasures_unended} erasures were begun and cannot be ended"


_PARTS: tuple[tuple[str, Callable[[Snapshot, float], Iterator[str]]], ...] = (
    ("agent", _agent),
    ("capture", _capture),
    ("inputs", _inputs),
    ("prefixes", _prefixes),
    ("configuration", _configuration),
    ("store", _store),
    ("permission", _permission),
    ("audit", _audit),
)

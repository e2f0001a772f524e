"""The stages of the live line, from a frame on the wire to a sample in /metrics, each with what must have passed it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.diagnosis import Diagnosis

# Reasons for which a frame is not taken apart: none of the test's frames deserves one.
_UNDECODED = ("fragment", "not_ip", "too_deep", "truncated", "bad_ip", "bad_tcp")


class Stage(NamedTuple):
    """One stage: whether everything passed it, the numbers, and what is likely at fault where it did not."""

    name: str
    passed: bool
    numbers: str
    cause: str


@dataclass(frozen=True, slots=True)
class Run:
    """What was sent and what came of it. ``believed`` is by access line: simulated servers that are taken for what
    they are, of how many; ``shown`` is the number of Exchange servers in /metrics."""

    interface: str
    sent: int
    connections: int
    servers: int
    others: int
    believed: Mapping[str, tuple[int, int]]
    mistaken: int
    shown: float


def stages(run: Run, seen: Diagnosis) -> list[Stage]:
    """Every stage from the interface on, in order."""
    counts, counters = _counts(run, seen), seen.counters
    lost_at = "the link lost them: is it up?" if counts else "capture tells no counters: its log says why"
    offered, admitted = counts.get("offered", 0), counts.get("frames_seen", 0)
    lost, used = counts.get("drop_ring", 0), counts.get("frames_used", 0)
    undecoded = {reason: counts[f"drop_{reason}"] for reason in _UNDECODED if counts.get(f"drop_{reason}")}
    malformed = {name: n for name, n in counters.items() if name.startswith("malformed_") and n}
    facts, full = counters.get("observations", 0), counters.get("queue_full", 0)
    told, matched = sum(seen.observations.values()), sum(seen.evidence.values())
    # Each connection has a SYN-ACK, and at least one thing that a dissector wants.
    least = 2 * run.connections
    return [
        Stage("seen by the interface", offered >= run.sent, f"{offered} frames", lost_at),
        Stage(
            "admitted by the filter", admitted >= least, f"{admitted} frames, at least {least} are wanted",
            "the filter does not fit: `knockfirst capture-filter` shows it",
        ),
        Stage(
            "read from the ring", admitted > 0 and lost == 0, f"{admitted - lost} frames, {lost} lost",
            "the ring was full: capture.ring_mib, or a process that does not get the processor",
        ),
        Stage(
            "decoded", used > 0 and not undecoded, f"{used} frames used{_listed(undecoded)}",
            "headers that are not understood are in front of IP",
        ),
        Stage(
            "dissected into facts", facts >= run.servers and not malformed, f"{facts} facts{_listed(malformed)}",
            "no dissector took the payload: capture.dissectors, capture.ports, privacy.handshakes",
        ),
        Stage(
            "told to the agent", told >= facts > 0 and full == 0,
            f"{told} observations of {_some(seen.observations)} kinds, {full} without room",
            "the agent did not keep up: capture.queue",
        ),
        Stage(
            "evidence by fingerprint", matched > 0, f"{matched} facts matched {_some(seen.evidence)} fingerprints",
            "the fingerprint book: `knockfirst fingerprints test`",
        ),
        _believed(run),
        Stage(
            "shown in /metrics", run.shown == run.servers, f"{run.shown:.0f} Exchange servers of {run.servers}",
            "the exporter does not follow the agent: its log says more",
        ),
    ]  # fmt: skip


def _some(counts: Mapping[str, int]) -> int:
    return sum(count > 0 for count in counts.values())


def _counts(run: Run, seen: Diagnosis) -> Mapping[str, int]:
    return next((one.counts for one in seen.interfaces if one.name == run.interface), {})


def _believed(run: Run) -> Stage:
    lost = [line for line, (found, all_) in run.believed.items() if found < all_]
    found = sum(found for found, _ in run.believed.values())
    numbers = f"{found} Exchange servers of {run.servers}; {run.mistaken} of {run.others} others taken for one"
    cause = f"lost on the access line {', '.join(lost)}" if lost else "a look-alike misleads the fingerprint book"
    return Stage("believed", not lost and run.mistaken == 0, numbers, cause)


def _listed(losses: Mapping[str, int]) -> str:
    return "".join(f", {name} {count}" for name, count in losses.items())

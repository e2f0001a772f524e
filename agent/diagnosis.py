"""The answer to "diagnosis": every counter of the daemon and the keys that tune it, in one message of at most 1 MiB.

It is for an engineer at the machine, who wants to know where frames get lost, and may be sent on to somebody else for
that: no address, name of a server or value that one said has a place in it. Names of interfaces are in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from agent.body import Body, Count, Counter, Gauge, Label, Time
from agent.messages import Inputs, Interface, Rejected

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.config import Config

# The keys that bear on what is lost. Prefixes and paths are none of them: they would say who the customers are.
KEYS = (
    "capture.interfaces", "capture.encapsulations", "capture.dissectors", "capture.ports", "capture.count_frames",
    "capture.ring_mib", "capture.block_ms", "capture.workers", "capture.cpus", "capture.promiscuous",
    "capture.ignore_outgoing", "capture.synack_sample", "capture.mute_seconds", "capture.suspect_seconds",
    "capture.max_streams", "capture.stream_seconds", "capture.max_bytes", "capture.queue", "privacy.handshakes",
    "agent.max_servers", "agent.retention_days", "agent.max_observations",
)  # fmt: skip

_AS_SHOWN = (
    "time", "started", "progress", "took", "not_ready", "inputs", "interfaces", "counters", "observations", "evidence",
    "inventory", "kept", "kept_at_most", "connections", "rejected",
)  # fmt: skip

Key = Annotated[str, Field(pattern=r"^[a-z]+\.[a-z_]+$")]
Numbers = dict[Counter, float | None]


class Diagnosis(Body):
    """Counters since the agent started, gauges as they are now. ``servers`` is by verdict.

    ``sets`` is whose prefixes are in force and how fast they came to be, ``store`` what is kept on disk; empty where
    there is nothing to say.
    """

    time: Time
    started: Time
    progress: Time
    took: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    not_ready: list[Label]
    inputs: Inputs
    interfaces: list[Interface]
    counters: dict[Counter, Count]
    observations: dict[Label, Count]
    evidence: dict[Label, Count]
    inventory: dict[Counter, Count]
    servers: dict[Label, Count]
    exchange: Count
    kept: Count
    kept_at_most: Count
    connections: dict[Label, Count]
    rejected: list[Rejected]
    sets: dict[Counter, Gauge | None]
    store: dict[Counter, Gauge | None]
    config: dict[Key, bool | int | float | str | list[str | int]]


def diagnosis(snapshot: Mapping[str, Any], config: Config) -> dict[str, Any]:
    """What a snapshot (agent/service.py) and the configuration in effect say, in the shape of ``Diagnosis``."""
    servers: dict[str, int] = {}
    for row in snapshot["servers"]:
        servers[row["verdict"]] = servers.get(row["verdict"], 0) + row["count"]
    return {
        **{name: snapshot[name] for name in _AS_SHOWN},
        "servers": servers,
        "exchange": sum(r["count"] for r in snapshot["servers"] if r["verdict"] != "none"),
        "sets": _numbers(snapshot.get("config")),
        "store": _numbers(snapshot.get("store")),
        "config": _tuning(config),
    }


def _tuning(config: Config) -> dict[str, Any]:
    sections = config.model_dump(mode="json")
    named = ((key, *key.split(".")) for key in KEYS)
    return {key: sections[section][name] for key, section, name in named if name in sections.get(section, {})}


def _numbers(held: Mapping[str, Any] | None) -> dict[str, float | None]:
    """The numbers of an object, those of objects in it under both names."""
    flat: dict[str, float | None] = {}
    for name, value in (held or {}).items():
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": number for inner, number in _numbers(value).items()}
        elif value is None or isinstance(value, int | float):
            flat[name] = value if value is None else float(value)
    return flat

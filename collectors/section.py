"""What the agent tells the capture role to do. Checked by hand: the process with the packet door loads no pydantic."""

from __future__ import annotations

from socket import AF_INET, AF_INET6, inet_pton
from typing import Any, NamedTuple

from agent.ipc import Unexpected
from collectors.packets.reassembly import Bounds
from collectors.packets.ring import Shape
from collectors.packets.wanted import Tiers, Wanted


class Section(NamedTuple):
    """One section. ``number`` says which of all that were sent; ``settings`` are its keys as they came.

    ``withdrawn`` is the number of the last withdrawal that its prefixes know of.
    """

    number: int
    files: tuple[str, ...]
    interfaces: tuple[str, ...]
    wanted: Wanted
    shape: Shape
    bounds: Bounds
    settings: dict[str, Any]
    log: dict[str, str]
    withdrawn: int = 0


# Of each key that is read here: what it has to be. A list is of texts, unless it says otherwise.
_KEYS: dict[str, type | tuple[type, ...]] = {
    "number": int, "files": list, "interfaces": list, "count_frames": bool, "handshakes": list, "headers": list,
    "resolvers": list, "encapsulations": list, "dissectors": list, "ports": list, "ring_mib": int, "block_ms": int,
    "workers": int, "cpus": list, "promiscuous": bool, "ignore_outgoing": bool, "synack_sample": int,
    "mute_seconds": int, "suspect_seconds": int, "max_streams": int, "stream_seconds": int, "max_bytes": int,
    "queue": int, "user": str, "fanout": int, "log": dict, "withdrawn": int, "probe_sources": list,
}  # fmt: skip
# What an agent need not say: it has taken nothing back, and nobody knocks.
_UNSAID: dict[str, Any] = {"withdrawn": 0, "probe_sources": []}
_NUMBERS = frozenset({"ports", "cpus"})

GLIMPSE = 64  # of the frames that nobody can read, one in so many is counted


def section(body: dict[str, Any]) -> Section:
    """The section that a message holds. Raises Unexpected, which names the key, and InputError for no prefix."""
    for key, kind in _KEYS.items():
        value: Any = body.get(key, _UNSAID.get(key))
        # A bool is an int to Python and not to us.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise Unexpected("invalid", f"SECTION: {key} is not what it must be")
        if isinstance(value, list) and not all(type(item) is (int if key in _NUMBERS else str) for item in value):
            raise Unexpected("invalid", f"SECTION: {key} holds something else than it must")
    bounds = Bounds(body["max_streams"], body["stream_seconds"], body["max_bytes"])
    inputs = tuple(body["files"]), tuple(body["interfaces"])
    settings = _UNSAID | body
    return Section(
        body["number"], *inputs, wanted(settings), shape(body), bounds, settings, body["log"], settings["withdrawn"]
    )


def wanted(body: dict[str, Any]) -> Wanted:
    """What is to be looked at. Raises InputError for text that is no prefix, Unexpected for a source that is none."""
    return Wanted(
        tiers=Tiers(body["handshakes"], body["headers"], body["resolvers"]),
        dissectors=frozenset(body["dissectors"]),
        encapsulations=frozenset(body["encapsulations"]),
        ports=tuple(body["ports"]),
        # A file is read whole: what is in it was sampled by whoever made it.
        sample=body["synack_sample"] if body["interfaces"] else 1,
        glimpse=GLIMPSE if body["interfaces"] else 0,
        sources=tuple(map(_packed, body.get("probe_sources", ()))) if body["interfaces"] else (),
    )


def _packed(address: str) -> bytes:
    try:
        return inet_pton(AF_INET6 if ":" in address else AF_INET, address)
    except OSError:
        raise Unexpected("invalid", "SECTION: probe_sources holds something that is no address") from None


def shape(body: dict[str, Any]) -> Shape:
    """How the rings are made."""
    return Shape(
        mib=body["ring_mib"],
        block_ms=body["block_ms"],
        promiscuous=body["promiscuous"],
        ignore_outgoing=body["ignore_outgoing"],
        fanout=body["fanout"] if body["workers"] > 1 else None,
    )

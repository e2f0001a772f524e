from agent.lab import files, servers
from agent.lab.encapsulation import LINKTYPES
from agent.lab.traffic import Path, mixed, on_interface

INPUT = "input.pcapng"
TRUTH = {
    "192.0.2.1": "exchange-edge",
    "2001:db8:1::2": "exchange-edge",
    "192.0.2.3": "exchange-edge",
    "192.0.2.4": "exchange-edge",
}

STACKS = {"ethernet": "vlan:101", "raw": "raw", "sll2": "sll2 vlan:101", "null": "null"}


def make() -> bytes:
    seen = []
    for at, stack in enumerate(STACKS.values()):
        address = f"2001:db8:1::{at + 1}" if stack == "raw" else f"192.0.2.{at + 1}"
        seen.append(on_interface(servers.edge_transport(address).visited(Path(stack)), at))
    return files.pcapng(mixed(*seen), links=[LINKTYPES[link] for link in STACKS], nano=False, order="<")

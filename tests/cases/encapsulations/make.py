from agent.lab import files, servers
from agent.lab.traffic import Path

INPUT = "input.pcap"
TRUTH = {
    "192.0.2.1": "exchange-edge",
    "2001:db8:1::2": "exchange-edge",
    "192.0.2.3": "exchange-edge",
    "192.0.2.4": "exchange-edge",
    "2001:db8:1::5": "exchange-edge",
    "192.0.2.6": "exchange-edge",
    "192.0.2.7": "exchange-edge",
    "2001:db8:1::8": "exchange-edge",
    "192.0.2.9": "exchange-edge",
    "192.0.2.10": "exchange-edge",
    "2001:db8:1::b": "exchange-edge",
    "192.0.2.12": "exchange-edge",
    "192.0.2.13": "exchange-edge",
    "2001:db8:1::e": "exchange-edge",
}

STACKS = (
    "vlan:101", "vlan:200 vlan:101", "qinq:200 vlan:101", "q9100:200 vlan:101", "pppoe:17", "vlan:101 pppoe:17",
    "qinq:200 vlan:101 pppoe:17", "mpls:3001", "mpls:3001 mpls:3002", "mpls:3001 mpls:3002 mpls:3003",
    "mpls:3001 ethernet", "mpls:3001 control", "mpls:3001 mpls:3002 ethernet", "mpls:3001 control vlan:101",
)  # fmt: skip


def make() -> bytes:
    visits = []
    for number, stack in enumerate(STACKS):
        address = f"2001:db8:1::{number + 1:x}" if number % 3 == 1 else f"192.0.2.{number + 1}"
        visits.append((servers.edge_transport(address), Path(stack)))
    return files.pcap(servers.gathered(*visits))

from agent.lab import files, servers
from agent.lab.traffic import Path

INPUT = "input.pcap"
TRUTH = {
    "192.0.2.1": "exchange-edge",
    "192.0.2.2": "exchange-edge",
    "192.0.2.3": "exchange-edge",
    "192.0.2.4": "exchange-edge",
    "192.0.2.5": "exchange-edge",
    "192.0.2.6": "exchange-edge",
    "192.0.2.7": "silent",
}

STACKS = (
    "vlan:7 mpls:3001 mpls:3002 mpls:3003 control",
    "mpls:3001 mpls:3002 ethernet vlan:101 pppoe:17",
    "qinq:200 vlan:101 mpls:3001 ethernet vlan:9",
    "vlan:7 mpls:3001 mpls:3002 control qinq:200 vlan:101",
    "mpls:3001 mpls:3002 control qinq:200 vlan:101 pppoe:17",
    "vlan:7 mpls:3001 mpls:3002 control qinq:200 vlan:101 pppoe:17",
    "vlan:7 mpls:3001 mpls:3002 mpls:3003 control qinq:200 vlan:101 pppoe:17",
)


def make() -> bytes:
    visits = [(servers.edge_transport(f"192.0.2.{at + 1}"), Path(stack)) for at, stack in enumerate(STACKS)]
    return files.pcap(servers.gathered(*visits))

from agent.lab import files, servers
from agent.lab.traffic import mixed, one_way

INPUT = "input.pcap"
TRUTH = {"192.0.2.25": "exchange 2019 15.2.1544.11", "192.0.2.26": "silent"}


def make() -> bytes:
    outbound = one_way(servers.exchange("2019", "192.0.2.25").visited())
    inbound = one_way(servers.exchange("2019", "192.0.2.26").visited(), from_server=False)
    return files.pcap(mixed(outbound, inbound))

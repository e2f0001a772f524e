from agent.lab import files, servers

INPUT = "input.pcap"
TRUTH = {"192.0.2.25": "exchange-edge"}


def make() -> bytes:
    return files.pcap(servers.edge_transport("192.0.2.25").visited())

from agent.lab import files, servers

INPUT = "input.pcap"
TRUTH = {"192.0.2.25": "other"}


def make() -> bytes:
    return files.pcap(servers.beacon("192.0.2.25").visited())

from agent.lab import files, servers

INPUT = "input.pcap"
TRUTH = {"192.0.2.25": "exchange 2019 15.2.1544.11"}


def make() -> bytes:
    return files.pcap(servers.exchange("2019", "192.0.2.25").visited())

from agent.lab import files, servers

INPUT = "input.pcap"
TRUTH = {"192.0.2.25": "exchange 2010 14.3.513.0"}


def make() -> bytes:
    return files.pcap(servers.exchange("2010", "192.0.2.25").visited())

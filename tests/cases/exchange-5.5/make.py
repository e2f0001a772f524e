from agent.lab import files, servers

INPUT = "input.pcap"
TRUTH = {"192.0.2.25": "exchange 5.5 5.5.2653.23"}


def make() -> bytes:
    return files.pcap(servers.exchange_55("192.0.2.25").visited())

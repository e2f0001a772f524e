from agent.lab import files, servers

INPUT = "input.pcap"
TRUTH = {"192.0.2.25": "exchange 2016 15.1.2507.39"}


def make() -> bytes:
    return files.pcap(servers.exchange("2016", "192.0.2.25").visited())

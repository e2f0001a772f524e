from agent.lab import files, servers

INPUT = "input.pcap"
TRUTH = {"192.0.2.25": "silent"}


def make() -> bytes:
    return files.pcap(servers.exchange("2016", "192.0.2.25").visited(), snaplen=68)

from agent.lab import files, servers

INPUT = "input.pcap"
TRUTH = {"192.0.2.25": "exchange 2013 15.0.1497.48"}


def make() -> bytes:
    return files.pcap(servers.exchange("2013", "192.0.2.25").visited(), nano=True, order=">")

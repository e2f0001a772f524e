from agent.lab import files, servers

INPUT = "input.pcap"
TRUTH = {"192.0.2.25": "iis-smtp"}


def make() -> bytes:
    return files.pcap(servers.iis_smtp("192.0.2.25").visited())

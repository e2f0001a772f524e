from agent.lab import files, servers

INPUT = "input.pcap"
TRUTH = {"192.0.2.25": "exchange SE 15.2.2562.17"}


def make() -> bytes:
    return files.pcap(servers.exchange("SE", "192.0.2.25", build=None).visited())

from agent.lab import files, servers

INPUT = "input.pcap"
TRUTH = {"192.0.2.25": "exchange 2003 6.5.7638.1"}


def make() -> bytes:
    return files.pcap(servers.exchange_2003("192.0.2.25").visited())

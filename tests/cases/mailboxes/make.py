from agent.lab import files, servers
from agent.lab.traffic import PLAIN

INPUT = "input.pcap"
TRUTH = {"192.0.2.25": "exchange", "192.0.2.26": "exchange"}


def make() -> bytes:
    plain, named = servers.mailboxes("192.0.2.25"), servers.mailboxes("192.0.2.26", "EX01")
    return files.pcap(servers.gathered((plain, PLAIN), (named, PLAIN)))

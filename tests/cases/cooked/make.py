from agent.lab import files, servers
from agent.lab.encapsulation import LINKTYPES
from agent.lab.traffic import Path

INPUT = "input.pcap"
TRUTH = {"192.0.2.25": "exchange 2016 15.1.2507.39"}


def make() -> bytes:
    return files.pcap(servers.exchange("2016", "192.0.2.25").visited(Path("sll")), link=LINKTYPES["sll"])

from agent.lab import files, servers
from agent.lab.servers import Server
from agent.lab.traffic import Path

INPUT = "input.pcap"
TRUTH = {"192.0.2.25": "exchange 2019"}


def make() -> bytes:
    whole = servers.exchange("2019", "192.0.2.25")
    mail = Server(whole.label, whole.address, whole.services[:1])
    return files.pcap(mail.visited(Path("vlan:101", mss=120)))

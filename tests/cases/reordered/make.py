from agent.lab import files, servers
from agent.lab.traffic import Path, reordered

INPUT = "input.pcap"
TRUTH = {"192.0.2.25": "exchange 2016 15.1.2507.39"}


def make() -> bytes:
    visits = servers.exchange("2016", "192.0.2.25").conversations(servers.CLIENTS[0])
    # Each connection on its own: what is reordered is a flight and not two connections.
    shuffled = [reordered(traffic(visit, at), seed=at) for at, visit in enumerate(visits)]
    return files.pcap(frame for connection in shuffled for frame in connection)


def traffic(visit: servers.Conversation, at: int) -> list[servers.Frame]:
    return servers.frames(visit, Path(mss=300), servers.EPOCH_NS + at * servers.SECOND_NS)

from agent.lab import files, servers
from agent.lab.traffic import Path, mixed, without

INPUT = "input.pcap"
TRUTH = {"192.0.2.25": "exchange-edge", "192.0.2.26": "exchange-edge"}


def make() -> bytes:
    small = Path(mss=300)
    # Frame 3 is the greeting; with pieces of 300 bytes the certificate is in frames 13 to 17.
    holed = without(servers.edge_transport("192.0.2.25").visited(small), 16)
    mute = without(servers.edge_transport("192.0.2.26").visited(small), 3)
    return files.pcap(mixed(holed, mute))

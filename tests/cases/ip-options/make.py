from agent.lab import files, servers
from agent.lab.traffic import Path

INPUT = "input.pcap"
TRUTH = {"192.0.2.25": "exchange 2019 15.2.1544.11", "2001:db8:1::25": "exchange 2019 15.2.1544.11"}


def make() -> bytes:
    optional = Path(options=True)
    visits = ((servers.exchange("2019", address), optional) for address in ("192.0.2.25", "2001:db8:1::25"))
    return files.pcap(servers.gathered(*visits))

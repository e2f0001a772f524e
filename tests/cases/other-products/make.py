from agent.lab import files, servers
from agent.lab.traffic import PLAIN

INPUT = "input.pcap"
TRUTH = {"192.0.2.25": "other", "192.0.2.26": "other", "192.0.2.27": "other", "192.0.2.28": "other"}


def make() -> bytes:
    products = (
        servers.postfix("192.0.2.25"),
        servers.dovecot("192.0.2.26"),
        servers.nginx("192.0.2.27"),
        servers.grommunio("192.0.2.28"),
    )
    return files.pcap(servers.gathered(*((product, PLAIN) for product in products)))

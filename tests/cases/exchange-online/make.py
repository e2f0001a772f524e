from agent.lab import files, servers
from agent.lab.traffic import PLAIN

INPUT = "input.pcap"
TRUTH = {"192.0.2.25": "exchange-online", "192.0.2.26": "exchange-online"}


def make() -> bytes:
    back_end = "AM0EXAMPLE0001.eurprd01.prod.outlook.com"
    protection = servers.exchange_online("192.0.2.25")
    mailboxes = servers.mailboxes("192.0.2.26", back_end, online=True)
    return files.pcap(servers.gathered((protection, PLAIN), (mailboxes, PLAIN)))

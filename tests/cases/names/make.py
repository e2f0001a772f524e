from agent.lab import dns, files, servers
from agent.lab.traffic import EPOCH_NS, datagram

INPUT = "input.pcap"
TRUTH = {"192.0.2.25": "exchange 2016", "2001:db8:1::26": "silent", "192.0.2.27": "silent"}

ANSWERS = (
    ("example.org", "MX", (("example.org", "MX", "10 mail.example.org"), ("mail.example.org", "A", "192.0.2.25"))),
    ("autodiscover.example.org", "A", (("autodiscover.example.org", "A", "192.0.2.25"),)),
    ("autodiscover.example.com", "AAAA", (("autodiscover.example.com", "AAAA", "2001:db8:1::26"),)),
    (
        "autodiscover.example.net",
        "A",
        (("autodiscover.example.net", "CNAME", "mail.example.net"), ("mail.example.net", "A", "192.0.2.27")),
    ),
    (
        "_autodiscover._tcp.example.org",
        "SRV",
        (
            ("_autodiscover._tcp.example.org", "SRV", "0 0 443 mail.example.org"),
            ("mail.example.org", "A", "192.0.2.25"),
        ),
    ),
    ("www.example.com", "A", (("www.example.com", "A", "192.0.2.80"),)),
)


def make() -> bytes:
    resolver, client = "198.51.100.53", servers.CLIENTS[0]
    answers = [
        frame
        for at, asked in enumerate(ANSWERS)
        for frame in datagram(resolver, client, dns.answer(*asked), start=EPOCH_NS + at * 1_000_000)
    ]
    return files.pcap([*answers, *servers.exchange("2016", "192.0.2.25", build=None).visited(start=EPOCH_NS + 10**9)])

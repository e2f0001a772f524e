from agent.lab import files, servers, sessions
from agent.lab.servers import Server, Service
from agent.lab.traffic import LINUX, PLAIN

INPUT = "input.pcap"
TRUTH = {"192.0.2.25": "other", "192.0.2.26": "other", "192.0.2.27": "other"}

QUOTED = b"""\
Received: from ex01.example.org (192.0.2.99) by ex02.example.org with\r
 Microsoft SMTP Server (version=TLS1_2, cipher=TLS_ECDHE_RSA) id 15.1.2507.39\r
Subject: our new server\r
\r
220 ex01.example.org Microsoft ESMTP MAIL Service ready at Mon, 2 Nov 2026 09:00:00 +0000\r
250-ex01.example.org Hello [192.0.2.7]\r
250-X-ANONYMOUSTLS\r
250-X-EXPS GSSAPI NTLM\r
250 XRDST\r
* OK The Microsoft Exchange IMAP4 service is ready.\r
+OK The Microsoft Exchange POP3 service is ready.\r
HTTP/1.1 302 Found\r
X-OWA-Version: 15.2.1544.11\r
X-FEServer: EX01\r
"""


def make() -> bytes:
    postfix = "mx.example.com ESMTP Postfix"
    queued = "250 2.0.0 Ok: queued as 4bXk2N0zQqz1"
    given = sessions.delivery(postfix, "mx.example.com", ("PIPELINING", "SIZE 10240000", "8BITMIME"), QUOTED, queued)
    relay = Server("relay", "192.0.2.25", (Service(25, given, LINUX),))
    fetched = Server("POP3", "192.0.2.26", (Service(110, sessions.retrieval("Dovecot ready.", QUOTED), LINUX),))
    page = servers.nginx("192.0.2.27", body=QUOTED)
    return files.pcap(servers.gathered((relay, PLAIN), (fetched, PLAIN), (page, PLAIN)))

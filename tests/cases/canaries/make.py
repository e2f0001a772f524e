from base64 import b64encode

from agent.lab import dns, files, servers, sessions
from agent.lab.certificates import Certificate, public
from agent.lab.servers import Server, Service
from agent.lab.traffic import CLIENT, EPOCH_NS, LINUX, SERVER, Conversation, Turn, datagram, frames

INPUT = "input.pcap"
TRUTH = {
    "192.0.2.25": "exchange 2019 15.2.1544.11",
    "192.0.2.26": "other",
    "192.0.2.27": "exchange",
    "192.0.2.28": "exchange 2019",
}

MAIL = "canary.mailbox@personal.example"
USER = "canaryuser"
SECRET = "Canary-Passw0rd"
QUERY = "canaryquery"
COOKIE = "canarycookie"
NAME = "canary-laptop"
ADDRESS, ADDRESS_6 = "203.0.113.177", "2001:db8:ffff::177"
PLAIN = f"\0{USER}\0{SECRET}"  # RFC 4616
LETTER = "canary letter text"

# What may appear nowhere, and also not in base64; matched without regard to case.
CANARIES = (MAIL, "canary.mailbox", USER, SECRET, QUERY, COOKIE, NAME, ADDRESS, ADDRESS_6, LETTER)
CANARIES += tuple(b64encode(word.encode()).decode() for word in (USER, SECRET, PLAIN))


def make() -> bytes:
    sessions = (
        *servers.exchange("2019", "192.0.2.25").conversations(ADDRESS),
        *mailboxes("192.0.2.26").conversations(ADDRESS),
        *web("192.0.2.27").conversations(ADDRESS),
        *mail("192.0.2.28").conversations(ADDRESS),
    )
    seen = [frame for at, one in enumerate(sessions) for frame in frames(one, start=EPOCH_NS + at * 10**9)]
    answer = dns.answer("autodiscover.example.org", "A", (("autodiscover.example.org", "A", "192.0.2.25"),))
    by_ipv6 = Conversation(ADDRESS_6, "2001:db8:1::29", 25, refused=True)
    return files.pcap([*seen, *datagram("198.51.100.53", ADDRESS, answer), *frames(by_ipv6)])


def said(*turns: tuple[bool, str]) -> tuple[Turn, ...]:
    return tuple((side, text.replace("\n", "\r\n").encode()) for side, text in turns)


def coded(text: str) -> str:
    return b64encode(text.encode()).decode()


def mail(address: str) -> Server:
    """A mail given to Exchange in clear by an authenticated client."""
    turns = said(
        (SERVER, f"220 ex02.example.org Microsoft ESMTP MAIL Service ready at {servers.DATE}\n"),
        (CLIENT, f"EHLO {NAME}\n"),
        (SERVER, f"250-ex02.example.org Hello [{ADDRESS}]\n250-SIZE 37748736\n250-AUTH LOGIN\n250 XRDST\n"),
        (CLIENT, "AUTH LOGIN\n"),
        (SERVER, f"334 {coded('Username:')}\n"),
        (CLIENT, f"{coded(USER)}\n"),
        (SERVER, f"334 {coded('Password:')}\n"),
        (CLIENT, f"{coded(SECRET)}\n"),
        (SERVER, f"535 5.7.3 Authentication unsuccessful for {USER} [{ADDRESS}]\n"),
        (CLIENT, f"MAIL FROM:<{MAIL}>\n"),
        (SERVER, f"250 2.1.0 Sender OK {MAIL}\n"),
        (CLIENT, f"RCPT TO:<{MAIL}>\n"),
        (SERVER, f"550 5.1.1 <{MAIL}>: user unknown, asked by {NAME} [{ADDRESS_6}]\n"),
        (CLIENT, f"VRFY {USER}\n"),
        (SERVER, f"252 2.1.5 Cannot VRFY user {USER}\n"),
        (CLIENT, f"DATA\nSubject: {LETTER}\n\n{MAIL}\n.\n"),
        (SERVER, f"250 2.6.0 <{MAIL}> [InternalId=7, Hostname=ex02.example.org] Queued mail for delivery\n"),
    )
    return Server("mail", address, (Service(25, turns),))


def mailboxes(address: str) -> Server:
    """Logins in clear by IMAP and POP3, and the letters that follow."""
    imap = said(
        (SERVER, f"* OK Dovecot ready for {ADDRESS} <{MAIL}>\n"),
        (CLIENT, "a0 AUTHENTICATE PLAIN\n"),
        (SERVER, "+ \n"),
        (CLIENT, f"{coded(PLAIN)}\n"),
        (CLIENT, f"a1 LOGIN {USER} {SECRET}\n"),
        (SERVER, f"a1 OK {USER} logged in from {ADDRESS}\n"),
        (CLIENT, "a2 FETCH 1 BODY[]\n"),
        (SERVER, f"* 1 FETCH (BODY[] {{60}}\nFrom: {MAIL}\n\n{LETTER}\n* CAPABILITY {USER}\n)\na2 OK\n"),
    )
    letter = f"From: {MAIL}\n\n{LETTER}\n+OK {USER}\n".replace("\n", "\r\n").encode()
    pop = list(sessions.retrieval(f"Dovecot ready. <{MAIL}>", letter))
    pop[1:4:2] = said((CLIENT, f"USER {USER}\n"), (CLIENT, f"PASS {SECRET}\n"))
    return Server("mailboxes", address, (Service(143, imap, LINUX), Service(110, tuple(pop), LINUX)))


def web(address: str) -> Server:
    """Exchange behind nginx: queries, cookies, names and addresses in a request, its answer and a certificate."""
    headers = [
        ("Server", "nginx"),
        ("Location", f"https://{USER}:{SECRET}@www.example.net/owa/{MAIL}/?{QUERY}=1#{QUERY}"),
        ("Set-Cookie", f"X-BackEndCookie={COOKIE}; path=/{QUERY}"),
        ("Set-Cookie", f"ClientId={COOKIE}"),
        ("WWW-Authenticate", f'Basic realm="{MAIL}"'),
        ("WWW-Authenticate", f"NTLM {coded('NTLMSSP')}{coded(SECRET)}"),
        ("Via", f"1.1 {ADDRESS}"),
        ("X-FailureContext", f"FrontEnd;401;{coded(USER)};;;"),
    ]
    asked = f"Cookie: {COOKIE}=1\r\nAuthorization: Basic {coded(f'{USER}:{SECRET}')}\r\n"
    page = sessions.http(
        "www.example.net", f"/?{QUERY}=1", "302 Found", headers, body=f"{MAIL} {LETTER}".encode(), asked=asked
    )
    leaf = public("www.example.net", MAIL)
    named = Certificate((("CN", "www.example.net"), ("E", MAIL)), leaf.issuer, leaf.names, leaf.begins, leaf.days)
    tls = sessions.tls("www.example.net", named)
    return Server("web", address, (Service(80, page, LINUX), Service(443, tls, LINUX)))

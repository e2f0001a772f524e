"""Simulated mail servers: tables of what each product says, and the conversations that follow from them.

Every word is simulated from documented behaviour; none of it was recorded. Sources: Microsoft Learn ("Use Telnet to
test SMTP communication on Exchange servers", "Receive connectors", "Digital certificates and encryption in Exchange
Server", "Exchange Server build numbers and release dates"), [MS-OXPROTO] 2.6.2; and for what older products say, the
match lines of nmap's nmap-service-probes and the fingerprints of rapid7/recog. Names and addresses are those of
RFC 2606, RFC 3849 and RFC 5737.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace

from agent.lab import sessions
from agent.lab.certificates import Certificate, public, self_signed
from agent.lab.traffic import (
    EPOCH_NS,
    LINUX,
    PLAIN,
    WINDOWS,
    WINDOWS_2003,
    WINDOWS_2012,
    Conversation,
    Frame,
    Host,
    Path,
    Turn,
    frames,
)

DATE = "Mon, 2 Nov 2026 09:00:00 +0000"
CLIENTS = ("203.0.113.9", "2001:db8:ffff::9")  # by IPv4 and by IPv6
SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Service:
    """What one port says, and the TCP/IP behaviour it is said with.

    A port that speaks TLS, at once or on request, shows ``leaf`` in it and speaks ``tls`` at best; ``inside`` is what
    is asked and answered there, which no line shows and only a real socket needs.
    """

    port: int
    turns: tuple[Turn, ...]
    host: Host = WINDOWS
    leaf: Certificate | None = None
    tls: str = "1.2"
    inside: tuple[Turn, ...] = ()


@dataclass(frozen=True, slots=True)
class Server:
    """One simulated server: what it is, for people; its address; its services."""

    label: str
    address: str
    services: tuple[Service, ...]

    def conversations(self, client: str) -> list[Conversation]:
        """One connection by ``client`` to each service, in order of the table."""
        return [Conversation(client, self.address, s.port, s.turns, s.host) for s in self.services]

    def visited(self, path: Path = PLAIN, start: int = EPOCH_NS, client: str = "") -> list[Frame]:
        """The frames of one connection to each service, a second apart. The client is of the server's IP version."""
        by = client or CLIENTS[":" in self.address]
        said = enumerate(self.conversations(by))
        return [frame for at, one in said for frame in frames(one, path, start + at * SECOND_NS)]


def gathered(*visits: tuple[Server, Path], start: int = EPOCH_NS) -> list[Frame]:
    """One visit to each server by its own path, ten seconds apart."""
    return [
        frame for at, (server, path) in enumerate(visits) for frame in server.visited(path, start + 10 * at * SECOND_NS)
    ]


@dataclass(frozen=True, slots=True)
class Release:
    """What tells one generation of Exchange from another in clear.

    ``ehlo`` are the keywords of the port 25 connector, in their order; ``iis`` is the version that IIS names, and
    ``tls`` the best version that the port 443 speaks.
    """

    ehlo: tuple[str, ...]
    build: str
    iis: str
    host: Host = WINDOWS
    tls: str = "1.2"
    front_end: bool = True  # 2013 and later name the front end in X-FEServer


_HEAD = ("PIPELINING", "DSN", "ENHANCEDSTATUSCODES", "STARTTLS")
_BODY = ("X-ANONYMOUSTLS", "AUTH NTLM", "X-EXPS GSSAPI NTLM", "8BITMIME", "BINARYMIME", "CHUNKING")
_EHLO_2010 = ("SIZE", *_HEAD, *_BODY, "XEXCH50", "XRDST", "XSHADOW")
_EHLO_2013 = ("SIZE 37748736", *_HEAD, *_BODY, "XRDST")
_EHLO_2019 = ("SIZE 37748736", *_HEAD, *_BODY, "SMTPUTF8", "XRDST")
_EHLO_EDGE = tuple("X-EXPS NTLM" if word.startswith("X-EXPS") else word for word in _EHLO_2013)
_EHLO_ONLINE = ("SIZE 157286400", *_HEAD, "8BITMIME", "BINARYMIME", "CHUNKING", "SMTPUTF8")
_EHLO_IIS = (
    "TURN", "SIZE 2097152", "ETRN", "PIPELINING", "DSN", "ENHANCEDSTATUSCODES", "8bitmime", "BINARYMIME", "CHUNKING",
    "VRFY",
)  # fmt: skip
_EHLO_2003 = (
    *_EHLO_IIS, "X-EXPS GSSAPI NTLM LOGIN", "X-EXPS=LOGIN", "AUTH GSSAPI NTLM LOGIN", "AUTH=LOGIN", "X-LINK2STATE",
    "XEXCH50", "OK",
)  # fmt: skip
_EHLO_POSTFIX = ("PIPELINING", "SIZE 10240000", "ETRN", "STARTTLS", "ENHANCEDSTATUSCODES", "8BITMIME", "DSN")

RELEASES = {
    "2010": Release(_EHLO_2010, "14.3.513.0", "7.5", WINDOWS_2012, "1.0", front_end=False),
    "2013": Release(_EHLO_2013, "15.0.1497.48", "8.5", WINDOWS_2012),
    "2016": Release(_EHLO_2013, "15.1.2507.39", "10.0"),
    "2019": Release(_EHLO_2019, "15.2.1544.11", "10.0"),
    "SE": Release(_EHLO_2019, "15.2.2562.17", "10.0", tls="1.3"),
}


def exchange(
    generation: str,
    address: str,
    name: str = "EX01",
    domain: str = "example.org",
    *,
    build: str | None = "",
    leaf: Certificate | None = None,
) -> Server:
    """An Exchange server of a key of RELEASES: SMTP with STARTTLS, cleartext HTTP, and HTTPS.

    ``build`` is what port 80 tells in X-OWA-Version: the newest of that generation by default, None for no header.
    ``leaf`` is the certificate of port 443; port 25 keeps the one that setup made.
    """
    release = RELEASES[generation]
    fqdn = f"{name.lower()}.{domain}"
    mail = f"mail.{domain}"
    shown = release.build if build == "" else build
    leaf = leaf or public(mail, f"autodiscover.{domain}")
    own = self_signed(name, domain)
    smtp = sessions.smtp(greeting(fqdn), fqdn, release.ehlo, sessions.Starttls(fqdn, own))
    tls = sessions.tls(f"autodiscover.{domain}", leaf, release.tls)
    pages = _pages(mail, _signs(release, name, shown))
    return Server(
        f"Exchange {generation}",
        address,
        (
            Service(25, smtp, release.host, own),
            Service(80, pages[:2], release.host),  # the site root alone
            Service(443, tls, release.host, leaf, release.tls, pages),
        ),
    )


def _signs(release: Release, name: str, build: str | None) -> list[tuple[str, str]]:
    """The headers of every answer of a front end."""
    headers = [("Server", f"Microsoft-IIS/{release.iis}")]
    headers += [("X-OWA-Version", build)] if build else []
    headers += [("X-FEServer", name)] if release.front_end else []
    return [*headers, ("X-Powered-By", "ASP.NET")]


def _pages(mail: str, signs: list[tuple[str, str]]) -> tuple[Turn, ...]:
    """What a front end answers without a login; the site root, which sends browsers to /owa, is first.

    The statuses and challenges are those of Microsoft Learn, "Default settings for Exchange virtual directories".
    """
    owa = f"https://{mail}/owa/"
    logon = f"{owa}auth/logon.aspx?url={owa}&reason=0"
    challenge = [("WWW-Authenticate", "Negotiate"), ("WWW-Authenticate", "NTLM")]
    basic = [*challenge, ("WWW-Authenticate", f'Basic realm="{mail}"')]
    answers = (
        ("/", "302 Found", [("Location", owa)]),
        ("/owa/", "302 Found", [("Location", logon)]),
        ("/EWS/Exchange.asmx", "401 Unauthorized", challenge),
        ("/autodiscover/autodiscover.xml", "401 Unauthorized", [*basic, ("X-SOAP-Enabled", "True")]),
    )
    said = [sessions.http(mail, path, status, [*own, *signs]) for path, status, own in answers]
    return tuple(turn for turns in said for turn in turns)


def greeting(fqdn: str) -> str:
    """The SMTP greeting of Exchange 2007 and later: Microsoft Learn, "Use Telnet to test SMTP communication"."""
    return f"{fqdn} Microsoft ESMTP MAIL Service ready at {DATE}"


def exchange_55(address: str, name: str = "ex55.example.org") -> Server:
    """Exchange 5.5, which shows its version over IMAP."""
    greeting = f"Microsoft Exchange IMAP4rev1 server version 5.5.2653.23 ({name}) ready"
    capability = "IMAP4 IMAP4rev1 IDLE LITERAL+ LOGIN-REFERRALS MAILBOX-REFERRALS NAMESPACE AUTH=NTLM"
    return Server("Exchange 5.5", address, (Service(143, sessions.imap(greeting, capability), WINDOWS_2003),))


def exchange_2003(address: str, name: str = "mail.example.net") -> Server:
    """Exchange 2003: the SMTP service of IIS 6 with Exchange's own verbs, and POP3 with a version."""
    greeting = f"{name} Microsoft ESMTP MAIL Service, Version: 6.0.3790.4675 ready at  {DATE}"
    pop = f"Microsoft Exchange Server 2003 POP3 server version 6.5.7638.1 ({name}) ready."
    return Server(
        "Exchange 2003",
        address,
        (
            Service(25, sessions.smtp(greeting, name, _EHLO_2003), WINDOWS_2003),
            Service(110, sessions.pop3(pop, ("TOP", "USER", "UIDL")), WINDOWS_2003),
        ),
    )


def mailboxes(address: str, back_end: str = "", *, online: bool = False) -> Server:
    """IMAP and POP3 of Exchange; ``back_end`` is the name it adds in base64 of UTF-16LE, if it does."""
    suffix = f" [{base64.b64encode(back_end.encode('utf-16-le')).decode()}]" if back_end else ""
    auth = "AUTH=PLAIN AUTH=XOAUTH2 SASL-IR" if online else "AUTH=NTLM AUTH=GSSAPI STARTTLS LOGINDISABLED"
    capability = f"IMAP4 IMAP4rev1 {auth} UIDPLUS CHILDREN IDLE NAMESPACE LITERAL+"
    return Server(
        "Exchange Online" if online else "Exchange",
        address,
        (
            Service(143, sessions.imap(f"The Microsoft Exchange IMAP4 service is ready.{suffix}", capability)),
            Service(110, sessions.pop3(f"The Microsoft Exchange POP3 service is ready.{suffix}", ("TOP", "UIDL"))),
        ),
    )


def edge_transport(address: str, name: str = "EDGE01", domain: str = "example.org") -> Server:
    """An Edge Transport server: SMTP alone, and no Kerberos because it belongs to no domain."""
    fqdn = f"{name.lower()}.{domain}"
    own = self_signed(name, domain)
    turns = sessions.smtp(greeting(fqdn), fqdn, _EHLO_EDGE, sessions.Starttls(fqdn, own))
    return Server("Exchange Edge", address, (Service(25, turns, leaf=own),))


def exchange_online(address: str, name: str = "AM0EXAMPLE01.mail.protection.outlook.com") -> Server:
    """Exchange Online Protection: the words of Exchange, but in Microsoft's house."""
    leaf = public("mail.protection.outlook.com", "*.mail.protection.outlook.com")
    turns = sessions.smtp(greeting(name), name, _EHLO_ONLINE, sessions.Starttls(name, leaf))
    return Server("Exchange Online", address, (Service(25, turns),))


def iis_smtp(address: str, name: str = "web01.example.net") -> Server:
    """The SMTP service of IIS, whose greeting has the Windows version that Exchange's lacks."""
    greeting = f"{name} Microsoft ESMTP MAIL Service, Version: 10.0.17763.1697 ready at  {DATE}"
    return Server("IIS SMTP", address, (Service(25, sessions.smtp(greeting, name, (*_EHLO_IIS, "OK"))),))


def postfix(address: str, name: str = "mx.example.com") -> Server:
    turns = sessions.smtp(f"{name} ESMTP Postfix", name, _EHLO_POSTFIX, sessions.Starttls(name, public(name)))
    return Server("Postfix", address, (Service(25, turns, LINUX),))


def dovecot(address: str) -> Server:
    capability = "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ STARTTLS AUTH=PLAIN"
    return Server(
        "Dovecot",
        address,
        (
            Service(143, sessions.imap(f"[CAPABILITY {capability}] Dovecot ready.", capability), LINUX),
            Service(110, sessions.pop3("Dovecot ready.", ("CAPA", "TOP", "UIDL", "STLS", "SASL PLAIN")), LINUX),
        ),
    )


def nginx(address: str, name: str = "www.example.com", body: bytes = b"") -> Server:
    """A web server; ``body`` is the page that it serves."""
    page = sessions.http(name, "/", "200 OK", [("Server", "nginx/1.26.3"), ("Content-Type", "text/html")], body=body)
    return Server("nginx", address, (Service(80, page, LINUX), Service(443, sessions.tls(name, public(name)), LINUX)))


def behind_proxy(address: str, domain: str = "example.org") -> Server:
    """Exchange 2019 whose ports 80 and 443 are answered by a reverse proxy on Linux, while port 25 leads to Windows."""
    proxied = [replace(s, host=LINUX) if s.port != 25 else s for s in exchange("2019", address, domain=domain).services]
    return Server("2019 and proxy", address, tuple(proxied))


def grommunio(address: str, name: str = "mail.example.net") -> Server:
    """A look-alike: it speaks MAPI/HTTP and says so in the header of Exchange, but behind nginx."""
    headers = [("Server", "nginx"), ("X-ServerApplication", "Exchange/15.00.0847.4040"), ("X-ResponseCode", "10")]
    return Server(
        "grommunio", address, (Service(80, sessions.http(name, "/mapi/emsmdb", "200 OK", headers, body=b"x"), LINUX),)
    )


def beacon(address: str, name: str = "cdn.example.net") -> Server:
    """A command and control server whose profile copies the headers of Exchange: signs of it are its exact build."""
    copied = [
        ("Server", "Microsoft-IIS/10.0"),
        ("X-CalculatedBETarget", "BY2PR06MB549.namprd06.prod.outlook.com"),
        ("X-OWA-Version", "15.1.1240.20"),
        ("X-FEServer", "CY4PR02CA0010"),
        ("X-Powered-By", "ASP.NET"),
    ]
    return Server("Cobalt Strike", address, (Service(80, sessions.http(name, "/owa/", "200 OK", copied), LINUX),))

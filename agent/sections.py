"""The sections of the configuration: every key with its type, its bounds, its default and what a change of it needs.

What a change needs is said once, here, beside the key: the reload acts on it (agent/reload.py), and a test holds the
table in docs/operating.md to it.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo

from agent.places import MAILBOX, host, url

# What is restarted when a key changes. "nothing": the running processes take it over as they are. Everything else hangs
# on the agent, so that its restart is one of every role.
Needs = Literal["nothing", "capture", "exporter", "prober", "notifier", "agent"]

Dissector = Literal["smtp", "http", "tls", "mailbox", "dns", "tcp"]
Encapsulation = Literal["gre", "erspan", "vxlan", "geneve", "gtpu", "tzsp"]
DISSECTORS: tuple[Dissector, ...] = ("smtp", "http", "tls", "mailbox", "dns", "tcp")

MAX_INTERFACES = 64
MAX_INTERFACE_NAME = 15  # bytes; IFNAMSIZ of linux/if.h, less the NUL


def prefix(text: str) -> str:
    """The prefix in its canonical form. Raises ValueError that says what would be right."""
    try:
        return str(ip_network(text))
    except ValueError:
        pass
    try:
        meant = ip_network(text, strict=False)
    except ValueError:
        raise ValueError("is not a prefix; write it like 192.0.2.0/24 or 2001:db8::/32") from None
    raise ValueError(f"has bits set behind its length; the prefix is {meant}")


def interface(text: str) -> str:
    """The name of an interface as the kernel would take it (dev_valid_name in net/core/dev.c). Raises ValueError."""
    fits = 1 <= len(text.encode("utf-8", "replace")) <= MAX_INTERFACE_NAME
    if not fits or text in (".", "..") or any(c in "/:\0" or c.isspace() for c in text):
        raise ValueError("is not the name of an interface; write 1 to 15 characters without space, / or :, like eth0")
    return text


def address(listen: str) -> tuple[str, int]:
    """The address and port of ``127.0.0.1:10125`` or ``[::1]:10125``; port 0 is any free one. Raises ValueError."""
    host, _, port = listen.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    wanted = "write an address and a port, like 127.0.0.1:10125 or [::1]:10125"
    try:
        version = ip_address(bare).version
    except ValueError:
        raise ValueError(f"does not start with an address; {wanted}") from None
    if (version == 6) != (bare != host):
        raise ValueError(f"needs brackets around an IPv6 address, and only there; {wanted}")
    if not (port.isascii() and port.isdigit() and int(port) <= 65_535):
        raise ValueError(f"does not end with a port from 0 to 65535; {wanted}")
    return bare, int(port)


def _relay(text: str) -> str:
    if text:
        host(text)
    return text


def _webhook(text: str) -> str:
    if text:
        url(text)
    return text


def _sender(text: str) -> str:
    if text and not MAILBOX.fullmatch(text):
        raise ValueError("is not a mail address; write it like notices@example.net")
    return text


def _listen(text: str) -> str:
    address(text)
    return text


def _listen_or_not(text: str) -> str:
    return _listen(text) if text else text


def _address(text: str) -> str:
    try:
        canonical = str(ip_address(text))
    except ValueError:
        raise ValueError("is not an address; write it like 192.0.2.9 or 2001:db8::9") from None
    return canonical


def _file(text: str, info: ValidationInfo) -> str:
    if not text or "\0" in text:
        raise ValueError("is not the path of a file")
    return _placed(text, info)


def _placed(text: str, info: ValidationInfo) -> str:
    """A relative path as one from the directory of the configuration file, where that is known."""
    if "\0" in text:
        raise ValueError("is not the path of a file")
    here = (info.context or {}).get("here")
    return f"{here}/{text}" if text and here and not Path(text).is_absolute() else text


def _distinct(items: tuple[Any, ...]) -> tuple[Any, ...]:
    for item in items:
        if items.count(item) > 1:
            raise ValueError(f"names {item!r} twice; leave one")
    return items


def _key(default: Any, needs: Needs, description: str, **bounds: Any) -> Any:
    if isinstance(default, tuple):
        bounds["strict"] = False  # TOML has lists; nothing else in a configuration is converted
    return Field(default=default, description=description, json_schema_extra={"needs": needs}, **bounds)


File = Annotated[str, AfterValidator(_file)]
Place = Annotated[str, AfterValidator(_placed)]
Prefix = Annotated[str, AfterValidator(prefix)]
Address = Annotated[str, AfterValidator(_address)]
Interface = Annotated[str, AfterValidator(interface)]
Port = Annotated[int, Field(ge=1, le=65_535)]
Cpu = Annotated[int, Field(ge=0, le=8191)]


class Section(BaseModel):
    """What every section has in common: a key that is not known is a fault, and nothing changes after loading."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Capture(Section):
    """What is looked at."""

    files: tuple[File, ...] = _key((), "capture", "capture files to read, in this order; relative to this file")
    interfaces: Annotated[tuple[Interface, ...], AfterValidator(_distinct)] = _key(
        (), "nothing", "interfaces to look at; an interface needs customers' prefixes", max_length=MAX_INTERFACES
    )
    prefixes: tuple[Prefix, ...] = _key(
        (),
        "nothing",
        "the customers' prefixes: servers elsewhere are not looked at; for files alone, empty is no restriction",
    )
    encapsulations: Annotated[tuple[Encapsulation, ...], AfterValidator(_distinct)] = _key(
        (), "nothing", "tunnels to look into: gre, erspan, vxlan, geneve, gtpu, tzsp (VLAN, PPPoE and MPLS always are)"
    )
    dissectors: Annotated[tuple[Dissector, ...], AfterValidator(_distinct)] = _key(
        DISSECTORS, "nothing", "what is looked for", min_length=1
    )
    ports: Annotated[tuple[Port, ...], AfterValidator(_distinct)] = _key(
        (), "nothing", "ports of servers to look at; empty: any", max_length=256
    )
    resolvers: tuple[Prefix, ...] = _key(
        (), "nothing", "prefixes of the DNS servers whose answers are looked at; for files, those of all are"
    )
    count_frames: bool = _key(
        default=True,
        needs="capture",
        description="count every frame of a file, with the reason why it was not used; false is faster",
    )
    ring_mib: int = _key(32, "capture", "size of the ring of each interface and worker, in MiB", ge=1, le=4096)
    block_ms: int = _key(
        50, "capture", "milliseconds after which the kernel hands over a block that is not full", ge=1, le=10_000
    )
    workers: int = _key(1, "agent", "capture processes, among which the kernel shares out the flows", ge=1, le=64)
    cpus: Annotated[tuple[Cpu, ...], AfterValidator(_distinct)] = _key(
        (), "capture", "CPUs for the capture processes; empty: any", max_length=1024
    )
    promiscuous: bool = _key(
        default=True, needs="capture", description="take frames that are not addressed to this machine"
    )
    ignore_outgoing: bool = _key(
        default=False, needs="capture", description="leave out the frames that this machine sends"
    )
    synack_sample: int = _key(32, "nothing", "one SYN-ACK in so many is looked at", ge=1, le=65_536)
    mute_seconds: int = _key(
        3600,
        "nothing",
        "seconds for which a server that is known well is not looked at; 0: never mute",
        ge=0,
        le=86_400,
    )
    suspect_seconds: int = _key(
        300, "capture", "seconds with frames and no match after which the filter is suspected", ge=1, le=86_400
    )
    max_streams: int = _key(16_384, "capture", "streams followed at once", ge=1, le=10_000_000)
    stream_seconds: int = _key(300, "capture", "seconds after which a stream is let go", ge=1, le=86_400)
    max_bytes: int = _key(
        16_384, "capture", "first bytes that are looked at of each side of a stream", ge=256, le=16_384
    )
    queue: int = _key(4096, "capture", "observations that may wait for the agent", ge=1, le=1_000_000)
    user: str = _key(
        "nobody",
        "capture",
        "whom capture becomes when it is started as root and reads no files",
        max_length=32,
        pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$",
    )


class Privacy(Section):
    """Whose handshakes are looked at, and who is not looked at at all. The files hold one prefix a line."""

    handshakes: Literal["consented", "announced", "unless-objected", "off"] = _key(
        "unless-objected",
        "nothing",
        "whose first bytes are looked at: consented, announced, unless-objected or off; of the others, headers alone",
    )
    customers: Place = _key("", "nothing", "prefix file: the customers, beside capture.prefixes")
    consented: Place = _key("", "nothing", "prefix file: who has agreed")
    announced: Place = _key("", "nothing", "prefix file: to whom it was announced, long enough ago")
    objected: Place = _key("", "nothing", "prefix file: who has objected; wins over the three before")
    excluded: Place = _key("", "nothing", "prefix file: who is not looked at at all; wins over everything")


class Consent(Section):
    """Who may be knocked at. These numbers can only be made stricter than their defaults."""

    operator: str = _key("", "nothing", "the name of the provider, as customers know it", max_length=80)
    public_url: str = _key("", "nothing", "where customers find the page for objections (https)", max_length=200)
    announce_days: int = _key(30, "nothing", "days from a delivered announcement to the first probe", ge=30, le=3650)
    mapping_hours: int = _key(24, "nothing", "hours for which a full synchronisation counts", ge=1, le=24)
    quarantine_days: int = _key(7, "nothing", "days for which an address that changed hands is let be", ge=7, le=3650)
    lost_percent: int = _key(
        5, "nothing", "a synchronisation that loses more of its prefixes than this is held", ge=0, le=50
    )
    terms_objection: bool = _key(
        default=False,
        needs="nothing",
        description="whether terms with a right to object are enough to knock at a legal person",
    )
    drop: Place = _key("", "nothing", "directory in which files with objections are dropped, one prefix a line")
    texts: Place = _key("", "nothing", "directory of your own templates, in place of ours of the same name")
    routed: Place = _key("", "nothing", "prefix file: what is routed at this edge; empty: that is not checked")
    snapshot_keys: Place = _key("", "nothing", "file of the keys whose signed snapshots are taken, one a line")


class Probe(Section):
    """Knocking. It is off, and stays off while a piece is missing: `knockfirst probe list` says which."""

    armed: bool = _key(default=False, needs="prober", description="whether anybody may be knocked at")
    laboratory: bool = _key(
        default=False,
        needs="nothing",
        description="only loopback and documentation addresses are knocked at, and no others",
    )
    sources: tuple[Address, ...] = _key(
        (), "nothing", "addresses to knock from, at most one of a family; published in probing.txt", max_length=2
    )
    contact: str = _key("", "nothing", "who answers for the probes: a mail address or a URL", max_length=200)
    probing_url: str = _key("", "nothing", "where probing.txt is published (https)", max_length=200)
    deny: Place = _key("", "nothing", "prefix file: who is never knocked at")
    kill_switch: Place = _key("", "nothing", "while this file is there, nobody is knocked at; empty: in agent.state")
    per_minute: int = _key(6, "nothing", "probes that may begin in a minute", ge=1, le=60)
    recheck_hours: int = _key(24, "nothing", "hours from one probe of a server to the next", ge=24, le=8760)
    seconds: int = _key(20, "nothing", "seconds that one probe may take", ge=1, le=60)
    self_audit: bool = _key(
        default=False,
        needs="nothing",
        description="whether the interfaces see the probes: their connections are counted and held against the log",
    )


class Audit(Section):
    """The log of what was done, and who outside gets its checkpoints."""

    origin: str = _key(
        "", "agent", "name of the log in its checkpoints; empty: knockfirst and the host's name", max_length=120
    )
    file: Place = _key("", "nothing", "file that each checkpoint is appended to: best on another machine's disk")
    syslog: Place = _key("", "nothing", "socket of the syslog that each checkpoint is sent to, like /dev/log")
    checkpoint_minutes: int = _key(
        15, "nothing", "minutes after the last checkpoint outside from which nobody is knocked at", ge=1, le=15
    )
    keep_months: int = _key(
        0, "nothing", "months after the end of a contract at which its customer is erased; 0: by order alone", ge=0,
        le=240,
    )  # fmt: skip


class Notices(Section):
    """How a customer is told."""

    route: str = _key("", "nothing", "mail address of the desk that tells customers what was found", max_length=200)
    relay: Annotated[str, AfterValidator(_relay)] = _key(
        "", "notifier", "host and port of the mail relay that takes notices, like mail.example.net:587; empty: none"
    )
    tls: Literal["starttls", "tls", "none"] = _key(
        "starttls", "notifier", "how the relay is spoken to: starttls, tls, or none (a relay on this machine alone)"
    )
    ca: Place = _key("", "notifier", "certificates of who vouches for the relay (PEM); empty: the system's")
    user: str = _key(
        "", "notifier", "user name at the relay; its password: credential `relay-password`", max_length=200
    )
    sender: Annotated[str, AfterValidator(_sender)] = _key(
        "", "notifier", "mail address that notices come from and bounces go to", max_length=200
    )
    bounces: Place = _key("", "notifier", "Maildir or mbox that bounces arrive in; empty: they are not read")
    templates: Place = _key("", "notifier", "directory of your own templates, in place of ours of the same name")
    webhook: Annotated[str, AfterValidator(_webhook)] = _key(
        "", "notifier", "https URL of your own that is told of each step; its secret: credential `webhook-secret`",
        max_length=200,
    )  # fmt: skip
    offer_help: bool = _key(
        default=False, needs="nothing", description="whether the first notice offers help with the repair, in one line"
    )
    fixed_days: int = _key(14, "nothing", "days after a verified fix at which what was found is deleted", ge=1, le=90)

    @property
    def mails(self) -> bool:
        """Whether mail can be sent to customers at all."""
        return bool(self.relay and self.sender)


class Exporter(Section):
    """Where the metrics are."""

    listen: Annotated[str, AfterValidator(_listen)] = _key(
        "127.0.0.1:10125", "exporter", "address and port of /metrics; port 0 takes any free one"
    )
    web_config: Place = _key(
        "", "exporter", "web configuration file, as of Prometheus' exporters: TLS, passwords; empty: neither"
    )
    answers: Annotated[str, AfterValidator(_listen_or_not)] = _key(
        "", "exporter", "address and port where objections are taken, behind your proxy; empty: nowhere"
    )
    probing: Annotated[str, AfterValidator(_listen_or_not)] = _key(
        "", "exporter", "address and port that serves probing.txt and nothing else; empty: nowhere"
    )
    servers: int = _key(
        0,
        "nothing",
        "servers with series of their own, under pseudonyms; 0: none, what there is is counted",
        ge=0,
        le=100_000,
    )
    pseudonym_days: int = _key(30, "nothing", "days after which a server gets another pseudonym", ge=1, le=366)
    groups: Place = _key(
        "", "nothing", "directory of prefix files (NAME.txt): servers are counted for each; empty: not"
    )
    least: int = _key(5, "nothing", "servers of a group below which it is counted among the others", ge=5, le=1000)
    viewers: tuple[str, ...] = _key(
        (), "nothing", "users of web_config who may see single servers on the console; empty: nobody", max_length=64
    )


class Agent(Section):
    """What is kept."""

    max_servers: int = _key(65_536, "agent", "servers kept; beyond it the oldest goes", ge=1, le=10_000_000)
    control: Place = _key("", "agent", "path of the control socket; empty: in a directory of its own", max_length=100)
    state: Place = _key(
        "", "agent", "directory of the store; empty: $STATE_DIRECTORY, and where there is none nothing is kept"
    )
    retention_days: int = _key(30, "agent", "days for which observations are kept", ge=1, le=3650)
    max_observations: int = _key(
        1_000_000, "agent", "observations kept; beyond it the oldest go", ge=1, le=1_000_000_000
    )


class Log(Section):
    """What is written to stderr."""

    level: Literal["debug", "info", "warning", "error"] = _key("info", "nothing", "the least that is written")
    format: Literal["logfmt", "json"] = _key("logfmt", "nothing", "logfmt or json")


class Config(Section):
    """The whole of it; every section may be left out."""

    capture: Capture = Capture()
    privacy: Privacy = Privacy()
    consent: Consent = Consent()
    probe: Probe = Probe()
    audit: Audit = Audit()
    notices: Notices = Notices()
    exporter: Exporter = Exporter()
    agent: Agent = Agent()
    log: Log = Log()

"""The sections of the configuration: every key with its type, its bounds, its default and what a change of it needs.

What a change needs is said once, here, beside the key: the reload acts on it (agent/reload.py), and a test holds the
table in docs/operating.md to it.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo

# What is restarted when a key changes. "nothing": the running processes take it over as they are. Everything else hangs
# on the agent, so that its restart is one of every role.
Needs = Literal["nothing", "capture", "exporter", "agent"]

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


def _listen(text: str) -> str:
    address(text)
    return text


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


class Exporter(Section):
    """Where the metrics are."""

    listen: Annotated[str, AfterValidator(_listen)] = _key(
        "127.0.0.1:10125", "exporter", "address and port of /metrics; port 0 takes any free one"
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
    exporter: Exporter = Exporter()
    agent: Agent = Agent()
    log: Log = Log()

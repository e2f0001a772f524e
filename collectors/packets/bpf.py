"""The capture filter, generated: what `admit` and `decode` say, as one classic-BPF program.

libpcap applies it to files and the kernel will apply it to sockets; it runs the same either way. The program keeps
X on the header at hand and unrolls the walk through tags and labels, since classic BPF has no loops: block ``E2``
reads an ethertype after two layers, ``M2`` an MPLS label after two, and all of them end in one IPv4 and one IPv6
block. Absolute positions never occur after the link header, so every encapsulation shares the rest of the program.
"""

from __future__ import annotations

from collectors.packets import admit
from collectors.packets.assembler import (
    ADD,
    ADD_X,
    AND,
    JEQ,
    JGE,
    JGT,
    JSET,
    LD_LEN,
    LD_MEM,
    LDB,
    LDB_ABS,
    LDH,
    LDH_ABS,
    LDW,
    LDX_IMM,
    LDX_MEM,
    LSH,
    OR,
    RET,
    RSH,
    ST,
    STX,
    SUB_X,
    TAX,
    TXA,
    Assembler,
    Instruction,
)  # fmt: skip
from collectors.packets.decode import (
    ETHERTYPE_AT,
    EXTENSIONS,
    IP_AT,
    IPV4,
    IPV6,
    MAX_EXTENSIONS,
    MAX_LAYERS,
    MPLS,
    PPP_AT,
    PPP_IPV4,
    PPP_IPV6,
    PPP_MPLS,
    PPPOE,
    TAGS,
    TCP,
    UDP,
)  # fmt: skip

# Scratch memory: two bytes before the IP header, the transport header, its payload, and what is at hand.
_IP, _L4, _PAYLOAD, _T = range(4)

# How many bytes of an admitted frame are wanted: a flight of 16 KiB, or headers.
SNAP_DATA, SNAP_SYN_ACK, SNAP_DNS = 16_640, 192, 1_600


def generate(
    link: int, prefixes: admit.Prefixes | None = None, following: tuple[int, ...] = ()
) -> list[Instruction]:
    """The filter for one link type. Raises ValueError for a link type it does not know, or too many prefixes.

    ``following`` are acknowledgement numbers whose segments are wanted whatever they hold. All segments of a server's
    flight carry the number that answers the client's hello, and hardly another flow carries the same: so a certificate
    can be followed through segments that begin like nothing in particular.
    """
    a = Assembler()
    _link(a, link)
    _layers(a)
    _ipv4(a)
    _ipv6(a)
    _tcp(a, following)
    _measure(a)
    _payload(a)
    _dns(a)
    _verdicts(a, prefixes or admit.Prefixes())
    return a.assemble()


def _advance(a: Assembler, by: int) -> None:
    a.op(TXA)
    a.op(ADD, by)
    a.op(TAX)


def _drop(a: Assembler) -> None:
    a.op(RET, 0)


def _link(a: Assembler, link: int) -> None:
    if link in ETHERTYPE_AT:
        at, x = ETHERTYPE_AT[link]
        a.op(LDX_IMM, x)
        a.op(LDH_ABS, at)
        a.goto("E0 read")
    elif link in IP_AT:
        a.op(LDX_IMM, IP_AT[link] - 2)
        a.op(LDB_ABS, IP_AT[link])
        a.op(RSH, 4)
        a.branch(JEQ, 4, yes="ipv4")
        a.branch(JEQ, 6, yes="ipv6")
        _drop(a)
    elif link in PPP_AT:
        a.op(LDX_IMM, 0)
        a.op(LDH_ABS, 0)
        a.branch(JEQ, 0xFF03, no="P0")
        a.op(LDX_IMM, 2)
        a.goto("P0")
    else:
        raise ValueError(f"no filter for link type {link}")


def _layers(a: Assembler) -> None:
    """E<n>, P<n> and M<n>: an ethertype, a PPP protocol, an MPLS label, with n layers before it."""
    for n in range(MAX_LAYERS + 1):
        a.label(f"E{n}")
        a.op(LDH, 0)
        a.label(f"E{n} read")
        a.branch(JEQ, IPV4, yes="ipv4")
        a.branch(JEQ, IPV6, yes="ipv6")
        if n < MAX_LAYERS:
            for tag in sorted(TAGS):
                a.branch(JEQ, tag, yes=f"tag{n}")
            for ethertype in sorted(MPLS):
                a.branch(JEQ, ethertype, yes=f"label{n}")
            a.branch(JEQ, PPPOE, yes=f"session{n}")
        _drop(a)
        if n < MAX_LAYERS:
            _session(a, n)
        _ppp(a, n)
        if n < MAX_LAYERS:
            _mpls(a, n)
            a.label(f"tag{n}")
            _advance(a, 4)  # falls into the next E


def _session(a: Assembler, n: int) -> None:
    a.label(f"session{n}")
    a.op(LDH, 2)
    a.branch(JEQ, 0x1100, yes=f"in session{n}")
    _drop(a)
    a.label(f"in session{n}")
    _advance(a, 8)
    a.goto(f"P{n + 1}")


def _ppp(a: Assembler, n: int) -> None:
    """X is on the PPP protocol, one byte or two; the IP blocks want it two bytes before the IP header."""
    a.label(f"P{n}")
    a.op(LDB, 0)
    a.branch(JSET, 1, yes=f"short{n}")
    a.op(LDH, 0)
    a.goto(f"protocol{n}")
    a.label(f"short{n}")
    a.op(ST, _T)
    _advance(a, -1)
    a.op(LD_MEM, _T)
    a.label(f"protocol{n}")
    a.branch(JEQ, PPP_IPV4, yes="ipv4")
    a.branch(JEQ, PPP_IPV6, yes="ipv6")
    if n < MAX_LAYERS:
        for protocol in sorted(PPP_MPLS):
            a.branch(JEQ, protocol, yes=f"label{n}")
    _drop(a)


def _mpls(a: Assembler, n: int) -> None:
    a.label(f"label{n}")  # comes with X two bytes before the label, as before an IP header
    _advance(a, 2)
    a.label(f"M{n}")
    a.op(LDB, 2)
    a.branch(JSET, 1, yes=f"bottom{n}")
    if n + 1 == MAX_LAYERS:
        _drop(a)
    else:
        _advance(a, 4)
        a.goto(f"M{n + 1}")
    a.label(f"bottom{n}")
    _advance(a, 4)
    a.op(LDB, 0)
    a.op(RSH, 4)
    a.branch(JEQ, 0, yes=f"control word{n}")
    a.branch(JEQ, 4, yes=f"four{n}")
    a.branch(JEQ, 6, no=f"ethernet{n}")
    a.op(LDH, 4)
    a.op(ADD, 40)
    _fits(a, f"six{n}", f"ethernet{n}", "ipv6")
    a.label(f"four{n}")
    a.op(LDH, 2)
    _fits(a, f"fits{n}", f"ethernet{n}", "ipv4")
    a.label(f"control word{n}")
    _advance(a, 4)
    a.label(f"ethernet{n}")
    _advance(a, 12)
    a.goto(f"E{n + 1}")


def _fits(a: Assembler, ip: str, ethernet: str, block: str) -> None:
    """A is the length of a supposed IP packet at X: to ``block`` if the frame holds that much, else on as Ethernet."""
    a.op(ADD_X)
    a.op(STX, _T)
    a.op(TAX)
    a.op(LD_LEN)
    a.op(SUB_X)  # wraps to a huge number where the packet would end behind the frame
    a.op(LDX_MEM, _T)
    a.branch(JGT, 0x7FFFFFFF, yes=ethernet, no=ip)
    a.label(ip)
    _advance(a, -2)
    a.goto(block)


def _ipv4(a: Assembler) -> None:
    """X is two bytes before the header, here and in "ipv6"; "tcp" and "udp" get X on their own header."""
    a.label("ipv4")
    a.op(STX, _IP)
    a.op(LDH, 8)
    a.branch(JSET, 0x3FFF, yes="drop4")  # a fragment
    a.op(LDB, 2)
    a.branch(JEQ, 0x45, no="options")  # nearly always: no options
    a.op(LDB, 11)
    _advance_with_protocol(a, 22)
    a.label("options")
    a.branch(JGT, 0x4F, yes="drop4")
    a.branch(JGE, 0x45, no="drop4")
    a.op(AND, 15)
    a.op(LSH, 2)
    a.op(ST, _T)
    a.op(LDB, 11)
    a.branch(JEQ, TCP, yes="tcp behind options")
    a.branch(JEQ, UDP, yes="udp behind options")
    a.label("drop4")
    _drop(a)
    for name in ("tcp", "udp"):
        a.label(f"{name} behind options")
        a.op(LD_MEM, _T)
        a.op(ADD_X)
        a.op(ADD, 2)
        a.op(TAX)
        a.goto(name)


def _advance_with_protocol(a: Assembler, by: int) -> None:
    """A is the protocol of the header that begins ``by`` bytes on: go there if it is one of ours."""
    name = f"{by}"
    a.branch(JEQ, TCP, yes=f"tcp in {name}")
    a.branch(JEQ, UDP, yes=f"udp in {name}")
    _drop(a)
    for transport in ("tcp", "udp"):
        a.label(f"{transport} in {name}")
        _advance(a, by)
        a.goto(transport)


def _ipv6(a: Assembler) -> None:
    a.label("ipv6")
    a.op(STX, _IP)
    a.op(LDB, 2)
    a.op(AND, 0xF0)
    a.branch(JEQ, 0x60, no="drop6")
    a.op(LDB, 8)
    for kind in sorted(EXTENSIONS):
        a.branch(JEQ, kind, yes="extended")
    _advance_with_protocol(a, 42)
    a.label("extended")
    a.op(ST, _T)
    _advance(a, 42)
    a.op(LD_MEM, _T)
    for n in range(MAX_EXTENSIONS):
        for kind in sorted(EXTENSIONS):
            a.branch(JEQ, kind, yes=f"extension{n}")
        a.goto("past extensions")
        a.label(f"extension{n}")
        a.op(LDB, 0)
        a.op(ST, _T)
        a.op(LDB, 1)
        a.op(ADD, 1)
        a.op(LSH, 3)
        a.op(ADD_X)
        a.op(TAX)
        a.op(LD_MEM, _T)
    a.label("past extensions")
    a.branch(JEQ, TCP, yes="tcp")
    a.branch(JEQ, UDP, yes="udp")
    a.label("drop6")
    _drop(a)


def _tcp(a: Assembler, following: tuple[int, ...]) -> None:
    """Most packets end here, by their payload's first byte; lengths are worked out only for what is left."""
    a.label("tcp")
    a.op(LDB, 13)
    a.branch(JSET, 0x02, yes="syn")
    if following:
        a.op(LDW, 8)
    for number in following:
        a.branch(JEQ, number, yes="followed")
    a.op(STX, _L4)
    a.op(LDB, 12)
    a.op(RSH, 2)
    a.op(AND, 0x3C)
    a.branch(JGE, 20, no="no payload")
    a.op(ADD_X)
    a.op(TAX)
    a.op(LDB, 0)  # ends the program where there is no payload, and no padding either
    a.branch(JEQ, admit.APPLICATION_DATA, yes="no payload")
    a.branch(JEQ, admit.HANDSHAKE, yes="measure")
    a.branch(JGT, ord("H"), yes="by port")
    a.branch(JGE, ord("*"), yes="measure")
    a.label("by port")
    a.op(STX, _PAYLOAD)
    a.op(LDX_MEM, _L4)
    a.op(LDH, 0)
    a.op(LDX_MEM, _PAYLOAD)
    for port in admit.SMTP_PORTS:
        a.branch(JEQ, port, yes="measure")
    a.label("no payload")
    _drop(a)


def _measure(a: Assembler) -> None:
    """X is on the payload, which may be padding: its length comes from the IP header."""
    a.label("measure")
    a.op(STX, _PAYLOAD)
    a.op(LDX_MEM, _IP)
    a.op(LDB, 2)
    a.op(RSH, 4)
    a.branch(JEQ, 6, yes="length6")
    a.op(LDH, 4)
    a.branch(JEQ, 0, yes="offloaded")
    a.op(ADD, 2)
    a.goto("length")
    a.label("length6")
    a.op(LDH, 6)
    a.branch(JEQ, 0, yes="offloaded")
    a.op(ADD, 42)
    a.label("length")
    a.op(ADD_X)
    a.goto("end")
    a.label("offloaded")
    a.op(LD_LEN)
    a.label("end")
    a.op(LDX_MEM, _PAYLOAD)
    a.op(SUB_X)
    a.branch(JEQ, 0, yes="padding")
    a.branch(JGT, 0x7FFFFFFF, yes="padding")
    a.branch(JGE, 4, yes="payload", no="unsigned")
    a.label("padding")
    _drop(a)


def _payload(a: Assembler) -> None:
    """X is on a payload of four bytes at least, and A its length."""
    a.label("payload")
    a.op(ST, _T)
    a.op(LDW, 0)
    for word in admit.WORDS:
        a.branch(JEQ, int.from_bytes(word, "big"), yes="server")
    a.op(AND, admit.REPLY_MASK)
    a.branch(JEQ, admit.REPLY, yes="server")
    a.op(LDW, 0)
    a.op(RSH, 8)
    a.branch(JEQ, int.from_bytes(admit.POP3_OK, "big"), yes="server")
    a.op(RSH, 16)
    a.branch(JEQ, admit.HANDSHAKE, no="unsigned")
    a.op(LD_MEM, _T)
    a.branch(JGE, 6, no="unsigned")
    a.op(LDH, 1)
    a.branch(JGT, 0x0307, yes="unsigned")
    a.branch(JGE, 0x0300, no="unsigned")
    a.op(LDB, 5)
    a.branch(JEQ, admit.SERVER_HELLO, yes="server")
    a.branch(JEQ, admit.CERTIFICATE, yes="server")
    a.branch(JEQ, admit.CLIENT_HELLO, yes="client")
    a.label("unsigned")
    a.op(LDX_MEM, _L4)
    a.op(LDH, 0)
    for port in admit.SMTP_PORTS:
        a.branch(JEQ, port, yes="server")
    _drop(a)


def _dns(a: Assembler) -> None:
    a.label("udp")
    a.op(LDH, 0)
    a.branch(JEQ, admit.DNS_PORT, no="not dns")
    a.op(LDB, 8 + 2)
    a.branch(JSET, 0x80, no="not dns")  # a question
    for count in (8 + 4, 8 + 6):
        a.op(LDH, count)
        a.branch(JEQ, 0, yes="not dns")
    _advance(a, 8 + 12)
    for label in admit.AUTODISCOVER:
        a.op(LDB, 0)
        a.branch(JEQ, len(label), no=f"not {label.decode()}")
        for at in range(0, len(label), 4):
            _compare_lower(a, at, label[at : at + 4], f"not {label.decode()}")
        a.op(RET, SNAP_DNS)
        a.label(f"not {label.decode()}")
    for n in range(admit.MAX_LABELS):
        a.op(LDB, 0)
        a.branch(JEQ, 0, yes="asked")
        a.branch(JGT, 63, yes="not dns")
        if n + 1 < admit.MAX_LABELS:
            a.op(ADD, 1)
            a.op(ADD_X)
            a.op(TAX)
    a.label("not dns")
    _drop(a)
    a.label("asked")
    a.op(LDH, 1)
    a.branch(JEQ, admit.MX, no="not asked")
    a.op(RET, SNAP_DNS)
    a.label("not asked")
    _drop(a)


def _compare_lower(a: Assembler, at: int, text: bytes, otherwise: str) -> None:
    """One byte or four of a DNS label, without regard to case: 0x20 makes letters small (and a DEL of `_`)."""
    a.op(LDW if len(text) == 4 else LDB, 1 + at)
    a.op(OR, int.from_bytes(b" " * len(text), "big"))
    a.branch(JEQ, int.from_bytes(bytes(c | 0x20 for c in text), "big"), no=otherwise)


def _verdicts(a: Assembler, prefixes: admit.Prefixes) -> None:
    a.label("syn")
    a.branch(JSET, 0x10, no="refused")
    a.op(LDB, 19)  # ends the program where the header was not captured whole
    a.op(LDH, 0)
    for port in admit.SERVICE_PORTS:
        a.branch(JEQ, port, yes="syn ack")
    a.label("refused")
    _drop(a)
    a.label("followed")
    a.op(LDB, 19)
    a.op(RET, SNAP_DATA)
    a.label("syn ack")
    _in_prefixes(a, prefixes, "source of syn ack", 12, 8, SNAP_SYN_ACK)
    a.label("server")
    _in_prefixes(a, prefixes, "source", 12, 8, SNAP_DATA)
    a.label("client")
    _in_prefixes(a, prefixes, "destination", 16, 24, SNAP_DATA)


def _in_prefixes(a: Assembler, prefixes: admit.Prefixes, name: str, at4: int, at6: int, snap: int) -> None:
    """Admit if the address at that offset of the IPv4 or IPv6 header lies in customer space, or where all is."""
    if not prefixes:
        a.op(RET, snap)
        return
    a.op(LDX_MEM, _IP)
    a.op(LDB, 2)
    a.op(RSH, 4)
    a.branch(JEQ, 6, yes=f"{name} 6")
    for size, at in ((4, at4), (16, at6)):
        if size == 16:
            a.label(f"{name} 6")
        for n, (network, length) in enumerate(p for p in prefixes.networks if len(p[0]) == size):
            _compare_prefix(a, network, length, 2 + at, f"{name} {size} not {n}")
            a.op(RET, snap)
            a.label(f"{name} {size} not {n}")
        _drop(a)


def _compare_prefix(a: Assembler, network: bytes, length: int, at: int, otherwise: str) -> None:
    for word in range((length + 31) // 32):
        mask = -1 << max(0, 32 * (word + 1) - length)
        a.op(LDW, at + 4 * word)
        a.op(AND, mask)
        a.branch(JEQ, int.from_bytes(network[4 * word : 4 * word + 4], "big"), no=otherwise)

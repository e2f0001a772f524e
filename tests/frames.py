"""Frames for tests, byte by byte: any stack of layers, any damage, from one random source."""

from __future__ import annotations

import random
from struct import pack

# The first begins with a nibble of 0, as a control word does; the second with one of 4, as IPv4 does.
MACS = bytes.fromhex("02005e10000102005e100002")
OTHER_MACS = bytes.fromhex("4e005e10000102005e100002")
PAYLOADS = (
    b"220 ex01.example.org Microsoft ESMTP MAIL Service ready\r\n",
    b"250-ex01 Hello [192.0.2.9]\r\n",
    b"* OK ready\r\n",
    b"* CAPABILITY IMAP4\r\n",
    b"* 1 FETCH",
    b"+OK ready\r\n",
    b"+ TlRMTVNTUAACAAAA\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"GET / HTTP/1.1\r\n",
    b"EHLO client.example.net\r\n",
    # ClientHello, ServerHello, Certificate, ServerHelloDone, an odd version, application data.
    *(bytes.fromhex(h) for h in ("1603010060010000", "1603030060020000", "16030300600b0000", "16030300040e000000")),
    *(bytes.fromhex(h) for h in ("160309006001000000", "1703030020" + "00" * 32, "1603010005")),
    *(b"", b"2", b"22", b"220", b"\x17", bytes(8), b"\xff" * 40),
)
PORTS = (25, 587, 2525, 443, 80, 110, 143, 993, 995, 465, 53, 8443, 49152, 33000)
NAMES = (
    b"\x0cautodiscover\x07example\x03org\x00",
    b"\x0cAutoDiscover\x07example\x03org\x00",
    b"\x0d_autodiscover\x04_tcp\x07example\x00",
    b"\x0cautodiscovez\x00",
    b"\x07example\x03org\x00",
    b"\x03www\x07example\x03org\x00",
    b"\x00",
    b"\x01a" * 12 + b"\x00",
    b"\xc0\x0c",
)


def tcp(
    source: int,
    destination: int,
    payload: bytes,
    *,
    flags: int = 0x18,
    sequence: int = 1,
    ack: int = 1,
    options: bytes = b"",
) -> bytes:
    options += b"\x01" * (-len(options) % 4)
    return (
        pack(">HHIIBBHHH", source, destination, sequence, ack, (5 + len(options) // 4) << 4, flags, 8192, 0, 0)
        + options
        + payload
    )


def udp(source: int, destination: int, payload: bytes) -> bytes:
    return pack(">HHHH", source, destination, 8 + len(payload), 0) + payload


def ipv4(
    protocol: int, body: bytes, *, source: str = "192.0.2.10", destination: str = "198.51.100.7", options: bytes = b"",
    fragment: int = 0x4000, total: int | None = None, ttl: int = 126,
) -> bytes:  # fmt: skip
    options += b"\x01" * (-len(options) % 4)
    header = 20 + len(options)
    length = header + len(body) if total is None else total
    addresses = bytes(map(int, source.split("."))) + bytes(map(int, destination.split(".")))
    return pack(">BBHHHBBH", 0x40 | header // 4, 0, length, 1, fragment, ttl, protocol, 0) + addresses + options + body


def ipv6(
    protocol: int,
    body: bytes,
    *,
    source: int = 10,
    destination: int = 7,
    extensions: tuple[int, ...] = (),
    length: int | None = None,
) -> bytes:
    chain, following = b"", protocol
    for kind in reversed(extensions):
        header = bytes((following, 0)) + (bytes(6) if kind != 44 else bytes(2) + bytes(4))
        chain, following = header + chain, kind
    size = len(chain) + len(body) if length is None else length
    prefix = bytes.fromhex("20010db8000000000000000000000000")[:14]
    addresses = prefix + pack(">H", source) + prefix + pack(">H", destination)
    return pack(">IHBB", 0x60000000, size, following, 60) + addresses + chain + body


def ethernet(ethertype: int, body: bytes) -> bytes:
    return MACS + pack(">H", ethertype) + body


def wrap(layers: tuple[str, ...], packet: bytes) -> bytes:
    """An Ethernet frame with these layers around an IP packet, outermost first: vlan, qinq, old, pppoe, short (PPPoE
    with a compressed protocol), mpls, pw (an MPLS label with control word and Ethernet), bare (the same without)."""
    return MACS + _wrapped(layers, packet)


def _wrapped(layers: tuple[str, ...], packet: bytes) -> bytes:
    """From the ethertype on."""
    if not layers:
        return pack(">H", 0x86DD if packet[:1] and packet[0] >> 4 == 6 else 0x0800) + packet
    head, rest = layers[0], layers[1:]
    tags = {"vlan": 0x8100, "qinq": 0x88A8, "old": 0x9100}
    if head in tags:
        return pack(">HH", tags[head], 100) + _wrapped(rest, packet)
    if head in ("pppoe", "short"):
        return pack(">HBBHH", 0x8864, 0x11, 0, 7, 2 + len(packet)) + _ppp(rest, packet, short=head == "short")
    return pack(">H", 0x8847) + _labels(layers, packet)


def _ppp(layers: tuple[str, ...], packet: bytes, *, short: bool) -> bytes:
    if layers and layers[0] in ("mpls", "pw", "bare"):
        return pack(">H", 0x0281) + _labels(layers, packet)
    protocol = 0x57 if packet[:1] and packet[0] >> 4 == 6 else 0x21
    return (bytes((protocol,)) if short else pack(">H", protocol)) + packet


def _labels(layers: tuple[str, ...], packet: bytes) -> bytes:
    head, rest = layers[0], layers[1:]
    more = head == "mpls" and rest[:1] and rest[0] in ("mpls", "pw", "bare")
    label = pack(">I", 16 << 12 | (0 if more else 0x100) | 64)
    if more:
        return label + _labels(rest, packet)
    if head == "mpls":
        return label + packet
    macs = OTHER_MACS if len(rest) == 1 else MACS
    return label + (bytes(4) if head == "pw" else b"") + macs + _wrapped(rest, packet)


LAYERS = ("vlan", "qinq", "old", "pppoe", "short", "mpls", "pw", "bare")


def random_stack(r: random.Random, most: int = 7) -> tuple[str, ...]:
    stack: list[str] = []
    for _ in range(r.choice((0, 0, 1, 1, 2, 3, 4, 6, most))):
        inside = stack and stack[-1] in ("pppoe", "short", "mpls")
        choices = ("mpls", "pw", "bare") if inside else LAYERS
        stack.append(r.choice(choices))
    return tuple(stack)


def random_packet(r: random.Random) -> bytes:
    kind = r.random()
    if kind < 0.7:
        flags = r.choice((0x18, 0x18, 0x18, 0x10, 0x12, 0x02, 0x04, 0x52))
        options = r.choice((b"", b"", b"\x02\x04\x05\xb4\x01\x03\x03\x08\x01\x01\x04\x02", b"\x01" * 40))
        protocol, body = (
            6,
            tcp(
                r.choice(PORTS),
                r.choice(PORTS),
                r.choice(PAYLOADS),
                flags=flags,
                options=options,
                ack=r.choice((1, 77)),
            ),
        )
    elif kind < 0.95:
        name = r.choice(NAMES)
        flags, counts = r.choice((0x8180, 0x0100)), r.choice(((1, 1), (1, 0), (0, 1), (1, 3)))
        message = (
            pack(">HHHHHH", 9, flags, *counts, 0, 0)
            + name
            + pack(">HH", r.choice((1, 15, 33)), 1)
            + b"\xc0\x0c"
            + bytes(12)
        )
        protocol, body = 17, udp(r.choice((53, 53, 53, 443)), r.choice(PORTS), message)
    else:
        protocol, body = r.choice((1, 50, 58)), bytes(r.randrange(40))
    if r.random() < 0.5:
        return ipv4(
            protocol,
            body,
            options=r.choice((b"", b"", b"\x94\x04\x00\x00")),
            fragment=r.choice((0x4000, 0, 0x4000, 0x2000, 0x0010)),
            source=r.choice(("192.0.2.10", "203.0.113.9")),
        )
    return ipv6(
        protocol,
        body,
        source=r.choice((10, 0x8010)),
        extensions=r.choice(((), (), (0,), (0, 60), (43, 60, 0), (0, 0, 0, 0, 0), (44,))),
    )


def damaged(r: random.Random, frame: bytes) -> bytes:
    kind = r.random()
    if kind < 0.6:
        return frame
    if kind < 0.75:
        return frame[: r.randrange(len(frame) + 1)]
    if kind < 0.85:
        return frame + bytes(r.randrange(20))
    spoiled = bytearray(frame)
    for _ in range(r.randrange(1, 4)):
        spoiled[r.randrange(len(spoiled))] = r.randrange(256)
    return bytes(spoiled)

"""What is in a tunnel, by tables and in real captures; `test_kernel` holds the filter to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.packets.decode import _TRANSPORTS, ETHERNET, MAX_INNER_LAYERS, TCP, UDP, decode
from collectors.packets.pcap import CaptureFile
from collectors.packets.tunnels import MAX_GTP_EXTENSIONS
from collectors.packets.wanted import ENCAPSULATIONS
from tests import frames, tunnelled

EVERY = frozenset(ENCAPSULATIONS)
CAPTURES = Path("../shared/captures")
INNER = frames.ipv4(6, frames.tcp(25, 40_000, frames.PAYLOADS[0]), ttl=9)
ADDRESSES = bytes((192, 0, 2, 10, 198, 51, 100, 7))
FRAME = frames.wrap((), INNER)
TAGGED = frames.wrap(("qinq", "vlan"), INNER)
PPPOE = frames.wrap(("vlan", "vlan", "pppoe"), INNER)
FAR = "203.0.113.77"


def within(protocol: int, body: bytes, **ip: object) -> bytes:
    return frames.wrap((), frames.ipv4(protocol, body, source=FAR, **ip))  # type: ignore[arg-type]


OPENED = [
    ("gre", tunnelled.GRE, tunnelled.gre(0x6558, FRAME)),
    ("gre", tunnelled.GRE, tunnelled.gre(0x6558, PPPOE, options="cks")),
    ("gre", tunnelled.GRE, tunnelled.gre(0x0800, INNER, options="k")),
    ("erspan", tunnelled.GRE, tunnelled.erspan(1, TAGGED)),
    ("erspan", tunnelled.GRE, tunnelled.erspan(2, FRAME)),
    ("erspan", tunnelled.GRE, tunnelled.erspan(3, FRAME)),
    ("erspan", tunnelled.GRE, tunnelled.erspan(3, TAGGED, platform=True)),
    ("vxlan", tunnelled.UDP, tunnelled.vxlan(FRAME)),
    ("vxlan", tunnelled.UDP, tunnelled.vxlan(TAGGED, port=8472)),
    ("geneve", tunnelled.UDP, tunnelled.geneve(0x6558, FRAME, options=63)),
    ("geneve", tunnelled.UDP, tunnelled.geneve(0x0800, INNER)),
    ("gtpu", tunnelled.UDP, tunnelled.gtpu(INNER)),
    ("gtpu", tunnelled.UDP, tunnelled.gtpu(INNER, flags=2)),
    ("gtpu", tunnelled.UDP, tunnelled.gtpu(INNER, extensions=(1,) * MAX_GTP_EXTENSIONS)),
    ("tzsp", tunnelled.UDP, tunnelled.tzsp(FRAME)),
    ("tzsp", tunnelled.UDP, tunnelled.tzsp(FRAME, tags=b"\x0a\x01\x07\0\x12\x02\0\x01")),
]


@pytest.mark.parametrize(("name", "protocol", "body"), OPENED)
def test_what_is_inside(name: str, protocol: int, body: bytes) -> None:
    for frame in (
        within(protocol, body),
        within(protocol, body, options=bytes(8)),
        frames.wrap(("vlan", "mpls"), frames.ipv6(protocol, body, extensions=(0,))),
    ):
        size = len(frame)
        start = size - len(frames.PAYLOADS[0]) - 20
        assert decode(frame, ETHERNET, size, frozenset((name,))) == (TCP, ADDRESSES, 9, start, size)
        assert decode(frame, ETHERNET, size, EVERY) == (TCP, ADDRESSES, 9, start, size)
        unopened = decode(frame, ETHERNET, size, EVERY - {name})
        assert unopened == decode(frame, ETHERNET, size) or unopened == "not_ip"
        assert unopened in ("not_tcp_udp", "not_ip") if protocol == tunnelled.GRE else unopened[0] == UDP


CLOSED = [
    ("not_ip", tunnelled.GRE, tunnelled.gre(0x0800, INNER, version=1)),
    ("not_ip", tunnelled.GRE, tunnelled.gre(0x0806, bytes(40))),
    ("not_ip", tunnelled.UDP, tunnelled.vxlan(FRAME, flags=0)),
    ("not_ip", tunnelled.UDP, tunnelled.geneve(0x6558, FRAME, version=1)),
    ("not_ip", tunnelled.UDP, tunnelled.gtpu(INNER, kind=26)),
    ("not_ip", tunnelled.UDP, tunnelled.gtpu(bytes(40))),
    ("too_deep", tunnelled.UDP, tunnelled.gtpu(INNER, extensions=(1,) * (MAX_GTP_EXTENSIONS + 1))),
    ("not_ip", tunnelled.UDP, tunnelled.tzsp(FRAME, kind=4)),
    ("too_deep", tunnelled.UDP, tunnelled.tzsp(FRAME, tags=bytes(8))),
    ("too_deep", tunnelled.UDP, tunnelled.vxlan(frames.wrap(("vlan",) * (MAX_INNER_LAYERS + 1), INNER))),
    ("fragment", tunnelled.UDP, tunnelled.vxlan(frames.wrap((), frames.ipv4(6, bytes(40), fragment=0x2000)))),
    ("not_tcp_udp", tunnelled.GRE, tunnelled.gre(0x0800, frames.ipv4(tunnelled.GRE, tunnelled.gre(0x6558, FRAME)))),
    ("truncated", tunnelled.UDP, tunnelled.tzsp(FRAME)[:10]),
    ("truncated", tunnelled.GRE, b"\0\0"),
]


@pytest.mark.parametrize(("reason", "protocol", "body"), CLOSED)
def test_why_nothing_is_inside(reason: str, protocol: int, body: bytes) -> None:
    frame = within(protocol, body)
    assert decode(frame, ETHERNET, len(frame), EVERY) == reason


def test_one_tunnel_is_opened_and_none_inside_it() -> None:
    frame = within(tunnelled.UDP, tunnelled.vxlan(frames.wrap((), frames.ipv4(17, tunnelled.vxlan(FRAME)))))
    found = decode(frame, ETHERNET, len(frame), EVERY)
    assert found[0] == UDP
    assert found[1] == ADDRESSES


@pytest.mark.parametrize("fragment", [0x2000, 0x0005])
def test_a_fragment_of_a_tunnel_is_a_fragment(fragment: int) -> None:
    frame = within(tunnelled.UDP, tunnelled.vxlan(FRAME), fragment=fragment)
    assert decode(frame, ETHERNET, len(frame), EVERY) == "fragment"


REAL = {
    "bro/btest_Traces_erspanII.pcap": "erspan",
    "bro/btest_Traces_erspanIII.pcap": "erspan",
    "bro/btest_Traces_tunnels_gre-erspan3-dot1q.pcap": "erspan",
    "akvorado/outlet_flow_decoder_testdata_gre-v4-key.pcap": "gre",
    "akvorado/outlet_flow_decoder_testdata_gre-v4-plain.pcap": "gre",
    "akvorado/outlet_flow_decoder_testdata_gre-v6-plain.pcap": "gre",
    "PcapPlusPlus/Tests_Packet_Test_PacketExamples_gtp.pcap": "gtpu",
}


@pytest.mark.parametrize("name", REAL)
def test_real_tunnels_are_opened(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (CAPTURES / name).is_file():
        pytest.skip("needs the shared captures beside the project")
    # In most of them somebody pings.
    monkeypatch.setitem(_TRANSPORTS, 1, 8)
    opened = 0
    for _, link, wire, data in CaptureFile(str(CAPTURES / name)).frames():
        outside, found = decode(data, link, wire), decode(data, link, wire, frozenset((REAL[name],)))
        opened += isinstance(found, tuple) and (isinstance(outside, str) or found[1] != outside[1])
    assert opened > 0

"""Capture files of the lab, read by dpkt and by scapy."""

from __future__ import annotations

import io

import dpkt
import pytest

from agent.lab.files import pcap, pcapng
from agent.lab.traffic import Frame

FRAMES = [
    Frame(1_793_610_000_123_456_789, b"\x02" * 61, from_server=True),
    Frame(1_793_610_001_000_000_000, b"\x03" * 64, from_server=False),
]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nano", [False, True])
def test_pcap(order: str, nano: bool) -> None:
    reader = dpkt.pcap.Reader(io.BytesIO(pcap(FRAMES, link=113, nano=nano, order=order)))
    assert reader.datalink() == 113
    read = list(reader)
    assert [data for _, data in read] == [frame.data for frame in FRAMES]
    assert [float(time) for time, _ in read] == pytest.approx([1793610000.123456, 1793610001], abs=2e-6)


def test_snaplen_cuts_and_keeps_the_length() -> None:
    from scapy.utils import RawPcapReader

    ((data, meta), _) = RawPcapReader(io.BytesIO(pcap(FRAMES, snaplen=20)))
    assert (data, meta.caplen, meta.wirelen) == (b"\x02" * 20, 20, 61)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nano", [False, True])
def test_pcapng(order: str, nano: bool) -> None:
    from scapy.utils import RawPcapNgReader

    second = [FRAMES[0], FRAMES[1]._replace(interface=1)]
    read = list(RawPcapNgReader(io.BytesIO(pcapng(second, links=(1, 101), nano=nano, order=order))))
    assert [data for data, _ in read] == [frame.data for frame in second]
    assert [meta.linktype for _, meta in read] == [1, 101]
    ticks = [(meta.tshigh << 32) + meta.tslow for _, meta in read]
    assert ticks == [frame.time if nano else frame.time // 1000 for frame in second]

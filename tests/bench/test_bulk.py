"""The made-up edge of the bench: the same each time, of frames that others read, and with a truth that holds."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import dpkt
import pytest

from bench import bulk, replay
from bench.frames import ACK, Way, options_of, tags_of
from bench.mail import mail_servers

PACKETS = 30_000


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> bulk.Written:
    return bulk.write(tmp_path_factory.mktemp("bulk") / "f.pcap", PACKETS, seed=3)


def test_the_truth_is_what_replay_finds(made: bulk.Written) -> None:
    assert replay.faults(made.capture) == []
    truth = json.loads(made.truth.read_text())
    assert len(truth["exchange"]) >= 8
    assert len(truth["others"]) >= 14


def test_what_is_not_the_truth_is_told(made: bulk.Written, tmp_path: Path) -> None:
    truth = json.loads(made.truth.read_text())
    gone, *truth["exchange"] = truth["exchange"]
    truth["exchange"].append("192.0.2.250")
    copy = tmp_path / "f.pcap"
    copy.write_bytes(made.capture.read_bytes())
    Path(f"{copy}.json").write_text(json.dumps(truth))
    assert replay.faults(copy) == [
        "192.0.2.250: an Exchange server that is not found", f"{gone}: found, and no Exchange server",
    ]  # fmt: skip


def test_the_same_arguments_give_the_same_bytes(made: bulk.Written, tmp_path: Path) -> None:
    again = bulk.write(tmp_path / "f.pcap", PACKETS, seed=3)
    assert again.capture.read_bytes() == made.capture.read_bytes()
    assert not list(tmp_path.glob("*.partial"))


def test_the_mix(made: bulk.Written) -> None:
    """Half of it tagged, a third of it IPv6, a few scans and names; frames that dpkt takes apart."""
    seen: Counter[str] = Counter()
    with made.capture.open("rb") as file:
        for _, data in dpkt.pcap.Reader(file):
            frame = dpkt.ethernet.Ethernet(data)
            packet = frame.data
            seen["packets"] += 1
            seen["tagged"] += hasattr(frame, "vlan_tags")
            seen["six"] += isinstance(packet, dpkt.ip6.IP6)
            seen["tcp"] += isinstance(packet.data, dpkt.tcp.TCP)
            seen["dns"] += isinstance(packet.data, dpkt.udp.UDP) and 53 in (packet.data.sport, packet.data.dport)
    assert seen["packets"] == PACKETS
    share = {name: count / PACKETS for name, count in seen.items()}
    assert 0.4 < share["tagged"] < 0.6
    assert 0.2 < share["six"] < 0.4
    assert 0.5 < share["tcp"] < 0.9
    assert 0.005 < share["dns"] < 0.06


@pytest.mark.parametrize("ends", [("192.0.2.1", "198.51.100.7"), ("2001:db8::1", "2001:db8::7")])
@pytest.mark.parametrize("tags", [tags_of(), tags_of(7), tags_of(100, 7)])
def test_a_way_is_what_dpkt_reads(ends: tuple[str, str], tags: bytes) -> None:
    way = Way(*ends, (443, 40_000), tags, down=True)
    tcp = dpkt.ethernet.Ethernet(way.tcp(5, 6, ACK, b"payload")).data.data
    assert (tcp.sport, tcp.dport, tcp.seq, tcp.ack, tcp.flags, tcp.data) == (443, 40_000, 5, 6, ACK, b"payload")
    udp = dpkt.ethernet.Ethernet(way.udp(b"payload")).data.data
    assert (udp.sport, udp.dport, udp.ulen, udp.data) == (443, 40_000, 15, b"payload")


def test_options_are_laid_out_as_the_lab_names_them() -> None:
    named = (("MSS", 1460), ("NOP", None), ("WScale", 8), ("SAckOK", b""), ("Timestamp", (7, 5)))
    assert options_of(named) == bytes.fromhex("020405b4010303080402080a0000000700000005")


def test_servers_have_addresses_of_their_own() -> None:
    served = mail_servers(random.Random(1), 400)
    assert len({server.address for server, _ in served}) == 400
    assert sum(exchange for _, exchange in served) == 120

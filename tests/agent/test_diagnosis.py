"""What "diagnosis" is answered with: numbers and words of ours, never whom they are about, and never too long."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from agent import ipc
from agent.body import MAX_COUNTERS, MAX_INTERFACES
from agent.config import Config, check
from agent.diagnosis import KEYS, Diagnosis, diagnosis
from agent.exchange.fingerprint import book
from agent.ipc import LIMITS, Type
from agent.model import KINDS
from agent.totals import MAX_COUNTS, MAX_GAUGES
from tests.agent.test_service import living, told
from tests.tuned import said

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = check(
    {
        "capture": {"interfaces": ["eth7"], "prefixes": ["192.0.2.0/24"], "ring_mib": 7, "ports": [25, 443]},
        "agent": {"control": "/secret/place"},
        "exporter": {"listen": "198.51.100.7:1"},
    },
    "test",
)
ETH7 = {"name": "eth7", "counts": {"frames_seen": 3, "frames_used": 3}, "gauges": {"up": 1.0}}


def test_a_running_agent_answers_with_everything_and_names_nobody(tmp_path: Path) -> None:
    with living(tmp_path, CONFIG) as house:
        capture = house.capture()
        capture.send(Type.OBSERVATIONS, {"told": [told(), told("192.0.2.2", "tls.sni", "mail.example.org")]})
        capture.send(Type.COUNTERS, {"counts": {"streams": 5}, "interfaces": [ETH7]})
        capture.send(Type.INPUTS, {"files": 0, "read": 0, "unreadable": 0})
        link = house.link("control", Type.DIAGNOSIS)
        link.send(Type.ASK, {"what": "diagnosis"})
        answer = link.receive()
        while answer and not answer[1]["interfaces"]:  # what capture said may come after the question
            link.send(Type.ASK, {"what": "diagnosis"})
            answer = link.receive()
        assert answer is not None
        found = Diagnosis.model_validate(answer[1])
    assert found.interfaces[0].model_dump() == ETH7
    assert found.counters == {"streams": 5}
    assert set(found.observations) == set(KINDS)
    assert (found.observations["smtp.greeting"], found.observations["tls.sni"]) == (1, 1)
    assert set(found.evidence) == {fingerprint.id for fingerprint in book()}
    assert sum(found.evidence.values()) >= 1
    assert found.inventory["observations"] == 2
    assert found.connections["capture"] == 1
    assert found.config["capture.ring_mib"] == 7
    assert found.config["capture.ports"] == [25, 443]
    text = json.dumps(answer[1])
    assert not [word for word in ("192.0.2", "example", "ex01", "Microsoft", "secret", "198.51") if word in text]


def test_what_is_believed_is_counted_at_most_once_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []
    with living(tmp_path) as house:
        assessments = house.inventory.assessments
        monkeypatch.setattr(house.inventory, "assessments", lambda *of: counted.append(1) or assessments(*of))
        link = house.link("control", Type.DIAGNOSIS)
        for _ in range(5):
            link.send(Type.ASK, {"what": "diagnosis"})
            assert link.receive()
    assert 1 <= len(counted) <= 2


def test_servers_are_counted_by_verdict() -> None:
    rows = [
        ("exchange", "2016", "confirmed", 2),
        ("exchange", "2019", "confirmed", 3),
        ("unknown", "unknown", "none", 9),
    ]
    names = ("product", "generation", "verdict", "count")
    shown = said().model_dump() | {"servers": [dict(zip(names, row, strict=True)) for row in rows]}
    made = diagnosis(shown, Config())
    assert (made["servers"], made["exchange"]) == ({"confirmed": 5, "none": 9}, 5)


@pytest.mark.parametrize(
    ("held", "numbers"),
    [
        (None, {}),
        ({"number": 3, "sha256": "ab", "good": True, "never": None}, {"number": 3.0, "good": 1.0, "never": None}),
        ({"prefixes": {"headers": 2}, "deleted": {}}, {"prefixes.headers": 2.0}),
    ],
)
def test_of_what_others_keep_the_numbers_are_told(held: dict[str, object] | None, numbers: dict[str, object]) -> None:
    made = diagnosis(said().model_dump() | {"servers": [], "config": held, "store": held}, Config())
    assert made["sets"] == made["store"] == numbers


def test_the_keys_are_keys_and_none_says_who_the_customers_are() -> None:
    assert set(diagnosis(said().model_dump() | {"servers": []}, Config())["config"]) == set(KEYS)
    assert not [key for key in KEYS if any(word in key for word in ("prefixes", "resolvers", "files", "control"))]
    assert not [key for key in KEYS if key.startswith("privacy.") and key != "privacy.handshakes"]


def test_the_longest_answer_fits_into_its_message() -> None:
    """Every table as full as its bounds allow; agent/totals.py keeps capture's within them."""
    pad = "x" * 58
    most = (1 << 63) - 1
    interfaces = [
        {
            "name": f"{n:064}",
            "counts": {f"c{m:05}{pad}": most for m in range(MAX_COUNTS)},
            "gauges": {f"g{m:05}{pad}": -1.2345678901234567e-300 for m in range(MAX_GAUGES)},
        }
        for n in range(MAX_INTERFACES + 1)
    ]
    full = said().model_dump() | {
        "interfaces": interfaces,
        "counters": {f"w{m:05}{pad}": most for m in range(MAX_COUNTERS)},
        "evidence": {fingerprint.id: most for fingerprint in book()},
        "servers": [],
    }
    wide = check(
        {"capture": {"interfaces": [f"interface{n:06}" for n in range(64)], "ports": list(range(10_000, 10_256)),
                     "cpus": list(range(1024))}},
        "test",
    )  # fmt: skip
    framed = ipc.frame(Type.DIAGNOSIS, diagnosis(full, wide))
    assert len(framed) < LIMITS[Type.DIAGNOSIS]
    Diagnosis.model_validate(json.loads(framed[6:]))

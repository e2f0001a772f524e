"""What the agent tells capture to do: what it makes of a section that is right, and that it takes no other."""

from __future__ import annotations

from typing import Any

import pytest

from agent.config import Config
from agent.errors import InputError
from agent.ipc import Unexpected
from collectors.packets.wanted import ALL, DISSECTORS, HEADERS
from collectors.section import GLIMPSE, Section, section


def body(**change: Any) -> dict[str, Any]:
    """A section as the agent makes it from a configuration."""
    capture = Config().capture.model_dump(mode="json")
    sets = {"handshakes": ["192.0.2.0/25"], "headers": ["192.0.2.128/25"], "resolvers": []}
    return capture | sets | {"number": 3, "fanout": 500, "log": {"level": "info"}} | change


def test_what_it_says() -> None:
    made = section(body(interfaces=["eth0"], workers=2, ports=[25], encapsulations=["gre"], synack_sample=8))
    assert isinstance(made, Section)
    assert (made.number, made.files, made.interfaces, made.log) == (3, (), ("eth0",), {"level": "info"})
    assert made.wanted.tiers.of(bytes((192, 0, 2, 1))) == ALL
    assert made.wanted.tiers.of(bytes((192, 0, 2, 200))) == HEADERS
    assert made.wanted.tiers.of(bytes((192, 0, 3, 0))) == 0
    assert made.wanted.dissectors == frozenset(DISSECTORS)
    assert made.wanted[2:] == (frozenset({"gre"}), (25,), 8, GLIMPSE, ())
    assert (made.shape.mib, made.shape.fanout) == (32, 500)


def test_one_worker_shares_with_nobody_and_files_are_read_whole() -> None:
    made = section(body(files=["/a"]))
    assert made.shape.fanout is None
    assert (made.wanted.glimpse, made.wanted.sample) == (0, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"files": "a"}, {"files": [1]}, {"handshakes": None}, {"log": []}, {"count_frames": 1}, {"number": True},
        {"number": "1"}, {"ports": ["25"]}, {"ports": [True]}, {"interfaces": [["eth0"]]}, {"ring_mib": 1.5},
        {"queue": None}, {"fanout": None},
    ],
    ids=repr,
)  # fmt: skip
def test_a_section_that_is_none(change: dict[str, Any]) -> None:
    with pytest.raises(Unexpected, match=next(iter(change))):
        section(body(**change))


@pytest.mark.parametrize("key", sorted(body()))
def test_every_key_that_is_read_must_be_there(key: str) -> None:
    made = body()
    del made[key]
    if key in ("prefixes", "control"):
        section(made)
    else:
        with pytest.raises(Unexpected, match=key):
            section(made)


def test_what_is_no_prefix() -> None:
    with pytest.raises(InputError, match=r"192\.0\.2\.1/24"):
        section(body(handshakes=["192.0.2.1/24"]))

"""What the prober takes for a section, a grant, a cancellation: of exactly the right types, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.ipc import Unexpected
from agent.privacy import one
from probes import section
from tests.probes.peers import grant

SECTION: dict[str, Any] = {
    "log": {"level": "info", "format": "json"}, "laboratory": False, "sources": ["192.0.2.1"], "deny": ["192.0.2.0/24"],
    "kill_switch": "/off", "contact": "a@example.net", "operator": "Net", "per_minute": 6,
}  # fmt: skip


def told(of: Any) -> dict[str, Any]:
    as_dict = of._asdict() | {"budget": of.budget._asdict()}
    said: dict[str, Any] = json.loads(json.dumps({"grant": as_dict}))
    return said


def test_a_section() -> None:
    expected = section.Section(
        "info", "json", False, ("192.0.2.1",), [one("192.0.2.0/24")], "/off", "a@example.net", "Net", 6
    )
    assert section.section(SECTION) == expected


def test_a_grant_comes_as_it_was_given() -> None:
    for given_one in (grant(443), grant(443, name=None, deadline=5, certificates=("a", "b"), products=("x",))):
        assert section.grant(told(given_one)) == given_one


def test_a_cancellation() -> None:
    assert section.cancellation({"number": 3, "ids": None}) == (3, None)
    assert section.cancellation({"number": 3, "ids": ["a", "a"]}) == (3, frozenset("a"))


@pytest.mark.parametrize("key", SECTION)
@pytest.mark.parametrize("value", [None, 1.5, [1], ["no prefix", 2], {}, float("nan"), True, 0])
def test_no_section_with_another_type(key: str, value: Any) -> None:
    right = {"laboratory": bool, "per_minute": int}.get(key)
    if type(value) is right:
        assert section.section(SECTION | {key: value})
        return
    with pytest.raises(Unexpected, match=f"SECTION: {key}|SECTION: log"):
        section.section(SECTION | {key: value})
    with pytest.raises(Unexpected):
        section.section({name: v for name, v in SECTION.items() if name != key})


@pytest.mark.parametrize("key", grant(1)._fields)
@pytest.mark.parametrize("value", [1.5, [1], {"a": 1}, float("inf"), True])
def test_no_grant_with_another_type(key: str, value: Any) -> None:
    body = told(grant(443))
    if key == "deadline" and value == 1.5:
        return
    with pytest.raises(Unexpected, match=key):
        section.grant({"grant": body["grant"] | {key: value}})
    with pytest.raises(Unexpected):
        section.grant({"grant": {name: v for name, v in body["grant"].items() if name != key}})
    with pytest.raises(Unexpected, match="nobody knows"):
        section.grant({"grant": body["grant"] | {"more": 1}})


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*SECTION, "grant", "number", "ids", "x"]), _JSON, max_size=6))
def test_anything_is_judged(body: dict[str, Any]) -> None:
    for read in (section.section, section.grant, section.cancellation):
        for changed in (body, SECTION | body):
            try:
                read(changed)
            except Unexpected:
                continue

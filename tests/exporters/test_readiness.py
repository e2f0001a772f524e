"""What /-/ready says of each part: in error exactly where it is not ready, and what is only to be looked at."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent.asked import Permitted
from agent.messages import InForce, Inputs, Interface, Kept, Snapshot
from agent.snapshot import NOT_READY
from exporters.readiness import ERRORS, components
from tests.exporters.permitted import PERMITTED
from tests.exporters.test_prometheus import snapshot

NOW = 10_000.0


def found(shown: Snapshot | None, now: float = NOW) -> dict[str, tuple[str, str]]:
    return {part.name: (part.state, part.why) for part in components(shown, now)}


def at_rest(**change: Any) -> Snapshot:
    """Of a daemon that has nothing to say of itself, but for what changes."""
    told = {
        "time": NOW - 1, "started": NOW - 10, "not_ready": [], "interfaces": [], "store": None, "permission": None,
        "config": InForce(), "inputs": Inputs(files=1, read=1, unreadable=0), **change,
    }  # fmt: skip
    return snapshot().model_copy(update=told)


def test_all_is_well() -> None:
    assert set(found(at_rest()).values()) == {("ok", "")}


def test_every_reason_is_of_a_part() -> None:
    assert set(ERRORS) == set(NOT_READY)
    assert {name for name, _ in ERRORS.values()} <= found(None).keys()


@pytest.mark.parametrize("reason", NOT_READY)
def test_a_reason_is_the_error_of_one_part(reason: str) -> None:
    shown = found(at_rest(not_ready=[reason]))
    assert [name for name, (state, _) in shown.items() if state == "error"] == [ERRORS[reason][0]]


def test_a_reason_that_is_not_known_is_an_error_too() -> None:
    assert found(at_rest(not_ready=["strange"]))["agent"] == ("error", "strange")


def test_without_a_snapshot() -> None:
    assert found(None)["agent"] == ("error", "it has not told anything yet")


@pytest.mark.parametrize(
    ("change", "name", "why"),
    [
        ({"time": NOW - 90}, "agent", "what is shown is 90 s old"),
        ({"interfaces": [Interface(name="eth0", counts={}, gauges={"up": 0.0})]}, "capture", "eth0 is down or not"),
        ({"inputs": Inputs(files=3, read=1, unreadable=0)}, "inputs", "2 of 3 files are not read yet"),
        ({"config": InForce(prefix_files_failing=1)}, "prefixes", "1 prefix files cannot be used"),
        ({"config": InForce(reload_successful=False)}, "configuration", "the last reload failed"),
        ({"store": Kept(observations=1, servers=1, bytes=1, deleted={}, write_failures=2, retention_last_success=NOW)},
         "store", "2 writes failed"),
        ({"started": 1.0, "store": Kept(observations=1, servers=1, bytes=1, deleted={}, write_failures=0,
                                        retention_last_success=1.0)}, "store", "more than two hours"),
    ],
)  # fmt: skip
def test_warnings(change: dict[str, Any], name: str, why: str) -> None:
    shown = found(at_rest(**change))
    assert shown.pop(name)[0] == "warning"
    assert why in found(at_rest(**change))[name][1]
    assert set(shown.values()) == {("ok", "")}


@pytest.mark.parametrize(
    ("change", "name", "why"),
    [
        ({"killed": True}, "permission", "the kill switch is on"),
        ({"effects_pending": 2}, "permission", "2 changes of permission are not in force everywhere"),
        ({"self_audit": {"difference": 1}}, "permission", "connections seen and the log differ"),
        ({"log_failures": 1}, "audit", "1 writes to the log failed"),
        ({"checkpoint_failures": 1}, "audit", "1 checkpoints did not reach a sink"),
        ({"erasures_unended": 2}, "audit", "2 erasures were begun and cannot be ended"),
    ],
)
def test_warnings_of_permission(change: dict[str, Any], name: str, why: str) -> None:
    quiet = {
        "killed": False,
        "effects_pending": 0,
        "self_audit": {},
        "log_failures": 0,
        "checkpoint_failures": 0,
        "erasures_unended": 0,
    }
    said = [
        found(at_rest(permission=Permitted.model_validate(json.loads(json.dumps(PERMITTED | quiet | more)))))
        for more in ({}, change)
    ]
    assert set(said[0].values()) == {("ok", "")}
    assert said[1][name][0] == "warning"
    assert why in said[1][name][1]

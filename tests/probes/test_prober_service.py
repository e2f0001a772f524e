"""The prober role as a process, between an agent that is this test and servers on loopback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agent import ipc
from agent.asked import OutcomeOf
from agent.ipc import Type
from agent.messages import validated
from probes import service
from tests.asking import until
from tests.ends import End
from tests.probes.peers import ANSWER, Peer, endless, grant, says, silent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.leave import Grant

pytestmark = pytest.mark.usefixtures("ahead")

ROOT = Path(__file__).resolve().parents[2]
SECTION: dict[str, Any] = {
    "log": {"level": "info", "format": "logfmt"}, "laboratory": True, "sources": [], "deny": [], "kill_switch": "",
    "contact": "mailto:abuse@example.net", "operator": "ExampleNet", "per_minute": 1000,
}  # fmt: skip
ALL = {"number": 7, "ids": None}
_SAYS = frozenset({Type.OUTCOME, Type.CANCELLED})
_PATIENCE = 30.0  # seconds
AT_ONCE = 2.0  # seconds, also on a machine that is busy; by itself a probe here would go on for thirty


class Role:
    """The process, and the agent's end of its link."""

    def __init__(self, *, lifeline: bool = True) -> None:
        ours, theirs = socket.socketpair()
        self.lifeline, held = socket.socketpair()
        words = [f"agent={theirs.fileno()}"] + ([f"lifeline={held.fileno()}"] if lifeline else [])
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "probes.service", *words],
            pass_fds=(theirs.fileno(), held.fileno()),
            env={"PYTHONPATH": str(ROOT), "HTTPS_PROXY": "http://127.0.0.1:9"},
            stderr=subprocess.PIPE,
            cwd="/",
        )
        theirs.close()
        held.close()
        self.link = self.linked(ours)

    def linked(self, ours: socket.socket) -> ipc.Link:
        ours.settimeout(_PATIENCE)
        return End(ours, _SAYS)

    def says(self, kind: Type, body: dict[str, Any]) -> None:
        self.link.send(kind, body)

    def grants(self, given: Grant) -> Grant:
        self.says(Type.GRANT, {"grant": given._asdict() | {"budget": given.budget._asdict()}})
        return given

    def outcome(self) -> OutcomeOf:
        received = self.link.receive()
        assert received is not None
        assert received[0] is Type.OUTCOME, received
        told: OutcomeOf = validated(*received)
        return told

    def silent(self, seconds: float = 0.3) -> bool:
        self.link.connection.settimeout(seconds)
        try:
            return not self.link.receive()
        except TimeoutError:
            return True
        finally:
            self.link.connection.settimeout(_PATIENCE)

    def ends(self) -> tuple[int, str]:
        _, said = self.process.communicate(timeout=_PATIENCE)
        return self.process.returncode, said.decode()

    def status(self, key: str) -> str:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith(f"{key}:"))


@pytest.fixture
def role() -> Iterator[Role]:
    one = Role()
    one.says(Type.SECTION, SECTION)
    yield one
    one.process.kill()
    one.process.communicate()


def test_a_grant_is_carried_out_and_told_of_once(role: Role) -> None:
    with Peer(says(ANSWER)) as peer:
        given = role.grants(grant(peer.port, certificates=(), products=()))
        told = role.outcome()
        assert told.id == given.id
        assert told.outcome in ("confirmed", "inconclusive", "identity_mismatch")
        assert told.statuses[0] == 401
        assert len(told.knocks) == peer.connections <= 3
        assert [(knock.source, knock.source_port) for knock in told.knocks] == peer.peers
        assert len(told.certificate) == 64
        assert f"X-Knockfirst-Probe: {given.id}".encode() in peer.asked[0]
        assert role.silent()


# A grant that no prober carries out, with the section it is under: the outcome, and which wall is told of.
WALLS: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "loopback": ({"laboratory": False}, {}, "cancelled", "special"),
    "special": ({"laboratory": False}, {"address": "169.254.169.254"}, "cancelled", "special"),
    "a stranger": ({}, {"address": "1.1.1.1"}, "cancelled", "laboratory"),
    "denied": ({"deny": ["127.0.0.0/30"]}, {}, "cancelled", "deny"),
    "killed": ({"kill_switch": "/etc/passwd"}, {}, "cancelled", "kill switch"),
    "a name": ({}, {"address": "localhost"}, "bug", "canonical"),
    "expired": ({}, {"deadline": 1.0}, "cancelled", "expired"),
    "unknown": ({}, {"probe": "exploit"}, "bug", "probe"),
    "the pace": ({"per_minute": 0}, {}, "cancelled", "per_minute"),
}


@pytest.fixture(scope="module")
def patient() -> Iterator[Role]:
    one = Role()
    yield one
    one.process.kill()
    one.process.communicate()


@pytest.mark.parametrize("case", WALLS)
def test_what_a_wall_stands_against_is_told_of_too(case: str, patient: Role) -> None:
    settings, changes, outcome, word = WALLS[case]
    patient.says(Type.SECTION, SECTION | settings)
    with Peer(silent) as peer:
        given = patient.grants(grant(peer.port, **changes))
        told = patient.outcome()
    assert (told.id, told.outcome, word in told.detail) == (given.id, outcome, True), told
    assert told.knocks == []
    assert peer.connections == 0


def test_a_grant_before_anybody_said_how_to_behave() -> None:
    one = Role(lifeline=False)
    one.grants(grant(443))
    assert (told := one.outcome()).outcome == "bug"
    assert "how to behave" in told.detail
    one.link.close()
    assert one.ends()[0] == service.GONE


def test_the_same_grant_again_is_not_carried_out_again(role: Role) -> None:
    with Peer(silent) as peer:
        given = role.grants(grant(peer.port))
        role.grants(given)
        assert until(lambda: peer.connections)
        role.says(Type.CANCEL, ALL)
        assert role.outcome().outcome == "cancelled"
        assert role.link.receive() == (Type.CANCELLED, {"number": 7})
        role.grants(given)
        assert (told := role.outcome()).outcome == "bug"
        assert "used before" in told.detail
        assert peer.connections == 1


@pytest.mark.parametrize("behave", [silent, endless(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n", 0.02)])
def test_a_cancellation_works_at_once(role: Role, behave: Any) -> None:
    with Peer(behave) as one, Peer(behave) as other:
        first, second = role.grants(grant(one.port)), role.grants(grant(other.port))
        assert until(lambda: one.asked and other.asked)
        began = time.monotonic()
        role.says(Type.CANCEL, {"number": 1, "ids": [first.id, "00000000"]})
        told = role.outcome()
        assert role.link.receive() == (Type.CANCELLED, {"number": 1})
        took = time.monotonic() - began
        assert (told.id, told.outcome, len(told.knocks), told.told) == (first.id, "cancelled", 1, [])
        assert one.ended.wait(20)
        assert took < AT_ONCE
        assert one.ended_at - began < AT_ONCE
        assert not other.ended.is_set()
        role.says(Type.CANCEL, ALL)
        assert role.outcome().id == second.id
        assert role.link.receive() == (Type.CANCELLED, {"number": 7})
        role.says(Type.CANCEL, ALL)
        assert role.link.receive() == (Type.CANCELLED, {"number": 7})


@pytest.mark.parametrize("ending", ["cancelled", "gone"])
def test_what_was_taken_back_before_it_was_read_is_never_begun(ending: str, role: Role) -> None:
    with Peer(silent) as peer:
        os.kill(role.process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, role.process.pid, os.WSTOPPED)
        for _ in range(4):
            role.grants(grant(peer.port))
        if ending == "cancelled":
            role.says(Type.CANCEL, ALL)
        else:
            role.link.close()
        os.kill(role.process.pid, signal.SIGCONT)
        if ending == "cancelled":
            assert [role.outcome().outcome for _ in range(4)] == ["cancelled"] * 4
            assert role.link.receive() == (Type.CANCELLED, {"number": 7})
        time.sleep(0.3)
        assert peer.connections == 0


def test_more_grants_than_threads_wait_and_can_be_cancelled(role: Role) -> None:
    with Peer(silent) as peer:
        given = {role.grants(grant(peer.port)).id for _ in range(20)}
        assert until(lambda: peer.connections == 16)
        role.says(Type.CANCEL, ALL)
        told = [role.outcome() for _ in given]
        assert role.link.receive() == (Type.CANCELLED, {"number": 7})
        assert {one.id for one in told} == given
        assert {one.outcome for one in told} == {"cancelled"}
        assert sum(len(one.knocks) for one in told) == peer.connections == 16
    with Peer(says(ANSWER)) as peer:
        role.grants(grant(peer.port))
        assert role.outcome().statuses


def test_the_kill_switch_and_a_new_deny_list_end_what_runs(role: Role, tmp_path: Path) -> None:
    switch = tmp_path / "off"
    role.says(Type.SECTION, SECTION | {"kill_switch": str(switch)})
    with Peer(silent) as peer:
        role.grants(grant(peer.port))
        assert until(lambda: peer.asked)
        switch.touch()
        assert role.outcome().detail == "kill switch"
        assert peer.ended.wait(20)
    with Peer(silent) as peer:
        role.says(Type.SECTION, SECTION)
        role.grants(grant(peer.port))
        assert until(lambda: peer.asked)
        role.says(Type.SECTION, SECTION | {"deny": ["127.0.0.1"]})
        assert role.outcome().detail == "deny list"
        assert peer.ended.wait(20)


def test_without_its_agent_it_resets_everything_and_serves_the_next(role: Role) -> None:
    with Peer(silent) as peer:
        role.grants(grant(peer.port))
        assert until(lambda: peer.asked)
        began = time.monotonic()
        role.link.close()
        assert peer.ended.wait(20)
        assert peer.ended_at - began < AT_ONCE
    ours, theirs = socket.socketpair()
    ipc.hand_over(role.lifeline, theirs)
    theirs.close()
    role.link = role.linked(ours)
    with Peer(says(ANSWER)) as peer:
        role.grants(grant(peer.port))
        assert "how to behave" in role.outcome().detail
        role.says(Type.SECTION, SECTION)
        role.grants(grant(peer.port))
        assert role.outcome().statuses
    role.link.close()
    role.lifeline.close()
    assert role.ends()[0] == service.GONE


def test_a_signal_ends_it_and_what_runs(role: Role) -> None:
    with Peer(silent) as peer:
        role.grants(grant(peer.port))
        assert until(lambda: peer.asked)
        role.process.send_signal(signal.SIGTERM)
        assert role.outcome().outcome == "cancelled"
        assert role.ends()[0] == 0
        assert peer.ended.wait(20)


def test_a_signal_ends_it_while_it_waits_for_an_agent(role: Role) -> None:
    role.says(Type.CANCEL, ALL)
    assert role.link.receive() == (Type.CANCELLED, {"number": 7})  # It is at work.
    role.link.close()
    time.sleep(0.2)
    role.process.send_signal(signal.SIGTERM)
    assert role.ends()[0] == 0


WRONG: list[tuple[Type, dict[str, Any]]] = [
    (Type.SECTION, {}),
    (Type.SECTION, SECTION | {"deny": ["everybody"]}),
    (Type.SECTION, SECTION | {"deny": [1]}),
    (Type.SECTION, SECTION | {"laboratory": 1}),
    (Type.SECTION, SECTION | {"more": 1}),
    (Type.GRANT, {}),
    (Type.GRANT, {"grant": {}}),
    (Type.GRANT, {"grant": grant(1)._asdict() | {"budget": {"connections": True, "bytes": 1, "seconds": 1}}}),
    (Type.CANCEL, {"number": 1}),
    (Type.CANCEL, {"number": 1, "ids": [1]}),
]


@pytest.mark.parametrize(("kind", "body"), WRONG)
def test_it_fails_aloud_where_the_agent_says_something_else(kind: Type, body: dict[str, Any]) -> None:
    one = Role(lifeline=False)
    one.says(kind, body)
    code, said = one.ends()
    assert code == 70
    assert "the prober role failed" in said


def test_nothing_of_a_customer_is_in_its_log(role: Role) -> None:
    with Peer(says(b"HTTP/1.1 200 OK\r\nX-OWA-Version: secret\r\n\r\nsecret")) as peer:
        given = role.grants(grant(peer.port, name="mail.customer.example"))
        role.outcome()
        role.grants(given)
        role.outcome()
    role.process.terminate()
    said = role.ends()[1]
    assert "a grant is refused" in said
    assert not any(word in said for word in ("127.0.0.1", "customer", "secret"))


def test_it_keeps_no_right_and_is_small(role: Role) -> None:
    with Peer(says(ANSWER)) as peer:
        for _ in range(10):
            role.grants(grant(peer.port))
            role.outcome()
    assert int(role.status("CapEff"), 16) == int(role.status("CapPrm"), 16) == 0
    assert role.status("NoNewPrivs") == "1"
    assert int(role.status("VmRSS").split()[0]) < 64 << 10
    loaded = Path(f"/proc/{role.process.pid}/maps").read_text()
    assert "pydantic" not in loaded

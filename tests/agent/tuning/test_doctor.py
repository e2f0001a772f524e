"""The walk and how it is told: to people, to machines, by the exit code; and which daemon is asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent import ipc
from agent.__main__ import main
from agent.config import check
from agent.ipc import Type
from agent.supervisor import Daemon
from agent.tuning import asking
from agent.tuning.doctor import Step, as_json, report, walk
from agent.tuning.stages import counters
from tests.tuned import COUNTS, WHOLE, answering, later, said

CASE = Path(__file__).resolve().parents[2] / "cases" / "exchange-2019" / "input.pcap"


def steps(**after: Any) -> list[Step]:
    before = said()
    return walk(before, later(before, **after))


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary directory in which no other daemon is, and none of the system's either."""
    monkeypatch.setattr(asking, "SYSTEM", str(tmp_path / "none"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    return tmp_path


def test_a_daemon_that_is_well() -> None:
    assert report(steps()).splitlines() == [
        "interface eth1",
        "  link      ok      up",
        "  arriving  ok      10,020,000 frames, 10,000/s",
        "  card      ok      0 missed",
        "  filter    ok      12 servers muted; 800 instructions; 20,000 admitted (0.2 %); 1 new filters;"
        " 3 seen by two filters",
        "  ring      ok      10% full at most",
        "  decoded   ok      0 not IP",
        "  wanted    ok      6,000 not wanted (30 %); 2,000 outside the prefixes (10 %); 1,000 muted (5 %);"
        " 2,000 without payload (10 %)",
        "  used      ok      9,000 frames looked into (45 %)",
        "",
        "behind the collectors",
        "  capture   ok      3 is the newest section; 3 is applied; 2.0 s of work, 0% of a core; 1 start(s)",
        "  streams   ok      4,000 streams; 3 with a gap; 20 let go for age; 2 longer than is looked at",
        "  dissected ok      0 malformed DNS; 4 malformed smtp (0.1 %)",
        "  told      ok      3,000 observations; 500 repeated, not told",
        "  evidence  ok      7 facts matched a fingerprint (0.233 %); 100 known already",
        "  believed  ok      300 servers kept",
        "",
        "Nothing loses.",
    ]


def test_what_loses_is_told_with_its_cause_and_its_keys() -> None:
    told = report(steps(counts={"drop_ring": 40, "frames_seen": 20_040}, counters={"queue_full": 2}))
    assert (
        "  ring      loses   10% full at most; 40 dropped (0.2 %), 20/s\n"
        "                    frames come faster than they are read out of the ring\n"
        "                    try: raise capture.ring_mib (now 32), or raise capture.workers (now 1), or raise\n"
        "                      capture.synack_sample (now 32), or narrow capture.ports (now empty)\n"
        "                    see that nothing else has the CPUs of capture\n"
    ) in told
    assert told.endswith("\nFirst to lose: ring of eth1. Also: told.\n")


def test_the_first_stage_that_loses_is_the_first_on_the_way() -> None:
    told = json.loads(as_json(steps(counts={"nic_missed": 5, "drop_ring": 5})))
    assert told["loses"]
    assert told["first"] == {"collector": "eth1", "stage": "card"}
    (finding,) = next(step for step in told["steps"] if step["stage"] == "ring")["findings"]
    assert (finding["id"], finding["loses"]) == ("ring-drops", True)
    assert finding["knobs"][0] == {"key": "capture.ring_mib", "change": "raise", "now": 32}


def test_a_remark_is_no_loss() -> None:
    made = steps(gauges={"ring_fill": 0.7})
    assert [step.stage.name for step in made if step.state == "remark"] == ["ring"]
    assert report(made).endswith("Nothing loses.\n")
    assert json.loads(as_json(made))["first"] is None


def test_every_counter_has_a_stage() -> None:
    """A new reason for which a frame is dropped is shown without being named anywhere."""
    made = steps(counts={"drop_new_reason": 5}, counters={"malformed_pop9": 1})
    shown = {name for step in made for name, _ in counters(step.stage, step.view)}
    assert {*COUNTS, *WHOLE, "drop_new_reason", "malformed_pop9"} <= shown
    assert "5 new reason (0.025 %)" in report(made)


def test_an_agent_that_was_started_anew_in_between() -> None:
    made = walk(said(counts={"drop_ring": 9}), said(1002.0, started=1001.0, counts={"drop_ring": 3}))
    assert {step.view.now("drop_ring") for step in made} == {0}


def test_files_are_a_collector() -> None:
    files = {"name": "file", "counts": {"frames_seen": 9, "frames_used": 7, "drop_fragment": 2}, "gauges": {}}
    inputs = {"files": 3, "read": 2, "unreadable": 0}
    before = said(interfaces=[files], inputs=inputs, config={"capture.interfaces": []})
    told = report(walk(before, before))
    assert told.startswith(
        "capture files\n"
        "  inputs    ok      2 files read; 1 waiting\n"
        "  arriving  ok      9 frames\n"
        "  decoded   ok      0 not IP; 2 fragments (22.2 %)\n"
    )
    assert "ring" not in told


@pytest.mark.parametrize(("change", "code"), [({}, 0), ({"counts": {"drop_ring": 9}}, 1)])
def test_the_exit_code_says_whether_anything_loses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], code: int
) -> None:
    before = said()
    with answering(tmp_path / "control", before, later(before, **change)) as asked:
        words = ["--control", str(tmp_path / "control"), "--seconds", "0.1"]
        assert main(["doctor", *words]) == code
        assert asked == [{"what": "diagnosis"}] * 2
        assert capsys.readouterr().err == ""
        assert main(["doctor", *words, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["loses"] is False


UNFIT = [
    pytest.param(b"\xff" * 64, id="no message"),
    pytest.param(ipc.frame(Type.STATUS, {"ready": True}), id="another message"),
    pytest.param(ipc.frame(Type.DIAGNOSIS, {"time": 1.0}), id="of another version"),
]


@pytest.mark.parametrize("answer", UNFIT)
def test_an_answer_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str], answer: bytes) -> None:
    with answering(tmp_path / "control", answer):
        assert main(["doctor", "--control", str(tmp_path / "control")]) == 69
    said_ = capsys.readouterr()
    assert said_.out == ""
    assert said_.err == (
        f"knockfirst doctor: {tmp_path}/control: what answers is of another version; restart the daemon\n"
    )


def test_where_no_daemon_answers(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 69
    assert capsys.readouterr().err == (
        f"knockfirst doctor: no daemon of ours is running (looked in {elsewhere}/none, {elsewhere});"
        " start it, or name its socket by --control\n"
    )
    assert main(["doctor", "--control", "/nonexistent/control"]) == 69
    assert capsys.readouterr().err.count("\n") == 1


def test_the_newest_daemon_of_ours_that_answers_is_asked(elsewhere: Path) -> None:
    for age, name in enumerate(("knockfirst-dead", "knockfirst-new", "knockfirst-old", "other-newer")):
        (elsewhere / name).mkdir()
        os.utime(elsewhere / name, (2_000_000_000 - age, 2_000_000_000 - age))
    options = _options()
    with answering(elsewhere / "knockfirst-old" / "control", said()):
        assert asking.found(options).path == f"{elsewhere}/knockfirst-old/control"
        with answering(elsewhere / "knockfirst-new" / "control", said()):
            os.utime(elsewhere / "knockfirst-old", (1_000_000_000, 1_000_000_000))
            assert asking.found(options).path == f"{elsewhere}/knockfirst-new/control"


def test_somebody_elses_daemon_among_what_is_temporary_is_not_believed(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / "knockfirst-x").mkdir()
    with answering(elsewhere / "knockfirst-x" / "control", said()):
        assert asking.found(_options()).path.endswith("knockfirst-x/control")
        monkeypatch.setattr(os, "geteuid", lambda: 4711)
        with pytest.raises(asking.UnavailableError):
            asking.found(_options())
        monkeypatch.setenv("RUNTIME_DIRECTORY", str(elsewhere))
        monkeypatch.setattr("tempfile.tempdir", "/nonexistent")
        assert asking.found(_options()).path.endswith("knockfirst-x/control")


def test_the_configuration_names_the_socket(tmp_path: Path) -> None:
    file = tmp_path / "k.toml"
    file.write_text(f'[agent]\ncontrol = "{tmp_path}/here"\n')
    assert asking.found(_options(config=str(file))).path == f"{tmp_path}/here"


def _options(**given: str) -> Any:
    from argparse import Namespace

    return Namespace(**{"config": None, "control": None} | given)


def test_a_real_daemon_from_files_to_what_is_believed(tmp_path: Path) -> None:
    config = check({"capture": {"files": [str(CASE)]}, "exporter": {"listen": "127.0.0.1:0"}}, "test")
    with Daemon(config) as daemon:
        assert daemon.wait_finished(60)
        command = [sys.executable, "-m", "agent"]
        where = ["--control", daemon.control_path]
        looked = subprocess.run(
            [*command, "doctor", *where, "--seconds", "0.2", "--json"], capture_output=True, text=True, check=False
        )
        told = json.loads(looked.stdout)
        assert (looked.returncode, told["first"]) == (0, None), looked
        by_stage = {(step["collector"], step["stage"]): step for step in told["steps"]}
        assert by_stage["file", "inputs"]["gauges"]["read"] == 1
        seen = by_stage["file", "arriving"]["counts"]["frames_seen"]
        assert seen >= by_stage["file", "used"]["counts"]["frames_used"] > 0
        assert by_stage["line", "evidence"]["counts"]["matched"] > 0
        assert by_stage["line", "believed"]["gauges"]["exchange"] >= 1
        shown = subprocess.run(
            [*command, "top", *where, "--once", "--interval", "0.1"], capture_output=True, text=True, check=True
        )
        assert "ready yes" in shown.stdout
        for text in (looked.stdout, shown.stdout):
            assert "192.0.2." not in text
            assert "example" not in text

"""``knockfirst replay`` as its user meets it: output, complaints and exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agent.__main__ import main
from agent.lab import sessions
from agent.lab.files import pcap
from collectors.replay import stats
from tests import talk

EXCHANGE, OTHER = "192.0.2.25", "192.0.2.26"
POSTFIX = sessions.smtp("mx.example.com ESMTP Postfix", "mx.example.com", ("PIPELINING", "ETRN"))


@pytest.fixture
def good(tmp_path: Path) -> str:
    """An Exchange server and another, each on port 25."""
    seen = talk.conversation(EXCHANGE, 25, talk.mail_turns("ex01.example.org"))
    return talk.capture(tmp_path / "good.pcap", seen + talk.conversation(OTHER, 25, POSTFIX, client_port=40_001))


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["replay", *words])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_the_table(capsys: pytest.CaptureFixture[str], good: str) -> None:
    code, out, err = run(capsys, good)
    assert (code, err) == (0, "")
    assert EXCHANGE in out
    assert OTHER not in out
    assert out.endswith("2 servers seen, 1 with signs of Exchange; --all lists them all\n")
    assert max(map(len, out.splitlines())) <= 100


def test_all_lists_the_others_too(capsys: pytest.CaptureFixture[str], good: str) -> None:
    _, out, _ = run(capsys, "--all", good)
    assert OTHER in out
    assert out.endswith("2 servers seen, 1 with signs of Exchange\n")


def test_nothing_seen(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = run(capsys, talk.capture(tmp_path / "f", []))
    assert (code, out) == (0, "0 servers seen, 0 with signs of Exchange\n")


def test_json_has_one_object_a_line(capsys: pytest.CaptureFixture[str], good: str) -> None:
    _, out, _ = run(capsys, "--json", good)
    (found,) = map(json.loads, out.splitlines())
    assert (found["address"], found["verdict"]) == (EXCHANGE, "confirmed")
    assert all(e["frame"] is None for e in found["evidence"])
    _, out, _ = run(capsys, "--json", "--all", "--frames", good)
    assert {line["address"] for line in map(json.loads, out.splitlines())} == {EXCHANGE, OTHER}
    assert all(e["frame"] >= 1 for line in map(json.loads, out.splitlines()) for e in line["evidence"])


@pytest.mark.parametrize(("prefix", "found"), [("192.0.2.25/32", 1), ("2001:db8::/32", 0), ("192.0.2.0/24", 1)])
def test_prefixes(capsys: pytest.CaptureFixture[str], good: str, prefix: str, found: int) -> None:
    _, out, _ = run(capsys, "--json", "--prefix", prefix, good)
    assert len(out.splitlines()) == found


def test_a_prefix_that_is_none_is_refused(capsys: pytest.CaptureFixture[str], good: str) -> None:
    code, out, err = run(capsys, "--prefix", "192.0.2.1/24", good)
    assert (code, out) == (2, "")
    assert err.startswith("knockfirst replay: prefix '192.0.2.1/24': ")


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_counted_frames_are_shown(capsys: pytest.CaptureFixture[str], good: str, words: list[str]) -> None:
    _, out, _ = run(capsys, "--stats", *words, good)
    if words:
        counts = json.loads(out.splitlines()[-1])["stats"]
        assert counts["frames"] == counts["used"] + sum(counts["unused"].values()) > 0
    else:
        assert "  frames: " in out
        assert "  unused: {" in out


def test_stats_keep_what_is_not_a_drop_apart() -> None:
    counted = {"frames_seen": 5, "frames_used": 2, "drop_b": 1, "drop_a": 2, "streams": 9}
    assert stats(counted) == {"frames": 5, "used": 2, "unused": {"a": 2, "b": 1}, "streams": 9}
    assert list(stats(counted)["unused"]) == ["a", "b"]


def test_explain(capsys: pytest.CaptureFixture[str], good: str) -> None:
    _, out, _ = run(capsys, "--explain", EXCHANGE, good)
    assert out.startswith(f"{EXCHANGE}: Exchange")
    assert "What was seen".lower() in out
    assert "ex01.example.org" in out


def test_explain_a_server_that_is_no_exchange_or_was_not_seen(capsys: pytest.CaptureFixture[str], good: str) -> None:
    assert run(capsys, "--explain", OTHER, good)[1].startswith(f"{OTHER}: other, none")
    assert run(capsys, "--explain", "192.0.2.99", good)[1] == "192.0.2.99: nothing was seen of it\n"


def test_an_absent_file_does_not_keep_the_others_from_being_read(
    capsys: pytest.CaptureFixture[str], good: str, tmp_path: Path
) -> None:
    absent = str(tmp_path / "absent.pcap")
    code, out, err = run(capsys, "--json", absent, good)
    assert code == 2
    assert err == f"knockfirst replay: {absent}: no such file or directory\n"
    assert json.loads(out)["address"] == EXCHANGE


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty"),
        (b"GIF89a", "is not a capture"),
        (b"\x1f\x8b\x08\0", "is compressed; unpack it with gunzip first"),
        (pcap([])[:20], "is not a capture"),
        (b"\x0a\x0d\x0d\x0a" + bytes(20), "is not a capture"),
    ],
)
def test_files_that_are_no_captures(
    capsys: pytest.CaptureFixture[str], good: str, tmp_path: Path, content: bytes, complaint: str
) -> None:
    (tmp_path / "bad").write_bytes(content)
    code, out, err = run(capsys, "--json", good, str(tmp_path / "bad"))
    assert code == 2
    assert err.startswith(f"knockfirst replay: {tmp_path / 'bad'}: {complaint}")
    assert len(err.splitlines()) == len(out.splitlines()) == 1


def test_a_directory_is_no_capture(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = run(capsys, str(tmp_path))
    assert (code, err) == (2, f"knockfirst replay: {tmp_path}: is a directory\n")


def test_a_cut_file_is_told_of_and_is_no_failure(capsys: pytest.CaptureFixture[str], good: str, tmp_path: Path) -> None:
    whole = Path(good).read_bytes()
    (tmp_path / "cut").write_bytes(whole[:-5])
    code, out, err = run(capsys, "--json", str(tmp_path / "cut"))
    assert code == 0
    assert "the file is cut after frame" in err
    assert len(out.splitlines()) == len(err.splitlines()) == 1


def test_every_cut_of_a_small_capture_ends_well(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    whole = pcap(talk.conversation(EXCHANGE, 25, POSTFIX))
    for end in range(0, len(whole), 37):
        (tmp_path / "cut").write_bytes(whole[:end])
        code, _, err = run(capsys, "--json", str(tmp_path / "cut"))
        assert code == (2 if end < 24 else 0)
        assert len(err.splitlines()) <= 1


def test_without_files_it_says_how(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["replay"])
    assert ended.value.code == 2
    assert "FILE" in capsys.readouterr().err


def test_a_capture_comes_through_a_pipe(good: str) -> None:
    command = [sys.executable, "-m", "agent", "replay", "--json", "/dev/stdin"]
    ended = subprocess.run(command, input=Path(good).read_bytes(), capture_output=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert json.loads(ended.stdout)["address"] == EXCHANGE

"""The demo as its reader sees it: all that is simulated is listed, nothing is claimed wrongly, 100 columns do."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from agent.audit import shipped
from agent.errors import InputError
from agent.lab import demo, screens, story_papers, story_proof, story_screens, story_told
from agent.lab.story_cast import BOOKSHOP, BUILD, CUSTOMERS, LIBRARY, OPTICIAN, Customer
from agent.lab.story_commands import Commands, FailedError

pytestmark = pytest.mark.usefixtures("ahead")

ROOT = Path(__file__).resolve().parents[3]


class Once(NamedTuple):
    """What one run wrote, the capture it kept, and what it left in the directory of temporary files."""

    out: str
    err: str
    kept: Path
    left: list[str]


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Once]:
    kept, temporary = tmp_path_factory.mktemp("demo") / "kept.pcap", tmp_path_factory.mktemp("tmp")
    out, err = io.StringIO(), io.StringIO()
    before, tempfile.tempdir = tempfile.tempdir, str(temporary)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            assert demo.main(["--once", "--keep", str(kept)]) == 0, err.getvalue()
    finally:
        tempfile.tempdir = before
    yield Once(out.getvalue(), err.getvalue(), kept, os.listdir(temporary))


def test_every_simulated_server_is_seen_for_what_it_is(once: Once) -> None:
    rows = {line.split()[0]: line for line in once.out.splitlines() if line[:1].isdigit()}
    for server, _ in demo.roster():
        row = rows[server.address]
        assert "not seen" not in row
        others = ("IIS SMTP", "Postfix", "Dovecot", "nginx", "grommunio", "Cobalt Strike")
        assert ("other" in row or "IIS SMTP  " in row) is (server.label in others), row


def test_screens_fit_and_nothing_is_left(once: Once) -> None:
    assert max(map(len, once.out.splitlines())) <= 100
    assert (once.err, once.left) == ("", [])


def test_metrics_and_explanation_are_shown(once: Once) -> None:
    assert "knockfirst_servers{" in once.out
    assert "http://127.0.0.1:" in once.out
    assert "ProxyShell" in once.out
    assert 'knockfirst_gate_decisions_total{decision="granted",reason=""} 1.0' in once.out
    assert 'knockfirst_probe_outcomes_total{outcome="confirmed",probe="exchange-http"} 1.0' in once.out
    assert 'knockfirst_gate_decisions_total{decision="refused",reason="objection"}' in once.out
    assert [each for each in story_told.COUNTED if f"  {each}\n" not in once.out] == []


def test_only_who_agreed_is_knocked_at(once: Once) -> None:
    """As the servers themselves have it; and what was sent is one request, under the id that is on record."""
    assert "counted in all: optician 1, library 0, bookshop 0." in once.out
    [request] = re.findall(r"^  GET (\S+) HTTP/1\.1$", once.out, re.MULTILINE)
    assert request == "/EWS/Exchange.asmx"
    [ident] = re.findall(r"X-Knockfirst-Probe: (\w+)", once.out)
    assert f"id {ident}" in once.out or by_itself(once)
    assert f'"id": "{ident[:20]}' in once.out


def by_itself(once: Once) -> bool:
    """Whether the daemon knocked before it was told to: as soon as the kill switch is off, it may."""
    return bool(
        re.search(rf"^20.+ {OPTICIAN.address} \d+ +{OPTICIAN.ref} +schedule +confirmed ", once.out, re.MULTILINE)
    )


def test_the_answer_makes_the_build_exact(once: Once) -> None:
    seen = {row.split()[0]: row for row in once.out.splitlines() if row.startswith(("before  ", "after  ", "C-100"))}
    assert "not known" in seen["before"]
    assert f"Exchange 2016  {BUILD}" in seen["after"]
    assert "out of support" in seen["after"]
    assert re.search(r"^ProxyShell +CVE-2021-34473, ", once.out, re.MULTILINE)
    # By looking alone not even the generation is known.
    looked = [line.split()[:5] for line in once.out.splitlines() if line.startswith("C-100") and "not known" in line]
    assert looked == [[one.ref, one.who, one.address, "Exchange", "-"] for one in CUSTOMERS]


@pytest.mark.parametrize(("one", "reason"), [(LIBRARY, "no_record"), (BOOKSHOP, "objection")])
def test_why_the_others_are_not_is_explained(once: Once, one: Customer, reason: str) -> None:
    [explained] = re.findall(rf"^{one.address} port \d+: is not knocked at \((\w+)\)\nwhy +\S", once.out, re.MULTILINE)
    assert explained == reason


def test_the_kill_switch_and_the_objection_are_felt(once: Once) -> None:
    assert f"{OPTICIAN.address}: not knocked at (kill_switch)" in once.out
    before, _, after = once.out.partition("kill switch is off")
    assert "(kill_switch)" in before and ": knocking;" not in before and "schedule" not in before
    assert ": knocking;" in after or by_itself(once)
    [milliseconds] = re.findall(r"the one that looks included, it took (\d+) ms", once.out)
    assert int(milliseconds) < 1000
    assert re.search(r"^C-1003 +objected ", once.out, re.MULTILINE)


def test_the_optician_is_told_by_the_contact_on_record_and_nobody_else(once: Once) -> None:
    """Who is told anything at all has a case; the whole of the mail is there, with the values of his server."""
    [row] = re.findall(r"^\w{16}  critical +open +(\S+) +(\S+) +\S+ +tell sent$", once.out, re.MULTILINE)
    assert row == (OPTICIAN.ref, OPTICIAN.address)
    assert re.findall(r"RCPT TO:<(\S+)>", once.out) == re.findall(r"^  To: (\S+)$", once.out, re.MULTILINE)
    assert once.out.count("  To: security@optician.example\n") == 1
    mail = once.out.partition("as it came to the simulated relay:")[2].partition("The relay was told")[0]
    for part in (
        "Customer C-1001: verify",
        f"(build) {BUILD}",
        "What we did not do",
        "more that it lists",
        "Kind regards",
    ):
        assert part in mail
    assert "<" not in mail.partition("Message-ID: ")[2].partition("\n")[2]
    assert not [one.who for one in (LIBRARY, BOOKSHOP) if one.who in mail or one.ref in mail]


def test_the_optician_answers_by_the_link_of_the_mail(once: Once) -> None:
    [link] = re.findall(r"^    https://example\.net/checks(/answers/\w+)#fixed$", once.out, re.MULTILINE)
    assert len(re.findall(rf"http://127\.0\.0\.1:\d+{link}\b", once.out)) == 2
    before, _, after = once.out.partition("[ It is fixed ]")
    assert "fixed_claimed" not in before
    assert after.index("This is noted. Thank you.") < after.index("fixed_claimed  C-1001")
    events = re.findall(r"^20\S+ \d\d:\d\d  (\w+)", after, re.MULTILINE)
    assert events == ["opened", "step", "begun", "sent", "claimed"]


def test_the_proof_holds_and_a_changed_one_does_not(once: Once) -> None:
    assert "The proof holds: " in once.out
    assert "It\ndoes not show that there are no others" in once.out
    [refused] = re.findall(r"^REFUSED: .+$", once.out, re.MULTILINE)
    assert "not what it committed to" in refused
    kinds = re.findall(r"^ +\d+  \S+Z  (\S+) ", once.out, re.MULTILINE)
    assert {"mapping.asserted", "record.announced", "record.given", "probe.intent", "probe.outcome"} <= set(kinds)
    told = ["probe.intent", "probe.outcome", "case.opened", "notice.due", "notice.sent", "case.answered"]
    assert [kind for kind in kinds if kind in told] == told
    assert kinds[-1] == "customer.exported"


def test_every_command_that_is_shown_is_one(once: Once) -> None:
    from agent.__main__ import COMMANDS

    shown = re.findall(r"^\$ knockfirst (\S+)", once.out, re.MULTILINE)
    assert {"import", "consent", "probe", "cases", "audit", "kill-switch"} == set(shown)
    assert set(shown) <= set(COMMANDS)


def test_the_capture_is_kept_and_the_same_each_time(once: Once) -> None:
    assert once.kept.read_bytes() == demo._capture()[0]


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--keep"):
        demo.main(["--once", "--keep", str(tmp_path / "absent" / "x.pcap")])


@pytest.mark.parametrize(
    ("number", "after"),
    [(signal.SIGINT, "--- Looking"), (signal.SIGTERM, "The mail, as it came"), (signal.SIGINT, "Ctrl-C")],
    ids=["at its beginning", "in the middle of its story", "at its end"],
)
def test_it_can_be_ended_at_any_time(number: signal.Signals, after: str, tmp_path: Path) -> None:
    """Nothing is left behind: no directory and no process."""
    command = [sys.executable, "-m", "agent", "demo"]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        seen = ""
        while after not in seen:
            line = running.stdout.readline()
            assert line, "it ended by itself"
            seen += line
        running.send_signal(number)
        # The roles hold the other end of these pipes: they end when the last of them has gone.
        rest, err = running.stdout.read(), running.stderr.read()
        assert running.wait(60) == 0
    assert "nothing of it is left" in rest
    assert err == ""
    assert list(tmp_path.iterdir()) == []


def test_a_reader_who_goes_away_is_no_fault(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "agent", "demo", "--once"]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        assert (running.stderr.read(), running.wait(60)) == ("", 141)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def nobody() -> Iterator[tuple[list[str], Path]]:
    """The interpreter without any right, it and our code at places that everybody can reach, and a directory to use.

    They may be in somebody's home. The mounts are of a mount namespace of the process's own.
    """
    tools = [tool for tool in ("setpriv", "unshare") if shutil.which(tool) is None]
    lacks = [*(["root"] if os.geteuid() else []), *tools]
    if not lacks and subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        lacks = ["the right to mount"]
    if lacks:
        why = f"to become nobody takes {', '.join(lacks)}"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    directory = Path(tempfile.mkdtemp(prefix="nobody-"))
    directory.chmod(0o755)
    places = {"python": sys.base_prefix, "site": sysconfig.get_path("purelib"), "tree": str(ROOT)}
    for name in (*places, "tmp"):
        (directory / name).mkdir()
    (directory / "tmp").chmod(0o777)
    mounts = "".join(f"mount --bind {shlex.quote(real)} {directory / name} && " for name, real in places.items())
    python = directory / "python/bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    yield [
        "unshare", "--mount", "sh", "-c", f'{mounts} cd {directory / "tree"} && exec "$@"', "sh",
        "setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "--bounding-set=-all",
        "env", f"PYTHONPATH={directory / 'tree'}:{directory / 'site'}", f"LD_LIBRARY_PATH={directory / 'python/lib'}",
        f"TMPDIR={directory / 'tmp'}", "PYTHONDONTWRITEBYTECODE=1", str(python), "-m", "agent", "demo", "--once",
    ], directory / "tmp"  # fmt: skip
    shutil.rmtree(directory)


def test_it_needs_no_rights(nobody: tuple[list[str], Path]) -> None:
    command, temporary = nobody
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "optician 1, library 0, bookshop 0." in done.stdout
    assert list(temporary.iterdir()) == []


def test_a_command_that_ends_otherwise_is_told_with_what_it_said(tmp_path: Path) -> None:
    story_papers.configuration(tmp_path, [])
    shown: list[str] = []
    commands = Commands(tmp_path, shown.append)
    assert commands.run("consent", "list") == "no customer"
    assert shown == ["$ knockfirst consent list\nno customer\n"]
    with pytest.raises(FailedError, match=r"`knockfirst consent show C-9` ended with 2: .*C-9"):
        commands.quietly("consent", "show", "C-9")
    assert commands.typed(("a" * 50, commands.path("b" * 60))) == f"knockfirst {'a' * 50} \\\n      {'b' * 60}"


def test_the_verifier_is_the_file_of_the_documentation_and_is_installed_with_us() -> None:
    assert story_proof.verifier() == ROOT / "docs" / "verify.py"
    assert f'"{shipped.SHIPPED.rpartition("/")[0]}" = ["docs/verify.py"]' in (ROOT / "pyproject.toml").read_text()


def test_what_is_no_proof_is_refused(tmp_path: Path) -> None:
    proof = tmp_path / "proof.json"
    proof.write_text('{"format": "knockfirst-proof/1"}')
    holds, said = story_proof.checked(proof)
    assert not holds
    assert said.startswith("REFUSED: ")
    with pytest.raises(FailedError, match="'absent' is not in the proof"):
        story_proof.tampered(proof, "absent", "x")
    with pytest.raises(FailedError, match="ended with 2"):
        story_proof.checked(tmp_path / "none.json")


def test_telling_metrics_are_few_and_not_0() -> None:
    page = "# HELP\nknockfirst_ready 1.0\nother 1.0\nknockfirst_probe_kill_switch 0.0\n" + "".join(
        f'knockfirst_servers{{n="{n}"}} 1.0\n' for n in range(9)
    )
    assert screens.metrics_lines(page).splitlines()[0] == "  knockfirst_ready 1.0"
    assert len(screens.metrics_lines(page).splitlines()) == 5
    assert screens.metrics_lines("other 1.0\n") == "  other 1.0"
    assert story_screens.values(page) == {"knockfirst_ready": 1, "other": 1, "knockfirst_probe_kill_switch": 0}


def test_a_customer_who_is_not_seen_is_said_to_be_so() -> None:
    rows = story_screens.customers({LIBRARY.address: SAID}).splitlines()[2:]
    assert [("not seen" in row) for row in rows] == [True, False, True]


SAID = {
    "address": "192.0.2.25",
    "product": "exchange",
    "generation": "2016",
    "verdict": "confirmed",
    "confidence": 0.999,
    "build": {"low": "15.1.2507.0", "high": "15.1.2507.65535", "precision": "cu"},
    "exposure": [{"cve": None, "name": "end of support", "status": "vulnerable"}],
    "evidence": [],
}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, ("Exchange 2016", "15.1.2507.x")),
        ({"build": None, "generation": None}, ("Exchange", "-")),
        ({"build": {"low": "15.1.2507.6", "high": "15.1.2507.6", "precision": "su"}}, ("Exchange 2016", "15.1.2507.6")),
        ({"build": {"low": "15.1.0.0", "high": "15.1.9.9", "precision": "generation"}}, ("Exchange 2016", "-")),
        ({"product": "exchange-edge", "generation": None}, ("Exchange Edge", "15.1.2507.x")),
        ({"product": "other", "verdict": "none", "generation": None}, ("other", "15.1.2507.x")),
    ],
)
def test_words(changed: dict[str, object], expected: tuple[str, str]) -> None:
    said = SAID | changed
    assert (screens.product(said), screens.build(said)) == expected


def test_a_server_of_which_nothing_is_said() -> None:
    shown = screens.overview(
        [("192.0.2.1", "Postfix", "mpls:3 control vlan:1"), ("192.0.2.25", "x", "")], {"192.0.2.25": SAID}, on=False
    )
    missing, known = shown.splitlines()[2:]
    assert "mpls pw vlan  Postfix" in missing
    assert "not seen" in missing
    assert known.split()[-1] == "ended"

"""The probe with a wire that has its answers ready: when it goes on asking, when it stops, and what then stands."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from agent.leave import OUTCOMES, Outcome
from agent.leave import PROBES as NAMES
from probes import PROBES
from probes.asks import Answer, Failed, Known, Response
from probes.exchange_http import NAME, PATHS, probe

CERTIFICATE = "ab" * 32
SEEN = Known((CERTIFICATE.upper(),), ("exchange",), "mail.example.org")
Step = Response | Failed


def says(status: int, *headers: str, certificate: str = CERTIFICATE) -> Response:
    pairs = tuple((name, value) for name, _, value in (line.partition(": ") for line in headers))
    return Response(status, pairs, b"", truncated=False, certificate=certificate)


BUILD = says(401, "server: Microsoft-IIS/10.0", "x-owa-version: 15.2.1748.36", "x-feserver: EX01")
OLDER = says(401, "server: Microsoft-IIS/10.0", "x-owa-version: 15.2.1748.26", "x-feserver: EX02")
BRANCH = says(401, "x-owa-version: 15.2.1748", "x-feserver: EX01")
NAMED = says(401, "x-feserver: EX01")
NOTHING = says(403, "server: nginx")
LOGON = says(302, "location: https://mail.example.org/owa/auth/logon.aspx?url=x")
SOAP = says(401, "x-soap-enabled: True")
Z_PUSH = says(401, "x-z-push-version: 2.6.4")
MISSING = says(404)
TROUBLE = says(503, "x-feserver: EX01")


class Scripted:
    """A wire that answers, or fails, as it is told."""

    certificate = ""

    def __init__(self, steps: tuple[Step, ...]) -> None:
        self.steps = list(steps)
        self.asked: list[str] = []

    def get(self, path: str) -> Response:
        self.asked.append(path)
        step = self.steps.pop(0)
        if isinstance(step, Failed):
            raise step
        return step


def came(*steps: Step, known: Known = SEEN) -> tuple[Answer, int]:
    wire = Scripted(steps)
    return probe(wire, known), len(wire.asked)


@pytest.mark.parametrize(
    ("steps", "outcome", "asked"),
    [
        ((BUILD,), "confirmed", 1),
        ((NAMED, BUILD), "confirmed", 2),
        ((NOTHING, BUILD), "confirmed", 2),
        ((NOTHING, NOTHING, BUILD), "confirmed", 3),
        ((NAMED, NAMED, NAMED), "confirmed", 3),
        ((BRANCH, BRANCH, BUILD), "confirmed", 3),
        ((NOTHING, SOAP, LOGON), "confirmed", 3),
        ((NOTHING, NOTHING, LOGON), "confirmed", 3),
        ((NOTHING, NOTHING, NOTHING), "inconclusive", 3),
        ((MISSING, MISSING, MISSING), "contradicted", 3),
        ((MISSING, NOTHING, MISSING), "inconclusive", 3),
        ((Z_PUSH, NOTHING, NOTHING), "contradicted", 1),
        ((TROUBLE,), "confirmed", 1),
        ((NOTHING, TROUBLE), "confirmed", 2),
        ((says(429),), "inconclusive", 1),
        ((says(200, "x-owa-version: 15.2.858.5"), NOTHING, NOTHING), "inconclusive", 3),
        ((says(200, "x-owa-version: 15.2.858.5"), NAMED), "confirmed", 2),
    ],
)
def test_it_asks_while_the_build_is_unknown_and_nothing_looks_like_trouble(
    steps: tuple[Step, ...], outcome: str, asked: int
) -> None:
    answer, count = came(*steps)
    assert (answer.outcome, count) == (outcome, asked)
    assert answer.outcome in OUTCOMES


def test_all_of_what_was_told_stands() -> None:
    answer, _ = came(NAMED, OLDER)
    assert answer.told == (
        ("http.status", "401"), ("http.header", "X-FEServer: EX01"), ("http.header", "X-OWA-Version: 15.2.1748.26"),
        ("http.server", "Microsoft-IIS/10.0"), ("http.header", "X-FEServer: EX02"),
    )  # fmt: skip


BROKEN_OFF = ["connection_refused", "unreachable", "timeout", "tls_failed", "protocol_error"]


@pytest.mark.parametrize("outcome", BROKEN_OFF)
def test_a_failure_later_on_leaves_standing_what_was_told(outcome: Outcome) -> None:
    answer, count = came(NAMED, Failed(outcome, "why"))
    assert (answer.outcome, answer.detail, count) == (outcome, "why", 2)
    assert ("http.header", "X-FEServer: EX01") in answer.told


@pytest.mark.parametrize("outcome", ["cancelled", "holder_changed", "bug"])
def test_after_a_cancellation_nothing_is_told(outcome: Outcome) -> None:
    with pytest.raises(Failed) as failed:
        came(NAMED, Failed(outcome, "why"))
    assert failed.value.outcome == outcome


@pytest.mark.parametrize("outcome", [*BROKEN_OFF, "cancelled"])
def test_a_failure_at_once_is_the_wires_to_tell(outcome: Outcome) -> None:
    with pytest.raises(Failed) as failed:
        came(Failed(outcome, "why"))
    assert failed.value.detail == "why"


def test_what_nothing_ties_to_the_server_does_not_stand_after_a_failure() -> None:
    typed = Known((), ("exchange",))
    with pytest.raises(Failed):
        came(NOTHING, Failed("timeout", "why"), known=typed)
    answer, _ = came(NAMED, Failed("timeout", "why"), known=typed)
    assert ("http.header", "X-FEServer: EX01") in answer.told


def test_a_stranger_is_not_asked_twice_and_takes_the_others_with_it() -> None:
    answer, count = came(NAMED, says(401, "x-feserver: EX07", certificate="cd" * 32))
    assert (answer.outcome, answer.told, count) == ("identity_mismatch", (), 2)


@pytest.mark.parametrize("known", [Known(), Known((), ("other",)), Known((), ("unknown", "iis-smtp"))])
def test_where_nothing_could_agree_nothing_is_asked(known: Known) -> None:
    answer, count = came(BUILD, known=known)
    assert (answer.outcome, count) == ("identity_mismatch", 0)


def test_every_detail_is_in_words_of_ours() -> None:
    """A detail goes where no data of an answer may: into log lines and, unsealed, to whoever reads outcomes."""
    for steps in ((BUILD,), (NAMED, NAMED, NAMED), (NOTHING,) * 3, (Z_PUSH,), (TROUBLE,)):
        answer, _ = came(*steps)
        assert not any(word in answer.detail for word in ("15.", "EX0", "nginx", "IIS", "example", "401"))
        assert len(answer.detail) <= 100


def test_the_table_of_probes_is_what_records_may_permit() -> None:
    assert tuple(name for name, _ in PROBES) == NAMES == (NAME,)
    assert PATHS == ("/EWS/Exchange.asmx", "/autodiscover/autodiscover.xml", "/owa/")


def test_every_probe_has_answered_for_itself() -> None:
    """Need, proportion, and whether less would do: each kind, before it is added."""
    page = Path("docs/probes.md").read_text()
    assert all(f"`{name}`" in page for name, _ in PROBES)
    for heading in ("## What is sent", "## Need", "| less than a probe |", "## Proportion", "## Who answers"):
        assert f"\n{heading}" in page


def test_it_works_behind_the_wall() -> None:
    """The prober opens no file once the wall stands: all that is known of answers has been read before."""
    script = """
        from importlib import import_module
        from probes import PROBES, reading, wire
        from probes.asks import Known, Response
        from probes.hook import install
        wire.prepare(); reading.prepare()
        refusals = install(wire.expected)
        module, _, function = PROBES[0][1].partition(":")
        class Fake:
            def get(self, path):
                headers = (("server", "Microsoft-IIS/10.0"), ("x-owa-version", "15.2.1748.36"), ("x-feserver", "EX01"),
                           ("www-authenticate", "NTLM TlRMTVNTUAACAAAA"), ("content-type", "text/html"))
                return Response(401, headers, b"<title>Outlook &eacute;</title>", False, "ab", LEAF)
        answer = getattr(import_module(module), function)(Fake(), Known(("ab",)))
        print(answer.outcome, len(answer.told), refusals.events.total())
    """
    leaf = f"LEAF = bytes.fromhex({_leaf().hex()!r})\n"
    done = subprocess.run(
        [sys.executable, "-c", leaf + textwrap.dedent(script)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("confirmed 6 0\n", "")


def _leaf() -> bytes:
    from agent.lab import keys
    from agent.lab.certificates import der, self_signed

    return der(self_signed("EX01", "example.org"), keys.generate("reading", 512))

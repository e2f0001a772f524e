"""The relay, step by step: what is sent in which order, what each reply means, and that no leave is used twice."""

from __future__ import annotations

import base64
import re
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import ConfigError
from agent.lab.relay import HANG_UP, POINTS, Scripted, context
from agent.messages import NotifierSection
from agent.notice import Sent
from exporters.notices import mail
from exporters.notices.mail import Letter, Outcome, Relay, xtext
from tests.exporters.certificates import DAY, Authority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LETTER = Letter(
    "notices@isp.example", "admin@bakery.example", "<abc.1@isp.example>", b"Subject: x\r\n\r\n.one\r\ntwo\r\n"
)


def section(port: int, **keys: Any) -> NotifierSection:
    usual = {
        "log": {"level": "info", "format": "logfmt"}, "relay": f"127.0.0.1:{port}", "tls": "none", "ca": "", "user": "",
        "sender": "notices@isp.example", "bounces": "", "templates": "", "webhook": "", "operator": "Example Net",
    }  # fmt: skip
    return NotifierSection(**usual | keys)


@dataclass
class Line:
    """A relay between a test and a scripted one, with a clock in the test's hand; ``troubles``: what was told of it."""

    relay: Relay
    there: Scripted
    now: list[float]
    troubles: list[tuple[str, int]] = field(default_factory=list)
    asked: int = 0

    def deliver(self, go: bool = True) -> Outcome:
        def leave() -> bool:
            self.asked += 1
            assert self.there.verbs()[-1] == "RCPT", "all is said but DATA"
            return go

        return self.relay.deliver(LETTER, leave)


@pytest.fixture
def line() -> Iterator[Callable[..., Line]]:
    open_now = []

    def begun(says: dict[str, str] | None = None, server: Any = None, at_once: bool = False, **keys: Any) -> Line:
        there = Scripted(says, server, at_once=at_once).__enter__()
        said = section(there.port, **keys)
        troubles: list[tuple[str, int]] = []
        now = [0.0]
        relay = Relay(
            said, mail.tls(said), "pass word", lambda stage, code: troubles.append((stage, code)), lambda: now[0]
        )
        open_now.append((relay, there))
        return Line(relay, there, now, troubles)

    yield begun
    for relay, there in open_now:
        relay.close()
        there.__exit__()


def test_leave_is_asked_when_all_is_said_but_data(line: Callable[..., Line]) -> None:
    one = line()
    assert one.deliver() == Outcome("sent", 250, "2.0.0")
    assert one.there.said == [
        "ehlo isp.example",
        f"mail FROM:<notices@isp.example> SIZE={len(LETTER.content)} RET=HDRS ENVID=abc.1@isp.example",
        "rcpt TO:<admin@bakery.example> NOTIFY=FAILURE,DELAY",
        "DATA",
    ]
    assert one.there.mails == [b"Subject: x\r\n\r\n..one\r\ntwo"]
    assert one.asked == 1


def test_without_leave_it_is_taken_back_and_the_next_goes_by_the_same_connection(line: Callable[..., Line]) -> None:
    one = line()
    assert one.deliver(go=False) == Outcome("cancelled")
    assert one.deliver().outcome == "sent"
    assert one.there.verbs() == ["EHLO", "MAIL", "RCPT", "RSET", "MAIL", "RCPT", "DATA"]
    assert one.there.connections == 1


@pytest.mark.parametrize("point", POINTS)
def test_wherever_the_connection_is_cut_there_is_one_data_at_most(line: Callable[..., Line], point: str) -> None:
    one = line({point: HANG_UP})
    outcome = one.deliver()
    # Of what was cut off in the middle nobody here knows whether its end had gone out.
    assert outcome.outcome in {"END": ["uncertain"], "content": ["later", "uncertain"]}.get(point, ["later"])
    assert one.there.verbs().count("DATA") == (point in ("DATA", "content", "END"))
    assert one.asked == (point in ("DATA", "content", "END"))
    assert len(one.there.mails) == (point == "END")
    one.there.says.clear()
    assert one.deliver().outcome == "sent", "and the next goes by a new connection"


@pytest.mark.parametrize(
    ("step", "reply", "outcome"),
    [
        ("GREETING", "554 5.3.2 no service", Outcome("later", 554, "greeting")),
        ("GREETING", "what", Outcome("later", 0, "greeting")),
        ("GREETING", "-25 what", Outcome("later", 0, "greeting")),
        ("EHLO", "550 no", Outcome("later", 550, "ehlo")),
        ("MAIL", "451 4.3.0 later", Outcome("later", 451, "4.3.0")),
        ("MAIL", "550 5.7.1 not yours", Outcome("later", 550, "5.7.1")),
        ("RCPT", "450 4.2.1 busy", Outcome("later", 450, "4.2.1")),
        ("RCPT", "550 5.1.1 <admin@bakery.example>: unknown", Outcome("refused", 550, "5.1.1")),
        ("RCPT", "550 unknown", Outcome("refused", 550, "")),
        ("RCPT", "554 5.7.1 Relay access denied", Outcome("later", 554, "5.7.1")),
        ("RCPT", "530 authenticate first", Outcome("later", 530, "recipient")),
        ("RCPT", "555 5.5.4 Unsupported option: NOTIFY", Outcome("later", 555, "5.5.4")),
        ("RCPT", "503 5.5.1 bad sequence of commands", Outcome("later", 503, "5.5.1")),
        ("RCPT", "504 5.5.2 <isp>: Helo command rejected", Outcome("later", 504, "5.5.2")),
        ("RCPT", "354 what", Outcome("later", 354, "recipient")),
        ("DATA", "451 4.5.0 later", Outcome("later", 451, "4.5.0")),
        ("DATA", "554 5.5.1 no recipients", Outcome("refused", 554, "5.5.1")),
        ("DATA", "250 thank you", Outcome("later", 0, "reply")),
        ("END", "452 4.3.1 full", Outcome("later", 452, "4.3.1")),
        ("END", "421 4.3.2 going down", Outcome("later", 421, "4.3.2")),
        ("END", "550 5.7.1 spam", Outcome("refused", 550, "5.7.1")),
        ("END", "354 what", Outcome("uncertain", 0, "reply")),
        ("END", "garbage", Outcome("uncertain", 0, "reply")),
    ],
)
def test_what_a_reply_means(line: Callable[..., Line], step: str, reply: str, outcome: Outcome) -> None:
    one = line({step: reply})
    assert one.deliver() == outcome
    assert one.there.verbs().count("DATA") <= 1
    about_us = step in ("GREETING", "EHLO", "MAIL") or (step == "RCPT" and outcome.code in (503, 504, 530, 554, 555))
    assert Sent(id="0" * 8, **outcome._asdict())
    assert bool(one.troubles) == about_us
    one.there.says.clear()
    assert one.deliver().outcome == "sent", "what is left of it is not in the way of the next"


def test_4xx_and_then_250(line: Callable[..., Line]) -> None:
    one = line({"RCPT": "450 4.2.0 greylisted"})
    assert one.deliver().outcome == "later"
    del one.there.says["RCPT"]
    assert one.deliver().outcome == "sent"
    assert one.there.connections == 1


def test_a_connection_that_the_relay_has_closed_meanwhile_is_made_anew(line: Callable[..., Line]) -> None:
    one = line()
    one.deliver()
    one.there.cut()
    assert one.deliver().outcome == "sent"
    assert (one.there.connections, one.troubles) == (2, [])


def test_an_unused_connection_is_let_go_of(line: Callable[..., Line]) -> None:
    one = line()
    assert one.relay.until_idle() is None
    one.deliver()
    one.now[0] = 9.0
    one.relay.look()
    assert one.relay.until_idle() == 1.0
    one.now[0] = 10.0
    one.relay.look()
    assert one.relay.until_idle() is None
    assert one.there.verbs()[-1] == "QUIT"


def test_what_leave_raises_goes_through_and_nothing_is_left_open(line: Callable[..., Line]) -> None:
    one = line()
    with pytest.raises(KeyError):
        one.relay.deliver(LETTER, lambda: {}["nobody says"])  # type: ignore[arg-type]
    assert one.relay.until_idle() is None
    assert "DATA" not in one.there.verbs()


def test_success_is_asked_for_where_somebody_reads_of_it(line: Callable[..., Line]) -> None:
    one = line(bounces="/mail")
    one.deliver()
    assert one.there.said[2].endswith(" NOTIFY=SUCCESS,FAILURE,DELAY")


def test_a_relay_that_offers_nothing_gets_no_parameters(line: Callable[..., Line]) -> None:
    one = line({"EHLO": "250 relay.example"})
    assert one.deliver().outcome == "sent"
    assert one.there.said[1:3] == ["mail FROM:<notices@isp.example>", "rcpt TO:<admin@bakery.example>"]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    made = Authority(tmp_path)
    made.issue("relay")
    return made


@pytest.mark.parametrize("way", ["starttls", "tls"])
def test_by_tls_with_a_password(line: Callable[..., Line], authority: Authority, tmp_path: Path, way: str) -> None:
    keys = {"tls": way, "ca": str(authority.file), "user": "notices"}
    one = line(None, context(tmp_path), way == "tls", **keys)
    assert one.deliver().outcome == "sent", one.troubles
    said = [words for words in one.there.said if words.startswith("AUTH")]
    assert base64.b64decode(said[0].split()[2]) == b"\0notices\0pass word"
    plain = ["EHLO", "STARTTLS"] if way == "starttls" else []
    assert one.there.verbs() == [*plain, "EHLO", "AUTH", "MAIL", "RCPT", "DATA"]


@pytest.mark.parametrize("way", ["starttls", "tls"])
@pytest.mark.parametrize("fault", ["nobody's", "expired"])
def test_a_certificate_that_nobody_vouches_for_is_none(
    line: Callable[..., Line], authority: Authority, tmp_path: Path, way: str, fault: str
) -> None:
    if fault == "expired":
        authority.issue("relay", ends=-DAY)
    else:
        Authority(tmp_path, "other").issue("relay")
    one = line(None, context(tmp_path), way == "tls", tls=way, ca=str(authority.file), user="notices")
    assert one.deliver() == Outcome("later", 0, "certificate")
    assert not {"AUTH", "MAIL"} & set(one.there.verbs()), "no password, and nobody's address"
    assert one.troubles == [("certificate", 0)]


@pytest.mark.parametrize(
    ("says", "stage"),
    [
        ({"EHLO": "250 relay.example"}, "no starttls"),
        ({"STARTTLS": "454 4.7.0 not now"}, "starttls"),
        ({"STARTTLS": HANG_UP}, "lost"),
        ({"STARTTLS": "what"}, "starttls"),
        ({"AUTH": "535 5.7.8 wrong"}, "auth"),
        ({"AUTH": "what"}, "auth"),
        ({"AUTH": HANG_UP}, "lost"),
        ({"EHLO": "250-relay.example\r\n250-STARTTLS\r\n250 8BITMIME"}, "no auth"),
        ({"EHLO": "250-relay.example\r\n250-STARTTLS\r\n250 AUTH XOAUTH2 GSSAPI"}, "no auth"),
        ({"EHLO": "250-relay.example\r\n250-STARTTLS\r\n250 AUTH CRAM-MD5", "AUTH": "334 a"}, "auth"),
    ],
)
def test_who_cannot_be_spoken_to_as_it_has_to_be_gets_nothing(
    line: Callable[..., Line], authority: Authority, tmp_path: Path, says: dict[str, str], stage: str
) -> None:
    one = line(says, context(tmp_path), tls="starttls", ca=str(authority.file), user="notices")
    outcome = one.deliver()
    assert (outcome.outcome, outcome.detail) == ("later", stage)
    assert Sent(id="0" * 8, **outcome._asdict())
    assert "MAIL" not in one.there.verbs()
    assert one.troubles


def test_a_relay_that_is_not_there(line: Callable[..., Line]) -> None:
    one = line()
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        one.relay._section = section(nobody.getsockname()[1])
        assert one.relay.deliver(LETTER, lambda: True) == Outcome("later", 0, "unreachable")
    assert one.troubles == [("unreachable", 0)]


def test_a_file_that_has_no_certificates_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    for name in ("ca.pem", "none.pem"):
        with pytest.raises(ConfigError, match=f"notices.ca: .*{name}: .*name a file of certificates"):
            mail.tls(section(25, tls="tls", ca=str(tmp_path / name)))


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126)))
def test_xtext_is_what_rfc_3461_has(text: str) -> None:
    told = xtext(text)
    assert "=" not in told
    assert bytes(told, "ascii").count(b"+") == text.count("+") + text.count("=")
    assert re.sub(r"\+(..)", lambda match: chr(int(match[1], 16)), told) == text

"""Bounces of every shape are told once and marked when the agent has them; nothing else is touched, or does harm."""

from __future__ import annotations

import mailbox
import stat
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import ConfigError
from agent.notice import Bounced
from exporters.notices.bounces import Bounce, Bounces, read
from tests.exporters.notices.returned import OTHERS, QMAIL, SHAPES, postfix

if TYPE_CHECKING:
    from pathlib import Path

ID = "<abc.1@isp.example>"
OTHER = "<abc.2@isp.example>"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Box:
    """A mailbox of a kind, with a mail added as whoever delivers does it."""

    def __init__(self, kind: str, path: Path) -> None:
        self.kind, self.path, self.clock = kind, path, Clock()
        self._box: mailbox.Mailbox[mailbox.Message] = (mailbox.Maildir if kind == "Maildir" else mailbox.mbox)(
            str(path)
        )  # type: ignore[assignment,operator]
        self._box.flush()
        path.touch()
        self.bounces = Bounces(str(path), self.clock)

    def add(self, text: str) -> None:
        # As bytes: what is delivered need not be what this library would write.
        self._box.lock()
        self._box.add(text.replace("\r\n", "\n").encode())
        self._box.flush()
        self._box.unlock()

    def look(self) -> list[Bounce]:
        self.clock.now += 15.0
        return self.bounces.look()

    def read(self) -> list[bool]:
        """Of each mail, whether it is marked as seen."""
        if self.kind == "Maildir":
            return sorted("S" in mail.get_flags() for mail in mailbox.Maildir(str(self.path), create=False))
        return ["R" in mail.get_flags() for mail in mailbox.mbox(str(self.path), create=False)]


@pytest.fixture(params=["Maildir", "mbox"])
def box(request: pytest.FixtureRequest, tmp_path: Path) -> Box:
    return Box(request.param, tmp_path / "box")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("action", "status"), [("failed", "5.1.1"), ("delayed", "4.4.1"), ("delivered", "2.0.0")])
def test_every_shape_is_understood(shape: str, action: str, status: str) -> None:
    told = read(SHAPES[shape](ID, action, status).encode())
    assert told == Bounce(ID, action, status)
    assert Bounced(**told._asdict())


def test_qmails_own_form_is_understood() -> None:
    assert read(QMAIL.format(ID).encode()) == Bounce(ID, "failed", "5.1.1")
    assert read(QMAIL.format(ID).replace(" (#5.1.1)", "").encode()) == Bounce(ID, "failed", "")


@pytest.mark.parametrize("what", OTHERS)
def test_what_is_no_bounce_of_ours_is_none(what: str) -> None:
    assert read(OTHERS[what].encode()) is None


def test_the_identifier_is_that_of_the_envelope_where_nothing_was_returned() -> None:
    text = postfix("<a+b=c@isp.example>", "failed", "5.1.1").replace("a+b=c@", "a+2Bb@")
    assert read(text.replace("Message-ID:", "X:").encode()) == Bounce("<a+b@isp.example>", "failed", "5.1.1")


def test_the_gravest_of_several_counts() -> None:
    block = "\n\nFinal-Recipient: rfc822; b@bakery.example\nAction: Failed (bad)\nStatus: 5.2.2 (full)\n"
    text = postfix(ID, "delayed", "4.4.1").replace("\nDiagnostic-Code: X-Postfix; unknown user\n", block)
    assert read(text.encode()) == Bounce(ID, "failed", "5.2.2")


def test_a_bounce_is_told_once_and_marked_when_the_agent_has_it(box: Box) -> None:
    box.bounces.open()
    assert box.look() == []
    box.add(SHAPES["exim"](ID, "failed", "5.1.1"))
    assert box.look() == [Bounce(ID, "failed", "5.1.1")]
    assert box.look() == []
    assert box.read() == [False]
    box.bounces.heard(ID, ours=True)
    assert box.read() == [True]
    assert Box.look(box) == []
    again = Bounces(str(box.path), box.clock)
    assert again.look() == []


def test_the_next_agent_is_told_what_the_one_before_did_not_acknowledge(box: Box) -> None:
    box.add(postfix(ID, "failed", "5.1.1"))
    box.add(postfix(OTHER, "delayed", "4.4.1"))
    assert len(box.look()) == 2
    box.bounces.heard(OTHER, ours=True)
    box.bounces.forget()
    assert box.look() == [Bounce(ID, "failed", "5.1.1")]


def test_what_is_of_somebody_else_stays_as_it_is(box: Box) -> None:
    for text in (postfix(ID, "failed", "5.1.1"), OTHERS["a person"], OTHERS["out of office"]):
        box.add(text)
    before = content(box.path)
    assert len(box.look()) == 1
    box.bounces.heard(ID, ours=False)
    assert box.look() == []
    assert content(box.path) == before
    assert dict(box.bounces.counts) == {"bounces": 1, "others": 3}


def test_marking_one_changes_no_other(box: Box) -> None:
    texts = [OTHERS["a person"], postfix(ID, "failed", "5.1.1"), postfix(OTHER, "failed", "5.1.1")]
    for text in texts:
        box.add(text)
    box.look()
    before = sorted(content(box.path))
    box.bounces.heard(ID, ours=True)
    assert sorted(box.read()) == [False, False, True]
    assert len(content(box.path)) == len(before)
    for text in texts:
        assert any(text.rstrip("\n").partition("\n")[2].encode() in one for one in content(box.path))


def test_one_that_was_delivered_twice_is_marked_twice(box: Box) -> None:
    for _ in range(2):
        box.add(postfix(ID, "failed", "5.1.1"))
    for bounce in box.look():
        box.bounces.heard(bounce.message_id, ours=True)
    assert box.read() == [True, True]
    assert box.look() == []


def content(path: Path) -> list[bytes]:
    if path.is_dir():
        return [one.read_bytes() for place in ("new", "cur") for one in sorted((path / place).iterdir())]
    return path.read_bytes().split(b"\nFrom ")


def test_one_that_a_mail_server_has_moved_meanwhile_is_still_found(tmp_path: Path) -> None:
    box = Box("Maildir", tmp_path / "box")
    box.add(postfix(ID, "failed", "5.1.1"))
    (new,) = (box.path / "new").iterdir()
    new.rename(box.path / "cur" / f"{new.name}:2,F")
    assert box.look() == [Bounce(ID, "failed", "5.1.1")]
    box.bounces.heard(ID, ours=True)
    assert [one.name.partition(":")[2] for one in (box.path / "cur").iterdir()] == ["2,FS"]


def test_a_mailbox_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"notices\.bounces: .*none: No such file or directory; name a Maildir or"):
        Bounces(str(tmp_path / "none"), Clock()).open()
    (tmp_path / "directory").mkdir()
    with pytest.raises(ConfigError, match="name a Maildir or an mbox"):
        Bounces(str(tmp_path / "directory"), Clock()).open()


def test_a_mail_that_cannot_be_read_keeps_no_other_from_it(tmp_path: Path) -> None:
    box = Box("Maildir", tmp_path / "box")
    (box.path / "new/0").mkdir()
    with pytest.raises(ConfigError, match="a mail in it cannot be read"):
        box.bounces.open()
    box.add(postfix(ID, "failed", "5.1.1"))
    assert len(box.look()) == 1
    assert box.bounces.counts["unreadable"] == 2


def test_a_mailbox_that_goes_away_is_looked_at_again(box: Box) -> None:
    box.add(postfix(ID, "failed", "5.1.1"))
    away = box.path.with_name("away")
    box.path.rename(away)
    assert box.look() == []
    assert box.bounces.counts["unreadable"] == 1
    away.rename(box.path)
    assert len(box.look()) == 1


def test_where_it_cannot_be_marked_it_is_not_told_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Box("Maildir", tmp_path / "box")
    box.add(postfix(ID, "failed", "5.1.1"))
    box.look()

    def denied(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(type(box.path), "rename", denied)
    box.bounces.heard(ID, ours=True)
    assert box.look() == []
    assert box.bounces.counts["unmarked"] == 1


def test_an_mbox_keeps_its_rights(tmp_path: Path) -> None:
    box = Box("mbox", tmp_path / "box")
    box.add(postfix(ID, "failed", "5.1.1"))
    box.path.chmod(0o640)
    box.look()
    box.bounces.heard(ID, ours=True)
    assert stat.S_IMODE(box.path.stat().st_mode) == 0o640


def test_no_more_than_so_many_at_once(tmp_path: Path) -> None:
    box = Box("Maildir", tmp_path / "box")
    for number in range(120):
        box.add(postfix(f"<abc.{number}@isp.example>", "failed", "5.1.1"))
    assert (len(box.look()), len(box.look())) == (100, 20)


_WORDS = st.sampled_from([
    "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n", "--b\n", "--b--\n", "\n", "\n\n", "\0",
    "Content-Type: message/delivery-status\n", "Content-Type: message/rfc822\n", "Content-Type: text/rfc822-headers\n",
    f"Message-ID: {ID}\n", "Action: failed\n", "Status: 5.1.1\n", "Content-Transfer-Encoding: base64\n", "Action:\n",
    "Content-Transfer-Encoding: x-uuencode\n", 'Content-Type: text/plain; charset="=?\xff"\n',
    "Original-Envelope-Id: +\n",
    "Content-Type: multipart/mixed; boundary=b\n", "Content-Type: multipart/report\n", " folded\n", "=?utf-8?b?//?=",
])  # fmt: skip


def spoilt(mail: bytes, at: float, what: bytes) -> bytes:
    place = int(at * len(mail))
    return mail[:place] + what + mail[place:]


@settings(max_examples=300, deadline=None)
@given(st.one_of(
    st.binary(max_size=400),
    st.lists(_WORDS | st.text(max_size=8), max_size=40).map(lambda words: "".join(words).encode("utf-8", "replace")),
    st.builds(
        lambda shape, action, status, at, what: spoilt(SHAPES[shape](ID, action, status).encode(), at, what),
        st.sampled_from(list(SHAPES)), st.text(max_size=20), st.text(max_size=20), st.floats(0, 1),
        st.binary(max_size=30),
    ),
))  # fmt: skip
def test_no_mail_does_harm(content: bytes) -> None:
    told = read(content)
    assert told is None or Bounced(**told._asdict())


def test_what_is_nested_without_end_is_none() -> None:
    deep = "".join(f"Content-Type: multipart/report; boundary=b{n}\n\n--b{n}\n" for n in range(3000))
    assert read(deep.encode()) is None
    assert read(("Content-Type: message/rfc822\n\n" * 5000).encode()) is None

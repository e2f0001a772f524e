"""``probing``: the file for the operator's web server, and the look that has to find it there before we are armed."""

from __future__ import annotations

import logging
import time
from contextlib import closing
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from agent import config
from agent.commands import probing
from agent.consent import probing_txt
from agent.desk import answered
from agent.errors import ConfigError, InputError, UnavailableError
from agent.office import Office, Who
from tests.web import Page, Server, https

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY = 86_400
CONFIG = """
[consent]
operator = "Example Net"
public_url = "https://example.net/checks"
[probe]
contact = "probes@example.net"
sources = ["192.0.2.9"]
probing_url = "{url}/.well-known/probing.txt"
[agent]
state = "state"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with https(tmp_path_factory.mktemp("web")) as there:
        yield there


@pytest.fixture
def there(tmp_path: Path, server: Server) -> Path:
    (tmp_path / "k.toml").write_text(CONFIG.format(url=server.url))
    (tmp_path / "state").mkdir(mode=0o700)
    server.pages.clear()
    return tmp_path


def run(there: Path, *words: str) -> int:
    return probing.main([*words, "--config", str(there / "k.toml")])


def published(there: Path, server: Server, capsys: pytest.CaptureFixture[str], *words: str) -> bytes:
    """The text, as the operator puts it on his server."""
    run(there, "text", *words)
    content = capsys.readouterr().out.encode()
    server.pages[probing_txt.PATH] = Page(content)
    return content


def office(there: Path) -> Office:
    made = Office(
        config.load(str(there / "k.toml")),
        there / "state",
        log=logging.getLogger(),
        now=time.time,
        monotonic=time.monotonic,
    )
    made.open()
    return made


def test_what_was_published_is_found_and_put_on_record_and_that_piece_is_there(
    there: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    content = published(there, server, capsys)
    with closing(office(there)) as before:
        assert "probing_txt" in (before.conditions().missing or ())
    assert run(there, "check", "--ca", server.ca) == 0
    digest = sha256(content).hexdigest()
    assert f"is what the configuration says; sha256 {digest}" in capsys.readouterr().out
    with closing(office(there)) as now:
        (entry,) = now.log.read(["probing.checked"])
        assert entry.public["sha256"] == digest
        assert (entry.customer, entry.private) == ("", None)
        assert abs(entry.time - time.time()) < 60
        assert "probing_txt" not in (now.conditions().missing or ())


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (b"mailto:probes", b"mailto:others", "Contact: mailto:probes@example.net is not there"),
        (b"192.0.2.9", b"192.0.2.8", "Description: is not"),
        (b"Expires: 20", b"Expires: 19", "Expires: is past"),
        (b"Description:", b"<p>", "neither a field"),
        (b"Example", b"\xff", "is not UTF-8"),
    ],
)
def test_what_differs_is_told_and_not_put_on_record(
    there: Path, server: Server, capsys: pytest.CaptureFixture[str], before: bytes, after: bytes, said: str
) -> None:
    content = published(there, server, capsys)
    server.pages[probing_txt.PATH] = Page(content.replace(before, after))
    with pytest.raises(InputError, match=said) as caught:
        run(there, "check", "--ca", server.ca)
    assert str(caught.value).startswith(f"{server.url}/.well-known/probing.txt: ")
    with closing(office(there)) as now:
        assert list(now.log.read(["probing.checked"])) == []


def test_a_server_that_does_not_have_it_or_cannot_be_believed(there: Path, server: Server) -> None:
    with pytest.raises(UnavailableError, match="answers 404"):
        run(there, "check", "--ca", server.ca)
    with pytest.raises(UnavailableError, match="certificate verify failed"):
        run(there, "check")
    with pytest.raises(InputError, match="/none: No such file"):
        run(there, "check", "--ca", "/none")


def test_a_file_can_be_looked_at_before_it_is_published(
    there: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.asked.clear()
    assert run(there, "text", "--out", str(there / "probing.txt")) == 0
    assert "publish it at https://" in capsys.readouterr().out
    assert run(there, "check", "--file", str(there / "probing.txt")) == 0
    (there / "probing.txt").write_text("nothing: of it")
    with pytest.raises(InputError, match=r"probing\.txt: Contact: "):
        run(there, "check", "--file", str(there / "probing.txt"))
    with pytest.raises(InputError, match="none: No such file"):
        run(there, "check", "--file", str(there / "none"))
    assert server.asked == []
    with closing(office(there)) as now:
        assert list(now.log.read(["probing.checked"])) == []


@pytest.mark.parametrize("days", [30, 365])
def test_the_text_holds_for_as_long_as_is_asked_for(there: Path, capsys: pytest.CaptureFixture[str], days: int) -> None:
    before = time.time()
    run(there, "text", "--days", str(days))
    expires = probing_txt.expires(probing_txt.read(capsys.readouterr().out.encode()))
    assert before + days * DAY - DAY <= expires <= time.time() + days * DAY


@pytest.mark.parametrize("days", ["29", "366", "-1"])
def test_for_no_shorter_and_no_longer(there: Path, days: str) -> None:
    with pytest.raises(InputError, match="give a number from 30 to 365"):
        run(there, "text", "--days", days)


def test_a_configuration_that_cannot_be_published_is_named_with_every_key(there: Path) -> None:
    (there / "k.toml").write_text("[agent]\nstate = 'state'\n")
    for words in (["text"], ["check"]):
        with pytest.raises(ConfigError) as caught:
            run(there, *words)
        assert str(caught.value).count(f"{there}/k.toml: ") == 5
        assert caught.value.exit_code == 78
    with pytest.raises(InputError, match="/none/x: No such file"):
        (there / "k.toml").write_text(CONFIG.format(url="https://p.example"))
        run(there, "text", "--out", "/none/x")


@pytest.mark.parametrize("words", [{}, {"text": 1}, {"text": ""}, {"text": "Contact: mailto:x@example.net"}])
def test_the_verb_judges_once_more_by_the_configuration_in_force(there: Path, words: dict[str, Any]) -> None:
    with closing(office(there)) as now:
        with pytest.raises(InputError):
            answered(now, "probing.checked", words, Who(0, 1))
        assert list(now.log.read(["probing.checked"])) == []

"""What is fetched from the operator's web server, and everything that is not taken for it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from agent.consent.probing_txt import MAX_TEXT
from agent.errors import ConfigError, InputError, UnavailableError
from collectors.registry import published
from tests.web import Page, Server, https

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEXT = b"Contact: mailto:probes@example.net\n"
HTML = (("Content-Type", "text/html"),)
PLAIN = ("Content-Type", "text/plain")
# Whatever of an environment could send us elsewhere.
DIVERTED = {
    f"{name}{end}": "http://127.0.0.1:9"
    for name in ("http", "https", "all", "HTTP", "HTTPS", "ALL")
    for end in ("_proxy", "_PROXY")
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with https(tmp_path_factory.mktemp("web")) as there:
        there.pages["/there"] = Page(TEXT)
        yield there


def test_the_body_is_fetched_as_it_is_with_a_request_that_says_who_asks_and_no_more(server: Server) -> None:
    server.asked.clear()
    assert published.fetch(f"{server.url}/there", server.ca) == TEXT
    ((path, head),) = server.asked
    assert path == "/there"
    assert {name.lower() for name in head} == {"host", "user-agent", "accept", "accept-encoding", "connection"}
    assert head["User-Agent"] == "knockfirst probing check"


def test_no_proxy_and_no_authority_of_the_environment_has_a_say(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in DIVERTED.items():
        monkeypatch.setenv(name, value)
    assert published.fetch(f"{server.url}/there", server.ca) == TEXT
    monkeypatch.setenv("SSL_CERT_FILE", server.ca)
    with pytest.raises(UnavailableError, match="certificate verify failed"):
        published.fetch(f"{server.url}/there")


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (Page(status=404), "answers 404; publish the file itself there"),
        (Page(TEXT, 302, (("Location", "/there"), PLAIN)), "answers 302, to '/there': redirects are not followed"),
        (Page(TEXT, 204, (PLAIN,)), "answers 204"),
        (Page(TEXT, headers=HTML), "is 'text/html'; serve it as text/plain"),
        (Page(TEXT, headers=()), "is ''; serve it as text/plain"),
        (Page(TEXT, headers=(PLAIN, ("Content-Encoding", "gzip"))), "is sent compressed"),
        (Page(b"x" * (MAX_TEXT + 1)), "longer than 65536 bytes"),
        (Page(b"x" * 1000, endless=True), "longer than 65536 bytes"),
    ],
)
def test_what_is_no_such_text_is_not_taken_for_one(server: Server, page: Page, said: str) -> None:
    server.pages["/page"] = page
    server.asked.clear()
    with pytest.raises(UnavailableError) as caught:
        published.fetch(f"{server.url}/page", server.ca)
    assert said in str(caught.value)
    assert [path for path, _ in server.asked] == ["/page"]


def test_the_longest_text_is_taken(server: Server) -> None:
    server.pages["/long"] = Page(b"x" * MAX_TEXT)
    assert len(published.fetch(f"{server.url}/long", server.ca)) == MAX_TEXT


@pytest.mark.parametrize(("name", "expired"), [("127.0.0.2", False), ("127.0.0.1", True)])
def test_a_certificate_that_is_not_valid_is_no_certificate(tmp_path: Path, name: str, expired: bool) -> None:
    with https(tmp_path, name=name, expired=expired) as there:
        there.pages["/there"] = Page(TEXT)
        with pytest.raises(UnavailableError, match="certificate"):
            published.fetch(f"{there.url}/there", there.ca)
        assert there.asked == []


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/x", "ftp://127.0.0.1/x", "127.0.0.1", "https://[::1", "https://", "file:///etc/passwd"]
)
def test_what_is_no_url_of_https_is_not_asked(url: str) -> None:
    with pytest.raises(ConfigError):
        published.fetch(url)


def test_where_nobody_is_and_an_authority_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="is it published there"):
        published.fetch("https://127.0.0.1:9/x")
    with pytest.raises(InputError, match="No such file"):
        published.fetch("https://127.0.0.1:9/x", "/none")
    (tmp_path / "ca").write_text("no certificate")
    with pytest.raises(InputError, match="holds no certificate in PEM"):
        published.fetch("https://127.0.0.1:9/x", str(tmp_path / "ca"))


def test_a_server_that_never_comes_to_an_end_is_left(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "SECONDS", 0.05)
    server.pages["/slow"] = Page(b"", endless=True)
    with pytest.raises(UnavailableError):
        published.fetch(f"{server.url}/slow", server.ca)


@pytest.mark.parametrize(("path", "code"), [("/there", 0), ("/none", 69)])
def test_as_a_process_of_its_own(server: Server, path: str, code: int) -> None:
    words = [sys.executable, "-m", "collectors.registry.published", f"{server.url}{path}", "--ca", server.ca]
    done = subprocess.run(words, capture_output=True, timeout=60, check=False)
    assert done.returncode == code
    assert done.stdout == (b"" if code else TEXT)
    assert b"Traceback" not in done.stderr
    assert bool(done.stderr) == bool(code)

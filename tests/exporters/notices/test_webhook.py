"""The webhook: what it is told, that it can know who tells it, and what of what goes wrong is tried again."""

from __future__ import annotations

import hashlib
import hmac
import json
import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from agent.errors import ConfigError
from agent.lab.relay import context
from exporters.notices.webhook import Webhook, opened
from tests.exporters.certificates import Authority
from tests.live.world import PATIENCE, wait

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = b"sixteen letters!"
NOW = 1_780_000_000.7
DAY = 86_400
EVENT = {"id": "ab" * 16, "event": "sent", "time": int(NOW), "case": "K-1"}


class Listener(HTTPServer):
    """Answers with each of ``codes``, and with 204 after them; ``got``: header and body of each request."""

    def __init__(self, directory: Path) -> None:
        self.codes: list[int] = []
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        super().__init__(("127.0.0.1", 0), _Answer)
        self.socket = context(directory).wrap_socket(self.socket, server_side=True)

    def handle_error(self, *_: object) -> None:
        """Who hangs up in the middle of a handshake is what is tested."""


class _Answer(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, dict(self.headers), body))
        self.send_response(self.server.codes.pop(0) if self.server.codes else 204)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    made = Authority(tmp_path)
    made.issue("relay")
    return made


@pytest.fixture
def listener(authority: Authority, tmp_path: Path) -> Iterator[Listener]:
    with listening(tmp_path) as made:
        yield made


@contextmanager
def listening(directory: Path) -> Iterator[Listener]:
    """With the certificate ``relay`` that is there."""
    with Listener(directory) as made:
        threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
        yield made
        made.shutdown()


def hook(listener: Listener, authority: Authority, waits: list[float]) -> Webhook:
    to = f"https://127.0.0.1:{listener.server_port}/notices"
    trusted = ssl.create_default_context(cafile=str(authority.file))
    return Webhook(to, SECRET, trusted, lambda: NOW, waits.append)


def test_what_it_is_told_is_signed(listener: Listener, authority: Authority) -> None:
    assert hook(listener, authority, []).told(EVENT)
    ((path, head, body),) = listener.got
    assert (path, json.loads(body)) == ("/notices", EVENT)
    assert head["X-Knockfirst-Timestamp"] == "1780000000"
    mac = hmac.new(SECRET, b"1780000000." + body, hashlib.sha256).hexdigest()
    assert head["X-Knockfirst-Signature"] == f"sha256={mac}"
    assert head["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("codes", "taken", "times", "days"),
    [
        ([], True, 1, 0), ([500], True, 2, 0), ([503, 429, 302], True, 4, 0), ([404], False, 1, 0),
        ([500] * 9, True, 10, 2), ([500] * 9, False, 1, 4), ([], True, 1, 4),
    ],
)  # fmt: skip
def test_what_is_tried_again(
    listener: Listener, authority: Authority, codes: list[int], taken: bool, times: int, days: int
) -> None:
    listener.codes = codes
    waits: list[float] = []
    assert hook(listener, authority, waits).told(EVENT | {"time": int(NOW) - days * DAY}) is taken
    assert len(listener.got) == times
    assert {path for path, _, _ in listener.got} == {"/notices"}, "a redirection is not followed"
    assert waits == [1.0, 5.0, 30.0, 120.0, 480.0, 480.0, 480.0, 480.0, 480.0][: times - 1]


def test_one_whose_certificate_nobody_vouches_for_is_told_nothing(listener: Listener, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other")
    assert not hook(listener, other, []).told(EVENT | {"time": int(NOW) - 4 * DAY})
    assert listener.got == []


def counted(one: Webhook, times: int) -> bool:
    """Whether so many have come to their end, waited for, and no more."""
    wait(lambda: one.counts.total() >= times, PATIENCE, lambda: "in vain", every=0.01)
    return one.counts.total() == times


def test_by_its_thread_one_after_the_other_and_what_is_held_is_not_held_twice(
    listener: Listener, authority: Authority
) -> None:
    one = hook(listener, authority, [])
    listener.codes = [204, 404]
    names = [f"{number:032x}" for number in range(3)]
    for ident in (*names, names[1], names[2]):
        one.tell(EVENT | {"id": ident})
    assert list(one.ended()) == []
    one.begin()
    assert counted(one, 3)
    assert [json.loads(body)["id"] for _, _, body in listener.got] == names
    assert one.counts == {"delivered": 2, "given_up": 1}
    assert list(one.ended()) == names and list(one.ended()) == []
    one.tell(EVENT | {"id": names[0]})  # by an agent that did not hear that it had ended
    assert counted(one, 4) and one.counts["delivered"] == 3


def test_a_secret_that_can_be_guessed_is_none() -> None:
    with pytest.raises(ConfigError, match="webhook-secret has to have 16 characters"):
        opened("https://hooks.example.net/", "short", "", float)
    made: Any = opened("https://hooks.example.net/", "sixteen letters!", "", float)
    assert (made._host, made._port, made._path) == ("hooks.example.net", 443, "/")
    assert made._context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_a_file_of_certificates_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("no certificate\n")
    for file, why in (("none.pem", "No such file"), ("empty.pem", "")):
        with pytest.raises(ConfigError, match=rf"notices\.ca: .*{file}: {why}.*; name a file of certificates"):
            opened("https://hooks.example.net/", "sixteen letters!", str(tmp_path / file), float)

"""Who comes in to the pages, with real TLS clients on loopback: certificates, passwords, and what changes meanwhile."""

from __future__ import annotations

import base64
import datetime
import logging
import socket
import ssl
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import bcrypt
import pytest

from exporters import entrance, web
from exporters.entrance import Entrance
from exporters.service import Latest, pages
from tests.exporters.certificates import Authority
from tests.live.world import PATIENCE, wait

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
TLS = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
ASKED = TLS + "  client_ca_file: clients.crt\n  client_auth_type: "
USERS = f"basic_auth_users:\n  anna: {SECRET}\n"
REQUEST = b"GET /-/healthy HTTP/1.0\r\n"


class Clock:
    """Both clocks of an entrance: nothing is young, and a look is due whenever ``later`` was called."""

    def __init__(self) -> None:
        self.monotonic = 100.0

    def later(self) -> None:
        self.monotonic += 5


class Place:
    """A directory with an authority for the server, another for clients, and the file under test."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock = Clock()
        self.servers, self.clients = Authority(directory), Authority(directory, "clients")
        self.servers.issue("server")
        self.file = directory / "web.yml"

    def entrance(self, text: str, young: float = 60.0) -> Entrance:
        """By this text; the file that is the newest when it looks is ``young`` seconds old to it."""
        self.file.write_text(text)
        made = Entrance(
            str(self.file),
            None,
            logging.getLogger("exporter"),
            lambda: self.clock.monotonic,
            lambda: max(one.stat().st_ctime for one in self.directory.iterdir()) + young,
        )
        made.open()
        return made

    def client(self, who: str = "", most: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        """A client that believes the server's authority, with the certificate of ``who``."""
        made = ssl.create_default_context(cafile=str(self.servers.file))
        if most:
            made.maximum_version = most
        if who:
            made.load_cert_chain(self.directory / f"{who}.crt", self.directory / f"{who}.key")
        return made


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@contextmanager
def serving(guards: Entrance) -> Iterator[tuple[str, int]]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    served = web.Web(listener, pages(Latest(), lambda: None), guards)
    threading.Thread(target=served.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield listener.getsockname()
    finally:
        served.shutdown()
        listener.close()


def plain(where: tuple[str, int]) -> socket.socket:
    client = socket.socket()
    client.settimeout(PATIENCE)
    client.connect(where)
    return client


def asked(where: tuple[str, int], context: ssl.SSLContext | None, head: bytes = b"", request: bytes = REQUEST) -> bytes:
    """The answer; raises OSError where there is none for want of TLS."""
    with plain(where) as bare, context.wrap_socket(bare, server_hostname="127.0.0.1") if context else bare as client:
        client.sendall(request + head + b"\r\n")
        answer = b""
        while more := client.recv(65_536):
            answer += more
        return answer


def let_in(where: tuple[str, int], context: ssl.SSLContext) -> bool:
    # In TLS 1.3 a client learns after its own handshake that it is not wanted: by an alert, or by the end.
    try:
        return b"healthy" in asked(where, context)
    except OSError:
        return False


def basic(name: str, password: str) -> bytes:
    return b"Authorization: Basic " + base64.b64encode(f"{name}:{password}".encode()) + b"\r\n"


def serial(where: tuple[str, int], context: ssl.SSLContext) -> int:
    with plain(where) as bare, context.wrap_socket(bare, server_hostname="127.0.0.1") as client:
        shown = client.getpeercert()
        assert shown
        return int(str(shown["serialNumber"]), 16)


@pytest.mark.parametrize("most", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_pages_by_tls(place: Place, most: ssl.TLSVersion) -> None:
    with serving(place.entrance(TLS)) as where:
        assert asked(where, place.client(most=most)).endswith(b"healthy\n")
        assert b"knockfirst_ready" in asked(where, place.client(most=most), request=b"GET /metrics HTTP/1.0\r\n")
        assert b"reloaded" in asked(where, place.client(most=most), request=b"POST /-/reload HTTP/1.0\r\n")


def test_the_end_of_an_answer_is_said(place: Place) -> None:
    with serving(place.entrance(TLS)) as where, plain(where) as bare:
        # Without the peer's word that this was all (RFC 8446, 6.1), this client raises an error.
        client = place.client().wrap_socket(bare, server_hostname="127.0.0.1", suppress_ragged_eofs=False)
        with client:
            client.sendall(REQUEST + b"\r\n")
            while client.recv(65_536):
                pass


def test_who_speaks_no_tls_gets_nothing(place: Place) -> None:
    with serving(place.entrance(TLS)) as where:
        try:
            answer = asked(where, None)
        except ConnectionResetError:
            answer = b""
        assert b"healthy" not in answer
        assert b"HTTP" not in answer


def test_versions(place: Place) -> None:
    with serving(place.entrance(TLS + "  min_version: TLS13\n")) as where:
        with pytest.raises(OSError):
            asked(where, place.client(most=ssl.TLSVersion.TLSv1_2))
        assert b"healthy" in asked(where, place.client())


@pytest.mark.parametrize("most", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ("policy", "who", "enters"),
    [
        ("RequireAndVerifyClientCert", "ours", True),
        ("RequireAndVerifyClientCert", "", False),
        ("RequireAndVerifyClientCert", "strange", False),
        ("RequireAndVerifyClientCert", "ended", False),
        ("VerifyClientCertIfGiven", "ours", True),
        ("VerifyClientCertIfGiven", "", True),
        ("VerifyClientCertIfGiven", "strange", False),
    ],
)
def test_clients_certificates(place: Place, policy: str, who: str, enters: bool, most: ssl.TLSVersion) -> None:
    place.clients.issue("ours")
    place.clients.issue("ended", ends=datetime.timedelta(minutes=-5))
    Authority(place.directory, "strangers").issue("strange")
    with serving(place.entrance(ASKED + policy + "\n")) as where:
        assert let_in(where, place.client(who, most)) == enters


def test_nobody_comes_in_by_an_old_session(place: Place) -> None:
    place.clients.issue("ours")
    context = place.client("ours", ssl.TLSVersion.TLSv1_2)
    with serving(place.entrance(ASKED + "RequireAndVerifyClientCert\n")) as where:
        with plain(where) as bare, context.wrap_socket(bare, server_hostname="127.0.0.1") as first:
            first.sendall(REQUEST + b"\r\n")
            assert b" 200 " in first.recv(4096)
            session = first.session
            with suppress(OSError):
                first.unwrap()  # as a client ends that means to come back

        def resumed() -> bool:
            with plain(where) as bare, context.wrap_socket(bare, server_hostname="127.0.0.1", session=session) as again:
                return bool(again.session_reused)

        # Until the server has ended the first connection, too.
        wait(lambda: not resumed(), PATIENCE, lambda: "resumed")


PASSWORDS = [
    (basic("anna", "secret"), 200), (b"", 401), (basic("anna", "Secret"), 401), (basic("anna", ""), 401),
    (basic("bob", "secret"), 401), (basic("", ""), 401), (basic("anna", "secret\0"), 401),
    (basic("anna", "s" * 5000), 401), (b"Authorization: basic " + basic("anna", "secret").split()[-1] + b"\r\n", 200),
    (b"Authorization: Bearer secret\r\n", 401), (b"Authorization: Basic !!\r\n", 401), (b"Authorization:\r\n", 401),
    (b"Authorization: Basic " + base64.b64encode(b"anna") + b"\r\n", 401),
    (b"Authorization: Basic " + base64.b64encode(b"\xff:x") + b"\r\n", 401),
    (b"Authorization: Basic\r\n" + basic("anna", "secret"), 401),
]  # fmt: skip


@pytest.mark.parametrize(("head", "status"), PASSWORDS)
def test_passwords(place: Place, head: bytes, status: int) -> None:
    with serving(place.entrance(USERS)) as where:
        for request in (REQUEST, b"GET /metrics HTTP/1.0\r\n", b"POST /-/reload HTTP/1.0\r\n"):
            answer = asked(where, None, head, request)
            assert answer.startswith(f"HTTP/1.0 {status} ".encode())
            assert (b'WWW-Authenticate: Basic realm="knockfirst"' in answer) == (status == 401)
            assert (b"healthy" in answer or b"knockfirst_" in answer or b"reloaded" in answer) == (status == 200)


def test_passwords_and_certificates_together(place: Place) -> None:
    with serving(place.entrance(TLS + USERS)) as where:
        assert b" 401 " in asked(where, place.client())
        assert b"healthy" in asked(where, place.client(), basic("anna", "secret"))


def test_a_scrape_each_second_costs_one_look_at_the_password(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[bytes] = []
    monkeypatch.setattr(entrance.bcrypt, "checkpw", lambda _, hashed: looked.append(hashed) or True)
    guards = place.entrance(USERS)
    words = basic("anna", "secret").decode().split(": ", 1)[1].strip()
    assert all(guards.refusal(words) is None for _ in range(100))
    assert len(looked) == 1
    # Another password is looked at, whoever came in before.
    guards.refusal(basic("anna", "other").decode().split(": ", 1)[1].strip())
    assert len(looked) == 2


def test_who_is_not_known_costs_as_much(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    real, looked = bcrypt.checkpw, []

    def counted(password: bytes, hashed: bytes) -> bool:
        looked.append(hashed[:7])
        return real(password, hashed)

    monkeypatch.setattr(entrance.bcrypt, "checkpw", counted)
    guards = place.entrance(USERS)
    for name in ("anna", "bob", "bob"):
        assert guards.refusal(basic(name, "wrong").decode().split(": ", 1)[1].strip())
    assert looked == [b"$2b$04$"] * 3


def test_headers_of_every_answer(place: Place) -> None:
    text = "http_server_config: {headers: {X-Frame-Options: deny, X-Content-Type-Options: nosniff}}\n"
    with serving(place.entrance(text)) as where:
        for request in (REQUEST, b"GET /nonsense HTTP/1.0\r\n", b"PUT / HTTP/1.0\r\n"):
            assert b"X-Frame-Options: deny\r\n" in asked(where, None, request=request)
        assert asked(where, None).count(b"X-Content-Type-Options") == 1


def test_a_renewed_certificate_is_shown(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    guards = place.entrance(TLS)
    with serving(guards) as where, caplog.at_level(logging.INFO):
        before = serial(where, place.client())
        renewed = place.servers.issue("server")
        assert serial(where, place.client()) == before, "a look each second is enough"
        place.clock.later()
        assert serial(where, place.client()) == renewed != before
        assert [record.message for record in caplog.records] == ["web configuration read again"]


def test_half_a_renewal_leaves_the_old_one(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    with serving(place.entrance(TLS)) as where:
        before = serial(where, place.client())
        key = (place.directory / "server.key").read_bytes()
        renewed = place.servers.issue("server")
        new_key = (place.directory / "server.key").read_bytes()
        (place.directory / "server.key").write_bytes(key)
        for _ in range(3):
            place.clock.later()
            assert serial(where, place.client()) == before
        assert len(caplog.records) == 1, "what is wrong is said once"
        assert "is not the certificate of the key" in caplog.records[0].__dict__["error"]
        (place.directory / "server.key").write_bytes(new_key)
        place.clock.later()
        assert serial(where, place.client()) == renewed


def test_a_file_that_is_being_written_is_let_be(place: Place) -> None:
    guards = place.entrance(TLS, young=0.5)
    with serving(guards) as where:
        before = serial(where, place.client())
        place.servers.issue("server")
        place.clock.later()
        assert serial(where, place.client()) == before


def test_users_come_and_go(place: Place) -> None:
    guards = place.entrance(USERS + f"  bob: {SECRET}\n")
    with serving(guards) as where:
        assert b" 200 " in asked(where, None, basic("bob", "secret"))
        place.file.write_text(USERS)
        place.clock.later()
        assert b" 401 " in asked(where, None, basic("bob", "secret"))
        assert b" 200 " in asked(where, None, basic("anna", "secret"))


@pytest.mark.parametrize(
    ("before", "after", "lost"),
    [
        (TLS, "", "tls_server_config"),
        (USERS, "", "basic_auth_users"),
        (TLS + USERS, TLS, "basic_auth_users"),
        (ASKED + "RequireAndVerifyClientCert\n", TLS, "client_auth_type"),
        (ASKED + "RequireAndVerifyClientCert\n", ASKED + "VerifyClientCertIfGiven\n", "client_auth_type"),
        (TLS, "tls_server_config: [", "not YAML"),
    ],
    ids=["tls", "users", "users beside tls", "a certificate that is asked for", "that it is checked", "all"],
)
def test_what_protects_does_not_fall_away(
    place: Place, before: str, after: str, lost: str, caplog: pytest.LogCaptureFixture
) -> None:
    guards = place.entrance(before)
    held = guards._current
    place.file.write_text(after)
    place.clock.later()
    assert guards._fresh() is held
    assert lost in caplog.records[0].__dict__["error"]


def test_clients_that_never_shake_hands_hold_up_nobody(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web.Request, "timeout", 3 * PATIENCE)
    with serving(place.entrance(TLS)) as where:
        silent = [plain(where) for _ in range(web.MAX_CONNECTIONS - 1)]
        # Who waited for the silent ones would not have answered when the client gives up.
        assert b"healthy" in asked(where, place.client())
        for client in silent:
            client.close()


def test_who_never_shakes_hands_is_cut_off(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web.Request, "timeout", 0.3)
    with serving(place.entrance(TLS)) as where, plain(where) as silent:
        assert silent.recv(1) == b""


def test_a_handshake_byte_by_byte_ends_before_its_last(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web.Request, "timeout", 0.5)
    # The first bytes of a ClientHello, of which more would follow (RFC 8446, 5.1).
    with serving(place.entrance(TLS)) as where, plain(where) as client, pytest.raises(OSError):
        for byte in b"\x16\x03\x01\x02\x00\x01" + bytes(500):
            client.sendall(bytes((byte,)))
            time.sleep(0.05)

"""The simulated Exchange on real sockets: what real clients of every protocol are told, and over which TLS."""

from __future__ import annotations

import imaplib
import poplib
import smtplib
import socket
import ssl
from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from agent.lab import keys, servers
from agent.lab.certificates import der, self_signed
from agent.lab.exchange_server import Port, main, simulated
from agent.lab.exchange_server import _options as options

KEY = keys.generate("EX01")
HOST = "127.0.0.1"


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.fixture(scope="module", params=["2013", "2019", "SE"])
def numbers(request: pytest.FixtureRequest) -> Iterator[dict[int, int]]:
    """The port that stands for each port of a server of this generation."""
    server = simulated(options(["--address", HOST, "--generation", request.param]), HOST)
    ports = [Port(service, HOST, KEY, 0) for service in server.services]
    for port in ports:
        port.open()
    yield {port.service.port: port.server_address[1] for port in ports}
    for port in ports:
        port.shutdown()
        port.server_close()


def release(numbers: dict[int, int]) -> servers.Release:
    """The release that the fixture serves, by what port 80 says of its build."""
    build = header(ask(numbers[80], "/"), "X-OWA-Version")
    return next(one for one in servers.RELEASES.values() if one.build == build)


def ask(number: int, path: str, context: ssl.SSLContext | None = None) -> str:
    connection = socket.socket()
    connection.settimeout(60)
    connection.connect((HOST, number))
    with context.wrap_socket(connection) if context else connection as spoken:
        spoken.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return spoken.recv(65536).decode()


def header(answer: str, name: str) -> str:
    return next((line.partition(": ")[2] for line in answer.split("\r\n") if line.startswith(f"{name}: ")), "")


@pytest.mark.parametrize(
    ("path", "status", "name", "value"),
    [
        ("/owa/", "302 Found", "Location", "https://mail.example.org/owa/auth/logon.aspx"),
        ("/EWS/Exchange.asmx?x=1", "401 Unauthorized", "WWW-Authenticate", "Negotiate"),
        ("/autodiscover/autodiscover.xml", "401 Unauthorized", "X-SOAP-Enabled", "True"),
        ("/", "302 Found", "Location", "https://mail.example.org/owa/"),
        ("/elsewhere", "404 Not Found", "Server", "Microsoft-HTTPAPI"),
    ],
)
def test_https_answers_without_a_login_what_a_front_end_does(
    numbers: dict[int, int], path: str, status: str, name: str, value: str
) -> None:
    answer = ask(numbers[443], path, trusting())
    assert answer.startswith(f"HTTP/1.1 {status}\r\n")
    assert header(answer, name).startswith(value)
    if path != "/elsewhere":
        assert header(answer, "X-OWA-Version") == release(numbers).build


def test_https_speaks_the_best_version_of_its_generation(numbers: dict[int, int]) -> None:
    plain = socket.socket()
    plain.connect((HOST, numbers[443]))
    with trusting().wrap_socket(plain) as spoken:
        assert spoken.version() == f"TLSv{release(numbers).tls}"


def test_smtp_offers_its_keywords_takes_a_mail_and_hides_starttls_inside_tls(numbers: dict[int, int]) -> None:
    with smtplib.SMTP(HOST, numbers[25], timeout=60) as client:
        code, said = client.ehlo("client.example.net")
        keywords = said.decode().split("\n")[1:]
        assert (code, tuple(keywords)) == (250, release(numbers).ehlo)
        assert said.startswith(b"ex01.example.org Hello [127.0.0.1]")
        client.starttls(context=trusting())
        client.ehlo("client.example.net")
        assert not client.has_extn("starttls") and client.has_extn("x-exps")
        assert client.sendmail("a@example.net", ["b@example.org"], "Subject: x\r\n\r\nSTARTTLS\r\n") == {}
        assert client.docmd("XYZZY")[0] == 500
        leaf = x509.load_der_x509_certificate(client.sock.getpeercert(binary_form=True))  # type: ignore[union-attr]
        assert leaf.subject.rfc4514_string() == leaf.issuer.rfc4514_string() == "CN=EX01"


def test_imap_and_pop3_greet_and_upgrade(numbers: dict[int, int]) -> None:
    with imaplib.IMAP4(HOST, numbers[143], timeout=60) as imap:
        assert imap.welcome == b"* OK The Microsoft Exchange IMAP4 service is ready."
        assert imap.starttls(trusting())[0] == "OK"
        with pytest.raises(imaplib.IMAP4.error, match="LOGIN failed"):
            imap.login("nobody", "nothing")
    pop = poplib.POP3(HOST, numbers[110], timeout=60)
    assert pop.getwelcome() == b"+OK The Microsoft Exchange POP3 service is ready."
    assert set(pop.capa()) >= {"TOP", "UIDL"}
    assert pop._shortcmd("STLS").startswith(b"+OK")  # type: ignore[attr-defined]
    with trusting().wrap_socket(pop.sock) as spoken:
        assert spoken.version() == "TLSv1.2"


def test_pop3_says_goodbye(numbers: dict[int, int]) -> None:
    pop = poplib.POP3(HOST, numbers[110], timeout=60)
    assert pop.quit().startswith(b"+OK")


@pytest.mark.parametrize("digest", ["sha1", "sha256"])
def test_a_signature_holds(digest: str) -> None:
    leaf = x509.load_der_x509_certificate(der(self_signed("EX01", "example.org"), KEY))
    public = leaf.public_key()
    assert isinstance(public, rsa.RSAPublicKey) and public.key_size == keys.BITS
    assert leaf.signature_hash_algorithm is not None
    public.verify(leaf.signature, leaf.tbs_certificate_bytes, padding.PKCS1v15(), leaf.signature_hash_algorithm)
    assert len(KEY.sign(b"x", digest)) == keys.BITS // 8


def test_a_key_is_that_of_its_seed_and_of_no_other() -> None:
    assert keys.generate("a", 512) == keys.generate("a", 512) != keys.generate("b", 512)
    assert keys.generate("a", 512).modulus.bit_length() == 512


def test_old_generations_and_a_build_on_request() -> None:
    old = simulated(options(["--address", HOST, "--generation", "2003"]), HOST)
    assert [service.port for service in old.services] == [25, 110]
    assert b"Version: 6.0" in old.services[0].turns[0][1]
    silent = simulated(options(["--address", HOST, "--build", "none", "--tls", "1.3"]), HOST)
    https = next(service for service in silent.services if service.port == 443)
    assert https.tls == "1.3" and b"X-OWA-Version" not in https.inside[1][1]


def test_an_address_that_is_not_ours_is_said_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--address", "192.0.2.1"]) == 1
    assert (
        capsys.readouterr().err == "exchange_server: 192.0.2.1: Cannot assign requested address; is the address up?\n"
    )

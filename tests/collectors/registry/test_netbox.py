"""NetBox by its REST API, against a small server that speaks it: what is taken, and every way in which it fails."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import time
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agent.__main__ import main
from agent.errors import InputError, UnavailableError
from collectors.registry import netbox as client
from collectors.registry.netbox import Wanted, fetch
from tests.live.world import PATIENCE
from tests.netbox import TOKEN, NetBox, prefix, tenant
from tests.registry import MADE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PREFIXES = [
    prefix(1, "192.0.2.0/24", 1),
    prefix(2, "198.51.100.0/25", 2, "active", "dhcp"),
    prefix(3, "198.51.100.128/25", 2, "active", "customer", "exchange"),
    prefix(4, "10.0.0.0/8", 1, "container"),
    prefix(5, "203.0.113.0/24", 1, "reserved"),
    prefix(6, "203.0.113.0/28", None),
    prefix(7, "2001:db8::/48", 2, "active", "hosting"),
    {**prefix(8, "192.0.2.0/24", 3), "vrf": {"id": 1}},
]


@pytest.fixture
def box() -> Iterator[NetBox]:
    made = NetBox(list(PREFIXES), [tenant(1, crm="K-100"), tenant(2, crm="K-200")])
    yield made
    made.close()


def wanted(box: NetBox, **fields: Any) -> Wanted:
    return Wanted(box.url, TOKEN, **{"wait": 0.5 if box.bad == "slow" else PATIENCE, **fields})


def taken(box: NetBox, **fields: Any) -> tuple[list[tuple[str, str, str]], list[str]]:
    reading = fetch(wanted(box, **fields), MADE, time.monotonic)
    rows = [(row["prefix"], row["customer"], row["kind"]) for _, row in reading.rows]
    assert reading.full
    return rows, reading.faults


ROLES = {"role:customer": "static", "role:dhcp": "dynamic", "role:hosting": "shared"}

TAKEN: list[tuple[dict[str, Any], list[tuple[str, str, str]]]] = [
    (
        {},
        [
            ("192.0.2.0/24", "c-1", "static"),
            ("198.51.100.0/25", "c-2", "unknown"),
            ("198.51.100.128/25", "c-2", "unknown"),
            ("203.0.113.0/24", "c-1", "unknown"),
            ("2001:db8::/48", "c-2", "unknown"),
        ],
    ),
    (
        {"kinds": {**ROLES, "status:reserved": "skip"}},
        [
            ("192.0.2.0/24", "c-1", "static"),
            ("198.51.100.0/25", "c-2", "dynamic"),
            ("198.51.100.128/25", "c-2", "static"),
            ("2001:db8::/48", "c-2", "shared"),
        ],
    ),
    ({"tag": "exchange", "kinds": ROLES}, [("198.51.100.128/25", "c-2", "static")]),
    ({"tag": "exchange", "tenant_field": "id"}, [("198.51.100.128/25", "2", "unknown")]),
    ({"tag": "exchange", "tenant_field": "custom_fields.crm"}, [("198.51.100.128/25", "K-200", "unknown")]),
]


@pytest.mark.parametrize(("fields", "rows"), TAKEN)
def test_what_is_taken(box: NetBox, fields: dict[str, Any], rows: Any) -> None:
    assert taken(box, **fields) == (rows, [])


def test_pages(box: NetBox) -> None:
    box.page = 2
    assert len(taken(box)[0]) == 5
    offsets = [query.get("offset", ["0"]) for path, query, _ in box.asked if "prefixes" in path]
    assert offsets == [["0"], ["2"], ["4"], ["6"]]


def test_a_tenant_without_the_field_is_a_fault(box: NetBox) -> None:
    box.lists["/api/tenancy/tenants/"] = [tenant(1, crm="K-100"), tenant(2)]
    rows, faults = taken(box, tenant_field="custom_fields.crm", tag="exchange")
    assert rows == []
    assert faults == ["prefix 3: its tenant has no custom_fields.crm; fill it in, or name another --tenant-field"]


BAD: list[tuple[str, str]] = [
    ("500", "failed with 500; nothing was changed"),
    ("500 later", "failed with 500; nothing was changed"),
    ("404", "has no API there (404); is that its URL?"),
    ("redirect", "NetBox sends us on to http://127.0.0.9:1; give the URL where it is itself"),
    ("next elsewhere", "NetBox names a page at http://127.0.0.9:1; only http://127.0.0.1:"),
    ("slow", "no answer within 0.5 s; nothing was changed"),
    ("html", "answers, but not as NetBox does; is that its URL?"),
    ("cut", "nothing was changed"),
    ("truncated", "NetBox says 7 in ipam/prefixes, and gave 4, 4 of them different: it was changed, or cut off"),
    ("twice", "2 of them different"),
    ("no list", "NetBox answers for ipam/prefixes with something that is no list"),
]


@pytest.mark.parametrize(("bad", "message"), BAD)
def test_bad_days(box: NetBox, bad: str, message: str) -> None:
    box.page, box.bad = 2, bad
    with pytest.raises(UnavailableError) as caught:
        taken(box)
    assert message in str(caught.value) and TOKEN not in str(caught.value)


def test_a_wrong_token_and_a_dead_server(box: NetBox) -> None:
    with pytest.raises(UnavailableError, match="does not let this token in \\(403\\)"):
        fetch(wanted(box)._replace(token="x"), MADE, time.monotonic)
    gone = wanted(box)._replace(url="http://127.0.0.1:1")
    with pytest.raises(UnavailableError, match="ConnectionError; nothing was changed"):
        fetch(gone, MADE, time.monotonic)


def test_a_proxy_of_the_environment_is_not_used(box: NetBox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert len(taken(box)[0]) == 5


def test_a_server_that_never_ends_is_left(box: NetBox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_ANSWER", 100)
    with pytest.raises(UnavailableError, match="more than 100 bytes"):
        taken(box)
    ticks = iter(range(0, 10_000, 700))
    monkeypatch.setattr(client, "MAX_ANSWER", 1 << 20)
    with pytest.raises(UnavailableError, match="takes too long"):
        fetch(wanted(box), MADE, lambda: float(next(ticks)))


URLS: list[tuple[dict[str, Any], str]] = [
    ({"url": "http://netbox.example.net"}, "http shows the token to everybody on the way"),
    ({"url": "ftp://netbox.example.net"}, "is no URL of a NetBox"),
    ({"url": "netbox"}, "is no URL of a NetBox"),
    ({"kinds": {"role:x": "fixed"}}, "write role:SLUG=KIND or status:VALUE=KIND"),
    ({"kinds": {"": "x"}}, "write role:SLUG=KIND or status:VALUE=KIND"),
]


@pytest.mark.parametrize(("fields", "message"), URLS)
def test_what_cannot_be_asked(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fetch(Wanted("https://127.0.0.1:1", TOKEN)._replace(**fields), MADE, time.monotonic)


def certified(directory: Path) -> tuple[ssl.SSLContext, str]:
    """A server's context for 127.0.0.1, and the file of the CA that signed it: itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "netbox")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (directory / "key.pem").write_bytes(private)
    (directory / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "ca.pem", directory / "key.pem")
    return context, str(directory / "ca.pem")


def test_https_with_a_ca_of_its_own(tmp_path: Path) -> None:
    context, ca_file = certified(tmp_path)
    box = NetBox(list(PREFIXES), context=context)
    try:
        assert len(taken(box, ca_file=ca_file)[0]) == 5
        with pytest.raises(UnavailableError, match="its certificate is not known; name its CA with --ca-file"):
            taken(box)
        with pytest.raises((InputError, UnavailableError)):
            taken(box, ca_file=str(tmp_path / "missing.pem"))
    finally:
        box.close()


def test_the_command(box: NetBox, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    (tmp_path / "state").mkdir()
    words = ["import", "netbox", "--url", box.url, "--token-file", str(tmp_path / "token"), "--source", "netbox"]
    words += ["--state", str(tmp_path / "state")]
    assert main(words) == 0
    assert capsys.readouterr().out == f"{box.url}: changed: 2 customers new, 5 prefixes added\n"
    box.bad = "500"
    assert main(words) == 69
    box.bad = ""
    box.lists["/api/ipam/prefixes/"] = PREFIXES[:2]
    assert main(words) == 3
    out = capsys.readouterr().out
    assert "netbox would lose 3 of 5 prefixes" in out and "--accept-loss" in out
    assert {header for *_, header in box.asked} == {f"Token {TOKEN}"}

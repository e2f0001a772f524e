"""The web configuration file: what is taken and what is not, held against promtool, and that each fault is named."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import tempfile
from typing import TYPE_CHECKING

import bcrypt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.config_commands import check_main
from agent.errors import ConfigError
from exporters.webconfig import MAX_FILE, read
from tests.exporters.certificates import Authority

if TYPE_CHECKING:
    from pathlib import Path

HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
DEAR = HASH.replace("$04$", "$15$")
TLS = "tls_server_config: {cert_file: server.crt, key_file: server.key"

GOOD = {
    "empty": "",
    "comment": "# nothing\n",
    "sections of nothing": "tls_server_config:\nbasic_auth_users:\nhttp_server_config:\n",
    "TLS": f"{TLS}}}\n",
    "TLS 1.3": f"{TLS}, min_version: TLS13, max_version: TLS13}}\n",
    "no client's certificate": f"{TLS}, client_auth_type: NoClientCert}}\n",
    "a client's if given": f"{TLS}, client_auth_type: VerifyClientCertIfGiven, client_ca_file: ca.crt}}\n",
    "a client's": f"{TLS}, client_auth_type: 'RequireAndVerifyClientCert', client_ca_file: ca.crt}}\n",
    "null is not written": f"{TLS}, client_ca_file: ~, client_auth_type: }}\n",
    "users": f"basic_auth_users:\n  anna: {HASH}\n  'bob b': \"{HASH}\"\n  12: {HASH.replace('$2b$', '$2y$')}\n",
    "headers": "http_server_config:\n  http2: false\n  headers:\n    X-Frame-Options: deny\n"
    "    X-Content-Type-Options: nosniff\n    Strict-Transport-Security: max-age=31536000\n",
    "all": f"{TLS}}}\nhttp_server_config: {{http2: true}}\nbasic_auth_users: {{anna: {HASH}}}\n",
}
# What neither takes, and what our word on it has in it.
BAD = {
    "not YAML": ("tls_server_config: [", "line 1: not YAML"),
    "a list": ("- a\n", "is no mapping"),
    "a text": ("text", "is no mapping"),
    "an unknown section": ("tls: {}\n", "line 1: tls: no such key; known here: tls_server_config, "),
    "an unknown key": (f"{TLS}, cert: a, certs: b}}\n", "tls_server_config.certs: no such key; known here: cert_file"),
    "a section is a list": ("basic_auth_users: [anna]\n", "line 1: basic_auth_users: is no mapping"),
    "a key twice": (f"basic_auth_users:\n  anna: {HASH}\n  anna: {HASH}\n", "line 3: basic_auth_users.anna: is there"),
    "a section twice": ("basic_auth_users:\nbasic_auth_users:\n", "line 2: basic_auth_users: is there twice"),
    "no certificate": ("tls_server_config: {key_file: server.key}\n", "tls_server_config.cert_file: missing"),
    "no key": ("tls_server_config: {cert_file: server.crt}\n", "tls_server_config.key_file: missing"),
    "no such file": ("tls_server_config: {cert_file: a.crt, key_file: server.key}\n", "cert_file: a.crt: No such file"),
    "no certificate in it": ("tls_server_config: {cert_file: server.key, key_file: server.key}\n", "do not hold a"),
    "another's key": ("tls_server_config: {cert_file: server.crt, key_file: other.key}\n", "is not the certificate of"),
    "a passphrase": ("tls_server_config: {cert_file: shut.crt, key_file: shut.key}\n", "without a passphrase"),
    "an unknown version": (f"{TLS}, min_version: TLS14}}\n", "min_version: 'TLS14' is not one of TLS12, TLS13"),
    "an unknown type": (f"{TLS}, client_auth_type: Require}}\n", "client_auth_type: 'Require' is not one of NoClient"),
    "an authority in vain": (f"{TLS}, client_ca_file: ca.crt}}\n", "client_auth_type: missing; with client_ca_file"),
    "a file is a list": ("tls_server_config: {cert_file: [a], key_file: b}\n", "cert_file: is not a text"),
    "a password": ("basic_auth_users: {anna: secret}\n", "basic_auth_users.anna: is no bcrypt hash; `htpasswd -nBC"),
    "no password": ("basic_auth_users: {anna: }\n", "basic_auth_users.anna: is no bcrypt hash"),
    "an MD5 hash": ("basic_auth_users: {anna: $apr1$x$y}\n", "is no bcrypt hash"),
    "an unknown header": ("http_server_config: {headers: {Server: me}}\n", "headers.Server: no such key; known here: "),
    "a header's value": ("http_server_config: {headers: {X-Frame-Options: no}}\n", "'no' is not one of deny, sameo"),
    "no boolean": ("http_server_config: {http2: maybe}\n", "http_server_config.http2: 'maybe' is neither true nor"),
}
# What promtool takes and we do not: it would look like protection.
STRICTER = {
    "any client's": (f"{TLS}, client_auth_type: RequireAnyClientCert}}\n", "asks for a certificate and believes any"),
    "asked in vain": (f"{TLS}, client_auth_type: RequestClientCert}}\n", "asks for a certificate and believes any"),
    "nobody to believe": (f"{TLS}, client_auth_type: RequireAndVerifyClientCert}}\n", "client_ca_file: missing; clie"),
    "no authority in it": (
        f"{TLS}, client_auth_type: VerifyClientCertIfGiven, client_ca_file: server.key}}\n",
        "holds no certificates",
    ),
    "TLS 1.0": (f"{TLS}, min_version: TLS10}}\n", "what is older protects nobody"),
    "the wrong way round": (f"{TLS}, min_version: TLS13, max_version: TLS12}}\n", "max_version: is below min_version"),
    "suites": (f"{TLS}, cipher_suites: [TLS_AES_128_GCM_SHA256]}}\n", "cipher_suites: is not to be chosen here"),
    "TLS of nothing": ("tls_server_config: {min_version: TLS12}\n", "cert_file: missing; there is no TLS without it"),
    "a dear hash": (f"basic_auth_users: {{anna: {DEAR}}}\n", "costs more than 14"),
    "a colon in a name": (f"basic_auth_users: {{'a:b': {HASH}}}\n", "cannot be the name of a user"),
    "a line in a header": (
        'http_server_config: {headers: {Content-Security-Policy: "a\\r\\nb: c"}}\n',
        "no header may",
    ),
    "two documents": ("---\n---\n", "not YAML"),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the files that the texts above name."""
    made = tmp_path_factory.mktemp("web")
    authority = Authority(made)
    authority.issue("server")
    authority.issue("other")
    authority.issue("shut", passphrase=b"shut")
    return made


def written(place: Path, text: str) -> str:
    file = place / "web.yml"
    file.write_text(text)
    return str(file)


def promtool_takes(file: str) -> bool:
    promtool = shutil.which("promtool")
    if promtool is None:
        assert os.environ.get("CI") != "true", "promtool must be installed where CI=true (Debian: prometheus)"
        pytest.skip("no promtool here (Debian: apt install prometheus)")
    command = [promtool, "check", "web-config", file]
    return subprocess.run(command, capture_output=True, check=False, timeout=20).returncode == 0


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_what_is_taken_promtool_takes_too(place: Path, text: str) -> None:
    file = written(place, text)
    found = read(file)
    assert (found.context is not None) == text.startswith(TLS)
    assert bool(found.users) == (HASH[5:] in text)
    assert promtool_takes(file)


@pytest.mark.parametrize(("text", "said"), BAD.values(), ids=BAD)
def test_what_is_not_taken_promtool_does_not_take_either(place: Path, text: str, said: str) -> None:
    file = written(place, text)
    refused(file, said)
    assert not promtool_takes(file)


@pytest.mark.parametrize(("text", "said"), STRICTER.values(), ids=STRICTER)
def test_what_promtool_takes_and_we_do_not(place: Path, text: str, said: str) -> None:
    file = written(place, text)
    refused(file, said)
    assert promtool_takes(file), "promtool has become stricter: move this case to BAD"


def refused(file: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(file)
    assert said in str(caught.value)
    assert all(line.startswith(file) for line in str(caught.value).splitlines())
    assert "secret" not in str(caught.value)


def test_every_fault_is_named_at_once(place: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(written(place, "tls: {}\nbasic_auth_users: {anna: a, bob: b}\nhttp_server_config: {http2: 7}\n"))
    assert len(str(caught.value).splitlines()) == 4


def test_what_the_context_is(place: Path) -> None:
    file = written(place, f"{TLS}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.crt}}\n")
    found = read(file)
    assert found.context
    assert found.context.verify_mode is ssl.CERT_REQUIRED
    assert found.context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert set(found.seen) == {file, *(str(place / name) for name in ("server.crt", "server.key", "ca.crt"))}


def test_a_file_that_cannot_be_used(place: Path) -> None:
    with pytest.raises(ConfigError, match="No such file or directory; name a file that the exporter may read"):
        read(str(place / "nowhere.yml"))
    with pytest.raises(ConfigError, match="Is a directory"):
        read(str(place))
    (place / "large.yml").write_bytes(b"#" * (MAX_FILE + 1))
    with pytest.raises(ConfigError, match="larger than 65536 bytes"):
        read(str(place / "large.yml"))
    (place / "latin.yml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read(str(place / "latin.yml"))
    (place / "deep.yml").write_text("[" * 20_000)
    with pytest.raises(ConfigError, match=r"without end|not YAML"):
        read(str(place / "deep.yml"))


def test_what_systemd_loaded_is_taken_first(place: Path, tmp_path: Path) -> None:
    (tmp_path / "web.yml").write_text(f"basic_auth_users: {{loaded: {HASH}}}\n")
    file = written(place, "")
    assert list(read(file, str(tmp_path)).users) == ["loaded"]
    for nowhere in ("nowhere", "web.yml"):
        assert read(file, str(tmp_path / nowhere)).users == {}


def test_what_systemd_loaded_and_cannot_be_read_is_a_fault(place: Path, tmp_path: Path) -> None:
    (tmp_path / "web.yml").symlink_to("web.yml")  # as good as one that is forbidden, and that for root, too
    with pytest.raises(ConfigError, match=f"{tmp_path}/web.yml: Too many levels"):
        read(written(place, ""), str(tmp_path))


def test_check_config_reads_it_too(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = place / "k.toml"
    config.write_text('[exporter]\nweb_config = "web.yml"\n')
    written(place, "basic_auth_users: {anna: secret}\n")
    with pytest.raises(ConfigError, match=r"web\.yml: basic_auth_users\.anna: is no bcrypt hash"):
        check_main([str(config)])
    written(place, "")
    assert check_main([str(config)]) == 0
    assert "can be used" in capsys.readouterr().out


_PIECES = [*"{}[]:,\n \t-&*!|>'\"%@`#~?<", "a", "tls_server_config", "basic_auth_users"]


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=80), st.lists(st.sampled_from(_PIECES)).map("".join)))
def test_whatever_it_holds_it_is_read_or_refused(text: str) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".yml", encoding="utf-8", errors="replace") as file:
        file.write(text)
        file.flush()
        try:
            read(file.name)
        except ConfigError as error:
            assert file.name in str(error)

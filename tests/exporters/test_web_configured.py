"""A daemon of real processes whose pages are behind a web configuration file, and one whose file cannot be used."""

from __future__ import annotations

import json
import logging
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from agent.config import check
from agent.supervisor import Daemon
from exporters import service
from tests.agent.test_supervisor import capture
from tests.exporters.certificates import Authority
from tests.exporters.test_entrance import asked, basic

ROOT = Path(__file__).resolve().parents[2]
READY = b"GET /-/ready HTTP/1.0\r\nAccept: application/json\r\n"


def configured(directory: Path, **exporter: Any) -> dict[str, Any]:
    """A configuration with one capture file and a web configuration: TLS, clients' certificates, one user."""
    servers, clients = Authority(directory), Authority(directory, "clients")
    servers.issue("server")
    clients.issue("prometheus")
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    (directory / "web.yml").write_text(
        "tls_server_config: {cert_file: server.crt, key_file: server.key, client_ca_file: clients.crt,"
        f" client_auth_type: RequireAndVerifyClientCert}}\nbasic_auth_users: {{anna: {hashed}}}\n"
    )
    files = [str(capture(directory / "a.pcap"))]
    listen = {"listen": "127.0.0.1:0", "probing": "127.0.0.1:0", "web_config": str(directory / "web.yml")}
    return {"capture": {"files": files}, "exporter": listen | exporter}


def test_the_pages_are_guarded_and_probing_txt_is_not(tmp_path: Path) -> None:
    with Daemon(check(configured(tmp_path), "test")) as daemon:
        # Of what is not read yet there is a warning, and the pages may be a snapshot behind before that.
        assert daemon.wait_finished(60)
        where = tuple(daemon._listeners["listen"].getsockname()[:2])
        assert daemon.metrics_url == f"https://127.0.0.1:{where[1]}/metrics"
        assert daemon.url("probing").startswith("http://")
        client = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
        client.load_cert_chain(tmp_path / "prometheus.crt", tmp_path / "prometheus.key")
        assert b" 401 " in asked(where, client, request=READY)
        head, _, body = asked(where, client, basic("anna", "secret"), READY).partition(b"\r\n\r\n")
        assert b" 200 " in head
        found = json.loads(body)
        assert found["ready"]
        assert {part["state"] for part in found["components"].values()} == {"ok"}
        metrics = asked(where, client, basic("anna", "secret"), b"GET /metrics HTTP/1.0\r\n")
        assert b"knockfirst_ready 1.0" in metrics
        open_to_all = tuple(daemon._listeners["probing"].getsockname()[:2])
        assert b" 404 " in asked(open_to_all, None)


def test_a_file_that_cannot_be_used_is_named_before_anything_starts(tmp_path: Path) -> None:
    exporter = configured(tmp_path)["exporter"]
    (tmp_path / "server.key").unlink()
    lines = [f'{key} = "{value}"' for key, value in exporter.items()]
    (tmp_path / "k.toml").write_text("\n".join(["[exporter]", *lines, "[capture]", 'files = ["a.pcap"]']))
    command = [sys.executable, "-m", "agent", "run", "--config", str(tmp_path / "k.toml")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert ended.returncode == 78
    assert "tls_server_config.key_file: server.key: No such file or directory" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "started" not in ended.stderr


def test_the_role_ends_with_78_for_a_file_that_it_cannot_use(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(service, "begin", lambda *_: logging.getLogger("exporter"))
    ours, theirs = socket.socketpair()
    section = {"log": {"level": "info", "format": "logfmt"}, "web_config": str(tmp_path / "nowhere.yml")}
    with ours, socket.create_server(("127.0.0.1", 0)) as listener:
        service.ipc.Link(ours, frozenset()).send(service.Type.SECTION, section)
        assert service.main([f"agent={theirs.detach()}", f"listen={listener.detach()}"]) == 78
    assert "nowhere.yml: No such file or directory" in caplog.records[0].__dict__["error"]

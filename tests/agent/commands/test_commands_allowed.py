"""``consent allow-list --relay``: the addresses of the operator's own servers, as the machine itself knows them."""

from __future__ import annotations

import socket
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from agent.commands import allowed
from agent.errors import UnavailableError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    path = tmp_path / "k.toml"
    path.write_text(
        f'[agent]\nstate = "{tmp_path}"\n[notices]\nrelay = "localhost:25"\nsender = "a@example.net"\n'
        'webhook = "https://[2001:db8::25]/x"\n'
    )
    return path


def test_addresses_are_printed(configuration: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert allowed.main(["--relay", "--config", str(configuration)]) == 0
    said = capsys.readouterr().out.split()
    assert said[-1] == "2001:db8::25"
    assert set(said[:-1]) <= {"127.0.0.1", "::1"}
    assert said[:-1]


def test_systemd_is_told_them_in_the_place_of_those_before(
    configuration: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []

    def run(words: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        ran.append(words)
        return subprocess.CompletedProcess(words, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    assert allowed.main(["--relay", "--apply", "knockfirst-notifier.service", "--config", str(configuration)]) == 0
    ((*_, unit, empty, filled),) = ran
    assert (unit, empty) == ("knockfirst-notifier.service", "IPAddressAllow=")
    assert filled.endswith(" 2001:db8::25")


def test_a_name_without_an_address_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(UnavailableError, match=r"no\.such\.invalid: no address: .*; name it in /etc/hosts"):
        allowed._resolved(["no.such.invalid"])

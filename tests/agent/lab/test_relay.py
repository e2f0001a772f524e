"""The pretended relay, as far as those who test with it cannot see to it."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

from agent.lab.relay import Scripted, context
from tests.asking import until
from tests.exporters.certificates import Authority

if TYPE_CHECKING:
    from pathlib import Path


def test_it_ends_though_a_client_does_not_shake_hands(tmp_path: Path) -> None:
    Authority(tmp_path).issue("relay")
    with socket.socket() as client:
        client.settimeout(60)
        with Scripted(tls=context(tmp_path), at_once=True) as relay:
            client.connect(("127.0.0.1", relay.port))
            assert until(lambda: isinstance(relay._one, ssl.SSLSocket))
        assert client.recv(1) == b""

"""Postfix on loopback as the provider's relay and the customers' mail server in one, with Dovecot for passwords."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.exporters.certificates import Authority
from tests.live.world import ended

_NOBODY = 65534
_HELD = ("01", "08")  # TCP_ESTABLISHED and TCP_CLOSE_WAIT of linux/tcp_states.h
PASSWORD = "a-password-of-its-own"
_MAIN_CF = """
compatibility_level = 3.6
queue_directory = {directory}/queue
data_directory = {directory}/data
maillog_file = /dev/stdout
maillog_file_prefixes = /dev
myhostname = relay.isp.example
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks =
alias_maps =
local_transport = error:none
virtual_mailbox_domains = isp.example, bakery.example
virtual_mailbox_maps = inline:{{ notices@isp.example=notices/, admin@bakery.example=admin/ }}
transport_maps = inline:{{ notices@isp.example=deposit: }}
virtual_mailbox_base = {directory}/mail
virtual_uid_maps = static:{nobody}
virtual_gid_maps = static:{nobody}
virtual_minimum_uid = 1
smtpd_peername_lookup = no
smtpd_tls_chain_files = {directory}/relay.key, {directory}/relay.crt
smtpd_tls_security_level = encrypt
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {directory}/dovecot/auth
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_sender_restrictions = reject_sender_login_mismatch, permit_sasl_authenticated, reject
smtpd_sender_login_maps = inline:{{ notices@isp.example=notices }}
smtpd_recipient_restrictions = check_recipient_access inline:{{
  {{ busy@bakery.example = 450 4.2.1 busy }}, {{ gone@bakery.example = 550 5.1.1 gone }} }}
smtpd_error_sleep_time = 0
smtpd_reject_unlisted_recipient = no
"""
_MASTER_CF = """
127.0.0.1:{port} inet n - n - - smtpd
postlog   unix-dgram n - n - 1 postlogd
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
proxymap  unix  - - n - - proxymap
anvil     unix  - - n - 1 anvil
tlsmgr    unix  - - n 1000? 1 tlsmgr
virtual   unix  - n n - - virtual
deposit   unix  - n n - - pipe
  flags=R user=nobody argv={directory}/deposit.sh {directory}/mail/notices
error     unix  - - n - - error
retry     unix  - - n - - error
"""
# Into a Maildir, and readable: the role that the tests start is root without a right.
_DEPOSIT = """#!/bin/sh
umask 022
name=$(date +%s.%N).$$
cat >"$1/tmp/$name" && mv "$1/tmp/$name" "$1/new/$name"
"""
_DOVECOT = """
base_dir = {directory}/dovecot
state_dir = {directory}/dovecot
log_path = /dev/stderr
protocols =
ssl = no
auth_mechanisms = plain login
auth_failure_delay = 0
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={nobody} gid={nobody} home={directory}
}}
service auth {{
  unix_listener auth {{
    mode = 0666
  }}
}}
"""


def once(text: str) -> str:
    """main.cf with each key once, as it was said last.

    Of a key that is there twice every process of Postfix warns, and postlogd waits for itself when its own warnings do
    not fit into its own socket any more.
    """
    said: dict[str, str] = {}
    key = ""
    for line in text.splitlines():
        if line[:1].isspace():
            said[key] += f"\n{line}"
        elif line:
            key = line.partition("=")[0].strip()
            said[key] = line
    return "\n".join(said.values()) + "\n"


def _free() -> int:
    """A port that nobody is given who asks for any (ip(7), ip_local_port_range): it is free until Postfix listens."""
    for port in range(20_000 + os.getpid() % 10_000, 32_000):
        with suppress(OSError), socket.socket() as free:
            free.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no port is free")


class Post:
    """``with Post() as post:`` runs it.

    ``relay``: where; ``ca``: who vouches for it; ``mail``: Maildirs; ``returned``: of bounces. ``more``: what main.cf
    has beside, which counts where it says something else.
    """

    more = ""

    def __init__(self) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="knockfirst-post-")
        self.directory = Path(self._scratch.name)
        self._started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        # Not the directory of the test runner: servers that give up their rights must be able to enter it.
        self.directory.chmod(0o755)
        authority = Authority(self.directory)
        authority.issue("relay")
        self.ca = authority.file
        port = _free()
        self.relay = f"127.0.0.1:{port}"
        self.mail, self.returned = self.directory / "mail", self.directory / "mail/notices"
        for name in ("queue", "data", "mail", "dovecot", "postfix"):
            (self.directory / name).mkdir()
        subprocess.run(["chown", "postfix", str(self.directory / "data")], check=True)
        subprocess.run(["chown", str(_NOBODY), str(self.mail)], check=True)
        words = {"directory": self.directory, "port": port, "nobody": _NOBODY, "password": PASSWORD}
        (self.directory / "postfix/main.cf").write_text(once(_MAIN_CF.format(**words) + self.more))
        (self.directory / "postfix/master.cf").write_text(_MASTER_CF.format(**words))
        (self.directory / "deposit.sh").write_text(_DEPOSIT)
        (self.directory / "deposit.sh").chmod(0o755)
        (self.directory / "dovecot.conf").write_text(_DOVECOT.format(**words))
        try:
            self._start("dovecot", "-F", "-c", str(self.directory / "dovecot.conf"))
            self.resume()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # Postfix first, for it holds connections to Dovecot.
        self.halt()
        for process in reversed(self._started):
            ended(process)
        self._scratch.cleanup()

    def resume(self) -> None:
        """Begin, or go on after ``halt``."""
        self._start("postfix", "-c", str(self.directory / "postfix"), "start-fg")
        self._listening(int(self.relay.rpartition(":")[2]))

    def halt(self) -> None:
        """Nobody listens any more, nor goes on with whom he is connected to; what was taken is kept.

        By its own word, for it is not the process that we began.
        """
        words = ["postfix", "-c", str(self.directory / "postfix"), "abort"]
        with suppress(OSError):
            subprocess.run(words, check=False, capture_output=True)

    def left(self) -> bool:
        """Whether nobody is connected, nor was and is still being seen to."""
        there = f"0100007F:{int(self.relay.rpartition(':')[2]):04X}"
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return not any(row[1] == there and row[3] in _HELD for row in rows)

    def idle(self) -> bool:
        """Whether it has no mail any more: all was delivered, or sent back."""
        places = (self.directory / "queue" / name for name in ("maildrop", "incoming", "active", "deferred", "hold"))
        return not any(path.is_file() for place in places for path in place.rglob("*"))

    def said(self) -> str:
        return "".join(path.read_text(errors="replace") for path in self.directory.glob("*.log"))

    def _start(self, *words: str) -> None:
        with (self.directory / f"{words[0]}.log").open("ab") as log:
            self._started.append(subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    def _listening(self, port: int) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with suppress(OSError), socket.socket() as client:
                client.connect(("127.0.0.1", port))
                return
            time.sleep(0.05)
        raise RuntimeError(f"no relay: {self.said()}")

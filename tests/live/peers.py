"""The programs at both ends: the simulated Exchange, real servers that are none, and real clients."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from agent.lab import keys
from agent.lab.certificates import der, private_key, public
from tests.live.world import PATIENCE, World, address, said, wait

LARGE = 1 << 20  # bytes of a page that is bulk
KEY = keys.generate("peers")
_NAMES = {"nginx": "www.cafe.example", "postfix": "mx.cinema.example", "dovecot": "imap.cinema.example"}

_NGINX = """
daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log stderr warn;
events {{}}
http {{
  access_log off;
  client_body_temp_path {directory}/b; proxy_temp_path {directory}/p; fastcgi_temp_path {directory}/f;
  uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
  server {{
    listen {four}:80; listen [{six}]:80; listen {four}:443 ssl; listen [{six}]:443 ssl;
    ssl_certificate {directory}/peer.pem; ssl_certificate_key {directory}/peer.pem;
    location /large {{ alias {directory}/large; }}
    location / {{ default_type text/html; return 200 "<html><title>Outlook for the weekend</title></html>"; }}
  }}
}}
"""
_MAIN_CF = """
compatibility_level = 3.6
queue_directory = {directory}/queue
data_directory = {directory}/data
maillog_file = /dev/stdout
maillog_file_prefixes = /dev
myhostname = mx.cinema.example
mydestination = mx.cinema.example
inet_interfaces = {four}, {six}
smtp_bind_address = {four}
alias_maps =
local_recipient_maps =
local_transport = discard
mynetworks = 127.0.0.0/8
smtpd_tls_chain_files = {directory}/peer.pem
smtpd_tls_security_level = may
smtpd_relay_restrictions = reject_unauth_destination
smtpd_peername_lookup = no
"""
_MASTER_CF = """
smtp      inet  n - n - - smtpd
postlog   unix-dgram n - n - 1 postlogd
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
anvil     unix  - - n - 1 anvil
tlsmgr    unix  - - n 1000? 1 tlsmgr
discard   unix  - - n - - discard
error     unix  - - n - - error
retry     unix  - - n - - error
"""
_DOVECOT = """
base_dir = {directory}/run
state_dir = {directory}/state
log_path = /dev/stderr
listen = {four}, {six}
protocols = imap
ssl = yes
ssl_cert = <{directory}/peer.pem
ssl_key = <{directory}/peer.pem
passdb {{
  driver = static
  args = password=none
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home={directory}
}}
"""


def exchange(world: World, *more: str, host: str = "exchange") -> subprocess.Popen[bytes]:
    """The simulated Exchange at a host's addresses, as the words of its command line say."""
    words = [word for one in address(host) for word in ("--address", one)]
    process = world.start("cust", sys.executable, "-m", "agent.lab.exchange_server", *words, *more, log="exchange")
    wait(lambda: "ready" in said(process) or process.poll() is not None, PATIENCE, lambda: said(process))
    assert process.poll() is None, said(process)
    return process


def nginx(world: World) -> None:
    directory = _directory(world, "nginx")
    (directory / "large").write_bytes(bytes(LARGE))
    (directory / "nginx.conf").write_text(_filled(_NGINX, "nginx", directory))
    _started(world, "nginx", 80, "nginx", "-p", str(directory), "-c", str(directory / "nginx.conf"))


def postfix(world: World) -> None:
    directory = _directory(world, "postfix")
    (directory / "main.cf").write_text(_filled(_MAIN_CF, "postfix", directory))
    (directory / "master.cf").write_text(_MASTER_CF)
    for name in ("queue", "data"):
        (directory / name).mkdir()
    subprocess.run(["chown", "postfix", str(directory / "data")], check=True)
    _started(world, "postfix", 25, "postfix", "-c", str(directory), "start-fg")


def dovecot(world: World) -> None:
    directory = _directory(world, "dovecot")
    (directory / "dovecot.conf").write_text(_filled(_DOVECOT, "dovecot", directory))
    _started(world, "dovecot", 143, "dovecot", "-F", "-c", str(directory / "dovecot.conf"))


def everybody(world: World) -> None:
    """The simulated Exchange and every real server that is none, started at the same time."""
    with ThreadPoolExecutor() as pool:
        for started in [pool.submit(serve, world) for serve in (exchange, nginx, postfix, dovecot)]:
            started.result()


def visit_exchange(world: World, six: bool = False) -> None:
    """What the internet asks of the simulated Exchange: web by both ways, a mail with STARTTLS, a mailbox."""
    there = address("exchange")[six]
    answer = curl(world, f"https://{_host(there)}/EWS/Exchange.asmx")
    assert "401 Unauthorized" in answer and "X-OWA-Version: 15." in answer, answer
    assert "302 Found" in curl(world, f"http://{_host(there)}/")
    assert "<** 235" not in mail(world, there, "--tls")
    s_client(world, there, 143, "imap")


def visit_negatives(world: World, six: bool = False) -> None:
    """The same of the real servers; each must have answered, or nothing was proved."""
    web, post, box = (address(host)[six] for host in ("nginx", "postfix", "dovecot"))
    assert "Outlook for the weekend" in curl(world, f"http://{_host(web)}/owa/")
    assert "Outlook for the weekend" in curl(world, f"https://{_host(web)}/owa/")
    assert "250 2.0.0 Ok: queued" in mail(world, post, "--tls", "--to", "a@mx.cinema.example")
    s_client(world, box, 143, "imap")


def curl(world: World, url: str) -> str:
    """Head and body of one answer, which is text; the certificate is not looked at."""
    return _told(world, "curl", "-sSki", "--max-time", "30", url)


def mail(world: World, there: str, *more: str) -> str:
    """A mail by swaks, and what was said; by IPv6 where the address is one."""
    family = ["--protocol", "ESMTP", *(("-6",) if ":" in there else ())]
    return _told(
        world, "swaks", *family, "--server", there, "--timeout", "30", "--helo", "client.example.net",
        "--from", "alice@example.net", "--to", "bob@example.org", *more,
    )  # fmt: skip


def s_client(world: World, there: str, port: int, starttls: str = "", *more: str) -> str:
    """One TLS handshake by openssl s_client, and what it says of it."""
    upgrade = ["-starttls", starttls] if starttls else []
    text = _told(world, "openssl", "s_client", "-connect", f"{_host(there)}:{port}", *upgrade, *more)
    assert "BEGIN CERTIFICATE" in text, text
    return text


def _told(world: World, *words: str) -> str:
    done = world.run("net", *words, timeout=PATIENCE)
    assert done.returncode == 0, f"{' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def _host(there: str) -> str:
    return f"[{there}]" if ":" in there else there


def _directory(world: World, name: str) -> Path:
    """A directory of a server's own, with a certificate in it."""
    directory = world.directory / name
    directory.mkdir()
    leaf = public(_NAMES[name])
    text = keys.pem("RSA PRIVATE KEY", private_key(KEY)) + keys.pem("CERTIFICATE", der(leaf, KEY))
    (directory / "peer.pem").write_text(text)
    return directory


def _filled(text: str, host: str, directory: Path) -> str:
    four, six = address(host)
    return text.format(four=four, six=six, directory=directory)


def _started(world: World, host: str, port: int, *words: str) -> None:
    process = world.start("cust", *words, log=host)
    for there in address(host):
        world.wait_listening("cust", there, port, process)

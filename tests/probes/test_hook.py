"""The audit hook, in processes of their own: a wall that stands is there for life."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.asking import until
from tests.probes.peers import ANSWER, Peer, says, silent

ROOT = Path(__file__).resolve().parents[2]

BEFORE = """
import ctypes, os, select, socket, subprocess, sys, threading, time
from probes import hook, wire
from probes.hook import Refused
from tests.probes.peers import opened
wire.prepare()
near, far = socket.socketpair()
libc = ctypes.CDLL(None)
"""
WALL = """
refusals = hook.install(wire.expected)
"""


def child(code: str, before: str = "", port: int = 0) -> str:
    """What a process prints that does ``before``, raises the wall, and then does ``code``; ``port`` is in both."""
    environment = {"PATH": os.environ.get("PATH", ""), "PYTHONDONTWRITEBYTECODE": ""}
    ended = subprocess.run(
        [sys.executable, "-c", f"{BEFORE}port = {port}\n{before}{WALL}{code}"], cwd=ROOT, env=environment,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stdout


# What nobody in the prober may do, and the event by which it is refused.
REFUSED = {
    "socket.socket()": "socket.__new__",
    "socket.socket(socket.AF_INET6)": "socket.__new__",
    "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)": "socket.__new__",
    "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)": "socket.__new__",
    "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)": "socket.__new__",
    "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)": "socket.__new__",
    "socket.socket(socket.AF_UNIX)": "socket.__new__",
    "socket.create_server(('127.0.0.1', 0))": "socket.__new__",
    "socket.create_connection(('127.0.0.1', 9))": "socket.",
    "near.connect('/run/x')": "socket.connect",
    "near.connect_ex('/run/x')": "socket.connect",
    "near.bind('/tmp/x')": "socket.bind",
    "near.sendto(b'x', '/run/x')": "socket.sendto",
    "near.sendmsg([b'x'])": "socket.sendmsg",
    "socket.getaddrinfo('example.org', 443)": "socket.getaddrinfo",
    "socket.getaddrinfo('127.0.0.1', 443)": "socket.getaddrinfo",
    "socket.gethostbyname('localhost')": "socket.gethostbyname",
    "socket.gethostbyname_ex('localhost')": "socket.gethostbyname",
    "socket.gethostbyaddr('127.0.0.1')": "socket.gethostbyaddr",
    "socket.getnameinfo(('127.0.0.1', 1), 0)": "socket.getnameinfo",
    "subprocess.run(['true'])": "subprocess.Popen",
    "os.system('true')": "os.system",
    "os.popen('true')": "open",
    "os.execv('/bin/true', ['true'])": "os.exec",
    "os.fork()": "os.fork",
    "os.forkpty()": "os.forkpty",
    "os.posix_spawn('/bin/true', ['true'], {})": "os.posix_spawn",
    "os.spawnv(os.P_WAIT, '/bin/true', ['true'])": "os.fork",
    "os.kill(1, 0)": "os.kill",
    "os.remove('/tmp/nothing')": "os.remove",
    "os.rename('/tmp/nothing', '/tmp/no')": "os.rename",
    "os.mkdir('/tmp/no-such-thing')": "os.mkdir",
    "os.chmod('/tmp', 0o777)": "os.chmod",
    "os.listdir('/etc')": "os.listdir",
    "os.scandir('/etc')": "os.scandir",
    "open('/tmp/no-such-thing', 'w')": "open",
    "open(os.__file__, 'a')": "open",
    "open(os.__file__, 'r+')": "open",
    "os.open(os.__file__, os.O_RDWR)": "open",
    "os.open('/tmp/no-such-thing', os.O_CREAT)": "open",
    "open('/etc/passwd')": "open",
    "open('README.md')": "open",
    "open(os.path.dirname(os.__file__) + '/../../../../../../etc/passwd')": "open",
    "os.open('/dev/mem', os.O_RDONLY)": "open",
    "import_('sqlite3')": "import",
    "import_('multiprocessing')": "import",
    "import_('asyncio')": "import",
    "import_('httpx')": "import",
    "import_('pty')": "import",
    "ctypes.CDLL(None)": "ctypes.dlopen",
    "libc.connect": "ctypes.dlsym",
    "ctypes.string_at(1)": "ctypes.string_at",
    "ctypes.c_int.from_address(1)": "ctypes.cdata",
    "sys.settrace(print)": "sys.settrace",
    "sys._current_frames()": "sys._current_frames",
    "import_('gc').get_objects()": "gc.get_objects",
    "(lambda: 0).__code__.replace()": "code.__new__",
}  # fmt: skip


def test_it_refuses_everything_that_reaches_out() -> None:
    told = child(f"""
import_ = __import__
for words, event in {REFUSED!r}.items():
    before = refusals.here()
    try:
        eval(words)
    except Refused as refused:
        print(words if str(refused).startswith(event) and refusals.here() == before + 1 else f"{{words}}: {{refused}}")
    except BaseException as error:
        print(f"{{words}}: {{error!r}}")
    else:
        print(f"{{words}}: done")
""")
    assert told.splitlines() == list(REFUSED)


def test_the_wire_goes_through_and_nothing_else_does() -> None:
    code = """
with opened(port) as one:
    print(one.get("/").status, refusals.events.total())
for far in (("127.0.0.1", port), ("127.0.0.1", 9)):
    try:
        socket.create_connection(far)
    except Refused as refused:
        print(refused)
"""
    with Peer(says(ANSWER)) as peer:
        told = child(code, port=peer.port)
    assert told.splitlines()[0] == "401 0"
    assert told.splitlines()[1:] == ["socket.getaddrinfo is refused in the prober"] * 2
    assert peer.connections == 1


def test_while_the_wire_connects_another_address_or_thread_is_refused_all_the_same() -> None:
    # As if the wire itself were wrong, or something in its thread were quicker: the very same moment, and not the same.
    code = """
def tried(address, port, family=socket.AF_INET, kind=socket.SOCK_STREAM, bind=None):
    try:
        made = socket.socket(family, kind, 6 if kind == socket.SOCK_STREAM else 0)
        if bind: made.bind(bind)
        made.settimeout(1)
        made.connect((address, port))
        return "connected"
    except Refused as refused:
        return str(refused).split()[0]

wire._due[threading.get_ident()] = wire._Due(socket.AF_INET, ("0.0.0.0", 0), ("127.0.0.1", port))
print(tried("127.0.0.1", port))
print(tried("127.0.0.2", port))
print(tried("127.0.0.1", 9))
print(tried("127.0.0.1", port, kind=socket.SOCK_DGRAM))
print(tried("::1", port, family=socket.AF_INET6))
print(tried("127.0.0.1", port, bind=("127.0.0.1", 8080)))
thread = threading.Thread(target=lambda: print(tried("127.0.0.1", port)))
thread.start()
thread.join()
del wire._due[threading.get_ident()]
print(tried("127.0.0.1", port))
"""
    with Peer(silent, None) as peer:
        told = child(code, port=peer.port)
        assert until(lambda: peer.connections)
    assert peer.connections == 1
    new, connect, bind = "socket.__new__", "socket.connect", "socket.bind"
    assert told.split() == ["connected", connect, connect, new, new, bind, new, new]


def test_what_is_ours_goes_on() -> None:
    told = child("""
import email.message, wsgiref.util, logging  # read from where code is, and not written to cache
near.sendall(b"x"); far.recv(1)
socket.socket(fileno=far.detach()).close()
os.eventfd(0); select.poll(); os.read(os.memfd_create("x"), 1)
thread = threading.Thread(target=lambda: None); thread.start(); thread.join()
logging.error("told")
try:
    1 / 0
except ZeroDivisionError:
    logging.exception("told")
print(refusals.events.total(), dict(refusals.events))
""")
    assert told.split()[0] == "0", told


def test_another_thread_makes_no_socket_of_a_descriptor() -> None:
    told = child("""
def run():
    try:
        socket.socket(fileno=far.detach())
    except Refused:
        print("refused", refusals.here())
thread = threading.Thread(target=run); thread.start(); thread.join()
print(refusals.here(), refusals.events.total())
""")
    assert told.split() == ["refused", "1", "0", "1"]


_LIBRARIES = {"httpx": "from httpx import get\n", "urllib": "from urllib.request import urlopen as get\n"}


def test_no_other_hook_is_added() -> None:
    # A RuntimeError of a hook that is there keeps the next one out without a word (sys.addaudithook).
    told = child("""
seen = []
sys.addaudithook(lambda *event: seen.append(event))
compile("0", "", "eval")
print(len(seen), refusals.events["sys.addaudithook"])
""")
    assert told.split() == ["0", "1"]


@pytest.mark.parametrize("library", _LIBRARIES)
def test_a_library_that_connects_is_refused(library: str) -> None:
    code = """
try:
    get(f"http://127.0.0.1:{port}/")
except Exception as error:
    print(type(error).__name__)
print(refusals.events.total() > 0)
"""
    with Peer(silent, None) as peer:
        assert child(code, _LIBRARIES[library], peer.port).split()[-1] == "True"
        assert peer.connections == 0

"""A small world of network namespaces: customers, a router in the middle, and the internet; with real programs in it.

    customers (192.0.2.0/24, 2001:db8:1::/48) --- [line] --- cust0 router net0 --- [line] --- net (198.51.100.9, ...)

Without a stack the router routes. With one, an access line in user space puts the layers of that stack around every
packet on either side, and the router bridges, as an aggregation switch does.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
CUSTOMERS, NET = ("192.0.2.0/24", "2001:db8:1::/48"), ("198.51.100.0/24", "2001:db8:ffff::/48")
CLIENT = ("198.51.100.9", "2001:db8:ffff::9")
# Each server has an address of its own, by IPv4 and by IPv6.
HOSTS = {"exchange": 10, "nginx": 21, "postfix": 22, "dovecot": 23, "other": 30, "old": 31}
METRICS = 10125
# Seconds after which what is waited for will not come any more, however busy the machine is; nothing takes so long.
PATIENCE = 60.0

_NEWNET = 0x40000000  # CLONE_NEWNET of sched.h
_LIBC = ctypes.CDLL(None, use_errno=True)
_MACS = {"cust": "2e:00:5e:00:00:01", "net": "2e:00:5e:00:00:02"}
# Where each side's own network is on the link, and by whom the rest is reached.
_ROUTES = (
    ("cust", CUSTOMERS[0], "192.0.2.1"), ("cust", CUSTOMERS[1], "2001:db8:1::1"),
    ("net", NET[0], "198.51.100.1"), ("net", NET[1], "2001:db8:ffff::1"),
)  # fmt: skip
_numbers = iter(range(1 << 30))


def address(host: str) -> tuple[str, str]:
    """A server's IPv4 and IPv6 address."""
    number = HOSTS[host]
    return f"192.0.2.{number}", f"2001:db8:1::{number}"


class World:
    """``with World() as world:`` builds it; on the way out every process is ended and every namespace removed."""

    def __init__(self, stack: str = "") -> None:
        self.stack = stack
        self.directory = Path()
        self._name = f"kf{os.getpid()}-{next(_numbers)}"
        self._spaces: list[str] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        # Not the directory of the test runner: servers that give up their rights must be able to enter it.
        self.directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="knockfirst-live-")))
        self.directory.chmod(0o755)
        _sweep()
        try:
            self._build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            ended(process)
        for space in self._spaces:
            remove(space)
        self._stack.close()

    def space(self, where: str) -> str:
        """The full name of a namespace: cust, router or net (and line, where there is one)."""
        return f"{self._name}-{where}"

    def ip(self, where: str, *commands: str) -> None:
        """Commands of ip(8) in one namespace. Raises CalledProcessError."""
        lines = "\n".join(commands) + "\n"
        done = subprocess.run(
            ["ip", "-n", self.space(where), "-batch", "-"], input=lines, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{where}: {done.stderr}{lines}"

    def run(self, where: str, *words: str, timeout: float = PATIENCE, **more: Any) -> subprocess.CompletedProcess[str]:
        """A program in one namespace, to its end."""
        return subprocess.run(
            ["ip", "netns", "exec", self.space(where), *words],
            capture_output=True, text=True, timeout=timeout, check=False, cwd=ROOT, stdin=subprocess.DEVNULL, **more,
        )  # fmt: skip

    def start(self, where: str, *words: str, log: str = "") -> subprocess.Popen[bytes]:
        """A program in one namespace, ended with the world at the latest. What it says goes to a file of this name."""
        name = self.directory / f"{log or Path(words[0]).name}-{next(_numbers)}.log"
        with name.open("wb") as file:
            process = subprocess.Popen(
                ["ip", "netns", "exec", self.space(where), *words],
                stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, cwd=ROOT,
            )  # fmt: skip
        process.log = name  # type: ignore[attr-defined]
        self._processes.append(process)
        return process

    @contextlib.contextmanager
    def inside(self, where: str) -> Iterator[None]:
        """This thread is in that namespace: sockets that it makes meanwhile stay there."""
        with open("/proc/thread-self/ns/net", "rb") as here, open(f"/run/netns/{self.space(where)}", "rb") as there:
            enter(there.fileno())
            try:
                yield
            finally:
                enter(here.fileno())

    def connected(self, where: str, host: str, port: int, timeout: float = 2.0) -> socket.socket:
        """A TCP connection made in that namespace. Raises OSError."""
        with self.inside(where):
            made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        made.settimeout(timeout)
        try:
            made.connect((host, port))
        except OSError:
            made.close()
            raise
        return made

    def fetched(self, path: str, *, where: str = "router", method: str = "GET") -> tuple[int, str]:
        """Status and body of a page of the daemon in the router. Raises OSError."""
        with self.connected(where, "127.0.0.1", METRICS, PATIENCE) as connection:
            connection.sendall(f"{method} {path} HTTP/1.0\r\nHost: 127.0.0.1:{METRICS}\r\n\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        # Whoever is killed in the middle of it has not answered.
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        if length is None or len(body) < int(length[1]):
            raise ConnectionResetError("no whole answer")
        return int(head.split()[1]), body.decode()

    def send(self, where: str, interface: str, frames: Iterable[bytes]) -> None:
        """Put frames on an interface as they are, link header and all. Raises OSError."""
        with self.inside(where):
            line = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        with line:
            line.bind((interface, 0))
            for frame in frames:
                line.send(frame)

    def wait_listening(self, where: str, host: str, port: int, process: subprocess.Popen[bytes]) -> None:
        """Return as soon as somebody listens there; fails with the log if the process ends before."""

        def listening() -> bool:
            assert process.poll() is None, said(process)
            try:
                self.connected(where, host, port).close()
            except OSError:
                return False
            return True

        wait(listening, PATIENCE, lambda: f"nobody listens at {host} port {port}: {said(process)}")

    def _build(self) -> None:
        for where in ("cust", "router", "net", *(("line",) if self.stack else ())):
            subprocess.run(["ip", "netns", "add", self.space(where)], check=True)
            self._spaces.append(self.space(where))
            self.ip(where, "link set lo up")
            for key in ("all", "default"):
                # No frames but those of the test: no duplicate address detection, no router solicitations.
                self.sysctl(where, f"net.ipv6.conf.{key}.accept_dad", 0)
                self.sysctl(where, f"net.ipv6.conf.{key}.router_solicitations", 0)
        self._pipe("cust", "cust0")
        self._pipe("net", "net0")
        for number in HOSTS.values():
            self.ip("cust", f"addr add 192.0.2.{number}/32 dev eth0", f"addr add 2001:db8:1::{number}/128 dev eth0")
        self.ip("net", f"addr add {CLIENT[0]}/32 dev eth0", f"addr add {CLIENT[1]}/128 dev eth0")
        self._bridge() if self.stack else self._route()

    def _pipe(self, where: str, port: str) -> None:
        """From a side's eth0 to the router's port, through the line where there is one."""
        middle, end = ("line", f"{where}-in") if self.stack else ("router", port)
        # Sums and segments as they would be on a wire: nothing behind this interface would finish them.
        self.ip(where, f"link add eth0 address {_MACS[where]} type veth peer name {end} netns {self.space(middle)}")
        self.run(where, "ethtool", "-K", "eth0", "tx", "off", "tso", "off", "gso", "off")
        self.ip(where, "link set eth0 up")
        self.ip(middle, f"link set {end} up")
        if self.stack:
            self.ip("line", f"link add {where}-out type veth peer name {port} netns {self.space('router')}",
                    f"link set {where}-out mtu 1600", f"link set {where}-out up")  # fmt: skip
            self.ip("router", f"link set {port} mtu 1600", f"link set {port} up")

    def _route(self) -> None:
        self.ip("router", "addr add 192.0.2.1/24 dev cust0", "addr add 2001:db8:1::1/48 dev cust0 nodad",
                "addr add 198.51.100.1/24 dev net0", "addr add 2001:db8:ffff::1/48 dev net0 nodad")  # fmt: skip
        for where, prefix, router in _ROUTES:
            self.ip(where, f"route add {prefix} dev eth0", f"route add default via {router} dev eth0")
        self.sysctl("router", "net.ipv4.ip_forward", 1)
        self.sysctl("router", "net.ipv6.conf.all.forwarding", 1)

    def _bridge(self) -> None:
        self.ip("router", "link add br0 type bridge", "link set cust0 master br0", "link set net0 master br0",
                "link set br0 mtu 1600", "link set br0 up")  # fmt: skip
        for number in HOSTS.values():
            for there in (f"192.0.2.{number}", f"2001:db8:1::{number}"):
                self.ip("net", f"route add {there} dev eth0", f"neigh add {there} lladdr {_MACS['cust']} dev eth0")
        for there in CLIENT:
            self.ip("cust", f"route add {there} dev eth0", f"neigh add {there} lladdr {_MACS['net']} dev eth0")
        names = ("cust-out", "cust-in", "net-out", "net-in")
        line = self.start("line", sys.executable, "-P", str(ROOT / "tests/live/access_line.py"), self.stack, *names)
        wait(lambda: "ready" in said(line), PATIENCE, lambda: said(line))

    def sysctl(self, where: str, key: str, value: int) -> None:
        """Set a variable of that namespace's network."""
        with self.inside(where):
            Path("/proc/sys", key.replace(".", "/")).write_text(str(value))


def remove(space: str) -> None:
    """Take a namespace away, and whoever is still in it: children of children must not outlive their network."""
    found = subprocess.run(["ip", "netns", "pids", space], capture_output=True, text=True, check=False).stdout
    for pid in found.split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), 9)
    subprocess.run(["ip", "netns", "del", space], capture_output=True, check=False)


def _sweep() -> None:
    """Take away the worlds of test runs that were killed."""
    for line in subprocess.run(
        ["ip", "netns", "list"], capture_output=True, text=True, check=False
    ).stdout.splitlines():
        ours = re.match(r"kf(\d+)-\d+-", line)
        if ours and not Path(f"/proc/{ours[1]}").exists():
            remove(line.split()[0])


def enter(descriptor: int) -> None:
    """setns(2) of this thread; Python has it only from 3.12 on. Raises OSError."""
    if _LIBC.setns(descriptor, _NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def ended(process: subprocess.Popen[bytes], grace: float = 5.0) -> None:
    """Ask a process to end, and make it end after a while."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def said(process: subprocess.Popen[bytes]) -> str:
    """What a process of ``World.start`` has written so far."""
    text: str = process.log.read_text(errors="replace")  # type: ignore[attr-defined]
    return text


def wait(true: Callable[[], bool], seconds: float, why: Callable[[], str], every: float = 0.05) -> float:
    """Return the seconds until it was true; fails with ``why`` after so many seconds."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds, why()
        time.sleep(every)
    return time.monotonic() - began


def in_thread(work: Callable[[], object]) -> threading.Thread:
    """The work begun beside us."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread

"""A daemon with something in everything, a Prometheus that scrapes it, and an Alertmanager that tells a webhook.

The daemon looks at loopback and at a made-up capture. Two customers with Exchange have agreed. At first the kill switch
is on; ``Watched.happen`` takes it off, orders a probe of the one, and lets the other object.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
import time
from argparse import Namespace
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import pytest

from agent.cases.book import Book
from agent.cases.case import Event
from agent.lab import demo, files, fronts, keys, leave, servers
from agent.lab.fronts_door import Door
from agent.orders import ordered
from agent.supervisor import Daemon
from grafana.written import yaml
from tests.asking import at_port, config, enrol, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agent.sections import Config

JOB = "knockfirst"
WHO = {"agreed": "127.77.10.1", "objects": "127.77.20.1"}
_KEY = keys.generate("watched")
_TOOLS = ("prometheus", "promtool", "prometheus-alertmanager", "amtool")

Told = list[dict[str, Any]]


def able() -> None:
    """Skips where a tool or root is missing, and fails there in CI."""
    lacks = [tool for tool in _TOOLS if shutil.which(tool) is None] + (["root"] if os.geteuid() != 0 else [])
    if lacks:
        assert os.environ.get("CI") != "true", f"missing where CI=true: {lacks} (Debian: prometheus-alertmanager ...)"
        pytest.skip(f"needs {', '.join(lacks)}")


class Watched(NamedTuple):
    """A daemon that runs: the URL of its metrics, and what makes something happen to it."""

    url: str
    happen: Callable[[], None]


@contextmanager
def daemon(directory: Path) -> Iterator[Watched]:
    """One that has read its capture and knocked at nobody yet."""
    doors = {who: Door(fronts.serve(fronts.pages("2016")), _KEY, address) for who, address in WHO.items()}
    for door in doors.values():
        door.open()
    try:
        of = _settings(directory, doors)
        with Daemon(of) as running:
            assert running.wait_ready(60)
            assert running.wait_finished(60)
            url = running.metrics_url
            yield Watched(url, lambda: _happen(directory, url, doors))
    finally:
        for door in doors.values():
            door.close()


def _settings(directory: Path, doors: dict[str, Door]) -> Config:
    capture = directory / "edge.pcap"
    leaf = replace(fronts.LEAF, key=_KEY)
    knocked = [
        (at_port(servers.exchange("2016", door.address, leaf=leaf), door.port), servers.PLAIN)
        for door in doors.values()
    ]
    others = [(server, servers.Path(stack)) for server, stack in demo.roster()]
    start = int((time.time() - 600) * 1e9)
    capture.write_bytes(files.pcap(servers.gathered(*knocked, *others, start=start)))
    (directory / "no").mkdir()
    (directory / "stop").touch()
    (directory / "groups").mkdir()
    (directory / "groups" / "nobody.txt").write_text("203.0.113.255/32\n")
    prefixes = [f"{server.address}" for server, _ in (*knocked, *others)]
    of = config(
        directory,
        capture={"files": [str(capture)], "interfaces": ["lo"], "prefixes": prefixes, "ignore_outgoing": True},
        consent={"drop": str(directory / "no")},
        probe={"kill_switch": str(directory / "stop")},
        exporter={"listen": "127.0.0.1:0", "servers": 100, "groups": str(directory / "groups")},
    )
    now = time.time()
    agreed = (leave.agreed(who, [f"{door.address}/32"], now, port=door.port) for who, door in doors.items())
    enrol(of, *(item for items in agreed for item in items))
    _waits(of, now)
    return of


def _waits(of: Config, now: float) -> None:
    """A case of which a message waits for a relay that there is not, and a call for a person; and one at the desk."""
    book = Book(Path(of.agent.state))
    book.open()
    found = {"severity": "critical", "build": "", "holes": ["ProxyShell"], "exploited": ["ProxyShell"]}
    for steps in ({"tell": "mail", "phone": "phone"}, {"human": "desk"}):
        case = book.begin(Event(now, "opened", {"customer": "agreed", "address": WHO["agreed"], **found}))
        for kind, channel in steps.items():
            mail = "<1@isp.example>" if channel == "mail" else ""
            step = {"id": kind, "step": kind, "channel": channel, "role": "", "way": kind, "message_id": mail}
            book.put(case.id, Event(now, "step", step))
    book.close()


def _happen(directory: Path, url: str, doors: dict[str, Door]) -> None:
    order = Namespace(config=None, state=None, control=str(directory / "control"))
    (refused,) = ordered(order, "probe.now", {"address": doors["agreed"].address, "port": doors["agreed"].port})
    assert refused["reason"] == "kill_switch"
    (directory / "stop").unlink()

    def granted() -> bool:
        (answer,) = ordered(order, "probe.now", {"address": doors["agreed"].address, "port": doors["agreed"].port})
        assert answer["reason"] in (None, "not_armed", "checkpoint_stale"), answer
        return answer["reason"] is None

    assert until(granted)
    assert until(lambda: value(url, 'probe_outcomes_total{outcome="confirmed"') == 1)
    (directory / "no" / "by-phone").write_text(f"{WHO['objects']}/32\n")
    assert until(lambda: value(url, "objection_effect_seconds_count") == 1)


def value(url: str, sample: str) -> float:
    """Of the one sample whose name and labels begin so."""
    [line] = [line for line in got(url).splitlines() if line.startswith(f"knockfirst_{sample}")]
    return float(line.split()[-1])


def got(url: str) -> str:
    answer = httpx.get(url, timeout=60, trust_env=False)
    return answer.raise_for_status().text


@contextmanager
def renaming(url: str) -> Iterator[str]:
    """``host:port`` where ``/NAME`` is the exposition of ``url`` in which the metric of that name has another."""

    class Renamed(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.strip("/")
            body = "\n".join(_renamed(line, name) for line in got(url).splitlines()) + "\n"
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with _served(Renamed) as at:
        yield at


def _renamed(line: str, name: str) -> str:
    said = line.removeprefix("# HELP ").removeprefix("# TYPE ")
    if said[: len(name)] == name and not (said[len(name) :] or " ")[0].isalnum():
        return line.replace(name, f"{name.removesuffix('_total')}_renamed", 1)
    return line


@contextmanager
def webhook(told: Told) -> Iterator[str]:
    """``host:port`` of what Alertmanager tells; each call is appended to ``told``."""

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with _served(Hook) as at:
        yield at


@contextmanager
def _served(what: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), what)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def _process(*words: str, log: Path) -> Iterator[str]:
    """``host:port`` of a program that was told to listen at any port, once it is ready."""
    with log.open("wb") as out, subprocess.Popen(words, stdout=out, stderr=out) as running:
        try:
            assert until(lambda: running.poll() is not None or _ready(_listens(log)), 60), log.read_text()
            assert running.poll() is None, log.read_text()
            yield _listens(log)
        finally:
            running.terminate()


def _listens(log: Path) -> str:
    """Where, by what it says; "" before it does."""
    found = re.search(r'msg="Listening on" address=(\S+)', log.read_text())
    return found[1] if found else ""


def _ready(at: str) -> bool:
    try:
        return bool(at and got(f"http://{at}/-/ready"))
    except httpx.HTTPError:
        return False


@contextmanager
def alertmanager(directory: Path, settings: str) -> Iterator[str]:
    """``host:port`` of a real one with these settings."""
    path = directory / "alertmanager.yml"
    path.write_text(settings)
    checked = subprocess.run(["amtool", "check-config", path], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    words = (
        "prometheus-alertmanager", f"--config.file={path}", f"--storage.path={directory / 'alertmanager'}",
        "--web.listen-address=127.0.0.1:0", "--cluster.listen-address=",
    )  # fmt: skip
    with _process(*words, log=directory / "alertmanager.log") as at:
        yield at


class Prometheus:
    """The API of a running one. ``when``: of which moment it is asked, seconds since the epoch; None: of now."""

    def __init__(self, at: str) -> None:
        self._at = at
        self._client = httpx.Client(timeout=60, trust_env=False)
        self.when: float | None = None

    def ask(self, what: str, **words: str) -> Any:
        """``data`` of an answer. Raises AssertionError with Prometheus's own words where it refuses."""
        answer = self._client.get(f"http://{self._at}/api/v1/{what}", params=words)
        assert answer.status_code == 200, f"{words}: {answer.text}"
        return answer.json()["data"]

    def now(self, expr: str) -> list[dict[str, Any]]:
        """What an instant query gives."""
        when = {} if self.when is None else {"time": str(self.when)}
        result: list[dict[str, Any]] = self.ask("query", query=expr, **when)["result"]
        return result


@contextmanager
def prometheus(
    directory: Path, targets: dict[str, tuple[str, str]], rules: list[Path], alerts: str
) -> Iterator[Prometheus]:
    """A real one. ``targets``: job -> host:port and path; ``alerts``: host:port of an Alertmanager."""
    path = directory / "prometheus.yml"
    path.write_text(
        yaml({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rule) for rule in rules],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alerts]}]}]},
            "scrape_configs": [
                {"job_name": job, "metrics_path": page, "static_configs": [{"targets": [at]}]}
                for job, (at, page) in targets.items()
            ],
        })
    )  # fmt: skip
    words = (
        "prometheus", f"--config.file={path}", f"--storage.tsdb.path={directory / 'tsdb'}",
        "--web.listen-address=127.0.0.1:0",
    )  # fmt: skip
    with _process(*words, log=directory / "prometheus.log") as at:
        yield Prometheus(at)

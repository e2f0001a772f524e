"""The daemon at work in the router of a world, by the command that an operator gives, and what its metrics say."""

from __future__ import annotations

import contextlib
import json
import shlex
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from prometheus_client.parser import text_string_to_metric_families

from tests.live.world import CUSTOMERS, METRICS, PATIENCE, ROOT, World, ended, said, wait

# uid nobody with CAP_NET_RAW and nothing else, as the unit gives it.
AS_NOBODY = (
    "setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "--inh-caps=-all,+net_raw",
    "--ambient-caps=-all,+net_raw", "--bounding-set=-all,+net_raw",
)  # fmt: skip
SCRAPE = 0.05  # seconds between two scrapes

# What moves while frames come in, and for how many seconds nothing must have: counters are told each second.
_MOVING = (
    "knockfirst_capture_frames_total",
    "knockfirst_capture_frames_offered_total",
    "knockfirst_observations_total",
)
_STILL = 1.3
_RESTLESS = 60.0
_HEARD = "knockfirst_last_progress_timestamp_seconds"  # when capture last told anything, which it does each second

_MODULES = {"agent.serving": "agent", "exporters.service": "exporter", "collectors.service": "capture"}

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Daemon:
    """``with Daemon(world) as daemon:`` is ready. The keywords are sections: ``capture={"interfaces": [...]}``.

    Without more it looks at the router's port to the customers, for servers of theirs.
    """

    def __init__(self, world: World, rights: tuple[str, ...] = (), where: str = "router", **sections: Any) -> None:
        self._world = world
        self._rights = rights
        self.where = where
        self._sections: dict[str, dict[str, Any]] = {
            "capture": {"interfaces": ["cust0"], "prefixes": list(CUSTOMERS), "mute_seconds": 0, "synack_sample": 1},
            "exporter": {"listen": f"127.0.0.1:{METRICS}"},
            "log": {"level": "info"},
        }
        for name, keys in sections.items():
            self._sections[name] = {**self._sections.get(name, {}), **keys}
        self.config = world.directory / "knockfirst.toml"
        self.process: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        self._begin()
        try:
            wait(self._ready, PATIENCE, lambda: f"not ready: {self.log}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        ended(self.process, PATIENCE)

    @contextlib.contextmanager
    def begun(self) -> Iterator[Self]:
        """As ``with Daemon(...)``, but ready or not."""
        self._begin()
        try:
            yield self
        finally:
            self.__exit__()

    def _begin(self) -> None:
        # The one before must have ended, or its metrics would be taken for ours.
        end = time.monotonic() + PATIENCE
        while not self._gone():
            assert time.monotonic() < end, "the one before has not ended"
            time.sleep(0.05)
        self.config.write_text(toml(self._sections))
        command = ("-m", "agent", "run", "--config", str(self.config))
        words = (
            (*_readable(self._world.directory, self._rights), *command) if self._rights else (sys.executable, *command)
        )
        self.process = self._world.start(self.where, *words, log="daemon")

    def _gone(self) -> bool:
        """Whether nobody listens; whoever is about to end may take a connection, and drop it."""
        try:
            self._world.connected(self.where, "127.0.0.1", METRICS, PATIENCE).close()
        except OSError as error:
            return isinstance(error, ConnectionRefusedError)
        return False

    @property
    def log(self) -> str:
        """Everything that the daemon has logged."""
        return said(self.process)

    def samples(self) -> Samples:
        """Every metric as it is now: (name, labels) -> value. Raises OSError while nobody answers."""
        status, text = self._world.fetched("/metrics", where=self.where)
        assert status == 200, text
        families = text_string_to_metric_families(text)
        return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}

    def total(self, name: str, **labels: str) -> float:
        """The sum of a metric's values over all samples that have these labels."""
        return total(self.samples(), name, **labels)

    def exchanges(self) -> float:
        """How many servers are shown as Exchange."""
        return exchanges(self.samples())

    def settled(self) -> Samples:
        """The metrics once all is counted: capture has told twice since of nothing new, for longer than a second."""
        samples = self.samples()
        began = moved = time.monotonic()
        heard = 0
        while heard < 2 * self._sections["capture"].get("workers", 1) or time.monotonic() - moved < _STILL:
            assert moved - began < _RESTLESS, "something goes on sending"
            assert time.monotonic() - moved < PATIENCE, f"capture says nothing any more: {self.log}"
            time.sleep(0.1)
            before, samples = samples, self.samples()
            if any(total(samples, name) != total(before, name) for name in _MOVING):
                moved, heard = time.monotonic(), 0
            else:
                heard += total(samples, _HEARD) != total(before, _HEARD)
        return samples

    def wait_found(self, least: int = 1, seconds: float = PATIENCE, since: float | None = None) -> float:
        """Seconds from ``since`` (of time.monotonic; now) to the scrape that shows so many Exchange servers."""
        began = time.monotonic() if since is None else since

        def found() -> bool:
            with contextlib.suppress(OSError):
                return exchanges(self.samples()) >= least
            return False

        wait(found, seconds, lambda: f"not found: {self.log}\n{self._shown()}", SCRAPE)
        return time.monotonic() - began

    def children(self) -> dict[str, int]:
        """Role -> process id, of the last started where there are several."""
        return {role: pids[-1] for role in _MODULES.values() if (pids := self.processes(role))}

    def processes(self, role: str) -> list[int]:
        """The process ids of a role."""
        listed = subprocess.run(
            ["ps", "-ww", "--ppid", str(self.process.pid), "-o", "pid=,args="],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        lines = (line.split(maxsplit=1) for line in listed.splitlines())
        return [int(pid) for pid, words in lines for module in words.split() if _MODULES.get(module) == role]

    def _ready(self) -> bool:
        assert self.process.poll() is None, f"ended with {self.process.returncode}: {self.log}"
        with contextlib.suppress(OSError):
            return self.total("knockfirst_ready") == 1 and self._looking()
        return False

    def _looking(self) -> bool:
        """Whether every interface is looked at, by every process: it is up, and has a filter."""
        samples = self.samples()
        if total(samples, "knockfirst_section_applied") < total(samples, "knockfirst_section"):
            return False
        wanted = self._sections["capture"]["interfaces"]
        return all(total(samples, "knockfirst_capture_filter_instructions", interface=name) > 0 for name in wanted)

    def _shown(self) -> str:
        with contextlib.suppress(OSError):
            _, text = self._world.fetched("/metrics", where=self.where)
            return "\n".join(
                line for line in text.splitlines() if not line.startswith("#") and not line.endswith(" 0.0")
            )
        return "no metrics"


def _readable(directory: Path, rights: tuple[str, ...]) -> tuple[str, ...]:
    """The interpreter with these rights, it and our code at places that everybody can reach.

    They may be in somebody's home. The mounts are of the process's own mount namespace, which `ip netns exec` makes.
    """
    places = {"python": sys.base_prefix, "site": sysconfig.get_path("purelib"), "tree": str(ROOT)}
    for name in places:
        (directory / name).mkdir(exist_ok=True)
    mounts = "".join(f"mount --bind {shlex.quote(real)} {directory / name} && " for name, real in places.items())
    python = directory / "python/bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    paths = (f"PYTHONPATH={directory / 'tree'}:{directory / 'site'}", f"LD_LIBRARY_PATH={directory / 'python/lib'}")
    return "sh", "-c", f'{mounts} cd {directory / "tree"} && exec "$@"', "sh", *rights, "env", *paths, str(python)


def total(samples: Samples, name: str, **labels: str) -> float:
    """The sum of a metric's values over all samples that have these labels."""
    return sum(value for (one, has), value in samples.items() if one == name and has >= labels.items())


def exchanges(samples: Samples, **labels: str) -> float:
    """How many servers are believed to be Exchange, at least suspected; with a label more, those that have it."""
    wanted = {"product": "exchange", **labels}.items()
    return sum(
        value for (name, has), value in samples.items()
        if name == "knockfirst_servers" and has >= wanted and ("verdict", "none") not in has
    )  # fmt: skip


def balanced(samples: Samples, interface: str = "cust0") -> bool:
    """Whether frames_seen = frames_used + every drop."""
    seen, used, dropped = (
        total(samples, f"knockfirst_capture_{name}_total", interface=interface)
        for name in ("frames", "frames_used", "frames_dropped")
    )
    return seen == used + dropped


def toml(sections: dict[str, Any]) -> str:
    """A configuration file; JSON's texts, numbers and lists are TOML's."""
    return "".join(
        f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
        for name, keys in sections.items()
    )


def prefix_file(path: Path, *prefixes: str) -> str:
    """A prefix file, replaced as a whole; its path."""
    fresh = path.with_suffix(".new")
    fresh.write_text("# customers\n" + "".join(f"{prefix}\n" for prefix in prefixes))
    fresh.rename(path)
    return str(path)

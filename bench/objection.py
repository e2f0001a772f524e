"""From an objection to its effect, through the whole daemon: 100,000 records, 200,000 prefixes, an interface.

    python -m bench.objection [--customers N] [--alone N] [--burst N] [--directory DIR]      # as root

Each objection comes by HTTP with a customer's token, as from the operator's proxy. `answered` is from the first byte of
the request to the last of the answer: then it is on disk. `in force` is what the daemon itself measures, from the
agent's hearing of it to the last process that has let go of that customer; it is read from the metrics after each one.
They come at random moments, so that some meet the agent while it makes the sets for the filter. Everything happens in a
network namespace of its own. The directory is made if it is not there; a register that is in it already is used.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from prometheus_client.parser import text_string_to_metric_families

from agent.audit.entry import Item
from agent.audit.log import Log
from agent.consent.written import rfc3339
from agent.lab import namespace
from agent.sections import Agent, Capture, Config, Exporter, Privacy
from agent.supervisor import Daemon
from bench.register import entries

if TYPE_CHECKING:
    from collections.abc import Callable

_BATCH = 1000
_NEAR, _FAR = "near", "far"
_EFFECT = "knockfirst_objection_effect_seconds"
_LONGEST = 60.0  # seconds for one objection to be shown


def token(ref: str) -> str:
    """What a customer of the bench got with his receipt."""
    return f"token of {ref}"


def filled(directory: Path, customers: int) -> None:
    """A log with that many customers in it, each with a token, unless there is one."""
    log = Log(directory, origin="bench", now=time.time, monotonic=time.monotonic)
    log.open()
    if log.size < 3 * customers:
        batch: list[Item] = []
        for line in entries(customers, nested=False):
            batch.append(_item(*json.loads(line)))
            if len(batch) == _BATCH:
                log.append(batch)
                batch = []
        log.append(batch)
    now = rfc3339(datetime.fromtimestamp(time.time(), UTC))
    log.append([Item("mapping.synced", {"source": "crm", "at": now, "prefixes": 2 * customers})])
    log.close()


def _item(
    number: int, kind: str, heard: float, public: dict[str, Any], ref: str, private: dict[str, Any] | None
) -> Item:
    if kind == "record.given" and private:
        private["withdrawal"]["token_sha256"] = sha256(token(ref).encode()).hexdigest()
    return Item(kind, public, ref, private)


def asked(where: tuple[str, int], request: bytes) -> bytes:
    """The answer to one request. Raises OSError."""
    with socket.socket() as client:
        client.settimeout(_LONGEST)
        client.connect(where)
        client.sendall(request)
        return b"".join(iter(lambda: client.recv(65_536), b""))


def objected(where: tuple[str, int], ref: str) -> float:
    """Seconds until the answer to an objection is there. Raises SystemExit for another answer."""
    body = f"token={token(ref).replace(' ', '+')}".encode()
    begun = time.perf_counter()
    answer = asked(where, b"POST /objections HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    if b" 200 " not in answer.split(b"\r\n")[0]:
        raise SystemExit(f"not noted: {answer.decode(errors='replace')}")
    return time.perf_counter() - begun


def effects(where: tuple[str, int]) -> dict[str, float]:
    """What the histogram of effects says now: "count", "sum", and each bound in words -> how many took that at most."""
    text = asked(where, b"GET /metrics HTTP/1.0\r\n\r\n").partition(b"\r\n\r\n")[2].decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {
        _word(sample.labels.get("le", sample.name.rpartition("_")[2])): sample.value
        for sample in samples
        if sample.name.startswith(_EFFECT)
    }


def _word(text: str) -> str:
    """A bound in one form, whether it is written 1 or 1.0."""
    return f"{float(text):g}" if text[0].isdigit() else text


def shown(where: tuple[str, int], count: float) -> dict[str, float]:
    """The histogram once it holds that many. Raises SystemExit where it never does."""
    until = time.monotonic() + _LONGEST
    while time.monotonic() < until:
        found = effects(where)
        if found.get("count", 0.0) >= count:
            return found
        time.sleep(0.05)
    raise SystemExit(f"no effect within {_LONGEST:g} s: {found}")


def told(what: str, seconds: list[float]) -> None:
    """One line: median, p99 and greatest, in milliseconds."""
    whole = sorted(1000 * each for each in seconds)
    high = quantiles(whole, n=100, method="inclusive")[98] if len(whole) > 1 else whole[0]
    print(f"{what:44} {median(whole):8.1f} ms   p99 {high:8.1f} ms   most {whole[-1]:8.1f} ms", flush=True)


def measured(daemon: Daemon, customers: list[str], alone: int, burst: int) -> None:
    metrics, answers = (_address(daemon.url(name)) for name in ("listen", "answers"))
    chance = random.Random(1)
    answered, in_force = [], []
    for number in range(alone):
        time.sleep(chance.uniform(0, 1.5))
        before = effects(metrics).get("sum", 0.0)
        answered.append(objected(answers, customers.pop()))
        in_force.append(shown(metrics, number + 1)["sum"] - before)
    told(f"{alone:,} one by one: answered", answered)
    told(f"{alone:,} one by one: in force", in_force)
    before_burst = effects(metrics)
    answered = _at_once(lambda: objected(answers, customers.pop()), burst)
    told(f"{burst:,} by eight at once: answered", answered)
    after = shown(metrics, alone + burst)
    for bound in ("0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5"):
        share = (after[bound] - before_burst[bound]) / burst
        print(f"{f'{burst:,} by eight at once: in force in {bound} s':44} {100 * share:8.1f} %")


def _at_once(each: Callable[[], float], count: int, threads: int = 8) -> list[float]:
    took: list[float] = []

    def work() -> None:
        for _ in range(count // threads):
            took.append(each())

    working = [threading.Thread(target=work) for _ in range(threads)]
    for thread in working:
        thread.start()
    for thread in working:
        thread.join()
    return took


def _address(url: str) -> tuple[str, int]:
    host, _, port = url.removeprefix("http://").rpartition(":")
    return host, int(port)


def configured(directory: Path) -> Config:
    return Config(
        capture=Capture(interfaces=(_NEAR,), prefixes=("10.0.0.0/8", "14.0.0.0/8", "2001:db8::/32")),
        privacy=Privacy(handshakes="consented"),
        exporter=Exporter(listen="127.0.0.1:0", answers="127.0.0.1:0"),
        agent=Agent(state=str(directory)),
    )


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.objection", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--alone", type=int, default=200)
    parser.add_argument("--burst", type=int, default=400)
    parser.add_argument("--directory", type=Path)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(words)
    if not options.inside:
        again = [sys.executable, "-m", "bench.objection", *(sys.argv[1:] if words is None else words), "--inside"]
        return subprocess.run(["unshare", "--net", *again], check=False).returncode
    fault = namespace.pair(_NEAR, _FAR) if os.geteuid() == 0 else "run it as root"
    if fault:
        raise SystemExit(fault)
    with ExitStack() as stack:
        directory = options.directory or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        begun = time.perf_counter()
        filled(directory, options.customers)
        print(f"{'register made':44} {time.perf_counter() - begun:8.1f} s", flush=True)
        begun = time.perf_counter()
        daemon = stack.enter_context(Daemon(configured(directory)))
        if not daemon.wait_ready(300):
            raise SystemExit("the daemon is not ready")
        print(f"{'daemon ready':44} {time.perf_counter() - begun:8.1f} s", flush=True)
        customers = [f"c-{number:06d}" for number in range(options.customers)]
        random.Random(os.getpid()).shuffle(customers)
        measured(daemon, customers, options.alone, options.burst)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

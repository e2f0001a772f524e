"""The daemon audits itself: a probe that it sends is seen on its own interface, and so is what is not in its log."""

from __future__ import annotations

import logging
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

from agent.consent import arming, probing_txt
from agent.lab import leave
from agent.office import Office
from agent.sections import Audit, Config, Consent, Notices, Probe
from tests.live import peers
from tests.live.daemon import Daemon, total
from tests.live.world import PATIENCE, World, address, wait

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = "192.0.2.1"  # the router's own, on cust0
EXCHANGE, WEB = address("exchange")[0], address("nginx")[0]


def configured(directory: Path) -> Config:
    return Config(
        consent=Consent(operator="ExampleNet", public_url="https://isp.example/objections"),
        probe=Probe(
            armed=True, laboratory=True, sources=(SOURCE,), contact="mailto:abuse@isp.example", self_audit=True,
            probing_url="https://isp.example/.well-known/probing.txt", per_minute=60,
        ),
        audit=Audit(file=str(directory / "checkpoints")),
        notices=Notices(route="desk@isp.example"),
    )  # fmt: skip


def daemon(world: World, directory: Path) -> Daemon:
    """One that may knock at the Exchange, and looks where its knocks pass."""
    state = directory / "state"
    state.mkdir(mode=0o700)
    config, now = configured(directory), time.time()
    office = Office(config, state, log=logging.getLogger("test"), now=time.time, monotonic=time.monotonic)
    office.open()
    with closing(office):
        content = probing_txt.served(config, now).encode()
        seen = arming.checked_item(config, content, now, now + 86_400 * 20)
        office.record([*leave.published(now), seen, leave.synced(now), *leave.agreed("c-1", [f"{EXCHANGE}/32"], now)])
    written = config.model_dump(exclude_defaults=True, mode="json")
    return Daemon(world, agent={"state": str(state)}, **written)


def test_every_probe_is_seen_and_whatever_else_knocks_from_its_address_too(world: World, tmp_path: Path) -> None:
    def selfaudit(state: str) -> float:
        return running.total("knockfirst_selfaudit_connections_total", state=state)

    now = time.time()
    with daemon(world, tmp_path) as running:
        before = running.total("knockfirst_observations_total")
        # Not by HTTP in clear, which tells the build: then there would be no need to knock.
        peers.mail(world, EXCHANGE, "--tls")
        peers.curl(world, f"https://{EXCHANGE}/owa/")
        running.wait_found()
        words = (sys.executable, "-m", "agent", "probe", EXCHANGE, "--config", str(running.config))
        asked = world.run("router", *words)
        # For as long as the prober is just being started, and the first checkpoint has not got out.
        while "(not_armed)" in asked.stdout or "(checkpoint_stale)" in asked.stdout:
            assert time.time() < now + 120, running.log
            asked = world.run("router", *words)
        # Or it has come to its turn by itself meanwhile.
        assert asked.returncode == 0 or "not knocked at (rate)" in asked.stdout, asked.stdout + asked.stderr
        wait(lambda: running.total("knockfirst_probe_outcomes_total") >= 1, PATIENCE, lambda: f"{asked}\n{running.log}")
        wait(lambda: selfaudit("matched") >= 1, PATIENCE, lambda: running.log)
        samples = running.settled()
        knocks = total(samples, "knockfirst_capture_events_total", event="knocks")
        assert knocks == total(samples, "knockfirst_selfaudit_connections_total") == selfaudit("matched")
        assert total(samples, "knockfirst_selfaudit_syn_minus_intents") == 0
        assert before < total(samples, "knockfirst_observations_total")

        # Somebody else, in another program, from the same address; that nobody let him is not in the log.
        with world.inside("router"):
            from socket import socket

            rogue = socket()
        with rogue:
            rogue.bind((SOURCE, 0))
            rogue.settimeout(PATIENCE)
            rogue.connect((WEB, 443))
        wait(lambda: running.total("knockfirst_selfaudit_waiting_connections") == 1, PATIENCE, lambda: running.log)
        # What the clients of others do is nobody's business here.
        peers.visit_negatives(world)
        assert total(running.settled(), "knockfirst_capture_events_total", event="knocks") == knocks + 1
        assert SOURCE not in running.log and EXCHANGE not in running.log

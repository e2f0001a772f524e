"""``knockfirst demo``: a made-up edge, and three made-up customers, with the real daemon and what it says and does.

Needs no rights, and sends nothing off the machine: the captures are files, the daemon listens on loopback only, and
whoever is knocked at, or takes mail, is a simulated server of this process.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.errors import InputError
from agent.lab import files, servers, story_cast, story_papers
from agent.lab.relay import Scripted
from agent.lab.scrape import fetched
from agent.lab.screens import explanation, metrics_lines, overview
from agent.lab.story import Story
from agent.lab.story_commands import FailedError
from agent.lab.story_screens import heading
from agent.lab.traffic import Path as Line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.lab.servers import Server
    from agent.lab.story_cast import Doors
    from agent.supervisor import Daemon

_PATIENCE = 60.0  # seconds until the daemon must have read the captures; it takes about two
_EDGE, _CUSTOMERS = "edge.pcap", "customers.pcap"


def roster() -> tuple[tuple[Server, str], ...]:
    """The simulated servers, and the access line that each is reached by."""
    mail = servers.exchange
    return (
        (mail("2010", "192.0.2.10", "MAIL", "bakery.example"), ""),
        (mail("2013", "192.0.2.13", "EX13", "museum.example", build="15.0.1497.2"), "vlan:113"),
        (mail("2013", "192.0.2.14", "POST", "notary.example", build=None), "qinq:200 vlan:114"),
        (mail("2016", "192.0.2.16", "EX16", "dentist.example", build="15.1.2242.4"), "vlan:116 pppoe:16"),
        (mail("2016", "192.0.2.17", "SRV01", "school.example", build="15.1.2507.6"), "vlan:200 vlan:117"),
        (mail("2016", "192.0.2.18", "EXCH", "florist.example", build=None), "pppoe:18"),
        (mail("2019", "192.0.2.19", "EX19", "harbour.example", build="15.2.858.5"), "mpls:3019"),
        (mail("2019", "192.0.2.20", "EX20", "atelier.example"), "mpls:3020 mpls:20"),
        (mail("2019", "2001:db8:1::21", "EX21", "theatre.example", build="15.2.1118.7"), "mpls:3021 control vlan:121"),
        (mail("SE", "2001:db8:1::22", "EX22", "brewery.example"), "qinq:200 vlan:122 pppoe:22"),
        (mail("SE", "192.0.2.23", "EX23", "garage.example", build=None), ""),
        (servers.behind_proxy("192.0.2.24", "printer.example"), "vlan:124"),
        (servers.edge_transport("192.0.2.25", "EDGE01", "insurer.example"), "vlan:125"),
        (servers.exchange_2003("192.0.2.30", "mail.farm.example"), "pppoe:30"),
        (servers.exchange_55("192.0.2.31", "old.archive.example"), ""),
        (servers.mailboxes("192.0.2.32", "EX32"), "q9100:200 vlan:132"),
        (servers.exchange_online("198.51.100.40"), ""),
        (servers.iis_smtp("192.0.2.41", "web.hotel.example"), "vlan:141"),
        (servers.postfix("192.0.2.42", "mx.cinema.example"), "mpls:3042 ethernet"),
        (servers.dovecot("192.0.2.43"), "vlan:143"),
        (servers.nginx("2001:db8:1::44", "www.cafe.example"), "pppoe:44"),
        (servers.grommunio("192.0.2.45", "mail.choir.example"), ""),
        (servers.beacon("198.51.100.46"), ""),
    )


def main(words: list[str]) -> int:
    """``demo [--once] [--keep FILE]``. 0; 70 where the daemon did not do what is shown."""
    options = _options(words)
    with _ended_once():
        try:
            return _shown(options)
        except KeyboardInterrupt:
            _say("\nThe demo has ended; nothing of it is left on this machine.")
            return 0


def _options(words: list[str]) -> Namespace:
    parser = ArgumentParser(
        prog="knockfirst demo",
        description="Make up an edge capture and three customers, run them through the daemon, and show what it says "
        "and does. Needs no rights and sends nothing off this machine.",
    )
    parser.add_argument("--once", action="store_true", help="end after the screens instead of serving the metrics on")
    parser.add_argument("--keep", metavar="FILE", help="also leave the made-up capture (pcap) in this file")
    return parser.parse_args(words)


@contextlib.contextmanager
def _ended_once() -> Iterator[None]:
    """Ctrl-C, or SIGTERM from who supervises us, ends the demo; once more does not keep it from tidying up."""
    numbers = (signal.SIGINT, signal.SIGTERM)

    def ended(number: int, frame: object) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, ended) for number in numbers}
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)


def _shown(options: Namespace) -> int:
    from agent.supervisor import FAILED

    capture, frames = _capture()
    if options.keep:
        _keep(options.keep, capture)
    with tempfile.TemporaryDirectory(prefix="knockfirst-demo-") as name:
        directory = Path(name)
        (directory / _EDGE).write_bytes(capture)
        _say(_opening(frames, len(capture)))
        try:
            with story_cast.front_ends() as doors, Scripted() as relay:
                (directory / _CUSTOMERS).write_bytes(story_cast.capture(doors))
                _run(directory, doors, relay, once=options.once)
        except BrokenPipeError:
            raise  # nobody reads on: that is no fault
        except (FailedError, OSError) as error:
            sys.stderr.write(f"knockfirst demo: {error}\n")
            return FAILED
    return 0


def _capture() -> tuple[bytes, int]:
    """The capture, and how many frames are in it."""
    frames = servers.gathered(*((server, Line(stack)) for server, stack in roster()))
    return files.pcap(frames), len(frames)


def _keep(name: str, capture: bytes) -> None:
    try:
        Path(name).write_bytes(capture)
    except OSError as error:
        raise InputError(f"--keep {name}: {error.strerror}; give a file that can be written") from None


def _opening(frames: int, size: int) -> str:
    return (
        "knockfirst looks for customers' Microsoft Exchange servers with known holes, asks leave, knocks,\n"
        "and tells them. The daemon is the real one, all else is simulated. Nothing leaves this machine.\n\n"
        f"{heading('Looking')}\n"
        f"A made-up capture of an ISP's edge: {len(roster())} simulated servers, {frames} frames, {size // 1024} KiB;\n"
        "by plain Ethernet, VLAN, QinQ, PPPoE and MPLS, IPv4 and IPv6.\n"
    )


def _run(directory: Path, doors: Doors, relay: Scripted, *, once: bool) -> None:
    from agent.supervisor import Daemon

    config = story_papers.configuration(directory, [_EDGE, _CUSTOMERS], f"127.0.0.1:{relay.port}")
    story_papers.books(directory)
    started = time.monotonic()
    with Daemon(config, patience=2) as daemon:
        if not daemon.wait_finished(_PATIENCE):
            raise FailedError("the daemon has not read the captures; `knockfirst run FILE` says more")
        found = {str(finding["address"]): finding for finding in daemon.assessments()}
        _say(_screens(found, time.monotonic() - started))
        Story(directory, doors, daemon, _say, relay).tell()
        _show_metrics(daemon, directory, once=once)


def _screens(found: dict[str, dict[str, Any]], seconds: float) -> str:
    from agent.screen import coloured

    simulated = [(server.address, server.label, stack) for server, stack in roster()]
    seen = [found[address] for address, *_ in simulated if address in found]
    signs = sum(1 for finding in seen if finding["verdict"] != "none")
    # The one worth explaining: exploited holes are open, and the exact build shows it.
    shown = max(seen, key=lambda finding: (len(finding["exposure"]), finding["confidence"]))
    parts = (
        f"The daemon started and read it in {seconds:.1f} s. It says of each server:\n",
        overview(simulated, found, on=coloured(sys.stdout)),
        f"\n{signs} of {len(simulated)} show signs of Exchange. `open` counts the known holes of a build; where\n"
        "no build is shown, the handshakes did not tell it. `support` is Microsoft's.\n",
        explanation(shown),
    )
    return "\n".join(parts)


def _show_metrics(daemon: Daemon, directory: Path, *, once: bool) -> None:
    url = daemon.metrics_url
    _say(f"{heading('Metrics')}\nFor Prometheus: {url}")
    _say(f"For people:     {daemon.url('listen')}/")
    _say("They are counts; no address, name or customer is among them. Some of them:\n")
    _say(metrics_lines(fetched(url)))
    if not once:
        _say(f"\nThey stay up: try `curl {url}`, and the commands above in another terminal, with")
        _say(f"  --config {directory / story_papers.CONFIG}\nCtrl-C ends the demo.")
        daemon.wait_end()


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()

"""Generations and versions of TLS over real sockets: as precise as the handshakes are, and no more."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.live import peers
from tests.live.daemon import Daemon, Samples, exchanges
from tests.live.world import HOSTS, World, address

# A host, its generation, the version of TLS that a client of port 443 asks for ("": none does), and the generations
# that it may be shown as.
RELEASES = (
    ("exchange", "2010", "", {"2010"}),
    ("nginx", "2013", "", {"2013"}),
    ("postfix", "2016", "1.2", {"2016"}),
    ("dovecot", "2019", "1.3", {"2019", "SE"}),
    ("other", "SE", "1.3", {"2019", "SE"}),
    ("old", "2003", "", {"2003"}),
)


@pytest.fixture(scope="module")
def samples(bare: World) -> Samples:
    """What is shown once every server was visited."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda release: _served(bare, *release[:3]), RELEASES))
    with Daemon(bare) as daemon:
        for host, generation, tls, _ in RELEASES:
            _visited(bare, address(host)[0], generation, tls)
        return daemon.settled()


@pytest.mark.parametrize("shown", sorted({tuple(sorted(shown)) for *_, shown in RELEASES}))
def test_a_generation_is_told_by_its_handshakes(samples: Samples, shown: tuple[str, ...]) -> None:
    really = sum(tuple(sorted(there)) == shown for *_, there in RELEASES)
    assert sum(exchanges(samples, generation=one) for one in shown) == really


def test_each_is_exchange_and_there_are_no_more(samples: Samples) -> None:
    assert exchanges(samples) == len(RELEASES) == len(HOSTS)


def _served(world: World, host: str, generation: str, tls: str) -> None:
    peers.exchange(world, "--generation", generation, *(("--tls", tls) if tls else ()), host=host)


def _visited(world: World, there: str, generation: str, tls: str) -> None:
    old = generation == "2003"
    peers.mail(world, there, *(() if old else ("--tls",)))
    if tls:
        assert f"TLSv{tls}" in peers.s_client(world, there, 443, "", f"-tls{tls.replace('.', '_')}")
        assert "X-FEServer" in peers.curl(world, f"https://{there}/owa/")
    if not old:
        peers.curl(world, f"http://{there}/")

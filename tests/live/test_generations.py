"""Generations and versions of TLS over real sockets: as precise as the handshakes are, and no more."""

from __future__ import annotations

import pytest

from tests.live import peers
from tests.live.daemon import Daemon, exchanges
from tests.live.world import World, address, ended

# Generation, best TLS of port 443, and those that the server may be shown as.
RELEASES = (
    ("2010", "", {"2010"}),
    ("2013", "", {"2013"}),
    ("2016", "1.2", {"2016"}),
    ("2019", "1.3", {"2019", "SE"}),
    ("SE", "1.3", {"2019", "SE"}),
    ("2003", "", {"2003"}),
)


@pytest.mark.parametrize(
    ("generation", "tls", "shown"), RELEASES, ids=[f"{g} TLS {t or 'own'}" for g, t, _ in RELEASES]
)
def test_a_generation_is_told_by_its_handshakes(bare: World, generation: str, tls: str, shown: set[str]) -> None:
    more = ("--tls", tls) if tls else ()
    server = peers.exchange(bare, "--generation", generation, *more)
    there = address("exchange")[0]
    with Daemon(bare) as daemon:
        peers.mail(bare, there, *(("--tls",) if generation != "2003" else ()))
        if tls:
            spoken = peers.s_client(bare, there, 443, "", f"-tls{tls.replace('.', '_')}")
            assert f"TLSv{tls}" in spoken
            peers.curl(bare, f"https://{there}/owa/")
        if generation != "2003":
            peers.curl(bare, f"http://{there}/")
        samples = daemon.settled()
    ended(server)
    assert exchanges(samples) == 1
    assert sum(exchanges(samples, generation=one) for one in shown) == 1, daemon.log

"""``servers`` and ``consent objections``: what people see, page by page, and what is left where no daemon runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from agent import orders
from agent.__main__ import main
from agent.audit.entry import Item
from agent.commands import servers
from agent.consent.written import body
from agent.desk import answered
from agent.exchange.catalogue import catalogue
from agent.exchange.fingerprint import book
from agent.inventory import Inventory, Seen
from agent.model import Endpoint, Observation
from agent.office import Office
from agent.verbs import servers as verb
from tests.agent.consent.offices import HOST, WHO, agreed

Out = pytest.CaptureFixture[str]
OTHER = "198.51.100.7"
GREETING = "ex01.example.org Microsoft ESMTP MAIL Service ready at Wed, 18 Nov 2026 09:00:00 +0100"


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """The daemon's, as far as the commands can tell: it has seen two servers."""
    inventory = Inventory(book(), catalogue())
    for address, port, kind, value in (
        (HOST, 443, "http.header", "X-OWA-Version: 15.1.2242.4"),
        (HOST, 443, "tls.sni", "mail.example.nl"),
        (OTHER, 25, "smtp.greeting", GREETING),
    ):
        inventory.observe(Observation(Endpoint(address, port), kind, value, 1_795_000_000.0, "passive", "test"))
    with agreed(tmp_path) as made:
        made.seen = lambda: Seen(inventory, {}, date(2026, 11, 18))

        @contextmanager
        def opened(options: Any) -> Iterator[Any]:
            yield lambda verb, words: iter(answered(made, verb, words, WHO))

        monkeypatch.setattr(orders, "opened", opened)
        yield made


@pytest.fixture
def there(tmp_path: Path) -> list[str]:
    """The options of a store without a daemon, and with nothing in it."""
    (tmp_path / "state").mkdir(mode=0o700)
    return ["--state", str(tmp_path / "state")]


def test_the_table_has_the_most_urgent_first_and_whose_it_is(office: Office, capsys: Out) -> None:
    assert main(["servers"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == list(servers._HEADERS)
    first, second = (line.split() for line in lines[2:4])
    assert first[0] == HOST
    assert first[1] == office.pseudonyms.of(HOST, office.now())
    assert first[2:6] == ["exchange", "2016", "15.1.2242.4", "confirmed"]
    assert first[-1] == "c-1"
    assert (second[0], second[-2:]) == (OTHER, ["unmapped", "-"])
    assert lines[-1] == "2 servers"
    assert max(map(len, lines)) <= servers._WIDTH


def test_what_fits_is_listed_and_the_rest_is_told(office: Office, capsys: Out) -> None:
    assert main(["servers", "--cve", "CVE-2021-34473"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 server"
    assert main(["servers", "--limit", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "2 servers, the first 1 of them; --limit lists more"
    assert main(["servers", "--generation", "2019"]) == 0
    assert capsys.readouterr().out == "no server\n"


def test_pages_are_read_one_after_the_other(office: Office, capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verb, "PAGE", 1)
    assert main(["servers", "--limit", "0", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["address"] for row in rows] == [HOST, OTHER]
    assert [entry.public["count"] for entry in office.log.read(("finding.read",))] == [1, 1]


def test_whose_a_pseudonym_is(office: Office, capsys: Out) -> None:
    name = office.pseudonyms.of(HOST, office.now())
    assert main(["servers", "whois", name]) == 0
    told = capsys.readouterr().out
    assert HOST in told.splitlines()[2]
    assert "names: mail.example.nl" in told
    assert f"`knockfirst consent explain {HOST}`" in told
    assert main(["servers", "whois", name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["address"] == HOST
    assert main(["servers", "whois", "s-aaaaaaaaaaaaaaaa"]) == 2
    assert "no server of this name is known" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["servers"], ["servers", "whois", "s-aaaaaaaaaaaaaaaa"]], ids=str)
def test_without_a_daemon_it_says_so(words: list[str], there: list[str], capsys: Out) -> None:
    assert main([*words, *there]) == 69
    assert "no daemon runs, and it alone knows which servers there are; start one" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["--product", "sendmail"], ["--cve", "x", "--chain", "y"], ["--limit", "x"]], ids=str
)
def test_options_that_mean_nothing_are_refused(words: list[str], capsys: Out) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["servers", *words])
    assert ended.value.code == 2


def unmatched(office: Office, number: int, prefixes: list[str] | None) -> int:
    ident = f"00000000-0000-4000-8000-{number:012d}"
    said = {
        "at": "2026-11-18T10:00:00Z", "objection_id": ident, "prefixes": prefixes, "headers": False, "channel": "web",
        "verified": False, "by": "objector",
    }  # fmt: skip
    private = body("record.objected", said)
    return office.record([Item("objection.unmatched", {"channel": "web"}, f"objector/{ident}", private)])[0].number


def test_objections_that_wait_are_listed_until_somebody_has_seen_to_them(office: Office, capsys: Out) -> None:
    assert main(["consent", "objections", "--unmatched"]) == 0
    assert capsys.readouterr().out == "no objection waits for a person\n"
    number = unmatched(office, 1, ["203.0.113.0/24"])
    unmatched(office, 2, ["192.0.2.0/23"])
    assert main(["consent", "objections", "--unmatched"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (lines[2].split()[0], "203.0.113.0/24" in lines[2]) == (str(number), True)
    assert lines[3].endswith("c-1")
    assert lines[5].startswith("2 wait; `consent object --prefix PREFIX`")
    assert main(["consent", "objections", "--unmatched", "--done", str(number)]) == 0
    assert capsys.readouterr().out.startswith(f"entry {number} was seen to; entry ")
    assert main(["consent", "objections", "--unmatched", "--json"]) == 0
    (row,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert row["prefixes"] == ["192.0.2.0/23"]
    assert main(["consent", "objections", "--unmatched", "--done", str(number)]) == 2
    assert "no objection of that entry waits" in capsys.readouterr().err


def test_objections_can_be_listed_without_a_daemon(there: list[str], capsys: Out) -> None:
    assert main(["consent", "objections", "--unmatched", *there]) == 0
    assert capsys.readouterr().out == "no objection waits for a person\n"

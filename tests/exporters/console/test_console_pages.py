"""The pages as HTML: what they say, that they hold together, and that nothing a stranger says gets out of its place."""

from __future__ import annotations

import re
import unicodedata
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from agent.consent.history import RECENT
from agent.leave import MEANINGS
from agent.notice import Viewed
from agent.verbs import console
from agent.views import PACE
from exporters.console import render
from exporters.console.content import Cell, Page, Section, Table
from exporters.console.fresh import fresh
from exporters.console.pages import Access, Console
from tests.exporters.console.reading import Read, addresses
from tests.exporters.console.screens import MOST
from tests.exporters.console.snapshots import BUILDS, NOW, TELLING, snapshot

if TYPE_CHECKING:
    from agent.messages import Snapshot

NAME = "s-pzdchj4v6stdrx67"
BELIEF = {
    "server": NAME, "product": "exchange", "generation": "2016", "build": "15.1.2242.4", "verdict": "confirmed",
    "confidence": 0.99987, "support": "end_of_support", "open": 84, "exploited": 12, "seen": NOW - 30,
}  # fmt: skip
PROBE = {
    "server": NAME, "time": NOW - 50, "entry": 23, "port": 443, "why": "schedule", "outcome": "timeout", "ms": 20_000,
    "detail": "no answer",
}  # fmt: skip
REFUSED = {"reason": "objection", "detail": "an objection that stands covers the address", "time": NOW - 3600}
ROWS: dict[str, list[dict[str, Any]]] = {
    "recent": [
        {"list": "failed", **PROBE}, {"list": "last", **PROBE, "outcome": None, "ms": None},
        {"list": "last", **PROBE, "server": "", "outcome": "confirmed"}, {"list": "refused", "server": NAME, **REFUSED},
    ],
    "servers": [{"total": 120, "page": 2, "pages": 3}, {**BELIEF, "reason": "objection"}, {**BELIEF, "reason": ""}],
    "server": [
        {
            "is": "server", **BELIEF, "address": "192.0.2.10", "customers": ["C-1"], "names": ["mail.bakery.example"],
            "ports": [25, 443], "proxy": "nginx", "notes": ["a note"], "first": NOW - 9e5, "facts": 9,
            "closed": {"fixed": 4},
        },
        {"is": "finding", "cve": "CVE-2021-34473", "name": "ProxyShell", "status": "vulnerable", "kev": True,
         "cvss": 9.1},
        {"is": "finding", "cve": None, "name": "end of support", "status": "vulnerable", "kev": False, "cvss": None},
        {"is": "evidence", "fingerprint": "http-owa-version-2016", "kind": "http.header", "port": 443,
         "origin": "active", "value": "X-OWA-Version: 15.1.2242.4", "weight": 11.5, "time": NOW - 60},
        {"is": "decision", "reason": "objection", "detail": "", "port": 443, "worth": True, "scheduled": REFUSED},
        {"is": "input", "name": "objections", "value": "one stands", "reason": "objection", "change": "a new record",
         "who": "the customer"},
        {"is": "probe", **PROBE},
    ],
}  # fmt: skip
PATHS = {"recent": "/recent", "servers": "/servers", "server": f"/servers/{NAME}"}


class Made:
    """A console over what a test gives it; ``asked``: what came to the agent."""

    def __init__(self, latest: Snapshot | None = None, before: Snapshot | None = None, viewed: Any = None) -> None:
        self.asked: list[tuple[str, dict[str, str], str]] = []
        self.viewed = viewed
        self.access = Access("Example Net", True, ("anna",))
        self.console = Console("1.2.3", lambda: (before, latest), lambda: self.access, self._view, lambda: NOW)

    def _view(self, page: str, words: dict[str, str], user: str) -> Viewed:
        self.asked.append((page, words, user))
        if isinstance(self.viewed, OSError):
            raise self.viewed
        return self.viewed or Viewed.model_validate({"number": 1, "items": ROWS[page]})

    def read(self, path: str, user: str = "", status: int = 200) -> Read:
        answer = self.console.answer(path, lambda: user)
        assert (answer.status, answer.media) == (status, "text/html; charset=utf-8")
        head = dict(answer.head)
        assert head["Cache-Control"] == "no-store"
        assert head["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'; ")
        assert "frame-ancestors 'none'" in head["Content-Security-Policy"]
        found = Read(answer.body.decode())
        found.check()
        return found


def test_the_overview_before_there_is_anything() -> None:
    text = Made().read("/").text
    assert "Not ready" in text
    assert "it has not told anything yet" in text


def test_the_overview_says_what_the_snapshot_does() -> None:
    page = Made(snapshot()).read("/")
    for said in (
        "Exchange servers", "Exchange 2016", "Exchange SE", "CVE-2021-34473", "ProxyShell", "Interface eth1",
        "frames come faster than they are read out of the ring", "confirmed", MEANINGS["objection"],
        "no checkpoint of the log leaves this process", "Customer books: crm", "Checkpoint outside", "25 hours",
        "24 hours",
    ):  # fmt: skip
        assert said in page.text, said
    lead = re.search(r"Ready, but .*", page.text)
    assert lead is not None
    assert "loses at ring of eth1" in lead[0]
    assert "Customer books: crm" in lead[0]
    assert "netbox" not in lead[0]


def test_what_waits_has_an_age_and_nothing_else_has() -> None:
    whole = snapshot()
    assert whole.permission is not None and whole.telling is not None
    waits = whole.model_copy(update={
        "permission": whole.permission.model_copy(update={"erasures_unended": 1, "erasure_oldest": NOW - 700}),
        "telling": whole.telling.model_copy(update={"webhook_oldest": NOW - 7200}),
    })  # fmt: skip
    names = {"Oldest erasure without an end", "Oldest event for the webhook"}
    shown = [{row[0].text: row[3].text for row in fresh(each, NOW).tables[0].rows} for each in (whole, waits)]
    assert not names & shown[0].keys() and {shown[1][name] for name in names} == {"no"}


def test_each_age_is_told_once() -> None:
    (table,) = fresh(snapshot(), NOW).tables
    told = [row[0].text for row in table.rows]
    assert len(told) == len(set(told))
    assert len([each for each in told if each.startswith("Deletion")]) == 2


def test_telling_customers_is_in_counts() -> None:
    text = Made(snapshot()).read("/").text
    for said in (
        "Telling customers", "Open cases by severity and age", "a person decides", "3 days ago",
        "the oldest from 60 min ago", "no contact of the customer's is verified", "before anybody was reached",
        "Oldest task for a person",
    ):  # fmt: skip
        assert said in text, said
    assert "Oldest task for a person" in (re.search(r"Ready, but .*", text) or [""])[0]
    assert "a relay is configured" in text and "not configured" not in text
    without_relay = Made(snapshot(telling=TELLING | {"mails": False})).read("/").text
    assert "not configured" in without_relay and "notices.relay is empty" in without_relay
    without = Made(snapshot(telling=None)).read("/").text
    assert "Telling customers" not in without and "Open cases" not in without


def test_what_is_exploited_comes_first() -> None:
    text = Made(snapshot()).read("/").text
    cves = re.findall(r"CVE-\d+-\d+", text[text.index("the exploited ones first") :])
    kev = {row.cve: row.kev for row in snapshot().exposed}
    assert [kev[cve] for cve in cves] == sorted((kev[cve] for cve in cves), reverse=True)
    assert kev[cves[0]]


def test_a_snapshot_without_a_register_and_one_that_is_old() -> None:
    text = Made(snapshot(permission=None, store=None)).read("/").text
    assert "Nothing is kept on disk" in text
    text = Made(snapshot(time=NOW - 500)).read("/").text
    assert "older than it should be: What this page shows" in text
    text = Made(snapshot(not_ready=["capture_absent"])).read("/").text
    assert "Not ready: capture: no capture process is connected to the agent." in text


def test_rates_are_of_two_snapshots() -> None:
    after = snapshot()
    moved = [after.interfaces[0].model_copy(update={"counts": {**after.interfaces[0].counts, "offered": 400}})]
    before = after.model_copy(update={"interfaces": moved, "time": after.time - 60})
    assert "1,000 frames, 10/s" in Made(after, before).read("/").text
    assert "1,000 frames, 10/s" not in Made(after).read("/").text


def test_pages_of_counts_name_nobody() -> None:
    made = Made(snapshot())
    for path in ("/", "/about"):
        text = made.read(path).text
        assert addresses(text) == []
        assert not [address for address in BUILDS if address in text]
    assert made.asked == []


@pytest.mark.parametrize("page", PATHS)
def test_pages_of_single_servers_ask_the_agent_as_their_user(page: str) -> None:
    made = Made()
    found = made.read(PATHS[page], "anna")
    assert made.asked == [(page, {"server": NAME} if page == "server" else {}, "anna")]
    assert "that you looked is on record" in found.text
    if page != "server":
        assert addresses(found.text) == []
        assert f"/servers/{NAME}" in [attrs["href"] for attrs in found.all("a")]
    else:
        for said in ("192.0.2.10", "C-1", "mail.bakery.example", "http-owa-version-2016", "ProxyShell", "a new record"):
            assert said in found.text, said


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/servers?product=exchange&generation=2016", {"product": "exchange", "generation": "2016"}),
        ("/servers?product=&cve=CVE-2021-34473&x=1", {"cve": "CVE-2021-34473"}),
        ("/servers?reason=not_seen&page=3&support=none", {"support": "none", "reason": "not_seen", "page": "3"}),
        ("/servers?verdict=suspected&verdict=none", {"verdict": "suspected"}),
    ],
)
def test_what_a_list_is_asked_by(path: str, words: dict[str, str]) -> None:
    made = Made()
    found = made.read(path, "anna")
    assert made.asked == [("servers", words, "anna")]
    links = [attrs["href"] for attrs in found.all("a") if "page=" in attrs["href"]]
    kept = [f"{key}={value}" for key, value in words.items() if key != "page"]
    assert len(links) == 2
    assert all(part in link for part in kept for link in links)


@pytest.mark.parametrize(
    "path",
    [
        "/servers?product=windows", "/servers?cve=CVE-1", "/servers?cve=%3Cscript%3E", "/servers?page=0",
        "/servers?page=x", "/servers?page=9999999", "/servers?reason=%C3%28", "/servers?generation=" + "9" * 5000,
        "/servers?page=%D9%A1", "/servers/", "/servers/192.0.2.10", "/servers/" + NAME.upper(),
        "/servers/" + NAME + "/",
        "/servers/" + NAME + "a", "/nonsense", "/templates/page.html", "/../etc/passwd", "//recent", "/Recent",
    ],
)  # fmt: skip
def test_there_is_no_such_page(path: str) -> None:
    made = Made()
    page = made.read(path, "anna", 404)
    assert made.asked == []
    assert "script>" not in page.text


@pytest.mark.parametrize(
    ("access", "user", "says"),
    [
        (Access(), "", "exporter.web_config\nempty"),
        (Access("", True, ()), "anna", "exporter.viewers\nempty: nobody"),
        (Access("", True, ("bob",)), "anna", "a user whom exporter.viewers does not name"),
        (Access("", True, ("bob",)), "", "by a password or a client certificate you would be somebody"),
    ],
)
@pytest.mark.parametrize("path", PATHS.values())
def test_who_may_not_see_single_servers_learns_what_it_takes(access: Access, user: str, says: str, path: str) -> None:
    made = Made(snapshot())
    made.access = access
    text = re.sub(r"\s*\n\s*", "\n", made.read(path, user, 403).text)
    assert says in text
    assert made.asked == []


@pytest.mark.parametrize(
    ("viewed", "status", "says"),
    [
        (TimeoutError("late"), 503, "The agent does not answer"),
        ({"status": "unavailable", "error": "the log cannot be written"}, 503, "The log cannot be written."),
        ({"status": "forbidden", "error": "exporter.viewers does not name this user"}, 403, "does not name"),
        ({"status": "unknown", "error": "no server of this name"}, 404, "No server of this name."),
        ({"status": "rate", "error": "wait a minute"}, 429, "Wait a minute."),
    ],
)
def test_what_the_agent_refuses_is_said_and_nothing_else(viewed: Any, status: int, says: str) -> None:
    if isinstance(viewed, dict):
        viewed = Viewed.model_validate({"number": 1, "items": [], **viewed})
    text = Made(viewed=viewed).read("/recent", "anna", status).text
    assert says in text
    assert NAME not in text


HOSTILE = st.text(st.characters(codec=None), max_size=60) | st.sampled_from([
    "<script>alert(1)</script>", "\"'><img src=x onerror=alert(1)>", "</td></table></main>", "&lt;b&gt;&#60;",
    "{{ 7*7 }}",
    "{% raw %}", "javascript:alert(1)", "\u202egnp.exe\u2066", "\ud800", "\0\x1b[2J\r\n\r\nHTTP/1.1 200", "]]>-->",
    "a" * 1_000_000, "\u0301" * 5000, "\ufeff\u200b\u2028",
])  # fmt: skip
# What could move text about, hide it, or end a line.
INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def hostile(rows: list[dict[str, Any]], said: str) -> list[dict[str, Any]]:
    """The rows with this in place of every text that is not of our own lists."""
    free = {"build", "value", "detail", "name", "address", "fingerprint", "kind", "proxy", "change", "who", "why"}
    made = [{key: said if key in free else value for key, value in row.items()} for row in rows]
    return [{**row, **{key: [said] for key in ("names", "customers", "notes") if key in row}} for row in made]


@given(said=HOSTILE, page=st.sampled_from(sorted(PATHS)))
@example(said="<script>", page="server")
@example(said="\u202e\ud800\0", page="server")
def test_what_strangers_say_stays_in_its_place(said: str, page: str) -> None:
    assume(said)  # of what is not there, there is nothing to be shown
    clean = Made().read(PATHS[page], "anna")
    viewed = Viewed.model_construct(number=1, status="shown", items=hostile(ROWS[page], said), error=None)
    answer = Made(viewed=viewed).console.answer(PATHS[page], lambda: "anna")
    found = Read(answer.body.decode())
    found.check()
    assert [tag for tag, _ in found.tags if tag != "small"] == [tag for tag, _ in clean.tags if tag != "small"]
    assert not {unicodedata.category(letter) for letter in found.text if letter != "\n"} & INVISIBLE
    assert len(answer.body) < 400_000


@given(said=HOSTILE)
def test_every_place_of_a_page_is_escaped(said: str) -> None:
    cell = Cell(said, "/", "warn", said)
    table = Table(said, (said, said), [(cell, cell._replace(kind="code"))], said)
    section = Section("here", said, said, [(said, cell)], [table, table._replace(rows=[])], more=[cell])
    page = Page(said, "overview", said, "ok", sections=[section])
    found = Read(render.html(page, said, said).decode())
    found.check()
    assert not {unicodedata.category(letter) for letter in found.text if letter != "\n"} & INVISIBLE


def test_what_is_written_about_the_console_holds() -> None:
    root = Path(__file__).resolve().parents[3] / "docs"
    text = (root / "console.md").read_text()
    pictures = re.findall(r"!\[.+\]\((console-[a-z-]+\.png)\)", text)
    assert sorted(pictures) == sorted(each.name for each in root.glob("console-*.png"))
    assert all((root / picture).stat().st_size < MOST for picture in pictures)
    told = set(re.findall(r"^\| `(/\S*)`", text, re.MULTILINE))
    assert told == {"/", "/recent", "/servers", "/servers/s-...", "/about"}
    assert PACE == (30, 0.5)
    assert f"cut to {console.VALUE} characters" in text
    assert (console.ROWS, console.PROBES, RECENT) == (50, 50, 200)


def test_the_style_sheet_reaches_for_nothing() -> None:
    answer = Made().console.answer("/console.css", str)
    assert (answer.status, answer.media) == (HTTPStatus.OK, "text/css; charset=utf-8")
    for word in (b"url(", b"@import", b"http", b"//", b"expression"):
        assert word not in answer.body
    assert b"prefers-color-scheme: dark" in answer.body

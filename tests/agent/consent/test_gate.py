"""The gate: no grant without its intent on disk, no outcome without a grant; nothing in the open that is private."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.audit.log import AuditError
from agent.consent.gate import ConsentGate
from agent.consent.history import History
from agent.consent.register import Register
from agent.lab import leave
from agent.leave import OUTCOMES, Budget, Grant, Refusal
from agent.schema import AUDIT
from tests.agent import leaving
from tests.agent.consent import asking, registers
from tests.agent.leaving import HOST, LEAF, NET, OTHER_HOST, OTHER_NET, Clock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agent.audit.entry import Entry, Item
    from agent.office import Office

BUDGET = Budget(seconds=7.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def office(tmp_path: Path, clock: Clock) -> Iterator[Office]:
    with leaving.opened(tmp_path, clock) as made:
        yield made


def admitted(office: Office, **asked: Any) -> Grant:
    answer = office.gate.admit(leaving.request(**asked), office.conditions(), BUDGET)
    assert isinstance(answer, Grant), answer
    return answer


def on_disk(office: Office, column: str = "canon") -> list[str]:
    """The texts of all entries, as another process reads them."""
    connection = sqlite3.connect(f"file:{office.directory / AUDIT}?mode=ro", uri=True)
    try:
        return [text for (text,) in connection.execute(f"SELECT {column} FROM entries ORDER BY number")]
    finally:
        connection.close()


def outcomes(office: Office) -> list[Any]:
    return list(office.log.read(["probe.outcome"]))


def test_a_grant_is_what_was_asked_for_and_leads_to_its_entry(office: Office, clock: Clock) -> None:
    grant = admitted(office)
    (intent,) = office.log.read(["probe.intent"])
    assert grant[:5] == (intent.public["id"], HOST, 443, "mail.example.nl", "exchange-http")
    assert (grant.number, grant.record) == (intent.number, leave.ident("record agreed"))
    assert (grant.deadline, grant.budget) == (clock.steady + 7.0, BUDGET)
    assert (grant.certificates, grant.products) == ((LEAF,), ("exchange",))
    assert len(grant.id) == 32 and set(grant.id) <= set("0123456789abcdef")
    assert bytes.fromhex(grant.leaf).hex() == on_disk(office, "lower(hex(leaf))")[grant.number]
    assert office.gate.held == {grant.id: (grant, leaving.request(), office.gate.held[grant.id].leave)}


def test_the_intent_is_on_disk_before_there_is_a_grant(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each write somebody else looks: what he finds then is what a grant relies on."""
    seen: list[tuple[bool, int]] = []
    append = office.log.append

    def watched(items: Sequence[Item]) -> list[Entry]:
        entries = append(items)
        seen.append(('"kind":"probe.intent"' in on_disk(office)[-1], len(office.gate.held)))
        return entries

    monkeypatch.setattr(office.log, "append", watched)
    admitted(office)
    assert seen == [(True, 0)]


def test_what_cannot_be_put_on_record_is_refused(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    size = office.log.size
    with monkeypatch.context() as broken:
        broken.setattr(office.log, "append", _full)
        answer = office.gate.admit(leaving.request(), office.conditions(), BUDGET)
    assert isinstance(answer, Refusal) and answer.reason == "not_recorded"
    assert (office.gate.held, office.history.flights, office.log.size) == ({}, {}, size)
    refused = office.gate.admit(leaving.request(), office.conditions(), BUDGET)
    assert isinstance(refused, Refusal) and refused.reason == "audit_not_writable"


def _full(items: Sequence[Item]) -> Any:
    raise AuditError("no room")


def test_to_ask_what_would_be_said_leaves_no_trace(office: Office) -> None:
    size = office.log.size
    for asked in (leaving.request(), leaving.request(OTHER_HOST)):
        office.gate.decide(asked, office.conditions())
    assert (office.log.size, office.gate.held) == (size, {})


def test_a_refusal_leaves_no_trace(office: Office) -> None:
    size = office.log.size
    answer = office.gate.admit(leaving.request(OTHER_HOST), office.conditions(), BUDGET)
    assert isinstance(answer, Refusal) and answer.reason == "unmapped"
    assert (office.log.size, office.gate.held) == (size, {})


def test_while_one_is_out_there_is_no_other(office: Office, clock: Clock) -> None:
    admitted(office)
    clock.on(86_400.0)  # the rate would let it pass by then
    office.record([leave.synced(clock.wall)])
    office.tend()
    answer = office.gate.decide(leaving.request(), office.conditions()._replace(checkpoint_age=1.0))
    assert isinstance(answer, Refusal) and answer.reason == "in_flight"


# The end of it.


@pytest.mark.parametrize("became", OUTCOMES)
def test_an_outcome_is_put_on_record_and_the_grant_is_at_its_end(office: Office, became: str) -> None:
    grant = admitted(office)
    held, said = office.gate.finish(leaving.outcome(grant.id, became)) or (None, "")
    assert held is not None and (held.grant, said) == (grant, became)
    (entry,) = outcomes(office)
    assert entry.customer == "agreed"
    connections, ms = (None, None) if became == "unknown" else (1, 80)
    assert entry.public == {
        "intent": grant.number, "id": grant.id, "outcome": became, "connections": connections, "ms": ms,
    }  # fmt: skip
    private = entry.private
    if became == "unknown":
        assert private == {"address": HOST, "port": 443, "detail": "a few words"}, "nobody knows any more"
    else:
        knock = {"source": "127.0.0.1", "source_port": 40_000, "address": HOST, "port": 443, "ms": 10_000_500}
        assert private["knocks"] == [knock]
    if became == "holder_changed":
        assert set(private) == {"address", "port", "knocks"}
    elif became != "unknown":
        assert private["told"] == [["http.header", "X-OWA-Version: 15.2.1748.36"]]
        assert (private["detail"], private["statuses"], private["bytes"], private["certificate"]) == (
            "a few words", [401], 700, LEAF,
        )  # fmt: skip
    assert (office.gate.held, office.history.flights) == ({}, {})


def test_what_was_not_granted_has_no_outcome(office: Office) -> None:
    grant, size = admitted(office), office.log.size
    assert office.gate.finish(leaving.outcome("0" * 32)) is None
    assert (office.log.size, set(office.gate.held)) == (size, {grant.id})


def test_of_two_outcomes_the_first_counts(office: Office) -> None:
    grant = admitted(office)
    assert office.gate.finish(leaving.outcome(grant.id, "timeout"))
    assert office.gate.finish(leaving.outcome(grant.id, "confirmed")) is None
    assert [entry.public["outcome"] for entry in outcomes(office)] == ["timeout"]


def test_an_outcome_that_cannot_be_put_on_record_waits(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    grant = admitted(office)
    with monkeypatch.context() as broken:
        broken.setattr(office.log, "append", _full)
        with pytest.raises(AuditError):
            office.gate.finish(leaving.outcome(grant.id))
    assert set(office.gate.held) == {grant.id} and len(office.history.flights) == 1
    assert office.gate.finish(leaving.outcome(grant.id)) is not None
    assert len(outcomes(office)) == 1


# What happens to the address while a grant is out -> whether the answer is still about the one who agreed.
MEANWHILE = {
    "nothing": (lambda now: [], True),
    "withdrawn": (lambda now: [leave.unmapped("agreed", [NET], now)], False),
    "handed over": (
        lambda now: [leave.unmapped("agreed", [NET], now), leave.mapped("other", [NET], now, days=0)], False,
    ),
    "a longer prefix is somebody else's": (lambda now: [leave.mapped("other", [f"{HOST}/32"], now, days=0)], False),
    "two have it": (lambda now: [leave.mapped("other", [NET], now, days=0)], False),
    "one beside it went": (lambda now: [leave.mapped("other", ["192.0.2.128/25"], now, days=0)], True),
    "somebody else's elsewhere": (lambda now: [leave.mapped("other", [OTHER_NET], now)], True),
    "he objected": (lambda now: [leave.objected("agreed", None, now)], True),
}  # fmt: skip


@pytest.mark.parametrize("name", MEANWHILE)
def test_an_answer_of_somebody_elses_server_is_not_kept(office: Office, clock: Clock, name: str) -> None:
    meanwhile, same = MEANWHILE[name]
    grant = admitted(office)
    clock.on(5)
    if items := meanwhile(clock.wall):
        office.record(items)
    clock.on(1)
    finished = office.gate.finish(leaving.outcome(grant.id))
    assert finished is not None
    assert finished[1] == ("confirmed" if same else "holder_changed")
    (entry,) = outcomes(office)
    assert entry.customer == "agreed", "whose leave it was, he may know what was done with it"
    assert ("told" in entry.private, "certificate" in entry.private) == (same, same)


def test_a_mapping_that_ended_meanwhile_says_that_nobody_is_there(tmp_path: Path, clock: Clock) -> None:
    now = clock.wall
    agreed = leave.agreed("agreed", [NET], now)
    private = (agreed[0].private or {}) | {"valid_until": leave.ago(now + 5, 0)}
    with leaving.opened(tmp_path, clock, agreed[0]._replace(private=private), *agreed[1:]) as office:
        grant = admitted(office)
        clock.on(6)
        finished = office.gate.finish(leaving.outcome(grant.id))
        assert finished is not None and finished[1] == "holder_changed"


def test_what_is_private_is_private(office: Office, clock: Clock) -> None:
    """Nobody who has the leaves learns whom it was about, nor does anybody who has the file without the keys."""
    grant = admitted(office)
    office.gate.finish(leaving.outcome(grant.id))
    words = [HOST, "mail.example.nl", LEAF, "agreed", "a few words", "X-OWA-Version", "15.2.1748", grant.record, NET]
    leaves = "".join(on_disk(office))
    assert [word for word in words if word in leaves] == []
    office.close()
    files = b"".join(path.read_bytes() for path in office.directory.glob(f"{AUDIT}*"))
    assert [word for word in words if word.encode() in files] == []
    office.open()
    (intent,) = office.log.read(["probe.intent"])
    assert set(intent.public) == {"probe", "id", "record_hash", "why"}
    assert intent.private is not None and intent.private["address"] == HOST
    assert intent.private["expected"] == {"certificates": [LEAF], "products": ["exchange"]}


# Whatever comes in.


class Books:
    """An office in memory: a register, a history, and what was put on record, or not."""

    def __init__(self, register: Register) -> None:
        self.register, self.history = register, History()
        self.items: list[Item] = []
        self.full = False

    def now(self) -> float:
        return registers.at(40)

    def record(self, items: Sequence[Item]) -> list[Entry]:
        if self.full:
            raise AuditError("no room")
        from agent.audit.entry import Entry, Opened

        entries = []
        for item in items:
            entry = Entry(1_000_000 + len(self.items), bytes(32), self.now())
            self.items.append(item)
            self.history.apply(Opened(entry.number, item.kind, self.now(), item.public, item.customer, item.private))
            entries.append(entry)
        return entries


STEPS = st.lists(
    st.tuples(st.sampled_from(("ask", "ask", "answer", "nobody's answer", "full", "room")), st.integers(0, 9)),
    max_size=40,
)
GIVEN = [
    *(registers.published(sha256, kind) for kind, sha256 in asking.HASHES.items()),
    *(
        event
        for n, net in enumerate(("192.0.2.0/24", "198.51.100.0/24"))
        for event in (
            registers.mapped(f"c-{n}", -100, net),
            registers.told(f"c-{n}"),
            registers.given(
                f"c-{n}", n + 1, 0, net,
                documents=[
                    {"kind": kind, "version": "1", "lang": "nl", "sha256": sha256, "published_at": registers.day(-90)}
                    for kind, sha256 in asking.HASHES.items()
                ],
                contacts=[
                    {"role": "security", "channel": channel, "address": "s@example.nl", "verified_at": registers.day(0)}
                    for channel in ("mail", "phone")
                ],
            ),
        )
    ),
    registers.synced(40),
]  # fmt: skip
READY = asking.CONDITIONS._replace(time=registers.at(40) + 60, laboratory=True)
HOSTS = ("192.0.2.1", "192.0.2.2", "198.51.100.1", "203.0.113.1")


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_each_grant_has_one_intent_before_it_and_at_most_one_outcome_after(steps: list[tuple[str, int]]) -> None:
    books = Books(registers.register(GIVEN))
    numbers = iter(range(10_000))
    gate = ConsentGate(books, lambda: 5.0, lambda: f"{next(numbers):032x}")
    grants: list[Grant] = []
    for step, which in steps:
        books.full = {"full": True, "room": False}.get(step, books.full)
        before = len(books.items)
        if step == "ask":
            answer = gate.admit(leaving.request(HOSTS[which % 4], seen_at=registers.at(40)), READY, BUDGET)
            if isinstance(answer, Grant):
                grants.append(answer)
                assert books.items[-1].kind == "probe.intent" and books.items[-1].public["id"] == answer.id
            assert len(books.items) - before == isinstance(answer, Grant)
        elif step == "answer" and grants:
            was = set(gate.held)
            try:
                finished = gate.finish(leaving.outcome(grants[which % len(grants)].id))
            except AuditError:
                assert books.full and set(gate.held) == was and len(books.items) == before
            else:
                assert (finished is not None) == (len(books.items) > before) == (set(gate.held) != was)
        elif step == "nobody's answer":
            assert gate.finish(leaving.outcome("f" * 32)) is None
    intents = [item.public["id"] for item in books.items if item.kind == "probe.intent"]
    ended = [item.public["id"] for item in books.items if item.kind == "probe.outcome"]
    assert intents == [grant.id for grant in grants]
    assert len(set(ended)) == len(ended) and set(ended) <= set(intents)
    assert set(gate.held) == set(intents) - set(ended)
    assert {flight.id for flight in books.history.flights.values()} == set(gate.held)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(registers.events, st.sampled_from(registers.PREFIXES))
def test_without_a_record_there_is_no_grant_and_nothing_on_record(events: list[registers.Event], prefix: str) -> None:
    books = Books(registers.register([event for event in events if event.kind != "record.given"]))
    gate = ConsentGate(books, lambda: 5.0, lambda: "0" * 32)
    for why in ("schedule", "command", "recheck"):
        answer = gate.admit(leaving.request(prefix.partition("/")[0], why=why), READY, BUDGET)
        assert isinstance(answer, Refusal)
    assert (books.items, gate.held) == ([], {})

"""Objections as they come in, on a real log and register: what is put on record of each, and what each stops."""

from __future__ import annotations

import logging
import os
from hashlib import sha256
from ipaddress import ip_address
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.asked import ObjectionTold
from agent.audit.entry import Item, Opened
from agent.audit.log import AuditError, Log
from agent.bucket import TOKENLESS
from agent.consent.register import Register
from agent.consent.tokens import Tokens
from agent.consent.written import body
from agent.dropped import MAX_FILE, canonical, parsed
from agent.objecting import BOUNDS, Delays, Objecting, objection
from agent.privacy import one
from agent.sections import Config, Consent
from tests.agent.consent import registers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.audit.entry import Entry

LOG = logging.getLogger("test")
NOW = registers.at(40)
TOKEN = "dGhpcyBpcyBhIHRva2Vu"
WITHDRAWAL = {"url": "https://isp.example/stop", "token_sha256": sha256(TOKEN.encode()).hexdigest()}
# c-1 has a /24 less a /28, which c-2 has; c-3 shares a /25 with c-1 by another source's word.
WORLD = (
    registers.mapped("c-1", 0, "192.0.2.0/24", "2001:db8:1::/48"),
    registers.mapped("c-2", 0, "192.0.2.0/28", "198.51.100.0/24"),
    registers.mapped("c-3", 0, "192.0.2.128/25", source="netbox"),
    registers.given("c-1", 1, 0, "192.0.2.0/24", "203.0.113.0/29", withdrawal=WITHDRAWAL),
)


class Office:
    """A log on disk, and what is folded from it."""

    def __init__(self, directory: Path, drop: str = "") -> None:
        self.config = Config(consent=Consent(drop=drop))
        self.monotonic = 1000.0
        self.log = Log(directory, origin="test", now=self.now, monotonic=lambda: self.monotonic)
        self.register, self.tokens = Register(), Tokens()
        self.failing = False
        self.telling = None
        self.recorded: list[list[Item]] = []
        self.log.open()
        for event in WORLD:
            self.record([Item(event.kind, {}, event.customer, body(event.kind, event.written))])
        self.recorded.clear()

    def now(self) -> float:
        return NOW

    def record(self, items: Sequence[Item]) -> list[Entry]:
        if self.failing:
            raise AuditError("no room")
        entries = self.log.append(items)
        for item, entry in zip(items, entries, strict=True):
            opened = Opened(entry.number, item.kind, entry.time, item.public, item.customer, item.private)
            self.register.apply(opened)
            self.tokens.apply(opened)
        self.recorded.append(list(items))
        return entries

    @property
    def items(self) -> list[Item]:
        return [item for items in self.recorded for item in items]

    def stopped(self, address: str) -> bool:
        return bool(self.register.objections(one(address)[0]))


@pytest.fixture
def office(tmp_path: Path) -> Any:
    (tmp_path / "drop").mkdir()
    (tmp_path / "log").mkdir(mode=0o700)
    made = Office(tmp_path / "log", str(tmp_path / "drop"))
    yield made
    made.log.close()


def objecting(office: Office) -> Objecting:
    numbers = count(1)
    return Objecting(
        office,  # type: ignore[arg-type]
        log=LOG,
        monotonic=lambda: office.monotonic,
        ident=lambda: registers.name(next(numbers)),
    )


def told(prefix: str | None = None, token: str | None = None, *, headers: bool = False) -> ObjectionTold:
    return ObjectionTold(number=7, prefix=prefix, token=token, headers=headers)


# What comes in -> whose it is on record, for which prefixes, verified or not, and what it is counted as.
WEB: list[tuple[str, ObjectionTold, tuple[str, list[str] | None, bool] | None, str]] = [
    ("one customer's address", told("198.51.100.7"), ("c-2", ["198.51.100.7/32"], False), "prefix"),
    ("all that he has", told("198.51.100.0/24"), ("c-2", ["198.51.100.0/24"], False), "prefix"),
    ("the longest prefix says whose", told("192.0.2.3"), ("c-2", ["192.0.2.3/32"], False), "prefix"),
    ("beside that of the other", told("192.0.2.64/26"), ("c-1", ["192.0.2.64/26"], False), "prefix"),
    ("IPv6", told("2001:db8:1:7::/64"), ("c-1", ["2001:db8:1:7::/64"], False), "prefix"),
    ("with a part that is another's", told("192.0.2.0/25"), None, "unmatched"),
    ("two have it", told("192.0.2.200"), None, "unmatched"),
    ("nobody has it", told("203.0.113.1"), None, "unmatched"),
    ("more than he has", told("198.51.96.0/20"), None, "unmatched"),
    ("everything", told("0.0.0.0/0"), None, "unmatched"),
    ("a token", told(token=TOKEN), ("c-1", None, True), "token"),
    ("a token, for a part", told("192.0.2.64/26", TOKEN), ("c-1", ["192.0.2.64/26"], True), "token"),
    ("a token, for what a record names", told("203.0.113.1", TOKEN), ("c-1", ["203.0.113.1/32"], True), "token"),
    ("a token, for more than he has", told("203.0.113.0/24", TOKEN), ("c-1", ["203.0.113.0/29"], True), "token"),
    ("a token, for somebody else's", told("198.51.100.7", TOKEN), ("c-1", None, True), "token"),
    ("a token, for everybody", told("0.0.0.0/0", TOKEN), ("c-1", ["192.0.2.0/24", "203.0.113.0/29"], True), "token"),
    ("nobody's token", told(token="x"), None, "unmatched"),
    ("nobody's token, and a prefix", told("198.51.100.7", "x"), ("c-2", ["198.51.100.7/32"], False), "prefix"),
]  # fmt: skip


@pytest.mark.parametrize(("message", "recorded", "counted"), [w[1:] for w in WEB], ids=[w[0] for w in WEB])
def test_what_is_put_on_record(
    office: Office, message: ObjectionTold, recorded: tuple[str, list[str] | None, bool] | None, counted: str
) -> None:
    desk = objecting(office)
    answer = desk.told(message)
    assert answer == {"number": 7, "status": "noted", "receipt": registers.name(1)}, "whatever it is"
    assert desk.body()[counted] == 1 == sum(desk.body().values())
    (item,) = office.items
    private = item.private or {}
    assert (private["objection_id"], private["channel"]) == (registers.name(1), "web")
    if recorded:
        customer, prefixes, verified = recorded
        assert item.kind == "record.objected"
        assert (item.customer, private.get("prefixes"), private["verified"]) == (customer, prefixes, verified)
        where = (prefixes or ["192.0.2.77"])[0].partition("/")[0]
        assert office.stopped(where)
    else:
        assert (item.kind, item.customer) == ("objection.unmatched", "objector/" + registers.name(1))
        assert not any(map(office.stopped, ("192.0.2.1", "192.0.2.200", "203.0.113.1", "198.51.100.7")))
    assert set(item.public) == {"channel"}, "no address is in a leaf"


def test_not_even_headers(office: Office) -> None:
    objecting(office).told(told("198.51.100.7", headers=True))
    assert [o.headers for o in office.register.objections(one("198.51.100.7")[0])] == [True]


@pytest.mark.parametrize("prefix", ["", "x", "192.0.2.7/24", "192.0.2.300", "1" * 49])
@pytest.mark.parametrize("token", [None, ""])
def test_what_says_nothing_is_not_recorded(office: Office, prefix: str, token: str | None) -> None:
    desk = objecting(office)
    assert desk.told(told(prefix, token)) == {"number": 7, "status": "syntax", "receipt": ""}
    assert office.items == []
    assert desk.body()["syntax"] == 1


def test_without_a_valid_token_there_is_a_bound_and_with_one_there_is_none(office: Office) -> None:
    desk = objecting(office)
    most, per_second = TOKENLESS
    said = [desk.told(told("198.51.100.7", token))["status"] for token in [None, "x"] * (most // 2 + 1)]
    assert said == ["noted"] * most + ["rate"] * (len(said) - most)
    assert desk.told(told(token=TOKEN))["status"] == "noted"
    office.monotonic += 1 / per_second
    assert [desk.told(told("198.51.100.7"))["status"] for _ in range(2)] == ["noted", "rate"]


def test_what_cannot_be_put_on_record_is_not_said_to_be(office: Office) -> None:
    desk = objecting(office)
    office.failing = True
    assert desk.told(told("198.51.100.7")) == {"number": 7, "status": "unavailable", "receipt": ""}
    assert desk.body()["unavailable"] == 1


def test_a_token_counts_though_its_record_has_ended_and_not_when_its_customer_was_erased(office: Office) -> None:
    event = registers.said("withdrawn", "c-1", 39)
    office.record([Item(event.kind, {}, event.customer, body(event.kind, event.written))])
    assert office.tokens.owner(TOKEN) == "c-1"
    office.tokens.apply(Opened(99, "customer.erased", NOW, {}, "c-1", None))
    assert office.tokens.owner(TOKEN) is None


def test_an_order_for_what_nobody_has_counts_where_it_says() -> None:
    item = objection(None, ["203.0.113.0/24"], at=NOW, ident=registers.name(5), headers=False, channel="command")
    register = Register()
    register.apply(Opened(0, item.kind, NOW, item.public, item.customer, item.private))
    assert register.objections(one("203.0.113.9")[0])


_prefixes = st.sampled_from(registers.PREFIXES)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(registers.CUSTOMERS), _prefixes, st.sampled_from(registers.SOURCES)), max_size=6
    ),
    _prefixes,
)
def test_the_sole_holder_is_whom_every_address_of_the_prefix_has(
    claims: list[tuple[str, str, str]], prefix: str
) -> None:
    """Against a look at every stretch of addresses in it."""
    register = registers.register([registers.mapped(c, 0, p, source=s) for c, p, s in claims])
    first, last = one(prefix)
    inside = [
        (max(low, first), min(high, last), {m.customer for m in held})
        for low, high, held in register.segments()
        if low <= last and high >= first
    ]
    whole = sum(high - low + 1 for low, high, _ in inside) == last - first + 1
    customers = set().union(*(held for _, _, held in inside))
    expected = customers.pop() if whole and len(customers) == 1 else None
    # Where a part of it is given twice to one, and then to another by a longer prefix alone, it may say nobody.
    assert register.sole((first, last)) in (expected, None)
    if len(claims) == 1:
        assert register.sole((first, last)) == expected


# Dropped files.


def drop(office: Office, name: str, *lines: str | bytes) -> Path:
    path = Path(office.config.consent.drop) / name
    path.write_bytes(b"\n".join(line.encode() if isinstance(line, str) else line for line in lines) + b"\n")
    return path


def outcome(office: Office, name: str) -> list[str]:
    return (Path(office.config.consent.drop) / "taken" / f"{name}.outcome").read_text().splitlines()


def test_a_file_is_taken_when_two_looks_found_it_the_same(office: Office) -> None:
    desk = objecting(office)
    path = drop(office, "monday", "# from the desk", "198.51.100.7  # by phone", "", "203.0.113.0/24 headers")
    desk.look()
    assert office.items == []
    path.write_text("198.51.100.7\n203.0.113.0/24 headers\n192.0.2.200\n192.0.2.5/99\n")
    desk.look()
    assert office.items == []
    desk.look()
    assert len(office.recorded) == 1, "all of it at once"
    found = {(i.customer.partition("/")[0], tuple((i.private or {})["prefixes"])): i.private for i in office.items}
    assert set(found) == {
        ("c-2", ("198.51.100.7/32",)), ("objector", ("203.0.113.0/24",)), ("objector", ("192.0.2.200/32",)),
    }  # fmt: skip
    assert all(map(office.stopped, ("198.51.100.7", "203.0.113.9", "192.0.2.200")))
    assert not path.exists()
    assert [line.partition(": ")[2].split()[0] for line in outcome(office, "monday")] == [
        "objection", "objection", "objection", "not",
    ]  # fmt: skip
    counts = desk.body()
    assert (counts["file"], counts["file_line_failed"], desk.failing) == (3, 1, 0)
    desk.look()
    desk.look()
    assert len(office.recorded) == 1


BAD_LINES = (b"\xff\xfe", "ex01.example", "192.0.2.0/24/24", "192.0.2.7/24", "\0", "::/129", "headers")


def test_a_bad_line_keeps_no_other_from_counting(office: Office) -> None:
    desk = objecting(office)
    drop(office, "a", *BAD_LINES, "198.51.100.7", *BAD_LINES, "198.51.100.9 loud")
    for _ in range(2):
        desk.look()
    assert office.stopped("198.51.100.7")
    assert [o.headers for o in office.register.objections(one("198.51.100.9")[0])] == [True], "for all there is"
    assert desk.body()["file_line_failed"] == 2 * len(BAD_LINES)
    assert len(outcome(office, "a")) == 2 * len(BAD_LINES) + 2


def test_what_cannot_be_read_stays_is_counted_and_is_taken_once_it_can(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    desk = objecting(office)
    here = Path(office.config.consent.drop)
    os.mkfifo(here / "pipe")
    (here / "link").symlink_to("/etc/hosts")
    large = drop(office, "large", *["198.51.100.7"] * (MAX_FILE // 12))
    for _ in range(4):
        desk.look()
    assert office.items == []
    assert (desk.failing, desk.body()["file_failed"]) == (3, 3)
    assert len(caplog.records) == 3, "each once"
    assert "large" not in caplog.text and "pipe" not in caplog.text
    large.write_text("198.51.100.7\n")
    (here / "pipe").unlink()
    for _ in range(2):
        desk.look()
    assert office.stopped("198.51.100.7")
    assert desk.failing == 1


def test_what_cannot_be_put_on_record_stays_and_is_tried_again(office: Office) -> None:
    desk = objecting(office)
    path = drop(office, "a", "198.51.100.7")
    office.failing = True
    for _ in range(3):
        desk.look()
    assert path.exists()
    office.failing = False
    desk.look()
    assert office.stopped("198.51.100.7")
    assert not path.exists()


def test_where_it_cannot_be_moved_it_counts_all_the_same_and_once(office: Office) -> None:
    desk = objecting(office)
    (Path(office.config.consent.drop) / "taken").write_text("in the way")
    drop(office, "a", "198.51.100.7")
    for _ in range(4):
        desk.look()
    assert office.stopped("198.51.100.7")
    # The file that is in the way is one of no prefixes.
    assert sum(item.customer == "c-2" for item in office.items) == 1
    assert desk.failing >= 1


def test_names_of_unfinished_files_are_passed_over_and_none_is_written_over(office: Office) -> None:
    desk = objecting(office)
    for name in (".a.swp", "a.new", "a.tmp", "a~"):
        drop(office, name, "203.0.113.1")
    for number in range(3):
        drop(office, "a", f"198.51.100.{number}")
        desk.look()
        desk.look()
    assert len(office.items) == 3
    taken = Path(office.config.consent.drop) / "taken"
    assert {path.name for path in taken.iterdir() if path.suffix != ".outcome"} == {"a", "a.2", "a.3"}
    assert not office.stopped("203.0.113.1")


def test_another_directory_takes_over_and_none_is_looked_at_where_there_is_none(office: Office, tmp_path: Path) -> None:
    desk = objecting(office)
    office.config = Config()
    drop_before = tmp_path / "drop" / "a"
    drop_before.write_text("198.51.100.7\n")
    for _ in range(3):
        desk.look()
    assert drop_before.exists()
    office.config = Config(consent=Consent(drop=str(tmp_path / "nowhere")))
    for _ in range(3):
        desk.look()
    assert (desk.body()["file_failed"], desk.failing) == (1, 1)
    office.config = Config(consent=Consent(drop=str(tmp_path / "drop")))
    for _ in range(2):
        desk.look()
    assert not drop_before.exists()


@given(st.binary(max_size=200))
def test_no_bytes_are_beyond_reading(content: bytes) -> None:
    for line in parsed(content):
        assert bool(line.prefix) != bool(line.fault) or line.headers
        if line.prefix:
            assert canonical(line.prefix) == line.prefix


@given(st.ip_addresses())
def test_an_address_is_the_prefix_of_it_alone(address: Any) -> None:
    expected = getattr(address, "ipv4_mapped", None) or address
    assert canonical(str(address)) == f"{expected}/{expected.max_prefixlen}"
    assert one(canonical(str(address)))[0] == one(str(ip_address(expected)))[0]


def test_delays_are_counted_by_how_long_they_took_at_most() -> None:
    delays = Delays()
    for seconds in (0.0, 0.01, 0.02, 0.99, 1.0, 1.01, 61.0):
        delays.observe(seconds)
    found = delays.body()
    assert (found["count"], round(found["sum"], 2)) == (7, 64.03)
    buckets = dict(found["buckets"])
    assert list(buckets) == list(BOUNDS)
    assert (buckets[0.01], buckets[0.025], buckets[0.5], buckets[1.0], buckets[2.5], buckets[60.0]) == (
        2,
        3,
        3,
        5,
        6,
        6,
    )

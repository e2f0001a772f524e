"""What has to be in place before anybody is knocked at, piece by piece."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from agent import config
from agent.audit.entry import Opened
from agent.consent import arming
from agent.consent.state import Announcement, Customer
from agent.leave import PIECES

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = 1_795_000_000.0
DAY = 86_400.0
WRITTEN: dict[str, dict[str, Any]] = {
    "consent": {"operator": "Example Net", "public_url": "https://example.net/checks"},
    "probe": {
        "armed": True,
        "contact": "probes@example.net",
        "sources": ["192.0.2.9"],
        "probing_url": "https://probe.example.net/.well-known/probing.txt",
    },
    "audit": {"file": "/elsewhere/checkpoints"},
    "notices": {"route": "desk@example.net"},
}
THERE = config.check(WRITTEN, "k.toml")
TOLD = Announcement(NOW - 40 * DAY, NOW - 40 * DAY, "yes", "a" * 64)


class Books:
    """A register as far as arming asks it."""

    def __init__(self, *announcements: Announcement) -> None:
        self.version = 1
        self.asked = 0
        self.all = [Customer("C-1"), Customer("C-2", announcements=announcements)]

    def customers(self) -> Iterator[Customer]:
        self.asked += 1
        return iter(self.all)


def seen(at: float = NOW - DAY, expires: float = NOW + DAY, there: config.Config = THERE) -> arming.Published:
    published = arming.Published()
    item = arming.checked_item(there, b"it", at, expires)
    published.apply(Opened(1, item.kind, at, item.public, "", None))
    return published


def lacks(there: config.Config = THERE, register: Any = None, published: Any = None, **more: Any) -> tuple[str, ...]:
    return arming.missing(there, register or Books(TOLD), published or seen(), NOW, **more)


def test_nothing_is_missing_where_every_piece_is_there() -> None:
    assert lacks() == ()


def test_everything_is_missing_from_the_beginning_and_each_has_a_sentence_that_says_what_to_do() -> None:
    assert arming.missing(config.Config(), Books(), arming.Published(), NOW, state=False) == PIECES  # type: ignore[arg-type]
    assert tuple(arming.SENTENCES) == PIECES
    assert all(
        "set " in said or "send " in said or "publish " in said or "name " in said for said in arming.SENTENCES.values()
    )


@pytest.mark.parametrize(
    ("section", "key", "value", "piece"),
    [
        ("probe", "armed", False, ("armed",)),
        ("probe", "contact", "", ("contact", "probing_txt")),
        ("probe", "sources", [], ("source", "probing_txt")),
        ("probe", "sources", ["192.0.2.8"], ("probing_txt",)),
        ("probe", "probing_url", "", ("probing_txt",)),
        ("consent", "operator", "Another Net", ("probing_txt",)),
        ("consent", "public_url", "https://example.net/other", ("probing_txt",)),
        ("audit", "file", "", ("audit_sink",)),
        ("notices", "route", "", ("notification_route",)),
    ],
)
@pytest.mark.parametrize("laboratory", [False, True])
def test_each_piece_alone_is_missed(
    section: str, key: str, value: Any, piece: tuple[str, ...], laboratory: bool
) -> None:
    changed = WRITTEN | {"probe": WRITTEN["probe"] | {"laboratory": laboratory}}
    changed = changed | {section: changed[section] | {key: value}}
    assert lacks(config.check(changed, "k.toml")) == piece


def test_a_syslog_is_a_sink_too_and_without_a_store_there_is_nothing() -> None:
    assert lacks(config.check(WRITTEN | {"audit": {"syslog": "/dev/log"}}, "k.toml")) == ()
    assert lacks(state=False) == ("state",)


@pytest.mark.parametrize(
    ("at", "expires", "counts"),
    [
        (NOW, NOW + 1, True),
        (NOW - 30 * DAY, NOW + DAY, True),
        (NOW - 30 * DAY - 1, NOW + DAY, False),
        (NOW - DAY, NOW, False),
        (NOW + 60, NOW + DAY, False),  # a clock that was set back: nobody knows how old the look is
    ],
)
def test_a_look_at_probing_txt_counts_for_thirty_days_and_until_it_expires(
    at: float, expires: float, counts: bool
) -> None:
    assert lacks(published=seen(at, expires)) == (() if counts else ("probing_txt",))


@pytest.mark.parametrize(
    ("key", "value"),
    [("sha256", None), *((key, value) for key in ("expires", "describes") for value in (None, 5, "", "never"))],
)
def test_an_entry_that_says_too_little_is_no_look(key: str, value: Any) -> None:
    public = arming.checked_item(THERE, b"it", NOW, NOW + DAY).public
    without = {name: said for name, said in public.items() if name != key} | ({} if value is None else {key: value})
    published = seen()
    published.apply(Opened(2, "probing.checked", NOW, without, "", None))
    assert lacks(published=published) == ("probing_txt",)


def test_the_last_look_counts_and_other_kinds_are_no_look() -> None:
    published = seen(NOW - 40 * DAY)
    published.apply(Opened(2, "log.started", NOW, {"sha256": "c" * 64, "expires": "2099-01-01T00:00:00Z"}, "", None))
    assert lacks(published=published) == ("probing_txt",)
    item = arming.checked_item(THERE, b"another", NOW, NOW + DAY)
    published.apply(Opened(3, item.kind, NOW, item.public, "", None))
    assert lacks(published=published) == ()


@pytest.mark.parametrize("delivered", ["no", "unknown"])
def test_what_did_not_arrive_was_not_told(delivered: Any) -> None:
    assert lacks(register=Books(TOLD._replace(delivered=delivered))) == ("announcement",)
    assert lacks(register=Books(TOLD._replace(delivered=delivered), TOLD)) == ()


def test_a_register_is_asked_again_only_when_it_has_changed() -> None:
    books, published = Books(), seen()
    for _ in range(3):
        assert lacks(register=books, published=published) == ("announcement",)
    assert books.asked == 1
    books.all.append(SimpleNamespace(announcements=(TOLD,)))  # type: ignore[arg-type]
    books.version += 1
    assert lacks(register=books, published=published) == ()

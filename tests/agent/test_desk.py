"""The desk: every order that there is, and what comes of one that is not, or has no words that can be used."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent import desk, ipc
from agent.audit.log import AuditError
from agent.desk import VERBS, answered, frames
from agent.errors import ConfigError, InputError, UnavailableError
from agent.ipc import Type
from agent.lab import leave
from tests.agent import leaving
from tests.agent.consent.offices import WHO
from tests.agent.leaving import HOST, NET, Clock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.office import Office


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with leaving.opened(tmp_path, Clock()) as made:
        yield made


def read(answer: Iterator[bytes]) -> list[tuple[Type, dict[str, Any]]]:
    reader = ipc.Reader(frozenset({Type.REPLY, Type.END}))
    return [message for frame in answer for message in reader.feed(frame)]


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_its_function(verb: str) -> None:
    module, _, function = VERBS[verb].partition(":")
    assert module.startswith("agent.verbs.")
    assert callable(getattr(import_module(module), function))


def verb(monkeypatch: pytest.MonkeyPatch, function: Any) -> None:
    """There is one more verb, "made.up"."""
    monkeypatch.setitem(VERBS, "made.up", "a.module:function")
    monkeypatch.setattr(desk, "import_module", lambda name: SimpleNamespace(function=function))


def test_an_order_gets_the_office_its_words_and_who_gives_it(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def function(*given: Any) -> Iterator[dict[str, Any]]:
        yield {"given": given}
        yield {"more": 1}

    verb(monkeypatch, function)
    assert answered(office, "made.up", {"a": 1}, WHO) == [{"given": (office, {"a": 1}, WHO)}, {"more": 1}]


def test_all_of_it_is_done_before_any_of_it_is_told(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or else somebody would be told what he asked for, and then that it cannot be put on record that he was."""

    def function(*given: Any) -> Iterator[dict[str, Any]]:
        yield {"secret": 1}
        raise AuditError("no room")

    verb(monkeypatch, function)
    with pytest.raises(ConfigError, match="nothing was done: no room; make room"):
        answered(office, "made.up", {}, WHO)
    assert [kind for kind, _ in read(frames(office, "made.up", {}, WHO))] == [Type.REPLY, Type.END]


WITHDRAWN = {"customer": "agreed", "record": {"id": "x"}}
FAULTS: list[tuple[Exception, int]] = [
    (InputError("words"), 2), (UnavailableError("nobody"), 69), (ConfigError("key"), 78), (AuditError("disk"), 78),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "code"), FAULTS, ids=lambda value: type(value).__name__)
def test_an_error_is_told_with_its_exit_code(
    office: Office, monkeypatch: pytest.MonkeyPatch, fault: Exception, code: int
) -> None:
    def function(*given: Any) -> Any:
        raise fault

    verb(monkeypatch, function)
    (first, told), end = read(frames(office, "made.up", {}, WHO))
    assert (first, told["exit"]) == (Type.REPLY, code) and str(fault) in told["error"]
    assert end == (Type.END, {"count": 0})


def test_what_is_not_known_and_what_has_no_register(office: Office) -> None:
    with pytest.raises(InputError, match="no order 'consent\\.guess' is known here"):
        answered(office, "consent.guess", {}, WHO)
    with pytest.raises(ConfigError, match="nothing is kept, so there is no register"):
        answered(None, "consent.list", {}, WHO)


def test_an_answer_too_long_is_told_to_be_and_the_others_come(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    verb(monkeypatch, lambda *_: iter([{"a": 1}, {"long": "x" * (ipc.LIMITS[Type.REPLY] + 1)}, {"b": 2}]))
    first, second, third, end = read(frames(office, "made.up", {}, WHO))
    assert (first, third) == ((Type.REPLY, {"item": {"a": 1}}), (Type.REPLY, {"item": {"b": 2}}))
    assert (second[1]["exit"], end) == (69, (Type.END, {"count": 3}))


def test_an_order_is_answered_from_the_register(office: Office) -> None:
    (kind, body), *_ = read(frames(office, "consent.list", {}, WHO))
    assert kind is Type.REPLY and "agreed" in str(body["item"])


@pytest.mark.parametrize(
    ("name", "words"),
    [("audit.prove", {"customer": "\ud800"}), ("consent.list", {"start": 1 << 70}), ("consent.withdraw", WITHDRAWN)],
)
def test_words_that_nobody_looks_for(office: Office, name: str, words: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        answered(office, name, words, WHO)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 70_000) | st.floats(allow_nan=False) | st.sampled_from(
        ("", "agreed", HOST, NET, "192.0.2.0/33", "nonsense", "2026-11-24T08:00:00Z", "f" * 64, "\ud800", "x\n\0")
    ) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
DOCUMENT = {
    "kind": "terms", "version": "2", "lang": "en", "sha256": "d" * 64, "published_at": "2026-11-01T08:00:00Z",
}  # fmt: skip
ANNOUNCED = {"channel": "mail", "sent_at": "2026-11-01T08:00:00Z", "delivered": "yes", "sha256": "d" * 64}
RECORD = leave.record("agreed", [NET], leaving.START) | {"record_id": leave.ident("another")}
# Words that are in order, of which one thing or another is then made something else.
WORDS: dict[str, Any] = {
    "address": HOST, "port": 443, "customer": "agreed", "prefix": f"{HOST}/32", "headers": False, "entry": 7,
    "record": RECORD, "objection": leave.ident("objection"), "dry_run": False, "document": DOCUMENT, "text": "Contact:",
    "customers": ["agreed"], "announced": ANNOUNCED, "source": "crm", "made": "2026-11-18T00:00:00Z", "full": True,
    "session": "1", "rows": [["1", {"customer": "agreed", "prefix": "203.0.113.0/24"}]], "show": True, "signed": False,
    "accept_loss": 0, "start": 0, "state": None, "days": 30, "count": 3, "basis": "explicit", "faults": 3, "limit": 5,
}  # fmt: skip


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in it that can be made something else."""
    if at:
        yield at
    for key, below in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(below, (*at, key))


def put(value: Any, at: tuple[Any, ...], what: Any) -> Any:
    """A copy in which something else stands in that place."""
    if not at:
        return what
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[at[0]] = put(copy[at[0]], at[1:], what)
    return copy


MADE = st.builds(put, st.just(WORDS), st.sampled_from(list(places(WORDS))), VALUES)
LESS = st.builds(
    lambda words, keys: {key: value for key, value in words.items() if key not in keys},
    MADE, st.sets(st.sampled_from(sorted(WORDS)), max_size=4) | st.just({"record", "prefix"}),
)  # fmt: skip


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(sorted(VERBS)), LESS)
def test_no_words_make_a_desk_fall_over(office: Office, name: str, words: dict[str, Any]) -> None:
    """Whatever an order says comes to an answer or to a fault of the operator's: the agent lives on."""
    answer = read(frames(office, name, words, WHO))
    assert answer[-1][0] is Type.END
    assert [kind for kind, _ in answer[:-1]] == [Type.REPLY] * (len(answer) - 1)
    office.kill_switch.unlink(missing_ok=True)


def test_a_fault_of_ours_is_the_end_of_an_order_and_of_nothing_else(
    office: Office, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(VERBS, "made.up", "tests.agent.test_desk:_broken")
    (kind, body), (end, count) = read(frames(office, "made.up", {}, WHO))
    assert (kind, body["exit"], end, count) == (Type.REPLY, 70, Type.END, {"count": 0})
    assert body["error"] == "the daemon failed at this order (ZeroDivisionError); its log says where"
    assert "an order failed" in caplog.text


def _broken(office: Office, words: object, who: object) -> list[dict[str, object]]:
    return [{"never": 1 // 0}]

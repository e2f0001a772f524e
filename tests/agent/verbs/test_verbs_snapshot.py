"""Snapshots: what one register exports is what another has when it took it, and every reason to refuse one."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.audit.signing import Key, private_key, sign
from agent.errors import InputError
from agent.schema import SIGNING_KEY
from agent.verbs import sessions
from tests.registry import MADE, World, event, later, mapping, objection, prefixes, record

if TYPE_CHECKING:
    from collections.abc import Iterator


def exported(world: World, *, contacts: bool = False, days: int = 7) -> str:
    answers = world.all("registry.export", {"signed": True, "contacts": contacts, "days": days})
    return answers[-1]["head"] + "".join(each.get("text", "") for each in answers)


def take(world: World, note: str, **words: Any) -> dict[str, Any]:
    (begun,) = world.give("registry.snapshot", {})
    lines = note.splitlines(keepends=True)
    try:
        for start in range(0, len(lines), 2):
            world.give("registry.text", {**begun, "text": "".join(lines[start : start + 2])})
        return world.all("registry.take", {**begun, "show": False, **words})[-1]
    finally:
        sessions._sessions.clear()


def replica(directory: Path, *of: World, **consent: Any) -> World:
    """A register that takes the snapshots of these."""
    keys = directory / "keys"
    keys.write_text("# whose snapshots are taken\n" + "".join(f"{each.office.log.vkey}\n" for each in of))
    return World(directory / "there", snapshot_keys=str(keys), **consent)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    sessions._sessions.clear()
    made = World(tmp_path / "here")
    made.send([*prefixes(20), mapping("192.0.2.0/24", "C-2", "shared"), record(1), objection("C-2")], full=True)
    yield made
    made.office.close()


@pytest.fixture
def there(tmp_path: Path, here: World) -> Iterator[World]:
    made = replica(tmp_path, here)
    yield made
    made.office.close()


def state(world: World) -> Any:
    """All that the register says, but for when it heard of it."""

    def unheard(value: Any) -> Any:
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            left = {key: unheard(each) for key, each in value._asdict().items() if key != "received"}
            return tuple(sorted(left.items()))
        return tuple(map(unheard, value)) if isinstance(value, tuple) else value

    register = world.office.register
    customers = {each.ref: unheard(each) for each in register.customers()}
    mapped = {
        ref: sorted((one.prefix, one.kind, one.source, one.until, one.session) for one in register.mapped(ref))
        for ref in customers
    }
    return customers, mapped, dict(register.documents), register.sources()


def test_a_snapshot_is_the_register(here: World, there: World) -> None:
    came = take(there, exported(here, contacts=True))
    assert (came["refused"], came["held"]) == (0, "")
    assert state(there) == state(here)
    taken = list(there.office.log.read(("snapshot.taken",)))[-1].public
    assert (taken["origin"], taken["number"], taken["contacts"]) == ("log/here", here.office.log.size, True)


def test_contacts_stay_where_they_are_unless_they_are_asked_for(here: World, there: World) -> None:
    note = exported(here)
    assert "it@example.net" not in note and "it@example.net" in exported(here, contacts=True)
    take(there, note)
    assert [each.channels for each in there.office.register.customers() if each.ref == "C-1"] == [("mail",)]
    assert take(there, exported(here, contacts=True))["refused"] == 0


def test_that_it_was_read_is_on_record(here: World) -> None:
    exported(here)
    last = list(here.office.log.read(("register.read",)))[-1].public
    assert last == {"uid": 0, "what": "snapshot"}


def test_a_newer_one_brings_only_what_changed(here: World, there: World) -> None:
    take(there, exported(here))
    here.send([*prefixes(20), mapping("192.0.2.0/24", "C-2", "shared")], full=True, made=later(0.2))
    here.send([event("withdrawn")])
    before = there.office.log.size
    assert take(there, exported(here))["refused"] == 0
    assert there.kinds(before) == ["record.withdrawn", "mapping.synced", "snapshot.taken"]


def test_what_undoes_a_no_comes_after_it_there_too(here: World, there: World) -> None:
    here.send([event("withdrawn", at="2026-09-01T08:00:00Z")])  # heard of after the record: it ends it all the same
    take(there, exported(here, contacts=True))
    (ended,) = [each.records[0].ended for each in there.office.register.customers() if each.ref == "C-1"]
    assert ended is not None and state(there)[0]["C-1"] == state(here)[0]["C-1"]


def test_a_dry_run_takes_nothing(here: World, there: World) -> None:
    before = there.office.log.size
    take(there, exported(here), show=True)
    assert [each.kind for each in there.office.log.read(start=before)] == ["register.read"]
    assert take(there, exported(here))["refused"] == 0


def test_a_loss_is_held_until_it_is_accepted(here: World, there: World) -> None:
    take(there, exported(here))
    here.send(prefixes(10), full=True, made=later(0.2), accept_loss=True)
    note = exported(here)
    came = take(there, note)
    assert came["held"].startswith("crm would lose 11 of 21 prefixes")
    assert len(there.mapped()) == 11  # ten that stay, and what is shared
    assert take(there, note, accept_loss=True)["held"] == ""
    assert there.mapped() == here.mapped()


def test_unsigned(here: World, there: World) -> None:
    head, blank, signature, *rows = exported(here).splitlines(keepends=True)
    for lines in (
        [head, *rows],
        [head, blank, *rows],
        [head],
        [head, signature, *rows],
        [head, signature, blank, *rows],
    ):
        with pytest.raises(InputError, match="is not signed, so nothing of it is taken"):
            take(there, "".join(lines))
    for note in ("x\n\n\u2014 log/here AAAA\n", "\n", "".join([blank, signature, *rows])):
        with pytest.raises(InputError, match="line 1: no line of a snapshot"):
            take(there, note)
    with pytest.raises(InputError, match="line 4: no line of a snapshot"):
        take(there, "".join([head, blank, signature, "x\n", *rows]))


def test_wrong_key(here: World, there: World, tmp_path: Path) -> None:
    stranger = World(tmp_path / "stranger")
    with pytest.raises(InputError, match="is of log/stranger, and no key of that name is in"):
        take(there, exported(stranger))
    with pytest.raises(InputError, match="is not signed with the key of log/here that is in"):
        take(there, _changed(stranger, exported(here)))
    stranger.office.close()


def _changed(world: World, note: str, **head: Any) -> str:
    """The snapshot with another head, rightly signed by this register under the name of the first one."""
    first, _, _, *rows = note.splitlines(keepends=True)
    first = json.dumps({**json.loads(first), **head}, sort_keys=True, separators=(",", ":"))
    key = private_key(world.office.directory / SIGNING_KEY, make=False)
    return sign(f"{first}\n", Key("log/here", key)) + "".join(rows)


TAMPERED = [("C-1", "C-9"), ("static", "shared"), ('"headers":false', '"headers":true'), ("10.0.1.0/29", "10.0.1.0/28")]


@pytest.mark.parametrize(("old", "new"), TAMPERED)
def test_tampered(here: World, there: World, old: str, new: str) -> None:
    note = exported(here)
    assert old in note
    with pytest.raises(InputError, match="was changed after log/here signed it, so nothing of it is taken"):
        take(there, note.replace(old, new, 1))
    lines = note.splitlines(keepends=True)
    swapped = [*lines[:3], lines[4], lines[3], *lines[5:]]
    for other in ("".join(lines[:3] + lines[4:]), "".join(swapped), "".join(lines[:-1]), "".join([*lines, lines[-1]])):
        with pytest.raises(InputError, match="was changed after"):
            take(there, other)
    assert there.kinds() in ([], ["log.started"])


def test_expired(here: World, there: World) -> None:
    note = exported(here, days=1)
    there.now += 86_400
    came = take(there, note)
    assert came["faults"] == ["it expired at 2026-11-25T09:00:00Z; export it anew"]
    # Its noes count, and nothing else: an expired snapshot can be used to refuse.
    assert there.kinds()[-1] == "record.objected" and not there.mapped()
    assert take(there, exported(here, days=31))["faults"] == []


def test_older_and_the_same_again(here: World, there: World) -> None:
    old, new = exported(here), exported(here)
    number = json.loads(new.partition("\n")[0])["number"]
    assert take(there, new)["faults"] == []
    for note in (old, new):
        assert f"number {number} was taken before; take one that is newer" in take(there, note)["faults"][0]


HEADS: list[tuple[dict[str, Any], str]] = [
    ({"rows": 3}, "it says 3 rows, and has 23"),
    ({"made": "2026-11-25T09:00:00Z"}, "which has not come yet"),
    ({"sources": {}}, "it has prefixes of crm, which it does not name"),
]


@pytest.mark.parametrize(("head", "message"), HEADS)
def test_signed_and_yet_not_believed(here: World, there: World, head: dict[str, Any], message: str) -> None:
    assert message in take(there, _changed(here, exported(here), **head))["faults"][0]
    assert not there.mapped()


@pytest.mark.parametrize(
    "head",
    [
        {"schema": "x"},
        {"number": "1"},
        {"expires": "soon"},
        {"contacts": 1},
        {"sources": {"crm": 1}},
        {"sources": {"A B": {"at": MADE, "synced": ""}}},
        {"sources": {"crm": {"at": MADE}}},
    ],
)
def test_a_head_that_is_none(here: World, there: World, head: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="line 1: no line of a snapshot"):
        take(there, _changed(here, exported(here), **head))


def test_keys_that_cannot_be_read(here: World, tmp_path: Path) -> None:
    made = World(tmp_path / "other", snapshot_keys=str(tmp_path / "none"))
    with pytest.raises(InputError, match=r"consent.snapshot_keys: .*none: No such file or directory; one key a line"):
        take(made, exported(here))
    made.office.close()


CUSTOMERS = st.sampled_from(["C-1", "C-2", "C-3"])
TIMES = st.integers(0, 60).map(lambda day: later(-24.0 * day))
ROWS = st.lists(
    st.one_of(
        st.builds(
            lambda number: record(number, f"C-{number % 3}", created_at=later(-24.0 * number)), st.integers(1, 30)
        ),
        st.builds(lambda ref, at, wide: objection(ref, at=at, headers=wide), CUSTOMERS, TIMES, st.booleans()),
        st.builds(
            lambda name, ref, at: event(name, ref, at=at),
            st.sampled_from(["withdrawn", "refused", "suspended", "resumed", "contract_ended", "requested"]),
            CUSTOMERS,
            TIMES,
        ),
        st.builds(
            lambda ref, at, how: (
                {"what": "announcement", "customer": ref, "channel": "mail", "sent_at": at}
                | {"delivered": how, "sha256": "ab" * 32}
            ),
            CUSTOMERS,
            TIMES,
            st.sampled_from(["yes", "no", "unknown"]),
        ),
    ),
    max_size=8,
)
MAPPINGS = st.dictionaries(st.integers(0, 5), st.tuples(CUSTOMERS, st.sampled_from(["static", "shared"])), min_size=1)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(ROWS, MAPPINGS), min_size=1, max_size=3))
def test_what_is_exported_and_imported_is_the_same_register(rounds: Any) -> None:
    sessions._sessions.clear()
    with tempfile.TemporaryDirectory() as name:
        here = World(Path(name) / "here")
        there = replica(Path(name), here)
        for number, (rows, mapped) in enumerate(rounds):
            pairs = [mapping(f"192.0.2.{at * 16}/28", *of) for at, of in mapped.items()]
            here.send([*rows, *pairs], full=True, made=later(number / 10), accept_loss=True)
            came = take(there, exported(here, contacts=True), accept_loss=True)
            assert came["faults"] == []
        assert state(there) == state(here)
        here.office.close()
        there.office.close()

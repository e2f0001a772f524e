"""The findings store: what is put there is there again, and tells nobody who has the files alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.cases.book import STEPS, Book, BookError, Told
from agent.cases.case import Case, Event, digest, said
from agent.errors import ConfigError
from agent.keyfile import secret
from agent.schema import FINDINGS, FINDINGS_KEY, lock
from agent.schema import opened as database
from tests.agent.cases.servers import OLD

CUSTOMER, ADDRESS, HOST_NAME = "canary-customer", "203.0.113.77", "canary.example.org"


def opened(directory: Path) -> Book:
    book = Book(directory)
    book.open()
    return book


def began(book: Book, customer: str = CUSTOMER, address: str = ADDRESS, at: float = 1.0) -> Case:
    body: dict[str, Any] = {
        "customer": customer, "address": address, "severity": "critical", "build": OLD, "holes": ["ProxyLogon"],
        "exploited": ["ProxyLogon"],
    }  # fmt: skip
    return book.begin(Event(at, "opened", body))


def stepped(ident: str = "aaaaaaaa") -> Event:
    body = {
        "id": ident, "step": "tell", "channel": "mail", "role": "security", "way": "w",
        "message_id": f"<{ident}@isp.example>",
    }  # fmt: skip
    return Event(2.0, "step", body)


def test_what_is_put_there_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    book = opened(tmp_path)
    case = began(book)
    case = book.put(case.id, stepped(), Event(3.0, "begun", {"id": "aaaaaaaa"}))
    other = began(book, "c-2", "2001:db8::1")
    assert book.cases == {case.id: case, other.id: other}
    events = book.events(case.id)
    book.close()
    again = opened(tmp_path)
    assert again.cases == book.cases
    assert again.events(case.id) == events and [each.kind for each in events] == ["opened", "step", "begun"]
    assert again.at(ADDRESS) == [case] and again.at("192.0.2.200") == []
    again.close()


def test_nothing_of_it_is_in_clear_on_the_disk(tmp_path: Path) -> None:
    book = opened(tmp_path)
    case = began(book)
    book.put(case.id, stepped(), Event(3.0, "noted", {"by": HOST_NAME, "text": "canary words"}))
    on_disk = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    token = book.token(case.id)
    for secret_ in (CUSTOMER, ADDRESS, HOST_NAME, "canary", OLD, "ProxyLogon", "critical", "isp.example", token):
        assert secret_.encode() not in on_disk
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    book.close()
    # The names are among those that the state directory may hold.
    (tmp_path / FINDINGS).parent.chmod(0o755)
    lock(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o700


TEXT = "About your server\n\nThe canary sings on 203.0.113.77.\n"


def test_what_a_message_said_is_kept_with_the_leave_to_send_it(tmp_path: Path) -> None:
    book = opened(tmp_path)
    case = began(book)
    book.put(case.id, stepped())
    case = book.put(case.id, Event(3.0, "begun", said("aaaaaaaa", TEXT)), text=TEXT)
    assert book.texts(case.id) == [Told(3.0, "aaaaaaaa", TEXT)] and case.steps[0].sha256 == digest(TEXT)
    other = began(book, "c-2", "192.0.2.9")
    assert book.texts(other.id) == []
    on_disk = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"canary" not in on_disk and ADDRESS.encode() not in on_disk
    book.close()
    again = opened(tmp_path)
    assert again.cases == {case.id: case, other.id: other} and again.texts(case.id) == [Told(3.0, "aaaaaaaa", TEXT)]
    again.close()


@pytest.mark.parametrize("gone", ["deleted", "erased"])
def test_what_a_message_said_goes_with_its_case_and_its_customer(tmp_path: Path, gone: str) -> None:
    book = opened(tmp_path)
    case = began(book)
    book.put(case.id, stepped(), Event(3.0, "begun", said("aaaaaaaa", TEXT)), text=TEXT)
    (blob,) = book._db.execute("SELECT blob FROM texts").fetchone()
    assert blob in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    if gone == "deleted":
        book.delete(case.id, until=9.0)
        book.truncate()
    else:
        book.erase(CUSTOMER)
    assert not book._db.execute("SELECT 1 FROM texts").fetchall()
    assert blob not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    book.close()


def test_a_text_opens_in_its_own_place_alone(tmp_path: Path) -> None:
    book = opened(tmp_path)
    case = began(book)
    book.put(case.id, stepped(), Event(3.0, "begun", said("aaaaaaaa", TEXT)), text=TEXT)
    book._db.execute("UPDATE texts SET blob = (SELECT blob FROM events WHERE number = texts.number)")
    with pytest.raises(BookError, match="does not open"):
        book.texts(case.id)
    book.close()


def test_a_store_from_before_texts_were_kept_goes_on(tmp_path: Path) -> None:
    older = database(tmp_path / FINDINGS, STEPS[:2])
    older.close()
    secret(tmp_path / FINDINGS_KEY, "the key of the findings store", make=True)
    book = opened(tmp_path)
    case = began(book)
    assert book.texts(case.id) == []
    book.put(case.id, stepped(), Event(3.0, "begun", said("aaaaaaaa", TEXT)), text=TEXT)
    assert len(book.texts(case.id)) == 1
    book.close()


def test_another_key_opens_nothing(tmp_path: Path) -> None:
    book = opened(tmp_path)
    began(book)
    book.close()
    (tmp_path / FINDINGS_KEY).unlink()
    with pytest.raises(ConfigError, match="key of the findings store"):
        Book(tmp_path).open()
    secret(tmp_path / FINDINGS_KEY, "another", make=True)
    with pytest.raises(ConfigError, match="the key that it was written with"):
        Book(tmp_path).open()


def test_the_key_may_be_a_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given, state = tmp_path / "given", tmp_path / "state"
    given.mkdir()
    state.mkdir()
    secret(given / "findings", "of systemd", make=True)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(given))
    opened(state).close()
    assert not (state / FINDINGS_KEY).exists()


def test_who_is_erased_is_nowhere(tmp_path: Path) -> None:
    book = opened(tmp_path)
    gone, stays = began(book), began(book, "c-2", "192.0.2.9")
    other = began(book, address="192.0.2.10")
    token, old = book.token(gone.id), book.token(other.id)
    book.delete(other.id, until=1e9)
    salt, blob = book._db.execute(
        "SELECT salt, blob FROM customers c JOIN events e ON e.owner = c.number WHERE kase = ?",
        (bytes.fromhex(gone.id),),
    ).fetchone()
    assert book.erase(CUSTOMER) == 1
    assert book.cases == {stays.id: stays} and book.holder(token) is None and book.holder(old) is None
    on_disk = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert salt not in on_disk and blob not in on_disk
    assert book.erase("nobody") == 0
    book.close()
    again = opened(tmp_path)
    assert again.cases == {stays.id: stays} and again.holder(old) is None
    again.close()


def test_of_a_case_that_is_deleted_the_token_says_no_and_nothing_else(tmp_path: Path) -> None:
    book = opened(tmp_path)
    case = began(book)
    token = book.token(case.id)
    held = book.holder(token)
    assert held is not None and (held.customer, held.case) == (CUSTOMER, case.id)
    blob = book._db.execute("SELECT blob FROM events").fetchone()[0]
    book.delete(case.id, until=100.0)
    book.truncate()
    assert blob not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    book.close()
    again = opened(tmp_path)
    held = again.holder(token)
    assert held is not None and (held.customer, held.case) == (CUSTOMER, "")
    again.expire(99.0)
    assert again.holder(token) is not None
    again.expire(100.0)
    assert again.holder(token) is None
    assert again._db.execute("SELECT count(*) FROM customers").fetchone() == (0,)
    began(again)  # and may be met again
    again.close()


def test_a_token_is_128_bits_and_another_for_each_case(tmp_path: Path) -> None:
    book = opened(tmp_path)
    first, second = began(book), began(book, address="192.0.2.9")
    assert len(book.token(first.id)) == 26 and book.token(first.id) != book.token(second.id)
    assert book.holder("nobodys") is None and book.holder("\ud800") is None
    book.close()


def test_what_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    book = opened(tmp_path)
    case = began(book)
    book._db.execute("PRAGMA query_only = ON")
    with pytest.raises(BookError):
        book.put(case.id, stepped())
    with pytest.raises(BookError):
        book.put("00" * 8, Event(1.0, "opened", {**_body("c-9")}))
    with pytest.raises(BookError):
        book.delete(case.id, 5.0)
    assert book.cases == {case.id: case}
    book._db.execute("PRAGMA query_only = OFF")
    assert book.put(case.id, stepped()).steps
    book.close()


def _body(customer: str) -> dict[str, Any]:
    return {"customer": customer, "address": ADDRESS, "severity": "high", "build": "", "holes": [], "exploited": []}


def test_jobs(tmp_path: Path) -> None:
    book = opened(tmp_path)
    assert book.last_success("retention") == 0.0
    book.succeeded("retention", 7.0)
    assert book.last_success("retention") == 7.0
    book.close()

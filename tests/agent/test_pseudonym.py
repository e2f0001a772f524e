"""Pseudonyms: under a key, of a period, in nobody's spelling of an address; and the file that the key is in."""

from __future__ import annotations

import re
import stat
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import ConfigError
from agent.pseudonym import Pseudonyms, key, opened
from agent.schema import PSEUDONYM_KEY, lock

if TYPE_CHECKING:
    from pathlib import Path

KEY = bytes(range(32))
DAY = 86_400.0
ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
TIMES = st.floats(0, 4e9, allow_nan=False)


@given(ADDRESSES, TIMES, st.integers(1, 366))
def test_no_pseudonym_is_or_parses_as_an_address_or_a_name_with_a_dot(address: str, now: float, days: int) -> None:
    made = Pseudonyms(KEY, days).of(address, now)
    assert re.fullmatch(r"s-[a-z2-7]{16}", made)
    with pytest.raises(ValueError, match="does not appear"):
        ip_address(made)


def test_they_are_the_same_for_as_long_as_a_period_lasts_and_others_in_the_next() -> None:
    names = Pseudonyms(KEY, 30)
    first, last, after = 600 * 30 * DAY, 601 * 30 * DAY - 1, 601 * 30 * DAY
    assert names.epoch(first) == names.epoch(last) == names.epoch(after) - 1 == 600
    assert names.of("192.0.2.9", first) == names.of("192.0.2.9", last) != names.of("192.0.2.9", after)
    assert names.in_epoch("192.0.2.9", 600) == names.of("192.0.2.9", first)


def test_every_address_key_period_and_length_of_it_makes_another() -> None:
    made = [
        Pseudonyms(secret, days).in_epoch(address, epoch)
        for secret in (KEY, bytes(32))
        for days in (1, 30)
        for epoch in (1, 13, 131)
        for address in ("192.0.2.9", "192.0.2.10", "2001:db8::9", "2001:db8::c000:209")
    ]
    assert len(set(made)) == len(made)


def test_another_spelling_of_an_address_makes_the_same() -> None:
    names = Pseudonyms(KEY, 30)
    assert names.of("2001:DB8:0::9", 0) == names.of("2001:db8::9", 0)


@pytest.mark.parametrize("text", ["", "mail.example", "192.0.2", "192.0.2.0/24", "s-aaaaaaaaaaaaaaaa"])
def test_what_is_no_address_has_none(text: str) -> None:
    with pytest.raises(OSError, match="illegal"):
        Pseudonyms(KEY, 30).of(text, 0)


def test_the_id_of_the_key_is_not_made_as_a_pseudonym_is_and_tells_keys_apart() -> None:
    names, others = Pseudonyms(KEY, 30), Pseudonyms(bytes(32), 30)
    assert re.fullmatch(r"[0-9a-f]{8}", names.key_id)
    assert names.key_id != others.key_id
    assert names.key_id not in KEY.hex()
    assert names.lasting(7).key_id == names.key_id
    assert names.lasting(30) is names


def test_a_key_is_made_once_for_us_alone_and_found_again(tmp_path: Path) -> None:
    made = key(tmp_path)
    path = tmp_path / PSEUDONYM_KEY
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == [PSEUDONYM_KEY]
    before = path.stat().st_mtime_ns
    assert key(tmp_path) == made
    assert path.stat().st_mtime_ns == before
    assert opened(tmp_path, 7).of("192.0.2.9", 0) == Pseudonyms(made, 7).of("192.0.2.9", 0)


def test_what_a_start_that_was_cut_off_left_behind_is_no_key(tmp_path: Path) -> None:
    (tmp_path / f"{PSEUDONYM_KEY}.new").write_text("00ff")
    assert len(key(tmp_path)) == 32
    assert [each.name for each in tmp_path.iterdir()] == [PSEUDONYM_KEY]


def test_its_file_is_one_of_ours_in_the_state_directory(tmp_path: Path) -> None:
    key(tmp_path)
    tmp_path.chmod(0o755)
    lock(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_where_nothing_is_kept_each_process_has_its_own() -> None:
    assert len(key(None)) == 32
    assert key(None) != key(None)


def test_the_credential_comes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given, state = tmp_path / "given", tmp_path / "state"
    given.mkdir()
    state.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(given))
    own = key(state)
    (given / "pseudonym").write_text(f"{KEY.hex()}\n")
    assert key(state) == KEY == key(None) != own


@pytest.mark.parametrize("text", ["", "00", KEY.hex()[:-2], KEY.hex() + "00", "no hex digits", "\u00e9"])
@pytest.mark.parametrize("place", ["credential", "file"])
def test_a_key_of_another_length_is_refused_and_left_as_it_is(
    text: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / (PSEUDONYM_KEY if place == "file" else "pseudonym")
    if place == "credential":
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"{path.name}: not a key of 64 hex digits; put the right one back"):
        key(tmp_path)
    assert path.read_text(encoding="utf-8") == text


def test_a_key_that_may_not_be_read_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / PSEUDONYM_KEY).mkdir()
    with pytest.raises(ConfigError, match=r"agent.state: .*pseudonym.key: Is a directory; the key of the pseudonyms"):
        key(tmp_path)


def test_credentials_that_cannot_be_looked_at_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "no-directory").write_text("")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "no-directory"))
    with pytest.raises(ConfigError, match=r"LoadCredential=: .*/pseudonym: Not a directory; let the daemon's user"):
        opened(tmp_path, 30)

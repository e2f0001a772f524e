"""Groups: which file is one, who is in which, and that no group that is too small can be seen or worked out."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import ConfigError
from agent.groups import MOST, OTHER, Groups, Size, folded, named, usable

if TYPE_CHECKING:
    from pathlib import Path

LEAST = 5
LOG = logging.getLogger("test")


def of(*sizes: tuple[str, int, int]) -> dict[str, Size]:
    return {name: Size(servers, exposed) for name, servers, exposed in sizes}


FOLDED = [
    ("large ones are shown", of(("north", 5, 1), ("south", 9, 2)), of(("north", 5, 1), ("south", 9, 2))),
    ("small ones are others", of(("a", 3, 1), ("b", 2, 2), ("north", 7, 0)), of(("north", 7, 0), (OTHER, 5, 3))),
    ("with who is in none", of(("a", 1, 1), (OTHER, 4, 0)), of((OTHER, 5, 1))),
    ("few others: the smallest joins", of(("a", 4, 1), ("b", 6, 2), ("c", 9, 3)), of(("c", 9, 3), (OTHER, 10, 3))),
    ("the smallest by name", of(("a", 1, 0), ("c", 5, 3), ("b", 5, 2)), of(("c", 5, 3), (OTHER, 6, 2))),
    ("few in none of them: the same", of(("b", 6, 2), (OTHER, 1, 1)), of((OTHER, 7, 3))),
    ("few in all: nothing", of(("a", 1, 1), (OTHER, 3, 1)), {}),
    ("no others: nothing joins", of(("a", 0, 0), ("b", 5, 2)), of(("b", 5, 2))),
    ("nobody", {}, {}),
]


@pytest.mark.parametrize(("sizes", "shown"), [row[1:] for row in FOLDED], ids=[row[0] for row in FOLDED])
def test_folding(sizes: dict[str, Size], shown: dict[str, Size]) -> None:
    assert folded(sizes, LEAST) == shown


SIZES = st.dictionaries(
    st.sampled_from([*"abcdef", OTHER]),
    st.integers(0, 12).flatmap(lambda n: st.builds(Size, st.just(n), st.integers(0, n))),
)


@given(SIZES, st.integers(5, 9))
def test_nothing_small_is_shown_nor_what_is_left_when_all_that_is_shown_is_taken_away(
    sizes: dict[str, Size], least: int
) -> None:
    shown = folded(sizes, least)
    total = sum(size.servers for size in sizes.values())
    left = total - sum(size.servers for size in shown.values())
    assert all(size.servers >= least for size in shown.values())
    # Who knows how many there are in all works out no more than that: all of them, where they are few.
    assert left == 0 or (not shown and left == total < least)
    assert all(sizes[name] == size for name, size in shown.items() if name != OTHER)


def written(directory: Path, **groups: str) -> str:
    for name, text in groups.items():
        (directory / f"{name}.txt").write_text(text)
    return str(directory)


def settled(groups: Groups, directory: str) -> Groups:
    for now in range(3):
        groups.look(directory, float(now))
    return groups


def test_the_files_of_a_directory_are_groups_by_their_names(tmp_path: Path) -> None:
    directory = written(tmp_path, north="192.0.2.0/24\n", pop_2="2001:db8::/32\n")
    (tmp_path / "README").write_text("what these are")
    (tmp_path / ".north.txt.swp.txt").write_text("an editor's")
    assert named(directory) == {"north": f"{tmp_path}/north.txt", "pop_2": f"{tmp_path}/pop_2.txt"}
    usable(directory)
    usable("")


@pytest.mark.parametrize("name", ["North", "1st", "a b", "x" * 33, "\u00e9", "mail.example", "192.0.2.1", OTHER, ""])
def test_another_name_is_refused_and_says_what_would_be_right(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.txt" if name else tmp_path / "_.txt").write_text("192.0.2.0/24\n")
    with pytest.raises(ConfigError, match=r"exporter.groups: .*\.txt: cannot be the name of a group; write a small"):
        usable(str(tmp_path))


def test_what_cannot_be_used_is_told_with_its_place(tmp_path: Path) -> None:
    directory = written(tmp_path, north="192.0.2.0/33\n", south="nobody\n")
    with pytest.raises(ConfigError) as told:
        usable(directory)
    assert "exporter.groups (north): " in str(told.value)
    assert "south.txt: line 1: is not a prefix" in str(told.value)
    with pytest.raises(ConfigError, match=r"exporter.groups: .*absent: No such file or directory; name a directory"):
        usable(str(tmp_path / "absent"))


def test_more_groups_than_may_be_label_values_are_refused(tmp_path: Path) -> None:
    directory = written(tmp_path, **{f"g{number}": "" for number in range(MOST + 1)})
    with pytest.raises(ConfigError, match="257 groups, and at most 256 are counted"):
        usable(directory)


def test_each_address_is_in_one_group_the_first_by_name(tmp_path: Path) -> None:
    directory = written(tmp_path, wide="192.0.2.0/24\n", deep="192.0.2.64/26\n2001:db8:1::/48\n", zone="192.0.2.80\n")
    groups = settled(Groups(LOG), directory)
    expected = {
        "192.0.2.63": "wide", "192.0.2.64": "deep", "192.0.2.80": "deep", "192.0.2.128": "wide",
        "2001:db8:1::9": "deep", "2001:db8:2::9": OTHER, "198.51.100.9": OTHER, "0.0.0.0": OTHER, "::": OTHER,
    }  # fmt: skip
    assert {address: groups.of(address) for address in expected} == expected


def test_what_changes_is_in_force_soon_and_what_is_broken_leaves_the_last_good_one(tmp_path: Path) -> None:
    directory = written(tmp_path, north="192.0.2.0/25\n", south="192.0.2.128/25\n")
    groups = settled(Groups(LOG), directory)
    written(tmp_path, north="198.51.100.0/24\n")
    settled(groups, directory)
    assert (groups.of("192.0.2.1"), groups.of("198.51.100.1"), groups.failing) == (OTHER, "north", 0)
    written(tmp_path, north="nonsense\n")
    settled(groups, directory)
    assert (groups.of("198.51.100.1"), groups.of("192.0.2.129"), groups.failing) == ("north", "south", 1)
    (tmp_path / "north.txt").unlink()
    settled(groups, directory)
    assert (groups.of("198.51.100.1"), groups.of("192.0.2.129"), groups.failing) == (OTHER, "south", 0)


def test_a_name_that_cannot_be_one_is_told_once_and_those_before_stay(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = written(tmp_path, north="192.0.2.0/24\n")
    groups = settled(Groups(LOG), directory)
    written(tmp_path, North="192.0.2.0/24\n")
    settled(groups, directory)
    assert (groups.of("192.0.2.1"), groups.failing) == ("north", 1)
    assert [record.getMessage() for record in caplog.records].count("groups cannot be used") == 1
    (tmp_path / "North.txt").unlink()
    assert settled(groups, directory).failing == 0


def test_without_a_directory_there_are_none(tmp_path: Path) -> None:
    groups = settled(Groups(LOG), written(tmp_path, north="192.0.2.0/24\n"))
    settled(groups, "")
    assert (groups.of("192.0.2.1"), groups.failing) == (OTHER, 0)

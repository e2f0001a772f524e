"""Prefix files: what is read from them, what is refused and how, and whom a configuration looks at by them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import prefixes
from agent.config import check
from agent.errors import ConfigError
from agent.prefixes import looked, usable
from agent.privacy import Sets, cidrs, common, one, union


@pytest.mark.parametrize(
    "content",
    [
        b"192.0.2.0/25\n192.0.2.128/25\n2001:db8::1\n",
        b"\xef\xbb\xbf# customers\r\n\r\n192.0.2.0/24\r\n  2001:db8::1/128 # one\r\n",
        b"2001:0DB8:0::1\t#x\n192.0.2.0/24\n192.0.2.7\n# caf\xc3\xa9, \xff and \0",
    ],
)
def test_one_prefix_a_line_however_it_is_written(content: bytes) -> None:
    assert cidrs(prefixes.parse(content)) == ["2001:db8::1/128", "192.0.2.0/24"]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"# nobody", b"\xef\xbb\xbf"])
def test_a_file_without_a_prefix_is_nobody(content: bytes) -> None:
    assert prefixes.parse(content) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"192.0.2.0/24\n\nexample.org\n", "line 3: is not a prefix; write it like "),
        (b"192.0.2.0/24, 10.0.0.0/8", "line 1: does not end with a length from 0 to 32"),
        (b"192.0.2.1/24", "line 1: has bits set behind its length"),
        (b"\xff\xfe1\x000\x00", "line 1: "),
        (b"x" * 1000, "line 1: is not a prefix"),
        (b"jan@bakery.example # Bakery", "line 1: is not a prefix"),
    ],
)
def test_a_faulty_line_is_named_with_file_and_key(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "p.txt"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        prefixes.read(str(path), "privacy.objected")
    assert str(caught.value).startswith(f"privacy.objected: {path}: {said}")
    # It comes into the log, where nothing may be of what somebody wrote there: but for the examples of what is right.
    told = str(caught.value).replace("192.0.2.0/24 or 2001:db8::/32", "").removeprefix(f"privacy.objected: {path}: ")
    assert not [word for word in content.decode("latin-1").split() if len(word) > 4 and word in told]


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"\n" * 101)
    monkeypatch.setattr(prefixes, "MAX_FILE", 100)
    for name, said in (
        ("none", "No such file"),
        ("", "Is a directory"),
        ("pipe", "is not a file"),
        ("large", "larger"),
    ):
        with pytest.raises(ConfigError, match=rf"^privacy\.customers: .*: {said}"):
            prefixes.read(str(tmp_path / name), "privacy.customers")


@given(st.binary(max_size=60))
def test_any_bytes_are_a_set_or_an_error_with_a_line(content: bytes) -> None:
    try:
        prefixes.parse(content)
    except ValueError as error:
        assert str(error).startswith("line ")


BOTH = ["::/0", "0.0.0.0/0"]
NET = "192.0.2.0/24"
CASES = [
    ({"capture": {"files": ["/a"]}}, {}, (BOTH, [], [])),
    ({"capture": {"files": ["/a"]}, "privacy": {"handshakes": "off"}}, {}, ([], BOTH, [])),
    ({"capture": {"files": ["/a"], "prefixes": [NET]}}, {}, ([NET], [], [])),
    ({"capture": {"files": ["/a"]}, "privacy": {"customers": "/c"}}, {}, ([], [], [])),
    ({"capture": {"interfaces": ["e"]}, "privacy": {"customers": "/c"}}, {"customers": [NET]}, ([NET], [], [])),
    (
        {"capture": {"interfaces": ["e"], "prefixes": ["10.0.0.0/8"]}, "privacy": {"customers": "/c"}},
        {"customers": [NET], "objected": ["10.0.0.0/8"]},
        ([NET], ["10.0.0.0/8"], []),
    ),
    (
        {"capture": {"interfaces": ["e"], "prefixes": [NET]}, "privacy": {"handshakes": "consented"}},
        {"consented": ["192.0.2.128/25", "203.0.113.0/24"], "excluded": ["192.0.2.0/26"]},
        (["192.0.2.128/25"], ["192.0.2.64/26"], []),
    ),
    (
        {"capture": {"interfaces": ["e"], "prefixes": [NET], "resolvers": ["198.51.100.0/31", "2001:db8::53/128"]}},
        {"excluded": ["198.51.100.1"]},
        ([NET], [], ["2001:db8::53/128", "198.51.100.0/32"]),
    ),
]


@pytest.mark.parametrize(("written", "files", "wanted"), CASES)
def test_whom_a_configuration_looks_at(
    written: dict[str, object], files: dict[str, list[str]], wanted: tuple[list[str], ...]
) -> None:
    sets = Sets(**{key: union(map(one, texts)) for key, texts in files.items()})
    assert looked(check(written, "k.toml"), sets) == wanted


def test_what_does_not_fit_loses_its_handshakes_and_then_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    config = check({"capture": {"interfaces": ["e"], "prefixes": [NET]}}, "k.toml")
    sets = Sets(objected=union(map(one, ("192.0.2.1", "192.0.2.9"))))
    whole, _, _ = looked(config, sets)
    monkeypatch.setattr(prefixes, "ROOM", 60)
    less, more, _ = looked(config, sets)
    assert set(less) < set(whole)
    assert min(int(text.partition("/")[2]) for text in whole if text not in less) >= max(
        int(text.partition("/")[2]) for text in less
    )
    customers = union([one(NET)])
    admitted = union(map(one, [*less, *more]))
    assert common(admitted, customers) == admitted
    assert not common(union(map(one, less)), union(map(one, more)))
    assert not common(union(map(one, less)), sets.objected)


def test_an_interface_without_customers_may_not_be_looked_at(tmp_path: Path) -> None:
    live = {"capture": {"interfaces": ["eth0"]}}
    with pytest.raises(ConfigError, match=r"^k\.toml: capture\.prefixes: empty.*0\.0\.0\.0/0 and ::/0"):
        usable(check(live, "k.toml"), "k.toml")
    (tmp_path / "c").write_text("192.0.2.0/24")
    usable(check(live | {"privacy": {"customers": str(tmp_path / "c")}}, "k.toml"), "k.toml")
    usable(check({"capture": {"interfaces": ["eth0"], "prefixes": ["0.0.0.0/0"]}}, "k.toml"), "k.toml")


def test_every_faulty_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "o").write_text("x")
    wrong = check({"privacy": {"objected": str(tmp_path / "o"), "excluded": str(tmp_path / "none")}}, "k.toml")
    with pytest.raises(ConfigError) as caught:
        usable(wrong, "k.toml")
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == [
        "privacy.objected",
        "privacy.excluded",
    ]

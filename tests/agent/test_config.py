"""Configurations that cannot be used, each with its exact message, and what every usable one has in common."""

from __future__ import annotations

import json
import re
import string
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import config, config_commands, sections
from agent.errors import ConfigError, InputError
from collectors.packets import wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

_HOST = "write a host and a port, like mail.example.net:587 or [2001:db8::25]:587"
_NO_URL = "is not an https URL without user and query; write it like https://hooks.example.net/notices"

BAD = [
    ("[capture\n", "line 1, column 9: Expected ']' at the end of a table declaration"),
    ("[log]\nlevel = \n", "line 2, column 9: Invalid value"),
    ("[log]\nlevel = 'info\n", 'line 2: Expected "\'"'),
    ('[log]\nlevel = "info"\n\n[log]\n', "line 4, column 5: Cannot declare ('log',) twice"),
    ("[log]\nlevel", "line 2: Expected '=' after a key in a key/value pair"),
    (
        "[capure]\n",
        "capure: no such key; did you mean capture? "
        "Known here: capture, privacy, consent, probe, audit, notices, exporter, agent, log",
    ),
    ("[log]\nzz = 1", "log.zz: no such key; Known here: level, format"),
    (
        "[privacy]\nobjecte = ''",
        "privacy.objecte: no such key; did you mean objected? "
        "Known here: handshakes, customers, consented, announced, objected, excluded",
    ),
    ("capture = 3", "capture: 3 is not a section; write it as [capture]"),
    ("[capture]\nfiles = 'a.pcap'", 'capture.files: \'a.pcap\' is not a list; write it like ["first", "second"]'),
    ("[capture]\nfiles = [1]", "capture.files[0]: 1 is not a text; write it in quotes"),
    ("[capture]\nfiles = ['']", "capture.files[0]: '' is not the path of a file"),
    ("[capture]\ncount_frames = 1", "capture.count_frames: 1 is neither true nor false"),
    (
        "[capture]\nprefixes = ['192.0.2.0/24', '10.0.0.0/33']",
        "capture.prefixes[1]: '10.0.0.0/33' is not a prefix; write it like 192.0.2.0/24 or 2001:db8::/32",
    ),
    (
        "[capture]\nprefixes = ['192.0.2.1/24']",
        "capture.prefixes[0]: '192.0.2.1/24' has bits set behind its length; the prefix is 192.0.2.0/24",
    ),
    (
        "[exporter]\nlisten = ':9'",
        "exporter.listen: ':9' does not start with an address; "
        "write an address and a port, like 127.0.0.1:10125 or [::1]:10125",
    ),
    (
        "[exporter]\nlisten = '::1:9'",
        "exporter.listen: '::1:9' needs brackets around an IPv6 address, and only there; "
        "write an address and a port, like 127.0.0.1:10125 or [::1]:10125",
    ),
    (
        "[exporter]\nlisten = '127.0.0.1:65536'",
        "exporter.listen: '127.0.0.1:65536' does not end with a port from 0 to 65535; "
        "write an address and a port, like 127.0.0.1:10125 or [::1]:10125",
    ),
    *[
        (
            f"[capture]\ninterfaces = [{name!r}]",
            f"capture.interfaces[0]: {name!r} is not the name of an interface; "
            "write 1 to 15 characters without space, / or :, like eth0",
        )
        for name in ("", "eth 0", "a/b", "eth0:1", "..", "sixteen-letters0")
    ],
    *[
        (f"[notices]\nsender = 'a@example.net'\nrelay = {relay!r}", f"notices.relay: {relay!r} {why}; {_HOST}")
        for relay, why in (
            ("mail.example.net", "does not start with a host"),
            (":25", "does not start with a host"),
            ("mail.example.net:smtp", "does not end with a port from 1 to 65535"),
            ("mail.example.net:0", "does not end with a port from 1 to 65535"),
            ("2001:db8::25:25", "needs brackets around an IPv6 address, and only there"),
            ("[192.0.2.25]:25", "needs brackets around an IPv6 address, and only there"),
            ("a b:25", "does not start with a host"),
        )
    ],
    *[
        (f"[notices]\nwebhook = {url!r}", f"notices.webhook: {url!r} {_NO_URL}")
        for url in (
            "http://hooks.example.net/",
            "https://a:b@hooks.example.net/",
            "https://hooks.example.net/?a=b",
            "hooks",
        )
    ],
    (
        "[notices]\nsender = 'a b@example.net'",
        "notices.sender: 'a b@example.net' is not a mail address; write it like notices@example.net",
    ),
    (
        "[notices]\nrelay = 'mail.example.net:587'",
        "notices.sender: is empty, and there is a relay; name the mail address that notices come from",
    ),
    (
        "[notices]\nrelay = 'mail.example.net:25'\nsender = 'a@example.net'\ntls = 'none'",
        "notices.tls: none, and mail.example.net:25 is another machine; write starttls or tls",
    ),
    ("[capture]\ninterfaces = ['a', 'b', 'a']", "capture.interfaces: ['a', 'b', 'a'] names 'a' twice; leave one"),
    (
        "[capture]\nencapsulations = ['gtp']",
        "capture.encapsulations[0]: 'gtp' is not one of 'gre', 'erspan', 'vxlan', 'geneve', 'gtpu', 'tzsp'",
    ),
    (
        "[capture]\ndissectors = ['smtp', 'ftp']",
        "capture.dissectors[1]: 'ftp' is not one of 'smtp', 'http', 'tls', 'mailbox', 'dns', 'tcp'",
    ),
    ("[capture]\ndissectors = []", "capture.dissectors: [] is empty; leave the key out for its default"),
    ("[capture]\nports = [0]", "capture.ports[0]: 0 is less than 1"),
    ("[capture]\nports = [25, 65536]", "capture.ports[1]: 65536 is more than 65535"),
    (
        f"[capture]\nports = {list(range(1, 300))}",
        "capture.ports: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 1... names more than 256",
    ),
    ("[capture]\nblock_ms = 0", "capture.block_ms: 0 is less than 1"),
    ("[capture]\nring_mib = 4097", "capture.ring_mib: 4097 is more than 4096"),
    ("[capture]\nworkers = 0", "capture.workers: 0 is less than 1"),
    ("[capture]\npromiscuous = 'yes'", "capture.promiscuous: 'yes' is neither true nor false"),
    ("[capture]\nuser = 'no body'", "capture.user: 'no body' is not the name of a user"),
    (
        "[privacy]\nhandshakes = 'all'",
        "privacy.handshakes: 'all' is not one of 'consented', 'announced', 'unless-objected', 'off'",
    ),
    ('[privacy]\nobjected = "a\\u0000b"', "privacy.objected: 'a\\x00b' is not the path of a file"),
    ("[agent]\nmax_servers = '1'", "agent.max_servers: '1' is not a whole number"),
    ("[agent]\nmax_servers = true", "agent.max_servers: True is not a whole number"),
    ("[agent]\nmax_servers = 0", "agent.max_servers: 0 is less than 1"),
    ("[agent]\nmax_servers = 10000001", "agent.max_servers: 10000001 is more than 10000000"),
    (f"[agent]\ncontrol = '{'x' * 101}'", f"agent.control: '{'x' * 56}... is longer than 100 characters"),
    ("[log]\nlevel = 'loud'", "log.level: 'loud' is not one of 'debug', 'info', 'warning', 'error'"),
    ("[log]\nformat = 'xml'", "log.format: 'xml' is not one of 'logfmt', 'json'"),
]


@pytest.mark.parametrize(("text", "message"), BAD, ids=[message[:40] for _, message in BAD])
def test_a_bad_configuration_says_file_key_and_what_would_be_right(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.parse(text.encode(), "k.toml")
    said = str(caught.value).removeprefix("k.toml: ").removeprefix("not TOML: ")
    assert said == message
    assert str(caught.value).startswith("k.toml: ")
    assert caught.value.exit_code == 78


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        config.parse(b"[log]\nlevel = 1\nformat = 2\n[agent]\nx = 1", "k.toml")
    assert [line.split(":")[1].strip() for line in str(caught.value).splitlines()] == [
        "agent.x",
        "log.level",
        "log.format",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"# \xff", "k.toml: line 1: not UTF-8; save the file as UTF-8"),
        (b"a = 1\n# caf\xe9", "k.toml: line 2: not UTF-8; save the file as UTF-8"),
        (b"a = " + b"[" * 20_000, "k.toml: not usable TOML: arrays inside arrays without end"),
    ],
)
def test_bytes_that_are_no_text_and_depth_without_end(content: bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
        config.parse(content, "k.toml")


@settings(max_examples=150)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_configuration_or_a_config_error(content: bytes) -> None:
    try:
        config.parse(content, "k.toml")
    except ConfigError as error:
        assert str(error).startswith("k.toml: ")


def test_a_file_that_is_not_there_a_directory_and_one_too_large(tmp_path: Path) -> None:
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * (config.MAX_FILE + 1))
    for path, said in ((tmp_path / "none", "No such file"), (tmp_path, "Is a directory"), (large, "larger than")):
        with pytest.raises(ConfigError, match=said) as caught:
            config.load(str(path))
        assert str(caught.value).startswith(f"{path}: ")
    with pytest.raises(ConfigError):
        config.load("a\0b")


def test_every_relative_path_is_taken_from_the_configurations_own_directory(tmp_path: Path) -> None:
    (tmp_path / "k.toml").write_text(
        "[capture]\nfiles = ['a.pcap', '/b.pcap']\n[privacy]\nobjected = 'o'\nexcluded = '/e'\n"
        "[agent]\nstate = 's'\ncontrol = 'c'"
    )
    read = config.load(str(tmp_path / "k.toml"))
    assert read.capture.files == (f"{tmp_path}/a.pcap", "/b.pcap")
    assert (read.privacy.objected, read.privacy.excluded, read.privacy.customers) == (f"{tmp_path}/o", "/e", "")
    assert (read.agent.state, read.agent.control) == (f"{tmp_path}/s", f"{tmp_path}/c")


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)
CONFIGS = st.builds(
    lambda files, prefixes, port, most, level: config.check(
        {
            "capture": {"files": [f"/{name}" for name in files], "prefixes": prefixes},
            "exporter": {"listen": f"[::1]:{port}"},
            "agent": {"max_servers": most},
            "log": {"level": level},
        },
        "k.toml",
    ),
    st.lists(TEXT | st.text(string.printable, min_size=1, max_size=9), max_size=3),
    st.lists(st.sampled_from(["192.0.2.0/24", "2001:db8::/32", "0.0.0.0/0"]), max_size=3),
    st.integers(0, 65_535),
    st.integers(1, 1_000_000),
    st.sampled_from(["debug", "info", "warning", "error"]),
)


@settings(max_examples=100)
@given(CONFIGS)
def test_what_is_dumped_loads_as_the_same(written: config.Config) -> None:
    assert config.parse(config.dump(written).encode(), "k.toml") == written


def test_the_dump_of_the_defaults_is_what_an_empty_file_means() -> None:
    assert (
        config.parse(config.dump(config.Config()).encode(), "k.toml") == config.parse(b"", "k.toml") == config.Config()
    )


def test_the_configuration_survives_the_way_to_the_agent() -> None:
    there = config.check({"capture": {"files": ["/a"]}}, "k.toml")
    assert config.check(json.loads(json.dumps(there.model_dump(mode="json"))), "configuration") == there


def test_that_no_mail_can_be_sent_is_a_warning_and_no_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "k.toml"
    path.write_text("[notices]\nsender = 'a@example.net'")
    assert config_commands.check_main([str(path)]) == 0
    usable, warning = capsys.readouterr().out.splitlines()
    assert usable == f"{path}: can be used" and warning.startswith(f"{path}: warning: notices.relay: is empty")


def test_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "k.toml"
    path.write_text("\ufeff[log]\nlevel = 'debug'\n[notices]\nrelay = 'mail.example:587'\nsender = 'a@example.net'")
    assert config_commands.check_main([str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: can be used\n"
    assert config_commands.check_main(["--config", str(path)]) == config_commands.check_main([f"--config={path}"]) == 0
    capsys.readouterr()
    assert config_commands.dump_main([str(path)]) == 0
    assert 'level = "debug"' in capsys.readouterr().out
    assert config_commands.dump_main([]) == 0
    assert capsys.readouterr().out == config.dump(config.Config())
    assert config_commands.check_main(["--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: knockfirst check-config")
    for words in ([], ["a", "b"], ["--nonsense"]):
        with pytest.raises(InputError):
            config_commands.check_main(words)


def keys() -> Iterator[tuple[str, Any]]:
    for name, field in config.Config.model_fields.items():
        described: Any = field.annotation
        for key, inner in described.model_fields.items():
            yield f"{name}.{key}", inner


def test_every_key_says_what_it_is_and_what_a_change_of_it_needs() -> None:
    for key, field in keys():
        assert field.description, key
        assert field.json_schema_extra["needs"] in get_args(sections.Needs), key


def test_the_reference_has_every_key_with_its_default_and_what_a_change_needs() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "operating.md").read_text()
    rows = re.findall(r"^\| `([a-z]+\.[a-z_]+)` \| (.+?) \| (\w+) \| .+ \|$", text, re.MULTILINE)
    assert rows == [(key, _default(field.default), field.json_schema_extra["needs"]) for key, field in keys()]


def _default(value: Any) -> str:
    return (
        "empty"
        if value == ""
        else "all"
        if value == sections.DISSECTORS
        else f"`{value if isinstance(value, str) else json.dumps(value)}`"
    )


def test_what_can_be_looked_for_is_what_the_collectors_know() -> None:
    assert sections.DISSECTORS == get_args(sections.Dissector) == wanted.DISSECTORS
    assert get_args(sections.Encapsulation) == wanted.ENCAPSULATIONS

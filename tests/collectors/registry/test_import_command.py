"""``knockfirst import`` of files: tables of what they hold and what is said of it."""

from __future__ import annotations

import json
import os
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from agent.__main__ import main
from collectors.registry.export import main as export
from tests.registry import mapping, objection, record

if TYPE_CHECKING:
    from pathlib import Path

HEAD = '{"schema": "registry/1", "made": "2024-01-24T08:00:00Z"'
EXPORT = "2024-01-24T08:00:00Z"


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "state").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(at: Path, sort: str, content: str | bytes, *words: str) -> int:
    (at / "file").write_bytes(content.encode() if isinstance(content, str) else content)
    return main(["import", sort, "file", "--source", "crm", "--state", str(at / "state"), *words])


def register(at: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What the register holds, as ``consent export`` shows it."""
    capsys.readouterr()
    assert export(["--state", str(at / "state")]) == 0
    return capsys.readouterr().out.splitlines()[1:]


GOOD_CSV: list[tuple[str, str, list[str]]] = [
    (
        "prefix,customer\n192.0.2.0/24,C-1\n",
        "mapping",
        ["C-1 prefix 192.0.2.0/24 static (crm)"],
    ),
    (
        "\ufeff# made 2024-01-24T08:00:00Z\r\nprefix;customer;kind;valid_until;session\r\n"
        "192.0.2.7;C-1;shared;;\r\n\r\n192.0.2.7;C-2;shared;;\r\n# end 2 rows\r\n",
        "mapping",
        ["C-1 prefix 192.0.2.7/32 shared (crm)", "C-2 prefix 192.0.2.7/32 shared (crm)"],
    ),
    (
        'customer,at,prefixes,headers,note\nC-1,2024-01-02T00:00:00Z,192.0.2.0/24|198.51.100.0/24,yes,"a, b\nc"\n',
        "objections",
        ["C-1 objected 2024-01-02T00:00:00Z * 192.0.2.0/24 198.51.100.0/24"],
    ),
    (
        "customer,event,at\nC-1,withdrawn,2024-01-02T00:00:00Z\n",
        "events",
        ["C-1 withdrawn 2024-01-02T00:00:00Z"],
    ),
    (
        "customer,channel,sent_at,delivered,sha256\n" + f"C-1,mail,2024-01-02T00:00:00Z,yes,{'ab' * 32}\n",
        "announcements",
        ["C-1 announced 2024-01-02T00:00:00Z mail delivered yes"],
    ),
    (
        "kind,version,lang,sha256,published_at\n" + f"terms,1,nl,{'ab' * 32},2024-01-02T00:00:00Z\n",
        "documents",
        [f"document terms 1 nl {'ab' * 32}"],
    ),
    (
        "customer,at,contacts.0.role,contacts.0.channel,contacts.0.address,contacts.1.role,contacts.1.channel,"
        "contacts.1.address\nC-1,2024-01-02T00:00:00Z,security,mail,it@example.net,owner,phone,+31\n",
        "contacts",
        ["C-1 contacts 2024-01-02T00:00:00Z"],
    ),
]

BAD_CSV: list[tuple[str | bytes, str, list[str]]] = [
    ("", "mapping", ["is empty; the first line names the columns"]),
    ("prefix,customer\n", "mapping", ["it is empty; a full synchronisation has at least one prefix"]),
    (
        "prefix,customer\n192.0.2.0/24,C-1",
        "mapping",
        ["line 2: has no end; the file is cut off, or its last line lacks a newline"],
    ),
    (
        "prefix,customer\n192.0.2.0/24,C-1\n# end 2 rows\n",
        "mapping",
        ["its last line says 2 rows, and it has 1: a part of it is lost"],
    ),
    (
        "prefix,customer\n192.0.2.0/24,C-1,static\n",
        "mapping",
        ["line 2: has 3 cells, and there are 2 columns; quote what has the comma in it"],
    ),
    (
        "Prefix,customer\n192.0.2.0/24,C-1\n",
        "mapping",
        ["line 1: 'Prefix' is no column; the first line names the columns, like prefix,customer,kind"],
    ),
    ("prefix,prefix\n1,2\n", "mapping", ["line 1: the column prefix is there twice"]),
    (
        'prefix,customer\n192.0.2.0/24,"C-1\n',
        "mapping",
        ["line 2: unexpected end of data; close every quote"],
    ),
    (
        "# made yesterday\nprefix,customer\n192.0.2.0/24,C-1\n",
        "mapping",
        ["# made: 'yesterday' is no time; write it like 2026-11-24T08:00:00Z"],
    ),
    (b"prefix,customer\n192.0.2.0/24,C-\xe9\n", "mapping", ["line 2: is not UTF-8; write the file as UTF-8"]),
    (
        "prefix,customer,kind\n192.0.2.0/24,C-1,\n192.0.2.1/24,C-2,\n198.51.100.0/24,C-3,fixed\n",
        "mapping",
        [
            "line 3: prefix: '192.0.2.1/24' has bits set behind its length; the prefix is 192.0.2.0/24",
            "line 4: kind: Input should be 'static', 'dynamic', 'shared' or 'unknown'",
        ],
    ),
    (
        "prefix,customer\n192.0.2.0/24,\x1b[31mC\n",
        "mapping",
        ["line 2: customer: is no reference; write 1 to 64 letters, digits and . _ : @ / -"],
    ),
]

GOOD_JSON: list[tuple[str, list[str]]] = [
    (HEAD + "}", []),
    (
        HEAD + ', "full": true, "mapping": [{"prefix": "192.0.2.0/24", "customer": "C-1"}]}',
        ["C-1 prefix 192.0.2.0/24 static (crm)"],
    ),
    (
        HEAD + '}\n{"what": "mapping", "prefix": "192.0.2.0/24", "customer": "C-1"}\n\n{"end": 1}\n',
        ["C-1 prefix 192.0.2.0/24 static (crm)"],
    ),
]

BAD_JSON: list[tuple[str, list[str]]] = [
    ("", ["is empty"]),
    ("[]", ["is not JSON: is no object"]),
    ('{"schema": 1', ["is not JSON: line 1: Expecting ',' delimiter"]),
    (
        "{}",
        [
            'the object: schema: is not registry/1; it begins with {"schema": "registry/1", "made": '
            '"2026-11-24T08:00:00Z", "full": false'
        ],
    ),
    (
        HEAD + ', "mappings": []}',
        [
            "mappings: is nothing that is imported; that is one of events, objections, documents, records, "
            "announcements, contacts, lifted, mapping"
        ],
    ),
    (HEAD + ', "mapping": {}}', ["mapping: is no list"]),
    (HEAD + ', "full": "yes"}', ["the object: full: is neither true nor false"]),
    (
        HEAD + ', "mapping": [7, {"prefix": "192.0.2.0/24"}]}',
        [
            "mapping[0]: is not an object; write the fields between { and }",
            "mapping[1]: customer: is not there; every mapping has a prefix and a customer",
        ],
    ),
    (HEAD + "}\nx\n", ["line 2: is no JSON object; write one row a line"]),
    (HEAD + '}\n{"end": 2}\n', ["its last line says 2 rows, and it has 0: a part of it is lost"]),
    (
        HEAD + '}\n{"what": "mapping", "prefix": "192.0.2.0/24", "customer": "C-1"}',
        ["line 2: has no end; the file is cut off, or its last line lacks a newline"],
    ),
]


def shown(lines: list[str]) -> list[str]:
    """Without the ids that are made."""
    return [" ".join("*" if word.count("-") == 4 else word for word in line.split(" ")) for line in lines]


@pytest.mark.parametrize(("content", "what", "held"), GOOD_CSV)
def test_good_csv(at: Path, capsys: pytest.CaptureFixture[str], content: str, what: str, held: list[str]) -> None:
    assert run(at, "csv", content, "--what", what) == 0
    assert shown(register(at, capsys)) == held
    assert run(at, "csv", content, "--what", what) == 0
    assert "changed: nothing" in capsys.readouterr().out


@pytest.mark.parametrize(("content", "held"), GOOD_JSON)
def test_good_json(at: Path, capsys: pytest.CaptureFixture[str], content: str, held: list[str]) -> None:
    assert run(at, "json", content) == 0
    assert register(at, capsys) == held


@pytest.mark.parametrize(
    ("sort", "content", "what", "faults"),
    [("csv", *case) for case in BAD_CSV] + [("json", content, None, faults) for content, faults in BAD_JSON],
)
def test_bad(
    at: Path, capsys: pytest.CaptureFixture[str], sort: str, content: str | bytes, what: str | None, faults: list[str]
) -> None:
    assert run(at, sort, content, *(["--what", what] if what else [])) == 2
    lines = capsys.readouterr().err.removeprefix("knockfirst import: ").splitlines()
    assert [line.removeprefix("file: ") for line in lines[: len(faults)]] == faults
    assert lines[-1].startswith("file: refused") and lines[-1].endswith("it says no to nothing")
    assert register(at, capsys) == []


NOES = [
    ("csv", "customer,at\nC-1,2024-01-02T00:00:00Z\nC-2,never\nJan Jansen,", ["--what", "objections"], ["C-1", "C-2"]),
    ("csv", "customer,at\nC-1,2024-01-02T00:00:00Z,7\n", ["--what", "objections"], ["C-1"]),
    ("csv", b"customer,at,note\nC-1,,\xff\n", ["--what", "objections"], ["C-1"]),
    ("json", HEAD + ', "objections": [{"customer": "C-1"}, {"customer": "C-2"}, {"custo', [], ["C-1", "C-2"]),
    ("json", HEAD + '}\n{"what": "objection", "customer": "C-1"}\n{"what": "obj', [], ["C-1"]),
    ("json", HEAD + ', "records": 7, "objections": [{"customer": "C-1"}]}', [], ["C-1"]),
]


@pytest.mark.parametrize(("sort", "content", "words", "customers"), NOES)
def test_a_no_in_a_faulty_file_counts(
    at: Path, capsys: pytest.CaptureFixture[str], sort: str, content: Any, words: list[str], customers: list[str]
) -> None:
    assert run(at, sort, content, *words) == 2
    assert f"what it says no to counts ({len(customers)})" in capsys.readouterr().err
    assert [line.split()[:2] for line in register(at, capsys)] == [[each, "objected"] for each in customers]


def flat(value: Any, path: str = "") -> dict[str, str]:
    """A row as the columns and cells of a CSV."""
    if isinstance(value, list) and not any(isinstance(each, dict) for each in value):
        return {path: "|".join(map(str, value))}
    if isinstance(value, (dict, list)):
        below = value.items() if isinstance(value, dict) else enumerate(value)
        return {name: cell for key, each in below for name, cell in flat(each, f"{path}.{key}".strip(".")).items()}
    return {path: str(value)}


def test_records_in_csv_are_those_in_json(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{k: v for k, v in record(n, created_at="2024-01-01T00:00:00Z").items() if k != "what"} for n in (1, 2)]
    cells = [flat(row) for row in rows]
    table = "\n".join([",".join(cells[0]), *(",".join(row.values()) for row in cells), ""])
    assert run(at, "csv", table, "--what", "records") == 0
    assert len(register(at, capsys)) == 2
    assert run(at, "json", HEAD + f', "records": {json.dumps(rows)}}}') == 0
    assert capsys.readouterr().out == "file: changed: nothing\n"


def test_a_file_is_of_its_own_time(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (at / "file").write_text("prefix,customer\n192.0.2.0/24,C-1\n")
    old = datetime.fromisoformat(EXPORT).timestamp()
    for time in (old, old - 60):
        os.utime(at / "file", (time, time))
        code = main(["import", "csv", "file", "--source", "crm", "--state", str(at / "state")])
    assert code == 2
    assert (
        "it is of 2024-01-24T07:59:00Z, and crm was last heard at 2024-01-24T08:00:00Z: older than what is known; "
        "export it anew" in capsys.readouterr().err
    )


def test_a_dry_run_says_all_and_changes_nothing(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [mapping(f"10.0.{i}.0/24", "C-1") for i in range(3)] + [objection("C-1", at=EXPORT)]
    lines = "\n".join([HEAD + ', "full": true}', *map(json.dumps, rows), json.dumps({"end": 4}), ""])
    assert run(at, "json", lines, "--dry-run") == 0
    assert capsys.readouterr().out.splitlines() == [
        "- objected C-1 everything",
        "+ prefix C-1 10.0.0.0/24 static",
        "+ prefix C-1 10.0.1.0/24 static",
        "+ prefix C-1 10.0.2.0/24 static",
        "file: would change: 1 customers new, 3 prefixes added, 1 objected",
    ]
    assert register(at, capsys) == []


def test_files_that_are_none(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(at / "pipe")
    for name, message in (("none", "No such file"), ("state", "Is a directory"), ("pipe", "is not a file")):
        assert main(["import", "csv", name, "--source", "crm", "--state", str(at / "state")]) == 2
        assert message in capsys.readouterr().err


def test_a_snapshot_from_command_to_command(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(at, "csv", "prefix,customer\n192.0.2.0/24,C-1\n", "--made", EXPORT)
    assert main(["consent", "export", "--snapshot", "snap", "--state", str(at / "state")]) == 0
    assert (at / "snap").stat().st_mode & 0o777 == 0o600
    (at / "there").mkdir()
    config = f'[agent]\nstate = "{at}/there"\n[consent]\nsnapshot_keys = "{at}/keys"\n'
    (at / "conf").write_text(config)
    (at / "keys").write_text("")
    words = ["import", "snapshot", "snap", "--config", "conf"]
    assert main(words) == 2
    assert "and no key of that name is in" in capsys.readouterr().err
    (at / "keys").write_text(_vkey(at))
    assert main([*words, "--dry-run"]) == 0
    assert main(words) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "snap: changed: 1 customers new, 1 prefixes added"
    assert main(words) == 2
    assert "was taken before; take one that is newer" in capsys.readouterr().err


def _vkey(at: Path) -> str:
    from agent.audit.signing import Key, private_key
    from agent.schema import SIGNING_KEY

    origin = json.loads((at / "snap").read_text().partition("\n")[0])["origin"]
    return Key(origin, private_key(at / "state" / SIGNING_KEY, make=False)).vkey

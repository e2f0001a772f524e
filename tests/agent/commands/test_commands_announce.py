"""``consent announce``: the texts that are written, and the announcements that are put on record."""

from __future__ import annotations

import logging
import os
import re
import time
from contextlib import closing
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from agent import config
from agent.audit.entry import Item
from agent.commands import announce
from agent.consent import texts
from agent.consent.written import body
from agent.errors import ConfigError, InputError
from agent.office import Office

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """
[consent]
operator = "Example Net"
public_url = "https://example.net/checks"
[probe]
contact = "probes@example.net"
sources = ["192.0.2.9"]
probing_url = "https://probe.example.net/.well-known/probing.txt"
[agent]
state = "state"
"""
REFS = [f"C-{number}" for number in range(1, 2501)]
SENT = "2026-10-01T08:00:00Z"
TEXT = b"Dear customer,\n"


def office(directory: Path) -> Office:
    there = config.load(str(directory / "k.toml"))
    made = Office(there, directory / "state", log=logging.getLogger(), now=time.time, monotonic=time.monotonic)
    made.open()
    return made


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that knows customers, as an import leaves it."""
    directory = tmp_path_factory.mktemp("known")
    (directory / "k.toml").write_text(CONFIG)
    (directory / "state").mkdir(mode=0o700)
    with closing(office(directory)) as there:
        mapped = {"source": "crm", "at": "2026-09-01T00:00:00Z"}
        there.record(
            [
                Item(
                    "mapping.asserted",
                    {},
                    ref,
                    body("mapping.asserted", mapped | {"prefixes": [f"192.0.2.{n % 256}/32"]}),
                )
                for n, ref in enumerate(REFS)
            ]
        )
    return directory


@pytest.fixture
def there(known: Path, tmp_path: Path) -> Path:
    """That store, for one test alone."""
    import shutil

    shutil.copytree(known, tmp_path / "own")
    os.chmod(tmp_path / "own" / "state", 0o700)
    (tmp_path / "own" / "sent.txt").write_bytes(TEXT)
    return tmp_path / "own"


def record(there: Path, *customers: str, delivered: str = "yes", **more: str) -> int:
    given = {"channel": "mail", "sent-at": SENT, "delivered": delivered, "document": str(there / "sent.txt")} | more
    words = [word for key, value in given.items() for word in (f"--{key}", value)]
    return announce.main(["record", "--config", str(there / "k.toml"), *words, "--customers", *customers])


def heard(there: Path) -> dict[str, list[tuple[str, str, str]]]:
    with closing(office(there)) as now:
        return {
            each.ref: [(one.delivered, one.sha256, one.channel) for one in each.announcements]
            for each in now.register.customers()
            if each.announcements
        }


def entries(there: Path) -> int:
    with closing(office(there)) as now:
        return sum(1 for _ in now.log.read(["record.announced"]))


def test_an_announcement_is_put_on_record_of_every_customer_in_a_file_and_on_the_command_line(
    there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (there / "list").write_text("\ufeff# told on Thursday\n" + "\n".join(REFS[:2100]) + "  # the last\r\n\n" + REFS[0])
    assert record(there, str(there / "list"), REFS[-1], REFS[5]) == 0
    told = ("yes", sha256(TEXT).hexdigest(), "mail")
    assert heard(there) == {ref: [told] for ref in (*REFS[:2100], REFS[-1])}
    assert capsys.readouterr().out.splitlines() == [
        f"{sha256(TEXT).hexdigest()}  mail, delivered: yes",
        "2101 customers put on record",
    ]


def test_the_same_again_writes_nothing_and_a_hash_is_as_good_as_its_file(
    there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(there, *REFS[:3])
    record(there, *REFS[:4], document=sha256(TEXT).hexdigest(), **{"sent-at": "2026-10-01T10:00:00+02:00"})
    assert entries(there) == 4
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "1 customer put on record",
        "3 customers on record before",
    ]


def test_a_bounce_of_the_same_sending_takes_the_yes_back_and_another_yes_does_not_bring_it(
    there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(there, REFS[0], REFS[1])
    record(there, REFS[0], delivered="no")
    assert "does not count" in capsys.readouterr().out
    digest = sha256(TEXT).hexdigest()
    assert heard(there) == {REFS[0]: [("no", digest, "mail")], REFS[1]: [("yes", digest, "mail")]}
    record(there, REFS[0])
    assert "1 customer from whom it came back, which stands: send it anew" in capsys.readouterr().out
    assert heard(there)[REFS[0]] == [("no", digest, "mail")]
    record(there, REFS[0], **{"sent-at": "2026-10-02T08:00:00Z"})
    assert heard(there)[REFS[0]] == [("no", digest, "mail"), ("yes", digest, "mail")]


@pytest.mark.parametrize("delivered", ["no", "unknown"])
def test_what_was_not_delivered_is_on_record_and_does_not_count(there: Path, delivered: str) -> None:
    record(there, REFS[0], delivered=delivered)
    with closing(office(there)) as now:
        assert not now.published.told(now.register)
    assert [one[0] for one in heard(there)[REFS[0]]] == [delivered]


def test_customers_who_are_not_known_are_named_by_line_and_nothing_is_put_on_record(there: Path) -> None:
    lines = REFS[:2000]
    lines[3], lines[1500] = "C-9999", "C-0"
    (there / "list").write_text("# a list\n" + "\n".join(lines))
    with pytest.raises(InputError) as caught:
        record(there, str(there / "list"), "objector/1")
    assert [line.partition(": no customer")[0] for line in str(caught.value).splitlines()[:-1]] == [
        f"{there}/list: line 5: 'C-9999'",
        f"{there}/list: line 1502: 'C-0'",
        "--customers: 'objector/1'",
    ]
    assert entries(there) == 0


def test_of_very_many_unknown_customers_only_some_are_named(there: Path) -> None:
    (there / "list").write_text("\n".join(f"X-{n}" for n in range(3000)))
    with pytest.raises(InputError, match="and 2980 more"):
        record(there, str(there / "list"))


def test_a_dry_run_says_what_would_be_and_writes_nothing(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["record", "--config", str(there / "k.toml"), "--dry-run", "--channel", "letter", "--sent-at", SENT]
    words += ["--delivered", "yes", "--document", str(there / "sent.txt"), "--customers", *REFS[:7]]
    assert announce.main(words) == 0
    assert "7 customers would be put on record" in capsys.readouterr().out
    assert entries(there) == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"sent-at": "2126-10-01T08:00:00Z"}, "sent_at: lies in the future"),
        ({"sent-at": "2026-10-01T08:00:00"}, "sent_at: Value error, names no zone"),
        ({"sent-at": "yesterday"}, "sent_at: "),
        ({"document": "/none"}, "/none: No such file"),
        ({"document": "a" * 63}, "No such file"),
        ({"document": "\0"}, "null"),
    ],
)
def test_words_that_cannot_be_used_are_named(there: Path, given: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        record(there, REFS[0], **given)


@pytest.mark.parametrize(("content", "said"), [(b"C-1\n\xff", "line 2: not UTF-8"), (b"C 1", "line 1: 'C 1'")])
def test_a_list_that_is_none_is_said_to_be_none(there: Path, content: bytes, said: str) -> None:
    (there / "list").write_bytes(content)
    with pytest.raises(InputError, match=said):
        record(there, str(there / "list"))


def rendering(there: Path, *words: str) -> int:
    return announce.main(["render", "--config", str(there / "k.toml"), *words])


def test_every_text_is_written_with_its_hash_and_the_documents_can_be_put_on_record(
    there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from collectors.registry.command import main as imported

    assert rendering(there, "--out", str(there / "texts"), "--set", 'version=3 "a", b', "--set", "date=2026-11-24") == 0
    out, err = capsys.readouterr()
    assert err == ""
    written = {path.name: path.read_bytes() for path in (there / "texts").iterdir()}
    documents = written.pop("documents.csv")
    assert set(written) == {texts.name(kind, lang) for kind in texts.KINDS for lang in texts.LANGUAGES}
    for name, content in written.items():
        assert f"{sha256(content).hexdigest()}  {name}\n" in out
    (line,) = [line for line in out.splitlines() if line.startswith("    knockfirst import ")]
    assert imported([*line.split()[2:], "--config", str(there / "k.toml")]) == 0
    with closing(office(there)) as now:
        assert now.register.documents == {
            sha256(content).hexdigest(): name.partition(".")[0]
            for name, content in written.items()
            if not name.startswith("announcement_")
        }
    assert documents.count(b"\n") == 11


def test_what_was_published_is_not_written_over_unless_that_is_asked_for(there: Path) -> None:
    words = ("--out", str(there / "texts"), "--set", "date=2026-11-24")
    assert rendering(there, *words, "--lang", "nl") == rendering(there, *words) == rendering(there, *words) == 0
    before = (there / "texts" / "terms.nl.md").read_bytes()
    with pytest.raises(InputError, match=r"terms\.nl\.md: is there, and differs"):
        rendering(there, *words, "--set", "version=2")
    assert (there / "texts" / "terms.nl.md").read_bytes() == before
    assert rendering(there, *words, "--set", "version=2", "--force") == 0
    assert (there / "texts" / "terms.nl.md").read_bytes() != before


def test_without_a_directory_the_texts_are_printed_in_the_languages_asked_for(
    there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rendering(there, "--lang", "en") == 0
    out = capsys.readouterr().out
    assert "Dear customer," in out
    assert "Geachte klant," not in out
    assert not (there / "texts").exists()


def test_a_template_of_the_operators_is_used_and_what_it_leaves_out_is_said(
    there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (there / "own").mkdir()
    (there / "own" / "sla.en.md").write_text("{{ operator }}, {{ contact }}")
    (there / "k.toml").write_text(CONFIG.replace("[consent]", "[consent]\ntexts = 'own'"))
    assert rendering(there, "--out", str(there / "texts")) == 0
    out, err = capsys.readouterr()
    assert "sla.en.md  (your template)" in out
    assert err.startswith("knockfirst consent announce: sla.en.md: does not name announce_days,")
    (there / "own" / "sla.en.md").write_text("\n{{ operator }")
    with pytest.raises(ConfigError, match=rf"^{there}/own/sla\.en\.md: line 2: "):
        rendering(there)


@pytest.mark.parametrize("word", ["phone", "announce_days=1", "x=1"])
def test_what_cannot_be_set_is_refused(there: Path, word: str) -> None:
    with pytest.raises(InputError, match=word.partition("=")[0]):
        rendering(there, "--set", word)


def test_a_configuration_without_an_operator_is_named_with_every_key(there: Path) -> None:
    (there / "k.toml").write_text("[agent]\nstate = 'state'")
    with pytest.raises(ConfigError) as caught:
        rendering(there)
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()][:2] == ["consent.operator", "probe.contact"]
    assert str(caught.value).startswith(f"{there}/k.toml: ")


def test_help_names_every_command() -> None:
    for words in (["--help"], ["render", "--help"], ["record", "--help"]):
        with pytest.raises(SystemExit) as caught:
            announce.main(words)
        assert caught.value.code == 0


def test_words_of_an_order_are_checked_by_the_verb_itself(there: Path) -> None:
    from agent.desk import answered
    from agent.office import Who

    good: dict[str, Any] = {
        "customers": [REFS[0]],
        "announced": {"channel": "mail", "sent_at": SENT, "delivered": "yes", "sha256": "a" * 64},
        "dry_run": False,
    }
    bad: list[dict[str, Any]] = [
        {"customers": "C-1"}, {"customers": [1]}, {"customers": ["C-1"] * 1001}, {"announced": []}, {"dry_run": 1},
        {"announced": good["announced"] | {"channel": "pigeon"}}, {"announced": good["announced"] | {"more": 1}},
    ]  # fmt: skip
    with closing(office(there)) as now:
        for words in bad:
            with pytest.raises(InputError):
                answered(now, "announce.record", good | words, Who(0, 1))
        assert answered(now, "announce.record", good, Who(0, 1)) == [
            {"unknown": [], "already": 0, "new": 1, "denied": 0}
        ]

"""``knockfirst notices preview`` and ``export``, without a daemon and with its answers."""

from __future__ import annotations

import csv
import io
import json
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agent.__main__ import main
from exporters.notices import commands, examples, texts

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_a_message_is_shown_as_it_is_sent(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["notices", "preview", "--message", "owner", "--lang", "en", "--kind", "single"]) == 0
    mail = texts.rendered(examples.example("owner", "en", "single"))
    assert capsys.readouterr().out == f"{mail.subject}\n\n{mail.text}"
    assert main(["notices", "preview", "--html"]) == 0
    assert capsys.readouterr().out == texts.rendered(examples.example("tell", "nl")).html
    assert main(["notices", "preview", "--no-links"]) == 0
    assert "http" not in capsys.readouterr().out


@pytest.mark.parametrize("message", ["phone", "letter"])
def test_a_script_and_a_letter_are_shown_as_text(message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["notices", "preview", "--message", message]) == 0
    assert capsys.readouterr().out == texts.any_of(examples.example(message, "nl"))


def test_a_letter_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "letter.pdf"
    assert main(["notices", "preview", "--message", "letter", "--letter", str(file), "--date", "2026-11-24"]) == 0
    assert file.read_bytes().startswith(b"%PDF-")
    assert main(["notices", "preview", "--letter", str(tmp_path / "none" / "l.pdf")]) == 2
    assert "name a file to write" in capsys.readouterr().err
    assert main(["notices", "preview", "--letter", str(file), "--date", "soon"]) == 2


def test_a_template_of_the_operators_is_shown_and_its_faults_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "owner.nl.txt").write_text("Onderwerp: Let op {{ case }}\n\nKlant {{ customer }}, {{ operator }}\n")
    words = ["notices", "preview", "--message", "owner", "--templates", str(tmp_path)]
    assert main(words) == 0
    assert capsys.readouterr().out == "Let op K-27\n\nKlant C-1001, Example Net\n"
    assert main([*words, "--check"]) == 1
    assert "owner.nl.txt: does not name " in capsys.readouterr().err
    (tmp_path / "owner.nl.txt").write_text("Onderwerp: x\n\n{{ nobody }}\n")
    assert main(words) == 78
    assert f"{tmp_path}/owner.nl.txt: line 3: 'nobody' is undefined" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "template", "said"),
    [
        ("tell.en.txt", "Hello\n\n{{ customer }}\n", "line 1: begin with 'Subject: ' and the subject"),
        ("mail.html", '<img src="https://example.net/seen">', "loads nothing"),
        ("mail.html", "<style>@import 'x'</style>", "loads nothing"),
        ("mail.html", '<p>{% if blocks %}<img alt="">{% endif %}', "loads nothing"),
        (
            "mail.html",
            '<p>{% if lang == "nl" %}<table background="https://example.net/seen">{% endif %}',
            "loads nothing",
        ),
        ("mail.html", '<meta http-equiv="refresh" content="0">', "loads nothing"),
        ("mail.html", '<p onclick="x()">', "loads nothing"),
        ("tel.en.txt", "x", "takes the place of no text"),
        ("quiet.nl.txt", "Onderwerp: x\n\nDag\n", "does not begin with the customer's number"),
        ("quiet.nl.txt", "Onderwerp: x\n\n{{ customer }}\n\nhttps://example.net\n", "has a link where"),
        ("quiet.nl.txt", "{{ ''.__class__ }}", "unsafe"),
    ],
)
def test_a_check_finds_what_breaks_a_rule(
    name: str, template: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text(template)
    assert main(["notices", "preview", "--check", "--templates", str(tmp_path)]) in (1, 78)
    assert said in capsys.readouterr().err


def test_ours_pass_the_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["notices", "preview", "--check"]) == 0
    assert capsys.readouterr().out.startswith("9 messages in 2 languages")


def test_findings_are_exported(capsys: pytest.CaptureFixture[str]) -> None:
    for form in ("xarf", "jsonl"):
        assert main(["notices", "export", "--format", form, "--example"]) == 0
        assert len([json.loads(line) for line in capsys.readouterr().out.splitlines()]) == len(examples.KINDS)
    assert main(["notices", "export", "--format", "csv", "--example"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {row["ip"] for row in rows} == {f"192.0.2.{10 + place}" for place in range(len(examples.KINDS))}


def test_the_facts_of_a_case_are_the_daemons(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []

    def give(verb: str, words: dict[str, Any]) -> Iterator[dict[str, Any]]:
        asked.append((verb, words))
        message, lang = words.get("message") or "tell", words.get("lang") or "en"
        facts = examples.example(message, lang, "single").model_copy(update={"case": f"K-{words.get('start', 'x')}"})
        yield {"facts": facts.model_dump(mode="json")}
        if words.get("start") == 0:
            yield {"next": 1}

    monkeypatch.setattr(commands, "ordered", lambda _, verb, words: give(verb, words))
    monkeypatch.setattr(commands, "opened", lambda _: nullcontext(give))
    assert main(["notices", "preview", "--case", "K-x", "--message", "quiet", "--lang", "nl", "--no-links"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Zaak K-x over uw mailserver staat nog open")
    assert "http" not in shown
    assert main(["notices", "export", "--format", "jsonl"]) == 0
    assert [json.loads(line)["case"] for line in capsys.readouterr().out.splitlines()] == ["K-0", "K-1"]
    assert main(["notices", "export", "--format", "csv", "--case", "K-x"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert asked == [
        ("notices.facts", {"case": "K-x", "message": "quiet", "lang": "nl"}),
        ("notices.facts", {"start": 0}),
        ("notices.facts", {"start": 1}),
        ("notices.facts", {"case": "K-x"}),
    ]


def test_other_orders_are_the_agents(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["notices", "nothing-of-that-name"])
    assert "nothing-of-that-name" in capsys.readouterr().err

"""``knockfirst fingerprints``: the machine contract of ``match --jsonl``, and what people are shown."""

import io
import json
from pathlib import Path

import pytest

from agent.__main__ import main
from agent.exchange.book_commands import match_lines
from agent.exchange.fingerprint import PACKAGED

BANNERS = (Path(__file__).with_name("judged_banners.jsonl")).read_text("utf-8").splitlines()


def answers(*lines):
    out = io.StringIO()
    code = match_lines([line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines], out)
    return code, [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("line", BANNERS)
def test_a_text_is_judged_by_itself(line):
    case = json.loads(line)
    code, [answer] = answers(line.encode())
    assert {key: answer[key] for key in ("product", "generation", "verdict")}.items() <= case.items()
    assert code == 0
    assert list(answer) == ["product", "generation", "verdict", "build", "fingerprints"]


def test_a_build_has_its_ends_and_its_precision():
    _, [exact, update] = answers(
        {"kind": "http.header", "text": "X-OWA-Version: 15.01.2507.039"},
        {
            "kind": "imap.greeting",
            "text": "Microsoft Exchange IMAP4rev1 server version 5.5.2653.7 (a.example.org) ready",
        },
    )
    assert exact["build"] == {"low": "15.1.2507.39", "high": "15.1.2507.39", "precision": "su"}
    assert update["build"] == {"low": "5.5.2653.0", "high": "5.5.2653.65535", "precision": "cu"}
    assert exact["fingerprints"] == ["http-owa-version-2016"]


BAD = [
    b"", b"\xff", b"{", b"[" * 100_000, b"[]", b'"text"', b'{"kind": "smtp.greeting"}', b'{"kind": 1, "text": "x"}',
    b'{"kind": "smtp.greeting", "text": null}', b'{"kind": "smtp.farewell", "text": "x"}', b" " * (2 << 20),
]  # fmt: skip


def test_a_bad_line_has_its_answer_and_loses_nothing():
    good = {"kind": "smtp.greeting", "text": "220 mx.example.org ESMTP Postfix"}
    code, told = answers(*[line for bad in BAD for line in (bad, good)])
    assert code == 2
    assert [answer["product"] for answer in told[1::2]] == ["other"] * len(BAD)
    for number, answer in enumerate(told[::2]):
        assert list(answer) == ["error"]
        assert answer["error"].startswith(f"line {2 * number + 1}: ")


def test_a_lone_surrogate_is_text_as_well():
    assert answers(b'{"kind": "html.title", "text": "\\ud800"}')[1][0]["product"] == "unknown"


def test_match_for_people(capsys):
    assert main(["fingerprints", "match", "smtp.ehlo", r"a.example.org\nX-LINK2STATE"]) == 0
    told = capsys.readouterr().out
    assert "exchange" in told
    assert "ehlo-exchange-2000-2003" in told


def test_list_and_show(capsys):
    assert main(["fingerprints", "list", "--kind", "tls.sni"]) == 0
    listed = capsys.readouterr().out
    assert "sni-autodiscover" in listed
    assert "smtp-greeting-exchange" not in listed
    assert main(["fingerprints", "list"]) == 0
    listed = capsys.readouterr().out
    assert max(map(len, listed.splitlines())) <= 100
    assert main(["fingerprints", "show", "smtp-greeting-exchange"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith('# smtp.greeting\nid = "smtp-greeting-exchange"\n')
    assert "smtp-greeting-online" not in shown


def test_test_says_how_many_hold_and_refuses_what_does_not(capsys, tmp_path):
    assert main(["fingerprints", "test"]) == 0
    assert "fingerprints hold" in capsys.readouterr().out
    text = Path(PACKAGED, "tls.sni.toml").read_text("utf-8").replace("mail.example.org", "owa.example.org")
    (tmp_path / "tls.sni.toml").write_text(text, "utf-8")
    assert main(["fingerprints", "test", str(tmp_path)]) == 78
    assert "sni-exchange: the counterexample 'owa.example.org' matches" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["show", "absent"],
        ["match"],
        ["match", "smtp.greeting"],
        ["match", "smtp.farewell", "x"],
        ["match", "--jsonl", "x"],
    ],
)
def test_unusable_arguments(capsys, words):
    assert main(["fingerprints", *words]) == 2
    assert capsys.readouterr().err.startswith("knockfirst fingerprints: ")

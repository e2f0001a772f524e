"""The weekly report: each word of it, an empty week, what it never names, and a template of the operator's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agent.cases.case import FINAL, LIVE
from agent.cases.counted import ABOUT_LEAVE, AGES, CHANNELS, UNTOLD
from agent.cases.ladder import STEPS
from agent.cases.severity import SEVERITIES
from agent.cases.week import LANGUAGES, OURS, facts, name, written
from agent.errors import ConfigError
from agent.leave import OUTCOME_MEANINGS
from agent.notice import ACTIONS
from agent.verbs.cases import RESULTS
from tests.agent.cases.weekly import EMPTY, EXPECTED, FULL, HERE, WITHOUT

SAID = (
    *SEVERITIES, *LIVE, *FINAL, *(age for age, _ in AGES), *STEPS, *ABOUT_LEAVE, *CHANNELS, *RESULTS, *UNTOLD,
    *OUTCOME_MEANINGS, *ACTIONS,
    "bounced", "wrong", "refused", "sent", "cancelled", "security",
    "abuse", "owner", "web", "file", "command", "import", "deletion", "books", "checkpoint", "message",
)  # fmt: skip


@pytest.mark.parametrize("file", EXPECTED)
def test_it_is_as_it_was_looked_at(file: str) -> None:
    assert written(*EXPECTED[file]) == (HERE / file).read_text(), "python -m tests.agent.cases.weekly, and read it"


def test_every_word_of_the_lists_is_dutch_in_the_dutch_one() -> None:
    said = set(re.findall(r'"(\w+)": "', (OURS / name("nl")).read_text()))
    assert set(SAID) - said == set()


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_word_is_told_twice(lang: str) -> None:
    said = re.findall(r'"(\w+)": "', (OURS / name(lang)).read_text())
    assert sorted(said) == sorted(set(said))


def test_both_languages_name_the_same_facts() -> None:
    from agent.templates import Templates

    own = Templates("", OURS, "key", trim=True)
    assert own.uses(name("nl")) == own.uses(name("en")) == set(facts(EMPTY))


@pytest.mark.parametrize("week", [FULL, EMPTY, WITHOUT], ids=["full", "empty", "without"])
@pytest.mark.parametrize("lang", LANGUAGES)
def test_it_is_whole_as_markdown(week: object, lang: str) -> None:
    text = written(week, lang)  # type: ignore[arg-type]
    assert "\n\n\n" not in text and text.endswith("\n") and not re.search(r"[ \t]$", text, re.MULTILINE)
    for block in text.split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) <= 1, block
        assert rows in ([], block.splitlines()), "a table stands alone"


def test_it_says_that_it_is_confidential_first() -> None:
    for lang, word in (("en", "Confidential"), ("nl", "Vertrouwelijk")):
        assert f"**{word}.**" in "\n".join(written(EMPTY, lang).splitlines()[:3])


def test_what_failed_in_the_week_is_to_be_mended_and_nothing_older() -> None:
    mend = facts(FULL)["mend"]
    assert [row["case"] for row in mend] == [f"{42:016x}"]
    assert f"{42:016x}" in written(FULL, "en").partition("## Contacts to mend")[2].partition("##")[0]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_of_many_it_lists_some_and_says_how_many_more_there_are(lang: str) -> None:
    """Who has twenty thousand cases gets a report, too."""
    long = [row | {"customer": "C" * 64} for row in FULL.cases]
    many = FULL._replace(cases=[row | {"id": f"{n:016x}"} for n in range(700) for row in long])
    found, text = facts(many), written(many, lang)
    assert len(found["tasks"]) == 1400 and len(found["mend"]) == 700 and len(text) < 200_000
    assert text.count(f"| {'C' * 64} |") == 2 * found["listed"]
    assert "900 " in text and "\n200 " in text and "\n\n\n" not in text
    for block in text.split("\n\n"):
        assert block.startswith("|") or "\n|" not in block, "a table stands alone"


def test_a_template_of_the_operators_takes_its_place(tmp_path: Path) -> None:
    (tmp_path / "weekly.en.md").write_text("{{ operator }}: {{ tasks | length }} to do\n")
    assert written(FULL, "en", str(tmp_path)) == "Example ISP: 2 to do\n"
    assert written(FULL, "nl", str(tmp_path)) == written(FULL, "nl")
    (tmp_path / "weekly.en.md").write_text("first\n{{ customers }}\n")
    with pytest.raises(ConfigError, match=r"weekly\.en\.md: line 2: 'customers' is undefined"):
        written(FULL, "en", str(tmp_path))
    (tmp_path / "weakly.en.md").write_text("")
    with pytest.raises(ConfigError, match=r"--templates: .*weakly\.en\.md: takes the place of no text"):
        written(FULL, "en", str(tmp_path))

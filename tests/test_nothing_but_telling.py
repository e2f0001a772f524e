"""There is nothing by which a customer could be blocked, slowed, cut off or told on: no verb, message, key or code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from agent.__main__ import COMMANDS
from agent.audit.entry import KINDS
from agent.cases.case import EVENTS, STATES
from agent.cases.ladder import LADDER, STEPS, TASKS
from agent.desk import VERBS
from agent.ipc import Type
from agent.notice import ACTIONS, MESSAGES, Due
from agent.sections import Config
from agent.verbs.cases import RESULTS

ROOT = Path(__file__).resolve().parents[1]
FORBIDDEN = re.compile(
    r"block|throttl|disconnect|shaping|walled|black_?hole|sink_?hole|null_?route|cut_?off|rate_?limit|police"
    r"|csirt|cert_|third_?part|disclos|denounce|publicis|forward_to|recipient_override|\bbcc\b|\bcc\b",
    re.IGNORECASE,
)
# What has such a word in its name and is something else: blocks of a ring, of a text, of a page of the console.
ELSEWHERE = {"block", "blocks", "block_ms"}
# Where telling is done: here not even a name may suggest it.
TELLING = (
    *sorted((ROOT / "agent" / "cases").glob("*.py")),
    *(ROOT / "agent" / f"{name}.py" for name in ("telling", "casework", "dispatch", "answering", "rechecks",
                                                 "recipients", "notice")),
    *(ROOT / "agent" / "verbs" / f"{name}.py" for name in ("cases", "notices")),
    *(ROOT / "agent" / "commands" / f"{name}.py" for name in ("cases", "notices")),
)  # fmt: skip


def names(path: Path) -> set[str]:
    """Everything that a module names: functions, classes, variables, attributes, arguments, modules."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for field in ("name", "id", "attr", "arg", "module"):
            value = getattr(node, field, None)
            if isinstance(value, str):
                found.add(value)
    return found


def offered() -> set[str]:
    """Every word by which anybody, or another role, can have something done."""
    keys = {f"{name}.{key}" for name, section in Config() for key in type(section).model_fields}
    spoken = {*VERBS, *COMMANDS, *KINDS, *ACTIONS, *MESSAGES, *STEPS, *TASKS, *RESULTS, *EVENTS, *STATES}
    return keys | spoken | {kind.name for kind in Type}


def test_no_word_that_is_offered_does_more_than_tell() -> None:
    assert not [word for word in offered() if FORBIDDEN.search(word) and word.rpartition(".")[2] not in ELSEWHERE]


@pytest.mark.parametrize("path", TELLING, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_where_telling_is_done_is_named_for_more(path: Path) -> None:
    assert not {name for name in names(path) if FORBIDDEN.search(name)}


@pytest.mark.parametrize("path", TELLING, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_there_starts_programs_or_reaches_out(path: Path) -> None:
    assert not names(path) & {"subprocess", "socket", "smtplib", "httpx", "urllib", "system", "popen", "execv", "spawn"}


def test_the_test_can_fail() -> None:
    for word in ("customer.block", "THROTTLE", "disconnect_customer", "walled_garden", "third_party", "csirt.tell"):
        assert FORBIDDEN.search(word), word


def test_whom_a_step_is_for_is_one_of_the_customers_own() -> None:
    assert {role for rung in LADDER for role in rung.roles} == {"security", "abuse", "owner"}
    assert {channel for rung in LADDER for channel in rung.channels} == {"mail", "phone", "portal", "letter", "desk"}
    assert set(Due.model_fields) == {"id", "message_id", "to", "facts"}  # one reader, and no copy


def test_no_order_takes_an_address_to_write_to() -> None:
    source = "".join((ROOT / "agent" / "verbs" / name).read_text() for name in ("cases.py", "notices.py"))
    known = {"state", "severity", "customer", "start", "case", "said", "task", "result", "note", "message", "lang",
             "texts"}  # fmt: skip
    taken = set(re.findall(r'words(?:\.get\(|\[)"(\w+)"', source)) | set(re.findall(r'_text\(words, "(\w+)"', source))
    assert taken and taken <= known

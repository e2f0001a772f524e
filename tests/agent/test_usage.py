"""What the roles take: told by each, and summed over its processes and their restarts."""

from __future__ import annotations

import pytest

from agent.ipc import Type, Unexpected
from agent.logfmt import LEVELS
from agent.messages import Usage, validated
from agent.totals import Roles
from agent.usage import PAUSE, Telling, usage


def told(resident: float, cpu: float, **lines: int) -> Usage:
    return Usage(resident=resident, cpu=cpu, lines=lines)


def test_what_this_process_takes_is_a_message_of_its_own() -> None:
    taken = Usage.model_validate(usage())
    assert taken.resident > 1 << 20
    assert taken.cpu > 0
    assert taken.lines.keys() == {*LEVELS, "suppressed"}


def test_a_role_tells_it_at_once_and_then_now_and_then() -> None:
    now = 5.0
    telling = Telling(lambda: now)
    assert telling.due()
    assert telling.due() is None
    now += PAUSE
    assert telling.due()


def test_what_it_counted_is_told_with_it_and_is_a_reason_to_tell() -> None:
    now, work = 5.0, {"mails.later": 1}
    telling = Telling(lambda: now, lambda: work)
    assert telling.until_due() == 0
    told_first = telling.due()
    assert told_first and Usage.model_validate(told_first).work == {"mails.later": 1}
    assert telling.until_due() is None
    work["mails.later"] += 1
    now += 5
    assert telling.until_due() == PAUSE - 5 and telling.due() is None
    now += PAUSE
    told_then = telling.due()
    assert told_then and told_then["work"] == {"mails.later": 2}


def test_what_no_role_counts_is_not_taken() -> None:
    with pytest.raises(Unexpected, match=r"USAGE: work\..*: Value error, is not what a role counts"):
        validated(Type.USAGE, {"work": {"mails.read": 1}})


def test_of_a_role_memory_is_of_those_that_live_and_the_rest_of_all() -> None:
    roles = Roles()
    roles.take(1, "capture", told(100.0, 1.0, info=3))
    roles.take(2, "capture", told(50.0, 2.0, info=1, error=1))
    roles.take(1, "capture", told(110.0, 1.5, info=4))
    assert roles.body() == {"capture": {"resident": 160.0, "cpu": 3.5, "lines": {"info": 5, "error": 1}, "work": {}}}
    roles.gone(1)
    roles.gone(9)
    roles.take(3, "capture", told(10.0, 0.5, info=1))
    roles.take(4, "prober", told(5.0, 0.25))
    roles.gone(4)
    assert roles.body() == {
        "capture": {"resident": 60.0, "cpu": 4.0, "lines": {"info": 6, "error": 1}, "work": {}},
        "prober": {"resident": 0.0, "cpu": 0.25, "lines": {}, "work": {}},
    }


def test_what_a_role_counted_is_of_all_its_processes() -> None:
    roles = Roles()
    roles.take(1, "notifier", Usage(lines={"info": 1}, work={"mails.sent": 3, "bounces.ours": 1}))
    roles.gone(1)
    roles.take(2, "notifier", Usage(lines={"info": 1}, work={"mails.sent": 2, "webhook.given_up": 1}))
    (told_of,) = roles.body().values()
    assert told_of["work"] == {"mails.sent": 5, "bounces.ours": 1, "webhook.given_up": 1}
    assert told_of["lines"] == {"info": 2} and Usage.model_validate(told_of)

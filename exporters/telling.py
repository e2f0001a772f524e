"""Cases and what customers are told, as metrics: counts alone. There are none where nothing is kept on disk."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from agent.cases.case import LIVE
from agent.notice import WORK
from exporters.families import by_one, histogram, histograms, many, one

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prometheus_client.core import Metric

    from agent.asked import Telling
    from agent.messages import Usage
    from exporters.families import Row

# What the notifier counts of its work (agent.notice.WORK) -> the family that shows it.
_DONE = {"mails": "notice_attempts_total", "bounces": "notice_bounces_total", "webhook": "notice_webhook_total"}


def telling(said: Telling | None, notifier: Usage | None = None) -> Iterator[Metric]:
    """The families; docs/metrics.md says what each means."""
    if said is None:
        return
    yield many("cases", summed(((row.severity, row.state), row.count) for row in said.cases))
    standing = (row for row in said.cases if row.state in LIVE)
    yield many("cases_standing", summed(((row.severity, row.age), row.count) for row in standing))
    yield by_one("case_tasks", said.tasks.items())
    yield by_one("case_task_oldest_timestamp_seconds", said.tasks_oldest.items())
    yield by_one("cases_untold_servers", said.untold.items())
    yield histogram("case_fix_seconds", said.fix_seconds)
    yield histograms("case_fix_after_seconds", [((step,), delay) for step, delay in said.after_seconds.items()])
    yield many("case_steps_total", summed(((row.step, row.channel, row.outcome), row.count) for row in said.came))
    yield many("notices_total", [((row.step, row.channel, row.outcome), row.count) for row in said.notices])
    yield one("notices_uncertain_total", said.uncertain)
    yield one("notices_waiting", said.waiting)
    yield one("notices_notifier_up", said.notifier)
    if said.oldest is not None:
        yield one("notices_oldest_timestamp_seconds", said.oldest)
    yield by_one("notice_answers_total", said.answers.items())
    granted = said.rechecks.get("granted", 0)
    refused = sum(said.rechecks.values()) - granted
    yield by_one("case_rechecks_total", [("granted", granted), ("refused", refused)])
    yield one("case_write_failures_total", said.failures)
    yield one("case_deletion_timestamp_seconds", said.retention_last_success)
    done = notifier.work if notifier else {}
    for what, name in _DONE.items():
        rows = [(how, done.get(f"{what}.{how}", 0)) for how in WORK[what]]
        yield by_one(name, [*rows, ("dropped", said.webhook_dropped)] if what == "webhook" else rows)
    if said.webhook_oldest is not None:
        yield one("notice_webhook_oldest_timestamp_seconds", said.webhook_oldest)


def summed(rows: Iterable[Row]) -> list[Row]:
    """These rows, those with the same labels as one."""
    sums: Counter[tuple[str, ...]] = Counter()
    for labels, count in rows:
        sums[labels] += int(count)
    return list(sums.items())

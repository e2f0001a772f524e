"""Cases and what customers are told, as metrics: counts alone. There are none where nothing is kept on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporters.families import by_one, histogram, histograms, many, one

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from agent.asked import Telling


def telling(said: Telling | None) -> Iterator[Metric]:
    """The families; docs/metrics.md says what each means."""
    if said is None:
        return
    yield many("cases", [((row.severity, row.state, row.age), row.count) for row in said.cases])
    yield by_one("case_tasks", said.tasks.items())
    yield by_one("case_task_oldest_timestamp_seconds", said.tasks_oldest.items())
    yield by_one("cases_untold_servers", said.untold.items())
    yield histogram("case_fix_seconds", said.fix_seconds)
    yield histograms("case_fix_after_seconds", [((step,), delay) for step, delay in said.after_seconds.items()])
    yield many("case_steps_total", [((r.severity, r.step, r.channel, r.outcome), r.count) for r in said.came])
    yield many("notices_total", [((row.step, row.channel, row.outcome), row.count) for row in said.notices])
    yield one("notices_uncertain_total", said.uncertain)
    yield one("notices_waiting", said.waiting)
    yield one("notices_notifier_up", said.notifier)
    if said.oldest is not None:
        yield one("notices_oldest_timestamp_seconds", said.oldest)
    yield by_one("notice_answers_total", said.answers.items())
    yield by_one("case_rechecks_total", said.rechecks.items())
    yield one("case_write_failures_total", said.failures)
    yield one("case_deletion_timestamp_seconds", said.retention_last_success)

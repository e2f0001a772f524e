"""Cases and notices as metrics: every number where it belongs, and none where nothing is kept."""

from __future__ import annotations

import re

from agent.notice import WORK, WORKED
from tests.exporters.telling import TELLING
from tests.exporters.test_prometheus import scraped, snapshot


def values(text: str) -> dict[str, float]:
    rows = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name.removeprefix("knockfirst_"): float(value) for name, value in rows}


def test_every_number_is_where_it_belongs() -> None:
    told = values(scraped(snapshot(telling=TELLING)))
    wanted = {
        'cases{severity="critical",state="open"}': 61, 'cases_standing{age="1d",severity="critical"}': 61,
        'case_tasks{channel="phone"}': 62,
        'notices_total{channel="mail",outcome="sent",step="tell"}': 63, "notices_uncertain_total": 64,
        "notices_waiting": 65, "notices_oldest_timestamp_seconds": 66, 'notice_answers_total{answer="show"}': 67,
        'notice_answers_total{answer="stop"}': 68, 'case_rechecks_total{decision="granted"}': 69,
        'case_rechecks_total{decision="refused"}': 70, 'cases_untold_servers{reason="no_contact"}': 71,
        "case_write_failures_total": 72, "case_deletion_timestamp_seconds": 73, "case_fix_seconds_count": 3,
        'case_fix_seconds_bucket{le="86400.0"}': 2, "case_fix_seconds_sum": 200_000,
        'case_task_oldest_timestamp_seconds{channel="phone"}': 74, "notices_notifier_up": 1,
        'case_steps_total{channel="none",outcome="fixed",step="before"}': 75,
        'case_fix_after_seconds_count{step="phone"}': 76, 'case_fix_after_seconds_sum{step="phone"}': 77,
        'case_fix_after_seconds_bucket{le="86400.0",step="phone"}': 5,
    }  # fmt: skip
    assert {name: told.get(name) for name in wanted} == wanted


def test_what_the_notifier_counts_is_there_from_the_start_and_as_it_tells_it() -> None:
    before = values(scraped(snapshot(telling=TELLING)))
    names = {"notice_attempts_total": ("outcome", "mails"), "notice_bounces_total": ("kind", "bounces"),
             "notice_webhook_total": ("outcome", "webhook")}  # fmt: skip
    rows = {
        f'{name}{{{label}="{how}"}}': f"{what}.{how}" for name, (label, what) in names.items() for how in WORK[what]
    }
    assert len(rows) == len(WORKED) and {before[row] for row in rows} == {0}
    assert before['notice_webhook_total{outcome="dropped"}'] == 79
    assert before["notice_webhook_oldest_timestamp_seconds"] == 78
    work = {name: number for number, name in enumerate(sorted(WORKED), 80)}
    roles = {"notifier": {"resident": 1.0, "cpu": 1.0, "lines": {}, "work": work}}
    told = values(scraped(snapshot(telling=TELLING, roles=roles)))
    assert {row: told[row] for row in rows} == {row: work[name] for row, name in rows.items()}


def test_there_are_none_where_nothing_is_kept_and_no_age_where_nothing_waits() -> None:
    ours = re.compile(r"cases?[_{]|notices?_")
    assert not [name for name in values(scraped(snapshot(telling=None))) if ours.match(name)]
    waits = values(scraped(snapshot(telling=TELLING | {"oldest": None, "webhook_oldest": None})))
    absent = {"notices_oldest_timestamp_seconds", "notice_webhook_oldest_timestamp_seconds"}
    assert not absent & waits.keys() and waits["notices_waiting"] == 65

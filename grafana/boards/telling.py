"""Whether customers are told of what was found, and what becomes of it."""

from __future__ import annotations

from grafana.panels import Board, bars, graph, row, stat, table

BOARD = Board(
    "knockfirst-telling", "knockfirst / telling customers",
    "Cases, messages, answers, and what waits for a person.",
    (
        stat("Cases", "Cases that are kept, in every state.", "sum(knockfirst_cases{@})"),
        stat("For a person", "Calls, letters, lines in the portal and cases at the desk: `knockfirst cases tasks`.",
             "sum(knockfirst_case_tasks{@})"),
        stat("Messages waiting", "Messages that have not come to their end.", "sum(knockfirst_notices_waiting{@})"),
        stat("Nobody is told", "Servers with something found of which nobody is told; below is why.",
             "sum(knockfirst_cases_untold_servers{@})"),
        stat("Waits longest for a person", "Of calls, letters, lines in the portal and cases at the desk.",
             "time() - min(knockfirst_case_task_oldest_timestamp_seconds{@})", "s"),
        stat("Came back", "Mail that came back, was refused or had the wrong reader, of all in the time shown.",
             'sum(increase(knockfirst_notices_total{@,channel="mail",outcome=~"bounced|refused|wrong"}[$__range]))'
             ' / (sum(increase(knockfirst_notices_total{@,channel="mail",outcome=~"sent|refused"}[$__range])) > 0)',
             "percentunit"),
        stat("Notifiers", "Processes that send messages; without one, messages wait.",
             "sum(knockfirst_notices_notifier_up{@})"),
        stat("Messages unsure", "Under way when somebody went away; each is sent again under the same id.",
             "sum(increase(knockfirst_notices_uncertain_total{@}[$__range]))", bad=(3,)),
        stat("Since the last deletion", "Of what has ended; an hour is as it should be.",
             "time() - min(knockfirst_case_deletion_timestamp_seconds{@})", "s"),
        row("How they stand"),
        bars("By severity and state", "How they stand.", "short",
             {"sum by (severity, state) (knockfirst_cases{@})": "{{severity}} {{state}}"}),
        bars("By age", "How long ago those that have not ended were opened.", "short",
             {"sum by (age) (knockfirst_cases_standing{@})": "{{age}}"}),
        table("Why nobody is told", "Servers that would make a case, by the reason why there is none.", "short",
              {"sum by (instance, reason) (knockfirst_cases_untold_servers{@})": ""}, 8),
        stat("Fixed", "Cases of the time that is shown that were fixed.",
             "sum(increase(knockfirst_case_fix_seconds_count{@}[$__range]))", width=8),
        bars("Fixed within", "Cases of the time that is shown that were fixed, by seconds from their opening at most.",
             "short", {"sum by (le) (increase(knockfirst_case_fix_seconds_bucket{@}[$__range]))": "{{le}}"}, 16),
        row("What came before a fix"),
        bars("How far steps came", "Of cases that ended in the time shown. Read is answered by a link: nothing is "
             "tracked, so more were read than that.", "short",
             {"sum by (step, outcome) (increase(knockfirst_case_steps_total{@}[$__range]))":
                  "{{step}} {{outcome}}"}, 12),
        bars("Fixed after", "The last step that had reached anybody; before: nobody had been. That is no cause: "
             "servers are fixed without us, too.", "short",
             {'sum by (step, channel) (increase(knockfirst_case_steps_total{@,outcome="fixed"}[$__range]))':
                  "{{step}} {{channel}}"}, 12),
        bars("From a step to the fix", "Since the last step that had reached anybody, on average; before: since the "
             "opening.",
             "s",
             {"sum by (step) (increase(knockfirst_case_fix_after_seconds_sum{@}[$__range]))"
              " / (sum by (step) (increase(knockfirst_case_fix_after_seconds_count{@}[$__range])) > 0)":
                  "{{step}}"}, 12),
        bars("Fixed within, after a step", "The same cases, by seconds at most, whichever the step.", "short",
             {"sum by (le) (increase(knockfirst_case_fix_after_seconds_bucket{@}[$__range]))": "{{le}}"}, 12),
        row("Messages and answers"),
        graph("Steps", "Steps of the ladder that ended, by how.", "short",
              {"sum by (step, outcome) (increase(knockfirst_notices_total{@}[$__rate_interval]))":
                   "{{step}} {{outcome}}"}),
        graph("By channel", "The same, by the way that they took.", "short",
              {"sum by (channel) (increase(knockfirst_notices_total{@}[$__rate_interval]))": "{{channel}}"}),
        graph("Oldest message", "Since the message was made that has waited longest; empty while none waits.", "s",
              {"time() - min by (instance) (knockfirst_notices_oldest_timestamp_seconds{@})": "{{instance}}"}),
        graph("Answers", "By token, and what became of them.", "short",
              {"sum by (answer) (increase(knockfirst_notice_answers_total{@}[$__rate_interval]))": "{{answer}}"}),
        graph("Looks asked for", "By the gate's answer.", "short",
              {"sum by (decision) (increase(knockfirst_case_rechecks_total{@}[$__rate_interval]))": "{{decision}}"}),
        graph("Oldest task", "Since a step of each kind has waited longest for a person; empty while none does.", "s",
              {"time() - min by (instance, channel) (knockfirst_case_task_oldest_timestamp_seconds{@})":
                   "{{instance}} {{channel}}"}),
        bars("Tasks", "Steps that wait for a person, by what they are.", "short",
             {"sum by (channel) (knockfirst_case_tasks{@})": "{{channel}}"}),
        row("The notifier"),
        graph("Attempts", "Mails that it had before it; `later` is put off by the relay, and is tried again.", "short",
              {"sum by (outcome) (increase(knockfirst_notice_attempts_total{@}[$__rate_interval]))": "{{outcome}}"}),
        graph("What came back", "Mails in notices.bounces: about messages of ours, or others, which a person reads.",
              "short",
              {"sum by (kind) (increase(knockfirst_notice_bounces_total{@}[$__rate_interval]))": "{{kind}}"}),
        graph("Webhook", "What it was told; `given_up` and `dropped` it never was.", "short",
              {"sum by (outcome) (increase(knockfirst_notice_webhook_total{@}[$__rate_interval]))": "{{outcome}}"}),
        graph("Webhook waits since", "Since that happened which it was to be told longest ago; empty while nothing "
              "waits.", "s",
              {"time() - min by (instance) (knockfirst_notice_webhook_oldest_timestamp_seconds{@})": "{{instance}}"}),
        graph("Writes failed", "Each is tried again; the disk is full, or gone.", "short",
              {"sum by (instance) (increase(knockfirst_case_write_failures_total{@}[$__rate_interval]))":
                   "{{instance}}"}),
    ),
)  # fmt: skip

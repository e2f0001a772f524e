"""Cases, and what customers are told of them. All of it is there where a store is kept."""

from __future__ import annotations

from agent.cases import helped
from agent.cases.case import STATES
from agent.cases.counted import ABOUT_LEAVE, AGES, ANSWERS, CHANNELS, OUTCOMES, UNTOLD
from agent.cases.ladder import STEPS, TASKS
from agent.cases.severity import SEVERITIES
from agent.notice import WORK
from exporters.naming.family import Family, Section

_KEPT = "where a store is kept"

TELLING = Section("Telling customers", "", (
    Family("cases", "gauge", "Cases by severity and state.", {"severity": SEVERITIES, "state": tuple(STATES)},
           "cases by how bad they are and how they stand ([cases.md](cases.md), States); what has ended is there until "
           "it is deleted", _KEPT),
    Family("cases_standing", "gauge", "Cases that have not ended, by severity and age.",
           {"severity": SEVERITIES, "age": tuple(age for age, _ in AGES)},
           "cases that have not ended, by how bad they are and how long ago they were opened", _KEPT),
    Family("case_tasks", "gauge", "Steps that wait for a person.", {"channel": TASKS},
           "steps that wait for a person: a call (`phone`), a `letter`, a line in the `portal`, a case at the `desk`; "
           "`knockfirst cases tasks` lists them", _KEPT),
    Family("case_task_oldest_timestamp_seconds", "gauge", "When what has waited longest for a person was made.",
           {"channel": TASKS}, "when the step was made that has waited longest for a person, by its channel",
           f"{_KEPT}, and something waits"),
    Family("cases_untold_servers", "gauge", "Servers that would make a case, by the reason why there is none.",
           {"reason": UNTOLD},
           "servers on which something was found that would make a case, by the reason why nobody is told: `unsure` "
           "(neither confirmed nor asked), `no_contact` (no verified contact), and those of `gate_refused_servers` "
           "that are about whose address it is", _KEPT),
    Family("case_fix_seconds", "histogram", "From the opening of a case to a fix that was seen.", {},
           "from the opening of a case to a fix that was seen, of cases that were fixed since the agent began", _KEPT),
    Family("case_fix_after_seconds", "histogram", "From the last step that reached somebody to a fix that was seen.",
           {"step": helped.STEPS},
           "from the last step that had reached somebody to a fix that was seen; `before`: nobody had been reached, so "
           "from the opening. After a step is not by it: servers are fixed without us, too", _KEPT),
    Family("case_steps_total", "counter", "Steps of cases that have ended, by how far they came.",
           {"step": helped.STEPS, "channel": helped.CHANNELS, "outcome": helped.CAME},
           "steps of cases that have ended, by how far they came, counted when the case ends: `tried`; of those "
           "`delivered` (the relay took it and nothing came back, or a person got through); `read` (answered by the "
           "link of the message: nothing is tracked, so more were read), `acknowledged` (that, or said to a person); "
           "and `fixed`: it was the last to reach anybody before the fix. `before` with `none`: fixed, and nobody had "
           "been reached", _KEPT),
    Family("notices_total", "counter", "Steps of the ladder, and mails about leave, that have ended, and how.",
           {"step": (*STEPS, *ABOUT_LEAVE), "channel": CHANNELS, "outcome": OUTCOMES},
           "steps of the ladder that have ended, and mails that ask for leave (`request`) or confirm it (`receipt`), "
           "by the channel they took: `sent` (the relay took it), `refused`, "
           "`bounced` and `delivered` (a status notification came back), `cancelled` (overtaken by a fix, an objection "
           "or a hand-over), `done` (by a person), `wrong` (the customer says: not the right contact)", _KEPT),
    Family("notices_uncertain_total", "counter", "Messages of which nobody knows whether the relay took them.", {},
           "alarm when it rises often: messages that were under way when notifier, agent or relay went away; each is "
           "sent again under the same Message-ID", _KEPT),
    Family("notices_waiting", "gauge", "Messages that have not come to their end.", where=_KEPT),
    Family("notices_notifier_up", "gauge", "1 while there is a notifier.", where=_KEPT),
    Family("notices_oldest_timestamp_seconds", "gauge", "When the message was made that has waited longest.", {},
           "when the message was made that has waited longest; after five days it is given up",
           f"{_KEPT}, and a message waits"),
    Family("notice_answers_total", "counter", "Answers of customers by token, and what became of them.",
           {"answer": ANSWERS},
           "answers of customers by the token of a message; `show` only looked, `unknown`, `rate` and `unavailable` "
           "were not taken", _KEPT),
    Family("case_rechecks_total", "counter", "Looks that customers asked for: granted or refused.",
           {"decision": ("granted", "refused")},
           "looks that customers asked for, by the gate's answer (its reasons are in `gate_decisions_total`); one that "
           "waits is asked for each ten minutes", _KEPT),
    Family("case_write_failures_total", "counter", "Writes of cases that failed.", {},
           "writes to the findings store, or of cases to the log, that failed and are tried again", _KEPT),
    Family("notice_attempts_total", "counter", "Mails that the notifier had before it, by what became of each.",
           {"outcome": WORK["mails"]},
           "each time that the notifier had a mail before it, by what became of it: `sent`; `later` (put off: the "
           "relay does not take it now, or cannot be reached, and it is tried again); `refused`; `cancelled` (the "
           "agent gave no leave); `uncertain`. Told by the notifier itself", _KEPT),
    Family("notice_bounces_total", "counter", "Mails in notices.bounces, by what they were.",
           {"kind": WORK["bounces"]},
           "mails in `notices.bounces`, by what they were: `ours` (a notification about a message that was sent, on "
           "record now), `others` (anything else; a person reads it), `unreadable` (a mail, or the mailbox, could not "
           "be read: each quarter of a minute anew), `unmarked` (it was read, and could not be marked as seen)", _KEPT),
    Family("notice_webhook_total", "counter", "What the webhook was told, by outcome.",
           {"outcome": (*WORK["webhook"], "dropped")},
           "what the webhook was told: `delivered`, `retried` (an attempt that is followed by another), `given_up` "
           "(refused, or not taken for three days), `dropped` (too much waited that the log does not have: that "
           "messages arrived, or are late)", _KEPT),
    Family("notice_webhook_oldest_timestamp_seconds", "gauge",
           "When that happened which has waited longest to be told to the webhook.", {},
           "when that was put on record which has waited longest to be told to the webhook", f"{_KEPT}, and something "
           "waits"),
    Family("case_deletion_timestamp_seconds", "gauge", "When what has ended was last deleted.", {},
           "when cases that ended `notices.fixed_days` ago were last deleted; hourly, 0 if never", _KEPT),
))  # fmt: skip

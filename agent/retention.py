"""How long everything is kept: one table, which the papers for the law are made from and docs/rights.md is held to."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from agent.sections import Config


class Kind(NamedTuple):
    """Something that is kept. ``key`` says for how long, in ``unit``, from ``since`` on; "" where nothing does.

    ``metric``: when the job that deletes it last did all of it, "" where there is no job.
    """

    name: str
    key: str
    unit: str
    metric: str

    def period(self, config: Config) -> int:
        """How many of ``unit``; 0: no end of itself."""
        section, _, key = self.key.partition(".")
        return int(getattr(getattr(config, section), key)) if key else 0


TOKEN_DAYS = 366  # for which a token of a case that was deleted still says no

KINDS = (
    # What passes by: in memory alone, and of a connection its first bytes at most.
    Kind("frames", "capture.stream_seconds", "seconds", ""),
    # What servers were seen to say, or said when they were asked.
    Kind("observations", "agent.retention_days", "days", "retention_last_success_timestamp_seconds"),
    # What was found at a customer, with messages, tasks, answers and notes about it: after its end, fixed or not.
    Kind("cases", "notices.fixed_days", "days", "case_deletion_timestamp_seconds"),
    # His entries in the log: announcements, records, objections, contacts, mappings, probes, notices, who read of him.
    Kind("log", "audit.keep_months", "months", "customer_erasure_timestamp_seconds"),
    # By which nobody is looked at or asked; of nobody who is known.
    Kind("objections", "", "", ""),
)

"""Whether somebody may be knocked at: pure, and no unless everything is known to be in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.consent.case import Case, synced_age
from agent.consent.checks import CHECKS
from agent.consent.explain import Input, inputs
from agent.leave import MEANINGS, Leave, Refusal

__all__ = ["Input", "decide", "inputs"]

if TYPE_CHECKING:
    from agent.consent.case import Reads
    from agent.consent.history import History
    from agent.leave import Conditions, Request


def decide(register: Reads, history: History, request: Request, conditions: Conditions) -> Leave | Refusal:
    """Leave to knock, or the first reason of ``agent.leave.REASONS`` why not. Neither register nor history changes."""
    case = Case(register, history, request, conditions)
    for reason, passes in CHECKS:
        if not passes(case):
            return Refusal(reason, _detail(reason, case))
    return _leave(case)


def _detail(reason: str, case: Case) -> str:
    if reason == "not_armed" and case.conditions.missing:
        return f"{MEANINGS[reason]}: {', '.join(case.conditions.missing)}"
    return MEANINGS[reason]


def _leave(case: Case) -> Leave:
    # Where several records allow it, the one that was received last is the customer's last word.
    record = case.records[0] if len(case.records) == 1 else max(case.records, key=lambda each: (each.received, each.id))
    age = synced_age(case)
    assert case.holder is not None and age is not None
    return Leave(case.holder, record.id, record.hash, _mapping(case), age)


def _mapping(case: Case) -> str:
    return ",".join(sorted({each.source for each in case.standing}))

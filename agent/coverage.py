"""Consent coverage: whether there is leave to knock at a server, and what a customer said. Nobody is named by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.consent.case import in_any, in_force, number
from agent.leave import BUILD

if TYPE_CHECKING:
    from agent.consent.register import Register
    from agent.consent.state import Customer

# What is said of a server, and of a customer: label values of metrics, so the lists are closed.
SERVERS = ("objection", "unmapped", "given", "lacking")
CUSTOMERS = ("objection", "given", "lapsed", "told", "none")


def of_server(register: Register, address: str, now: float) -> str:
    """Which of SERVERS one is. Whether anybody may knock depends on more than that (agent/consent/checks.py)."""
    place = number(address)
    if place is None:
        return "unmapped"
    if register.objections(place):
        return "objection"
    holders = {mapped.customer for mapped in register.holders(place, now)}
    customer = register.customer(holders.pop()) if len(holders) == 1 else None
    if customer is None:
        return "unmapped"
    running = [record.scope for record in customer.records if in_force(record, now)]
    excluded = any(in_any(scope.excluded, place) for scope in running)
    covered = any(BUILD in scope.tiers and in_any(scope.prefixes, place) for scope in running)
    return "given" if covered and not excluded else "lacking"


def of_customer(customer: Customer, now: float) -> str:
    """Which of CUSTOMERS one is."""
    if any(objection.lifted is None for objection in customer.objections):
        return "objection"
    if any(in_force(record, now) for record in customer.records):
        return "given"
    if customer.records:
        return "lapsed"
    return "told" if any(one.delivered == "yes" for one in customer.announcements) else "none"

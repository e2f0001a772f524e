"""What must not type-check. Each line that ends with an expected error has exactly that one, and no other line has any.

It is never run: `tests/typing/test_typing.py` has mypy read it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.consent.gate import ConsentGate
from agent.leave import Conditions, Grant, Leave, Refusal, Request
from probes.asks import Answer, Failed, Known
from probes.permit import Mint, Permit, Terms, spend
from probes.wire import Wire

if TYPE_CHECKING:
    from agent.leave import Budget
    from probes.asks import Asks, Probe
    from probes.section import Section


def a_permit_is_not_made(grant: Grant) -> None:
    Permit()  # E: call-arg
    Permit(grant)  # E: arg-type


def a_permit_is_not_changed(permit: Permit, grant: Grant) -> None:
    permit.grant = grant  # E: attr-defined


def a_permit_holds_nothing(permit: Permit) -> None:
    assert permit.address  # E: attr-defined


def only_a_permit_opens_a_wire(
    grant: Grant, request: Request, leave: Leave, terms: Terms, maybe: Permit | None
) -> None:
    Wire.open(grant)  # E: arg-type
    Wire.open(request)  # E: arg-type
    Wire.open(leave)  # E: arg-type
    Wire.open(terms)  # E: arg-type
    Wire.open(maybe)  # E: arg-type
    Wire.open("192.0.2.1")  # E: arg-type
    Wire.open()  # E: call-arg
    spend(maybe, 0.0)  # E: arg-type


def only_a_grant_is_minted(mint: Mint, request: Request, leave: Leave, section: Section) -> None:
    mint.mint(request, 0.0, section)  # E: arg-type
    mint.mint(leave, 0.0, section)  # E: arg-type


def a_decision_is_looked_at(
    gate: ConsentGate, request: Request, conditions: Conditions, budget: Budget, mint: Mint
) -> None:
    answer = gate.admit(request, conditions, budget)
    mint.mint(answer, 0.0, None)  # E: arg-type
    assert answer.address  # E: union-attr
    if not isinstance(answer, Refusal):
        mint.mint(answer, 0.0, None)


def a_leave_is_no_grant(gate: ConsentGate, request: Request, conditions: Conditions, mint: Mint) -> None:
    answer = gate.decide(request, conditions)
    if isinstance(answer, Leave):
        mint.mint(answer, 0.0, None)  # E: arg-type


def a_probe_sees_no_address(wire: Asks) -> Answer:
    assert wire.address  # E: attr-defined
    assert wire.knocks  # E: attr-defined
    assert wire.open  # E: attr-defined
    wire.get("/", host="192.0.2.1")  # E: call-arg
    wire.get(b"/")  # E: arg-type
    wire.certificate = ""  # E: misc
    return Answer("confirmed")


def wants_an_address(wire: Asks, address: str) -> Answer:
    return Answer("confirmed", address)


def wants_a_grant(wire: Asks, grant: Grant) -> Answer:
    return Answer("confirmed", grant.address)


def wants_a_permit(permit: Permit) -> Answer:
    raise Failed("bug", str(permit))


def right(wire: Asks, known: Known) -> Answer:
    return Answer("confirmed", wire.get("/").certificate if known.certificates else "")


PROBES: list[Probe] = [
    right,
    wants_an_address,  # E: list-item
    wants_a_grant,  # E: list-item
    wants_a_permit,  # E: list-item
]


def the_wire_is_what_a_probe_asks(wire: Wire) -> Answer:
    return right(wire, Known())


def a_wire_is_of_one_kind() -> None:
    class Other(Wire):  # E: misc
        pass


def a_permit_is_of_one_kind() -> None:
    class Other(Permit):  # E: misc
        pass

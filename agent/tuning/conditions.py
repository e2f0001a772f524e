"""Conditions on what a collector, or the line behind them all, has counted: what the table of rules is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.tuning.reading import View

    Condition = Callable[[View], bool]

# Of what was lost since the start, so small a part says nothing about today.
_OLD = 0.001

# The retention job runs each hour (agent/keeping.py); twice that long without success is no delay any more.
LATE = 7200.0

# Kinds that only a client's side of a handshake tells.
_OF_CLIENTS = ("kind.tls.sni",)


def share(*part: str, of: str, over: float = 0.0, least: int = 1) -> Condition:
    """More than this part of ``of`` (and ``least`` at all), in the last seconds or since the start."""

    def holds(view: View) -> bool:
        return any(
            lost >= least and lost > most * whole
            for lost, whole, most in (
                (view.now(*part), view.now(of), over),
                (view.total(*part), view.total(of), max(over, _OLD)),
            )
        )

    return holds


def rises(*names: str) -> Condition:
    """It was counted in the last seconds."""
    return lambda view: view.now(*names) > 0


def none(*names: str, although: str, least: int) -> Condition:
    """Never counted, although there is so much of the other."""
    return lambda view: view.total(although) >= least and view.total(*names) == 0


def measures(name: str, at_least: float) -> Condition:
    return lambda view: view.gauges.get(name, 0.0) >= at_least


def is_off(name: str) -> Condition:
    """This gauge is there, and 0."""
    return lambda view: view.gauges.get(name) == 0.0


def not_ready(reason: str) -> Condition:
    return lambda view: reason in view.said.not_ready


def configured(key: str, value: object) -> Condition:
    return lambda view: view.said.config.get(key) == value


def every(*conditions: Condition) -> Condition:
    return lambda view: all(condition(view) for condition in conditions)


def some(*conditions: Condition) -> Condition:
    return lambda view: any(condition(view) for condition in conditions)


def no(condition: Condition) -> Condition:
    return lambda view: not condition(view)


def absent(view: View) -> bool:
    return not {"capture_absent", "capture_not_permitted"}.isdisjoint(view.said.not_ready)


def not_applied(view: View) -> bool:
    # For files there is no moment from which on a section is in force.
    return bool(view.said.config.get("capture.interfaces")) and view.gauges.get("sets.applied", 0.0) < view.gauges.get(
        "sets.number", 0.0
    )


def nobody_looks(view: View) -> bool:
    return "up" not in view.gauges


def not_looked_at(view: View) -> bool:
    wanted = view.said.config.get("capture.interfaces")
    there = {interface.name for interface in view.said.interfaces}
    return isinstance(wanted, list) and not there.issuperset(map(str, wanted))


def core_full(view: View) -> bool:
    workers = view.said.config.get("capture.workers", 1)
    return view.rate("parse_microseconds") > 0.9e6 * (workers if isinstance(workers, int) else 1)


def malformed(view: View) -> bool:
    return share(*view.named("malformed_"), of="streams", over=0.01, least=10)(view)


def only(kinds: tuple[str, ...], least: int) -> Condition:
    """Of all kinds of observations only these came."""
    return lambda view: view.total(*kinds) >= least and view.total("received") == view.total(*kinds)


def one_sided(view: View) -> bool:
    """Names that clients ask for came, and of servers at most what needs no handshake to be seen whole."""
    return only((*_OF_CLIENTS, "kind.dns.autodiscover", "kind.dns.mx", "kind.dns.srv"), 10)(view) and bool(
        view.total(*_OF_CLIENTS)
    )


def restarted(view: View) -> bool:
    workers = view.said.config.get("capture.workers", 1)
    return view.total("connections.capture") > (workers if isinstance(workers, int) else 1)


def retention_late(view: View) -> bool:
    last = view.gauges.get("store.retention_last_success")
    return last is not None and view.said.time - max(last, view.said.started) > LATE

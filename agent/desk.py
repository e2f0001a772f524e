"""The desk: the table of every order that may be given, by whoever reaches the control socket or holds the store.

A verb's name -> ``module:function``, imported only when it is used. The function takes the office, the order's words
and who gives it, does all of it at once, and gives what it comes to as objects for JSON.
"""

from __future__ import annotations

import gc
import logging
from contextlib import contextmanager, nullcontext
from importlib import import_module
from typing import TYPE_CHECKING, Any

from agent import ipc
from agent.audit.log import AuditError
from agent.errors import ConfigError, FailedError, InputError
from agent.ipc import Type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.office import Office, Who

VERBS: dict[str, str] = {
    "registry.begin": "agent.verbs.registry:begin",
    "registry.rows": "agent.verbs.registry:rows",
    "registry.read": "agent.verbs.registry:read",
    "registry.show": "agent.verbs.registry:show",
    "registry.commit": "agent.verbs.registry:commit",
    "registry.go_on": "agent.verbs.sessions:go_on",
    "registry.forget": "agent.verbs.registry:forget",
    "registry.export": "agent.verbs.snapshot:export",
    "registry.snapshot": "agent.verbs.snapshot:begin",
    "registry.text": "agent.verbs.snapshot:text",
    "registry.take": "agent.verbs.snapshot:take",
    "consent.allow_list": "agent.verbs.allowed:listed",
    "notices.hosts": "agent.verbs.allowed:relays",
    "consent.list": "agent.verbs.consent:listed",
    "consent.show": "agent.verbs.consent:shown",
    "consent.give": "agent.verbs.agreed:give",
    "consent.lift": "agent.verbs.agreed:lift",
    "consent.unmatched": "agent.verbs.unmatched:listed",
    "consent.unmatched_done": "agent.verbs.unmatched:done",
    "consent.object": "agent.verbs.stopped:object_",
    "consent.withdraw": "agent.verbs.stopped:withdraw",
    "consent.suspend": "agent.verbs.stopped:suspend",
    "consent.resume": "agent.verbs.stopped:resume",
    "consent.end": "agent.verbs.stopped:end",
    "document.publish": "agent.verbs.document:publish",
    "announce.record": "agent.verbs.announce:record",
    "consent.request": "agent.verbs.request:request",
    "audit.prove": "agent.verbs.audit:prove",
    "customer.export": "agent.verbs.customer:export",
    "customer.reads": "agent.verbs.customer:reads",
    "customer.erase": "agent.verbs.customer:erase",
    "probe.explain": "agent.verbs.probe:explain",
    "probe.now": "agent.verbs.probe:now",
    "probe.ended": "agent.verbs.probe:ended",
    "probe.list": "agent.verbs.probe:listed",
    "kill_switch.on": "agent.verbs.probe:switch_on",
    "kill_switch.off": "agent.verbs.probe:switch_off",
    "kill_switch.status": "agent.verbs.probe:switch_status",
    "servers.list": "agent.verbs.servers:listed",
    "servers.whois": "agent.verbs.servers:whois",
    "probing.checked": "agent.verbs.probing:checked",
    "cases.list": "agent.verbs.cases:listed",
    "cases.show": "agent.verbs.cases:shown",
    "cases.close": "agent.verbs.cases:closed",
    "cases.note": "agent.verbs.cases:noted",
    "cases.tasks": "agent.verbs.cases:tasks",
    "cases.done": "agent.verbs.cases:done",
    "notices.facts": "agent.verbs.notices:facts",
    "notices.queue": "agent.verbs.notices:queue",
    "notices.send": "agent.verbs.notices:send",
    "notices.status": "agent.verbs.notices:status",
    "report.cases": "agent.verbs.report:cases",
    "report.counted": "agent.verbs.report:counted",
    "report.standing": "agent.verbs.report:standing",
}

_MANY = 20_000  # objects that may be searched for cycles again and again
_UNAVAILABLE = 69  # EX_UNAVAILABLE of sysexits.h


def answered(office: Office | None, verb: str, words: dict[str, Any], who: Who) -> list[dict[str, Any]]:
    """What the order comes to. Raises ConfigError (InputError for its words): then nothing of it is done."""
    if verb not in VERBS:
        raise InputError(f"no order {verb!r} is known here; is the daemon of another version?")
    if office is None:
        raise ConfigError(
            "agent.state: nothing is kept, so there is no register; name a directory there, or set $STATE_DIRECTORY"
        )
    module, _, function = VERBS[verb].partition(":")
    try:
        with _kept.while_ordered() if verb.startswith("registry.") else nullcontext():
            return list(getattr(import_module(module), function)(office, words, who))
    except AuditError as error:
        raise ConfigError(
            f"the log cannot be written, so nothing was done: {error}; make room or mend the disk"
        ) from None
    except ValueError as error:
        # Half a character, a number beyond all bounds: what no verb looks for, and no log takes.
        raise InputError(f"{verb}: words that cannot be used ({type(error).__name__})") from None


class _Kept:
    """What an import makes by the million stays, and has no cycles: to be searched for some would hold up the agent.

    So it is searched once, a little at a time, and never again; what nobody holds any more is freed all the same.
    """

    def __init__(self) -> None:
        self._made = 0  # objects, about, since the others were put aside

    @contextmanager
    def while_ordered(self) -> Iterator[None]:
        was = gc.isenabled()
        gc.disable()
        try:
            yield
        finally:
            self._made += gc.get_count()[0]
            if self._made > _MANY:
                self._made = 0
                gc.collect(1)
                gc.freeze()
            if was:
                gc.enable()


_kept = _Kept()


def frames(office: Office | None, verb: str, words: dict[str, Any], who: Who) -> Iterator[bytes]:
    """The answer to an order as messages: one REPLY for each object, or for the error, and END."""
    try:
        items = answered(office, verb, words, who)
    except ConfigError as error:
        items = []
        yield ipc.frame(Type.REPLY, {"error": str(error), "exit": error.exit_code})
    except Exception as error:
        # Ours, and not a reason for everybody else to lose the agent: what an order records, it records whole.
        items = []
        logging.getLogger("agent").exception("an order failed", extra={"verb": verb})
        text = f"the daemon failed at this order ({type(error).__name__}); its log says where"
        yield ipc.frame(Type.REPLY, {"error": text, "exit": FailedError.exit_code})
    for item in items:
        yield _reply(item)
    yield ipc.frame(Type.END, {"count": len(items)})


def _reply(item: dict[str, Any]) -> bytes:
    try:
        return ipc.frame(Type.REPLY, {"item": item})
    except ValueError as error:
        return ipc.frame(Type.REPLY, {"error": f"an answer is too long: {error}", "exit": _UNAVAILABLE})

"""What the agent tells the prober: how to behave, and whom to knock at. Checked by hand: who asks loads no pydantic."""

from __future__ import annotations

from math import isfinite
from typing import Any, NamedTuple

from agent.ipc import Unexpected
from agent.leave import Budget, Grant
from agent.privacy import Ranges, one, union


class Section(NamedTuple):
    """How to behave until told otherwise.

    ``level`` and ``style``: of the log; ``laboratory``: a laboratory's addresses and no others; ``sources``: own
    addresses to knock from, at most one of a family; ``denied``: who is never knocked at; ``kill_switch``: while there
    is a file of that path, nobody is ("" for none); ``per_minute``: probes that may begin in a minute.
    """

    level: str
    style: str
    laboratory: bool
    sources: tuple[str, ...]
    denied: Ranges
    kill_switch: str
    contact: str
    operator: str
    per_minute: int


# Of each key: what it has to be. A list is of texts.
_SECTION: dict[str, type] = {
    "log": dict, "laboratory": bool, "sources": list, "deny": list, "kill_switch": str, "contact": str,
    "operator": str, "per_minute": int,
}  # fmt: skip
_LOG: dict[str, type] = {"level": str, "format": str}
_GRANT: dict[str, type | tuple[type, ...]] = {
    "id": str, "address": str, "port": int, "name": (str, type(None)), "probe": str, "record": str,
    "deadline": (int, float), "budget": dict, "number": int, "leaf": str, "certificates": list, "products": list,
}  # fmt: skip
_BUDGET: dict[str, type | tuple[type, ...]] = {"connections": int, "bytes": int, "seconds": (int, float)}


def section(body: dict[str, Any]) -> Section:
    """The section that a message holds. Raises Unexpected, which names the key."""
    _check("SECTION", body, _SECTION)
    _check("SECTION: log", body["log"], _LOG)
    try:
        denied = union(map(one, body["deny"]))
    except ValueError as error:
        raise Unexpected("invalid", f"SECTION: deny {error}") from None
    return Section(
        body["log"]["level"], body["log"]["format"], body["laboratory"], tuple(body["sources"]), denied,
        body["kill_switch"], body["contact"], body["operator"], body["per_minute"],
    )  # fmt: skip


def grant(body: dict[str, Any]) -> Grant:
    """The grant that a message holds: of the right types, and no more is said of it here. Raises Unexpected."""
    given = body.get("grant")
    if not isinstance(given, dict):
        raise Unexpected("invalid", "GRANT: grant is not what it must be")
    _check("GRANT", given, _GRANT)
    _check("GRANT: budget", given["budget"], _BUDGET)
    lists = {"certificates": tuple(given["certificates"]), "products": tuple(given["products"])}
    numbers = {"deadline": float(given["deadline"])}
    budget = Budget(**given["budget"] | {"seconds": float(given["budget"]["seconds"])})
    return Grant(**given | lists | numbers | {"budget": budget})


def cancellation(body: dict[str, Any]) -> tuple[int, frozenset[str] | None]:
    """The number of a cancellation, and the ids of the grants that it ends: None for all. Raises Unexpected."""
    _check("CANCEL", body, {"number": int, "ids": (list, type(None))})
    return body["number"], None if body["ids"] is None else frozenset(body["ids"])


def _check(where: str, body: dict[str, Any], keys: dict[str, Any]) -> None:
    for key, kind in keys.items():
        value = body.get(key)
        # A bool is an int to Python and not to us. What is not finite compares with nothing.
        right = key in body and isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
        if not right or (isinstance(value, float) and not isfinite(value)):
            raise Unexpected("invalid", f"{where}: {key} is not what it must be")
        if isinstance(value, list) and not all(type(item) is str for item in value):
            raise Unexpected("invalid", f"{where}: {key} holds something else than texts")
    if extra := body.keys() - keys.keys():
        raise Unexpected("invalid", f"{where}: {len(extra)} keys that nobody knows")

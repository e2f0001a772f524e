"""From a grant to a permit: looked at once more, by who is to carry it out, and good for one use.

A ``Permit`` holds nothing. What it stands for is kept here, under the identity of the one object that was minted, and
is handed out once; so a forged, copied or pickled one is worth nothing, however it was made. Python hides nothing from
who is set on finding it: this stops mistakes, and below it stand the audit hook, the process and the kernel.
"""

from __future__ import annotations

import os
import re
import threading
from collections import OrderedDict, deque
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import TYPE_CHECKING, NamedTuple, NoReturn, final

from agent.consent.special import askable
from agent.leave import PROBES, Budget
from agent.privacy import one

if TYPE_CHECKING:
    from typing import Never, Self

    from agent.leave import Grant, Outcome
    from agent.privacy import Ranges
    from probes.section import Section

# The most that any grant may allow, whatever it says.
HOUSE = Budget(connections=3, bytes=64 << 10, seconds=60.0)

_PACE = 55.0  # seconds; a little less than the agent's minute, for its clock is read earlier than ours
_REMEMBERED = 65_536  # ids; an older one is long past its deadline, and dead by that

_ID = re.compile(r"[0-9a-f-]{8,64}")
# RFC 952 and RFC 1123 2.1, and the underscore that is met in practice; the last label says that it is no address.
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?:{_LABEL}\.)*(?=[A-Za-z0-9_-]*[A-Za-z_]){_LABEL}")


class NotPermitted(Exception):  # noqa: N818 - that a wall holds is an ordinary end of a grant
    """A wall stands in the way. ``outcome``: "cancelled" where the world has changed since the grant, "bug" where no
    such grant should have been given or where a permit is misused; ``detail``: which wall.
    """

    def __init__(self, outcome: Outcome, detail: str) -> None:
        super().__init__(detail)
        self.outcome = outcome
        self.detail = detail


class Terms(NamedTuple):
    """What a permit stands for: the grant, and how to behave."""

    grant: Grant
    section: Section


@final
class Permit:
    """Leave to open one wire, once. Comes from ``Mint.mint`` and from nowhere else."""

    __slots__ = ()

    def __new__(cls, impossible: Never) -> Self:
        raise TypeError("a permit is minted, not made")

    def __init_subclass__(cls) -> NoReturn:
        raise TypeError("there is one kind of permit")

    def __copy__(self) -> NoReturn:
        raise TypeError("a permit is not copied")

    def __deepcopy__(self, memo: object) -> NoReturn:
        raise TypeError("a permit is not copied")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a permit does not leave its process")

    if not TYPE_CHECKING:  # to a type checker there is no attribute that could be set

        def __setattr__(self, name: str, value: object) -> NoReturn:
            raise TypeError("a permit is not changed")

    __reduce__ = __getstate__ = __replace__ = __copy__


_lock = threading.Lock()
_live: dict[int, tuple[Permit, Terms]] = {}


class Mint:
    """Makes permits of grants. One in a process: it remembers which grants it has seen."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._begun: deque[float] = deque()

    def mint(self, grant: Grant, now: float, section: Section | None) -> Permit:
        """A permit for a grant that no wall stands against; ``now`` in seconds of CLOCK_MONOTONIC. Raises NotPermitted.

        A grant that was refused is used up like one that was not.
        """
        if not _ID.fullmatch(grant.id):
            raise NotPermitted("bug", "the id is none")
        if grant.id in self._seen:
            raise NotPermitted("bug", "the grant was used before")
        self._seen[grant.id] = None
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        if section is None:
            raise NotPermitted("bug", "nobody has said how to behave")
        _sound(grant, now)
        if wall := against(grant.address, section):
            raise NotPermitted("cancelled", wall)
        self._pace(now, section.per_minute)
        return _minted(grant, section, now)

    def _pace(self, now: float, per_minute: int) -> None:
        while self._begun and self._begun[0] <= now - _PACE:
            self._begun.popleft()
        if len(self._begun) >= per_minute:
            raise NotPermitted("cancelled", "more than per_minute")
        self._begun.append(now)


def spend(permit: Permit, now: float) -> Terms:
    """What the permit stands for; from now on it stands for nothing. Raises NotPermitted, TypeError for no permit."""
    if type(permit) is not Permit:
        raise TypeError("only a permit opens a wire")
    with _lock:
        kept = _live.pop(id(permit), None)
    if kept is None or kept[0] is not permit:
        raise NotPermitted("bug", "the permit is forged or was used before")
    if now >= kept[1].grant.deadline:
        raise NotPermitted("cancelled", "the grant has expired")
    return kept[1]


def against(address: str, section: Section) -> str | None:
    """The wall that stands against knocking at this address now, in words; None for none.

    It depends on nothing that the grant says, and may be asked at any time.
    """
    if killed(section.kill_switch):
        return "kill switch"
    number = one(address)[0]
    if not askable(number, section.laboratory):
        return "the address is outside the laboratory" if section.laboratory else "the address is special"
    return "deny list" if _within(number, section.denied) else None


def killed(path: str) -> bool:
    """Whether there is a file of this path; one of which that cannot be known is there."""
    if not path:
        return False
    try:
        os.lstat(path)
    except FileNotFoundError:
        return False
    except OSError:
        pass
    return True


def canonical(address: str) -> bool:
    """Whether this is an address, in the one form in which it is written."""
    family = AF_INET6 if ":" in address else AF_INET
    try:
        return inet_ntop(family, inet_pton(family, address)) == address
    except (OSError, ValueError):
        return False


def _sound(grant: Grant, now: float) -> None:
    """Raises NotPermitted for what no grant says, and for one that has expired."""
    budget = grant.budget
    walls = (
        (canonical(grant.address), "the address is not canonical"),
        (0 < grant.port < 65_536, "the port is none"),
        (grant.name is None or (len(grant.name) <= 253 and _NAME.fullmatch(grant.name)), "the name is no host's"),
        (grant.probe in PROBES, "nobody knows this probe"),
        (0 < budget.connections <= HOUSE.connections, "connections beyond the house's budget"),
        (0 < budget.bytes <= HOUSE.bytes, "bytes beyond the house's budget"),
        (0 < budget.seconds <= HOUSE.seconds, "seconds beyond the house's budget"),
        (grant.deadline <= now + HOUSE.seconds, "the deadline is too far"),
    )
    for holds, wall in walls:
        if not holds:
            raise NotPermitted("bug", wall)
    if now >= grant.deadline:
        raise NotPermitted("cancelled", "the grant has expired")


def _minted(grant: Grant, section: Section, now: float) -> Permit:
    permit: Permit = object.__new__(Permit)
    with _lock:
        for key in [key for key, (_, terms) in _live.items() if terms.grant.deadline <= now]:
            del _live[key]
        _live[id(permit)] = permit, Terms(grant, section)
    return permit


def _within(number: int, ranges: Ranges) -> bool:
    return any(first <= number <= last for first, last in ranges)

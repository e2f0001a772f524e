"""Exchange build numbers: what they are, how they compare, and ranges of them.

A build is four numbers, as in ``15.2.1748.36``. The long notation pads the third and fourth (``15.02.1748.036``);
leading zeros carry nothing. The first three parts name the branch (a cumulative update), the fourth the security
update on it. (Microsoft Learn, "Exchange Server build numbers and release dates".)
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

# How far an observation narrows the build down: the product, its generation, one cumulative update, one update.
Precision = Literal["product", "generation", "cu", "su"]

Generation = Literal["5.5", "2000", "2003", "2007", "2010", "2013", "2016", "2019", "SE"]

# First two parts -> generation. 15.2 is shared: Subscription Edition begins with its third part at 2562.
_GENERATIONS: dict[tuple[int, int], Generation] = {
    (5, 5): "5.5", (6, 0): "2000", (6, 5): "2003", (15, 0): "2013", (15, 1): "2016", (15, 2): "2019"
}  # fmt: skip
_MAJORS: dict[int, Generation] = {8: "2007", 14: "2010"}
_FIRST_SE = 2562

_MAX_PART = 65535  # each part is 16 bits in a Windows file version
_DOTTED = re.compile(r"\d{1,5}(?:\.\d{1,5}){1,3}")
# Get-ExchangeServer prints its AdminDisplayVersion so.
_ADMIN = re.compile(r"(?:version )?(\d{1,2}\.\d{1,2}) \(build (\d{1,5}\.\d{1,5})\)", re.IGNORECASE)


class Build(NamedTuple):
    """One build; compares part by part."""

    major: int
    minor: int
    third: int
    fourth: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.third}.{self.fourth}"

    @property
    def branch(self) -> tuple[int, int, int]:
        """The first three parts: the cumulative update."""
        return self[:3]


class BuildRange(NamedTuple):
    """Every build from ``low`` to ``high``, both included, and how precise that is."""

    low: Build
    high: Build
    precision: Precision

    @property
    def exact(self) -> bool:
        return self.low == self.high


def parse(text: str) -> tuple[int, ...]:
    """The two to four numbers of a build as people and programs write it. Raises ValueError for anything else."""
    wanted = text.strip()
    admin = _ADMIN.fullmatch(wanted)
    dotted = f"{admin[1]}.{admin[2]}" if admin else wanted
    if not _DOTTED.fullmatch(dotted):
        raise ValueError(f"{text!r} is not a build; a build is 2 to 4 numbers such as 15.2.1748.36 or 15.2.1748")
    parts = tuple(map(int, dotted.split(".")))
    if max(parts) > _MAX_PART:
        raise ValueError(f"{text!r} is not a build: a part above {_MAX_PART}")
    return parts


def span(parts: tuple[int, ...]) -> tuple[Build, Build]:
    """The lowest and the highest build that two to four numbers can mean."""
    low = (*parts, 0, 0, 0)[:4]
    high = (*parts, _MAX_PART, _MAX_PART, _MAX_PART)[:4]
    return Build(*low), Build(*high)


def generation_of(parts: tuple[int, ...]) -> Generation | None:
    """The generation that two or more parts name; None for what is no Exchange server (15.20 is Exchange Online)."""
    found = _MAJORS.get(parts[0]) or _GENERATIONS.get((parts[0], parts[1]))
    if found == "2019" and len(parts) > 2:
        return "SE" if parts[2] >= _FIRST_SE else "2019"
    return found

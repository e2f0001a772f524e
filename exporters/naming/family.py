"""What a row of the naming table says of one family of metrics."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "knockfirst_"
UNITS = {"timestamp_seconds": "seconds since the epoch", "seconds": "seconds", "bytes": "bytes", "ratio": "ratio"}

# The values that a label can have; where they are not ours to list, what bounds them, in words.
Values = tuple[str, ...] | str


class Family(NamedTuple):
    """One family. ``name``: as in an exposition and without the prefix; a counter's ends in ``_total``.

    ``text`` is the help in the exposition, ``means`` what it is to people, in Markdown, where there is more to say.
    ``where``: when it is there, "" for always.
    """

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    text: str
    labels: Mapping[str, Values] = MappingProxyType({})
    means: str = ""
    where: str = ""

    @property
    def exposed(self) -> str:
        """The name in an exposition."""
        return PREFIX + self.name

    @property
    def unit(self) -> str:
        """What it is measured in, by its name (Prometheus, "Metric and label naming"); "" for what is counted."""
        base = self.name.removesuffix("_total")
        return next((said for unit, said in UNITS.items() if base.endswith(f"_{unit}")), "")


class Section(NamedTuple):
    """Families that are about one thing."""

    title: str
    about: str
    families: tuple[Family, ...]

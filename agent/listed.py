"""What the exporter is told of single servers and of groups by agent/series.py, as its receiver checks it."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from agent.body import Body, Count, Label

_MOST = 5000  # servers in one message

Pseudonym = Annotated[str, Field(pattern=r"^s-[a-z2-7]{16}$")]
Group = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]


class Described(Body):
    """agent.outline.Outline. ``holes``: exploited, vulnerable, possible; None where they are not known."""

    product: Label
    generation: Label
    build: Label
    support: Label
    precision: Label
    verdict: Label
    holes: Annotated[list[Count], Field(min_length=3, max_length=3)] | None


class Grouped(Body):
    """How many servers of a group are believed to be Exchange, and how many of them have a known hole that is open."""

    name: Group
    servers: Count
    exposed: Count


class Listed(Body):
    """A part of a round. ``part`` of ``parts``, from 0; all of a round have one ``number``.

    ``limit``: servers with series of their own at most, 0 where there are none; ``of``: each server's place in
    ``outlines``; ``hours``: when it was last seen, in whole hours since the epoch. ``suppressed``: servers without
    series for want of room. ``grouped``: whether there are groups at all.
    """

    number: Count
    part: Count
    parts: Annotated[int, Field(ge=1, le=1000)]
    limit: Count
    key_id: Annotated[str, Field(pattern=r"^([0-9a-f]{8})?$")]
    epoch: Count
    suppressed: Count
    suppressed_total: Count
    grouped: bool
    group_files_failing: Count
    groups: Annotated[list[Grouped], Field(max_length=257)]
    outlines: Annotated[list[Described], Field(max_length=_MOST)]
    servers: Annotated[list[Pseudonym], Field(max_length=_MOST)]
    of: Annotated[list[Count], Field(max_length=_MOST)]
    hours: Annotated[list[Annotated[int, Field(ge=0, le=10_000_000)]], Field(max_length=_MOST)]

    @model_validator(mode="after")
    def _columns(self) -> Self:
        if not len(self.servers) == len(self.of) == len(self.hours):
            raise ValueError("columns of different lengths")
        if max(self.of, default=-1) >= len(self.outlines):
            raise ValueError("a place where there is no outline")
        return self

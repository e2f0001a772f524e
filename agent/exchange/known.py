"""What the data files hold: builds, flaws and lifecycles, as values, and the reading of the files.

The files are the project's own and lie beside this module; each says where its facts come from and how far they reach.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import date
from typing import Any, NamedTuple

from agent.build import Build, Generation, generation_of, span

FAR_FUTURE = date.max


class Known(NamedTuple):
    """One released build. ``exact`` is false where it stands for a build that is not in the table."""

    build: Build
    cu: str
    update: str
    kind: str
    released: date
    month_only: bool = False
    kb: str | None = None
    cumulative: bool = True
    alias_of: Build | None = None
    note: str | None = None
    exact: bool = True


class Fix(NamedTuple):
    """The first build with a fix on its branch. Builds between ``vulnerable_to`` and it are undecided."""

    build: Build
    vulnerable_to: Build | None = None


class Flaw(NamedTuple):
    """One CVE. ``fixes`` and ``settings`` (builds from which a protecting setting exists) are ascending.

    ``config`` says in words what has to be set beside the build; ``override`` how a fix can be switched off again.
    """

    cve: str
    name: str
    published: date
    cvss: float | None
    kev: bool
    build_decides: bool
    affected: frozenset[str]
    not_affected: frozenset[str]
    fixed_by: str | None
    fixes: dict[Generation, tuple[Fix, ...]]
    settings: dict[Generation, tuple[Fix, ...]]
    config: str | None
    override: str | None
    mitigation: str | None


class Lifecycle(NamedTuple):
    """The builds of one generation and the days of its life; each day is the last one of what it ends."""

    low: Build
    high: Build
    end_of_support: date = FAR_FUTURE
    extended: date | None = None  # The end of the paid programme of extended security updates, where there is one.

    @property
    def listed_until(self) -> date:
        """From the next day on, MSRC names this generation no longer, affected or not."""
        return self.extended or self.end_of_support


def read(name: str) -> dict[str, Any]:
    """One data file. It is ours: whatever is wrong with it is our fault and raises as it is."""
    import json

    # pathlib and importlib.resources would cost more time than reading the file does.
    with open(f"{__file__.rpartition('/')[0]}/data/{name}", encoding="utf-8") as file:
        content: dict[str, Any] = json.load(file)
    return content


def build_of(text: str) -> Build:
    a, b, c, d = text.split(".")
    return Build(int(a), int(b), int(c), int(d))


def known_of(row: dict[str, Any]) -> Known:
    alias = row.get("alias_of")
    return Known(
        build_of(row["build"]),
        row["cu"],
        row["update"],
        row["kind"],
        date.fromisoformat(row["released"]),
        row.get("precision") == "month",
        row.get("kb"),
        row.get("cumulative", True),
        build_of(alias) if alias else None,
        row.get("note"),
    )


def lifecycle_of(row: dict[str, Any]) -> Lifecycle:
    ends, extended = row["end_of_support"], row.get("extended_security_updates_end")
    return Lifecycle(
        span(tuple(map(int, row["first"].split("."))))[0],
        span(tuple(map(int, row["last"].split("."))))[1],
        date.fromisoformat(ends) if ends else FAR_FUTURE,
        date.fromisoformat(extended) if extended else None,
    )


def flaw_of(row: dict[str, Any], builds: list[Build], settings: dict[str, str]) -> Flaw:
    """``builds`` are all known ones, ascending: undecided is what lies between an upper bound and the one before it.

    ``settings`` are the words for each key of ``config``.
    """
    unsure = row.get("upper_bound", ())
    fixes = []
    for text in row["fixed_in"]:
        build = build_of(text)
        fixes.append(Fix(build, builds[bisect_left(builds, build) - 1] if text in unsure else None))
    return Flaw(
        row["cve"],
        row["name"],
        date.fromisoformat(row["published"]),
        row.get("cvss"),
        "kev" in row,
        row.get("build_decides", True),
        frozenset(row["affected"]),
        frozenset(row.get("not_affected", ())),
        row.get("fixed_by"),
        _by_generation(fixes),
        _by_generation([Fix(build_of(text)) for text in row.get("config_available_from", ())]),
        settings[row["config"]] if "config" in row else None,
        row.get("override"),
        row.get("mitigation"),
    )


def _by_generation(fixes: list[Fix]) -> dict[Generation, tuple[Fix, ...]]:
    found: dict[Generation, tuple[Fix, ...]] = {}
    for fix in sorted(fixes):
        generation = generation_of(fix.build)
        assert generation is not None, fix
        found[generation] = (*found.get(generation, ()), fix)
    return found

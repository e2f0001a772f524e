"""``python -m exporters.reference``: writes docs/metrics.md from the naming table; ``--check`` compares."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import TYPE_CHECKING

from exporters.naming import SECTIONS

if TYPE_CHECKING:
    from exporters.naming import Family, Section

HERE = Path(__file__).resolve().parents[1] / "docs" / "metrics.md"

_HEAD = """# Metrics

Every metric of `/metrics`, as the daemon itself knows it: this page is made from the table that the exporter takes
names, labels and help from (`make reference`), and a test holds it current. How to reach and protect `/metrics` is in
[operating.md](operating.md), dashboards and alerts are in `grafana/`, and what to do about each alert is in
[runbook.md](runbook.md).

No address, name of a host or customer is ever a label. What has a closed list of label values is there with 0 from the
start. Counters begin anew when the agent is restarted. Times are seconds since the epoch: the age of something is
`time()` less its timestamp.
"""
_TABLE = "| metric | is a | labels | means |\n|---|---|---|---|\n"


def page() -> str:
    """The whole page, as Markdown."""
    return _HEAD + "".join(_section(section) for section in SECTIONS)


def _section(section: Section) -> str:
    about = f"{section.about}\n\n" if section.about else ""
    lists = "".join(f"- {one}\n" for family in section.families for one in _values(family))
    rows = "".join(map(_row, section.families))
    return f"\n## {section.title}\n\n{about}{_TABLE}{rows}" + (f"\nValues of labels:\n\n{lists}" if lists else "")


def _row(family: Family) -> str:
    labels = ", ".join(f"`{label}`" for label in family.labels)
    kind = f"{family.kind}, {family.unit}" if family.unit else family.kind
    means = family.means or _uncapitalised(family.text)
    where = f" (there {family.where})" if family.where else ""
    return f"| `{family.exposed}` | {kind} | {labels} | {means}{where} |\n"


def _values(family: Family) -> list[str]:
    """A line for each label. What is on another family of the same section is said again: a reader looks for one."""
    told = []
    for label, values in family.labels.items():
        said = values if isinstance(values, str) else ", ".join(f"`{value}`" if value else "empty" for value in values)
        told.append(f"`{family.name}`, `{label}`: {said}")
    return told


def _uncapitalised(text: str) -> str:
    return (text[0].lower() + text[1:]).removesuffix(".")


def main(words: list[str]) -> int:
    """0; 1 where ``--check`` finds that the page is not as it would be written."""
    parser = ArgumentParser(prog="python -m exporters.reference", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; say whether the page is current")
    parser.add_argument(
        "--to", metavar="FILE", type=Path, default=HERE, help="where to write (default: docs/metrics.md)"
    )
    options = parser.parse_args(words)
    if not options.check:
        options.to.write_text(page())
        return 0
    current = options.to.exists() and options.to.read_text() == page()
    sys.stdout.write("" if current else f"{options.to.name}: not current; make reference\n")
    return int(not current)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Rewrites the inputs and expectations of tests/cases and lists what changed: ``python -m tests.golden``.

A case is a directory: README (what, what is expected, whence), make.py, the capture that it makes, and what the passive
line says of it. make.py has ``make() -> bytes``, ``INPUT`` (the capture's name) and ``TRUTH``: for each address what
the server there really is, written by hand. Nothing is written that contradicts it.
"""

from __future__ import annotations

import datetime
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from agent.build import parse, span
from agent.exchange.catalogue import catalogue
from agent.exchange.fingerprint import book
from agent.inventory import Inventory
from agent.report import as_json
from collectors.line import Line
from collectors.replay import stats

CASES = Path(__file__).parent / "cases"
AT = datetime.date(2026, 11, 2)  # what has come to the end of its support depends on the day
_EXCHANGE = ("exchange", "exchange-edge", "exchange-online")
# A product of TRUTH -> what may be said of it. A silent server shows too little to know: it must not be called sure.
_MAY_BE = {
    "exchange": ("exchange",),
    "exchange-edge": ("exchange-edge", "exchange"),
    "exchange-online": ("exchange-online",),
    "iis-smtp": ("iis-smtp",),
    "other": ("other", "unknown"),
    "silent": ("other", "unknown", "exchange"),
}


def cases() -> list[Path]:
    return sorted(made.parent for made in CASES.glob("*/make.py"))


def made(case: Path) -> ModuleType:
    """The case's make.py."""
    spec = importlib.util.spec_from_file_location(f"case_{case.name}", case / "make.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def expectations(capture: Path) -> dict[str, str]:
    """File name -> text: what the passive line says of a capture on the day AT."""
    line, inventory = Line(), Inventory(book(), catalogue())
    observed = []
    for observation in line.read(str(capture), counting=True):
        observed.append({**observation._asdict(), "server": observation.server._asdict()})
        inventory.observe(observation)
    found = [as_json(assessment) for assessment in inventory.assessments(AT, every=True)]
    return {
        "expected.observations.jsonl": _lines(observed),
        "expected.findings.json": _lines(found),
        "expected.stats.json": json.dumps(stats(line.counts), indent=1) + "\n",
    }


def contradictions(truth: dict[str, str], findings: str) -> list[str]:
    """What a finding says that is not so. Saying less than the truth is no contradiction, except of the product."""
    found = {finding["address"]: finding for finding in map(json.loads, findings.splitlines())}
    faults = [f"{address}: not in TRUTH" for address in found.keys() - truth.keys()]
    for address, words in truth.items():
        product, *rest = words.split()
        finding = found.get(address)
        if finding is None:
            faults += [] if product == "silent" else [f"{address}: nothing is said of it"]
        else:
            faults += [f"{address} is {words}: {fault}" for fault in _faults(product, rest, finding)]
    return faults


def _faults(product: str, rest: list[str], finding: dict[str, Any]) -> list[str]:
    faults = []
    sure = finding["verdict"] in ("confirmed", "probable")
    if finding["product"] not in _MAY_BE[product] or sure != (product in _EXCHANGE):
        faults.append(f"said to be {finding['product']}, {finding['verdict']}")
    if finding["generation"] not in (None, *rest[:1]):
        faults.append(f"said to be of {finding['generation']}")
    if len(rest) > 1 and finding["build"]:
        low, high = (parse(finding["build"][end]) for end in ("low", "high"))
        if not low <= span(parse(rest[1]))[0] <= high:
            faults.append(f"said to lie in {finding['build']}")
    return faults


def _lines(objects: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in objects)


def rewrite(case: Path) -> tuple[list[str], list[str]]:
    """The names of the files that changed, and what contradicts the truth; then no expectation is written."""
    module = made(case)
    capture = case / module.INPUT
    changed = _write(capture, module.make())
    texts = expectations(capture)
    faults = contradictions(module.TRUTH, texts["expected.findings.json"])
    if not faults:
        changed += [name for file, text in texts.items() for name in _write(case / file, text.encode())]
    return changed, faults


def _write(path: Path, content: bytes) -> list[str]:
    if path.exists() and path.read_bytes() == content:
        return []
    path.write_bytes(content)
    return [path.name]


def main() -> int:
    """Exit 1 where a case contradicts its truth."""
    wrong = 0
    for case in cases():
        changed, faults = rewrite(case)
        if changed:
            print(f"{case.name}: {', '.join(changed)}")
        for fault in faults:
            print(f"{case.name}: NOT WRITTEN: {fault}")
        wrong += bool(faults)
    print(f"{len(cases())} cases, {wrong} that contradict their truth")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

"""``python -m grafana.build``: writes dashboards, rules and provisioning files beside itself; ``--check`` compares.

``--runbook URL`` says where docs/runbook.md is published, for the links in alerts.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from grafana.alerts import GROUPS
from grafana.boards import BOARDS
from grafana.managed import SOURCE_UID, provisioned
from grafana.panels import dashboard
from grafana.rules import RUNBOOK, prometheus
from grafana.written import yaml

HERE = Path(__file__).resolve().parent
_DASHBOARDS = "/etc/grafana/dashboards/knockfirst"

PROVIDER = {
    "apiVersion": 1,
    "providers": [
        {
            "name": "knockfirst", "orgId": 1, "folder": "knockfirst", "type": "file", "disableDeletion": True,
            "allowUiUpdates": False, "options": {"path": _DASHBOARDS},
        }
    ],
}  # fmt: skip
DATA_SOURCE = {
    "apiVersion": 1,
    "datasources": [
        {
            "name": "knockfirst Prometheus", "uid": SOURCE_UID, "type": "prometheus", "access": "proxy", "orgId": 1,
            "url": "http://127.0.0.1:9090", "jsonData": {"httpMethod": "POST", "timeInterval": "30s"},
        }
    ],
}  # fmt: skip


def files(runbook: str = RUNBOOK) -> dict[str, str]:
    """Path below this directory -> text of every file that is generated."""
    boards = {board.uid: dashboard(board) for board in BOARDS}
    numbers = {(uid, panel["title"]): panel["id"] for uid, made in boards.items() for panel in made["panels"]}
    written: dict[str, dict[str, Any]] = {
        **{f"rules/{name}": content for name, content in prometheus(GROUPS, runbook).items()},
        "provisioning/alerting/knockfirst.yml": provisioned(GROUPS, numbers, runbook),
        "provisioning/dashboards/knockfirst.yml": PROVIDER,
        "provisioning/datasources/knockfirst.yml": DATA_SOURCE,
    }
    return {f"dashboards/{uid}.json": json.dumps(made, indent=2) + "\n" for uid, made in boards.items()} | {
        name: yaml(content) for name, content in written.items()
    }


def main(words: list[str]) -> int:
    """0; 1 where ``--check`` finds a file that is not as it would be written, or one too many."""
    parser = ArgumentParser(prog="python -m grafana.build", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; say which files are not current")
    parser.add_argument("--runbook", metavar="URL", default=RUNBOOK, help="where docs/runbook.md is published")
    parser.add_argument("--to", metavar="DIRECTORY", type=Path, default=HERE, help="where to write (default: here)")
    options = parser.parse_args(words)
    wanted = files(options.runbook)
    if options.check:
        stale = [name for name, text in wanted.items() if _read(options.to / name) != text]
        sys.stdout.writelines(f"{name}: not current\n" for name in (*stale, *_strangers(options.to, wanted)))
        return int(bool(stale or _strangers(options.to, wanted)))
    for name, text in wanted.items():
        (options.to / name).parent.mkdir(parents=True, exist_ok=True)
        (options.to / name).write_text(text)
    return 0


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _strangers(directory: Path, wanted: dict[str, str]) -> list[str]:
    """Files of ours that are not made any more."""
    there = (path for part in ("dashboards", "rules", "provisioning") for path in (directory / part).rglob("*.*"))
    return sorted({path.relative_to(directory).as_posix() for path in there} - set(wanted))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

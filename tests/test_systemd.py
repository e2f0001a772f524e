"""The units, as systemd itself reads them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path("systemd")
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
ANALYZE = shutil.which("systemd-analyze")
# The threshold is the exposure times ten, of at most 100; packaged capture daemons stand at 96, exporters at 92.
THRESHOLDS = {
    "knockfirst-agent.service": 5,
    "knockfirst-capture.service": 12,
    "knockfirst-capture@.service": 12,
    "knockfirst-exporter.service": 10,
    "knockfirst-notifier.service": 10,
    "knockfirst-notifier-allow.service": 10,
    "knockfirst-prober.service": 10,
    "knockfirst-prober-allow.service": 10,
}


@pytest.fixture(autouse=True)
def _tool() -> None:
    if ANALYZE is None:
        assert not os.environ.get("CI"), "CI must have systemd-analyze (Debian package systemd)"
        pytest.skip("no systemd-analyze here")


def test_systemd_understands_every_line(tmp_path: Path) -> None:
    # The program is not installed where the units look for it, and systemd would complain of that alone.
    for unit in UNITS.glob("*.*"):
        if unit.is_file():
            (tmp_path / unit.name).write_text(unit.read_text().replace("/opt/knockfirst/bin/knockfirst", "/bin/true"))
    (tmp_path / "knockfirst-capture@.service").rename(tmp_path / "knockfirst-capture@2.service")
    said = subprocess.run(
        [str(ANALYZE), "verify", *sorted(tmp_path.iterdir())],
        check=False, capture_output=True, text=True, timeout=60, env=os.environ | {"SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )  # fmt: skip
    assert (said.returncode, said.stderr.strip()) == (0, "")


def test_every_service_has_its_threshold() -> None:
    assert sorted(THRESHOLDS) == SERVICES


@pytest.mark.parametrize("name", SERVICES)
def test_each_exposes_little(name: str) -> None:
    command = [
        str(ANALYZE),
        "security",
        "--offline=true",
        f"--threshold={THRESHOLDS[name]}",
        str((UNITS / name).absolute()),
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout[-200:]


def test_one_more_capture_process_is_like_the_first() -> None:
    first, more = ((UNITS / name).read_text() for name in ("knockfirst-capture.service", "knockfirst-capture@.service"))
    assert more.replace("# Capture, one more of it:", "# Capture:").replace("capture %i:", "capture:") == first


def test_every_service_is_bounded_and_in_the_slice() -> None:
    for name in SERVICES:
        text = (UNITS / name).read_text()
        assert "Slice=knockfirst.slice" in text
        assert all(re.search(rf"^{bound}=\w+", text, re.M) for bound in ("MemoryHigh", "MemoryMax", "TasksMax"))
        assert "Environment=PYTHON" not in text


def test_every_role_has_a_user_and_a_door_of_its_own() -> None:
    users = set(re.findall(r"^u (\S+)", (UNITS / "sysusers.d/knockfirst.conf").read_text(), re.M))
    roles = ("capture", "exporter", "notifier", "prober")
    assert users == {"knockfirst", *(f"knockfirst-{role}" for role in roles)}
    doors = re.findall(
        r"^d /run/knockfirst/(\S+) +(\S+) (\S+) (\S+)", (UNITS / "tmpfiles.d/knockfirst.conf").read_text(), re.M
    )
    assert doors == [(role, "2710", "knockfirst", f"knockfirst-{role}") for role in roles]


def test_every_unit_is_explained_and_each_exposure_is_as_it_is_said() -> None:
    text = Path("docs/units.md").read_text()
    for unit in UNITS.glob("*.*"):
        assert unit.is_dir() or f"`{unit.name}`" in text, unit.name
    said = re.search(r"^\| exposure .*?\|(.*)\|$", text, re.M)
    assert said
    measured = []
    for role in ("agent", "capture", "exporter", "prober", "notifier"):
        command = [str(ANALYZE), "security", "--offline=true", str((UNITS / f"knockfirst-{role}.service").absolute())]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
        measured.append(done.stdout.rpartition(": ")[2].split()[0])
    assert [number.strip() for number in said[1].split("|")] == measured

"""The package as a file: the same from the same sources, nothing of where it was built, all accounted for."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sysconfig
from functools import cache
from pathlib import Path

import pytest

from package import deb, papers, upgraded
from tests.package.built import EPOCH, scratch, sources, the_package

OPT = "opt/knockfirst"


@cache
def unpacked() -> Path:
    """The package's files, and below DEBIAN what controls it."""
    root = scratch() / "unpacked"
    subprocess.run(["dpkg-deb", "-R", the_package(), root], check=True)
    return root


def site() -> Path:
    (found,) = unpacked().glob(f"{OPT}/lib/python3.*/site-packages")
    return found


def test_the_same_sources_give_the_same_bytes_wherever_and_whenever() -> None:
    first = the_package()
    elsewhere = Path(shutil.copytree(sources(), scratch() / "sources elsewhere"))
    for path in elsewhere.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
    umask = os.umask(0o077)
    try:
        second = deb.build(elsewhere, scratch() / "two", deb.SOURCE / ".venv/wheels", EPOCH)
    finally:
        os.umask(umask)
    assert first.read_bytes() == second.package.read_bytes()
    assert first.with_suffix(".cdx.json").read_text() == second.contents.read_text()
    said, name = second.checksum.read_text().split()
    assert (said, name) == (hashlib.sha256(first.read_bytes()).hexdigest(), first.name)


def test_nothing_tells_where_it_was_built() -> None:
    places = [str(scratch()).encode(), str(deb.SOURCE).encode(), b"knockfirst-deb-"]
    for path in unpacked().rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            assert not [place for place in places if place in content], path
    assert not [*site().glob("*/direct_url.json"), *site().glob("*.data")]


def test_the_program_is_started_by_its_own_interpreter() -> None:
    program = unpacked() / OPT / "bin/knockfirst"
    assert program.read_text().startswith("#!/opt/knockfirst/bin/python3 -P\n")
    links = {
        path.relative_to(unpacked()).as_posix(): os.readlink(path)
        for path in unpacked().rglob("*")
        if path.is_symlink()
    }
    assert links == {
        "opt/knockfirst/bin/python3": f"/usr/bin/python{sysconfig.get_python_version()}",
        "opt/knockfirst/share/doc": "/usr/share/knockfirst/docs",
        "opt/knockfirst/share/knockfirst": "/usr/share/knockfirst",
        "usr/bin/knockfirst": "/opt/knockfirst/bin/knockfirst",
    }
    for unit in Path("systemd").glob("*.service"):
        for started in re.findall(r"^Exec\w+=(/opt\S+)", unit.read_text(), re.M):
            assert (unpacked() / started[1:]).stat().st_mode & 0o111, started


def test_completion_is_where_shells_look_for_it() -> None:
    shared = unpacked() / "usr/share"
    assert "complete -F _knockfirst knockfirst" in (shared / "bash-completion/completions/knockfirst").read_text()
    assert (shared / "zsh/vendor-completions/_knockfirst").read_text().startswith("#compdef knockfirst\n")


def test_every_module_of_ours_is_there_with_its_byte_code() -> None:
    for package in ("agent", "collectors", "probes", "exporters"):
        for path in (sources() / package).rglob("*.py"):
            placed = site() / path.relative_to(sources())
            assert placed.read_bytes() == path.read_bytes()
            assert list(placed.parent.glob(f"__pycache__/{path.stem}.cpython-*.pyc")), path
    assert not list(site().glob("package")) + list(site().glob("tests")) + list(site().glob("grafana"))


def test_what_is_inside_is_what_the_lock_says_and_is_all_on_the_list() -> None:
    listed = json.loads(the_package().with_suffix(".cdx.json").read_text())["components"]
    lock = Path("lock/runtime.txt").read_text()
    for one in listed:
        (digest,) = one["hashes"]
        assert f"--hash=sha256:{digest['content']}" in lock, one["name"]
        assert f"{one['purl'].partition('pypi/')[2].replace('@', '==')} " in lock
    there = {path.name.removesuffix(".dist-info").partition("-")[0] for path in site().glob("*.dist-info")}
    names = {one["properties"][0]["value"].partition("-")[0] for one in listed}
    assert there == names | {"knockfirst"}
    text = (unpacked() / "usr/share/doc/knockfirst/copyright").read_text()
    assert all(f"\nLicense: {one['licenses'][0]['license']['name']}\n" in text for one in listed)
    assert "unknown" not in text


def test_what_dpkg_is_told() -> None:
    control = (unpacked() / "DEBIAN/control").read_text()
    python = sysconfig.get_python_version()
    after = f"3.{int(python.partition('.')[2]) + 1}"
    depends = re.search(r"^Depends: (.*)$", control, re.M)
    assert depends
    assert depends[1].startswith(f"python3 (>= {python}), python3 (<< {after}), libc6 (>= 2.")
    assert (unpacked() / "DEBIAN/conffiles").read_text() == f"{deb.CONFIGURATION}\n"
    listed = subprocess.run(["dpkg-deb", "-c", the_package()], check=True, capture_output=True, text=True).stdout
    rows = [line.split(maxsplit=5) for line in listed.splitlines()]
    assert {row[1] for row in rows} == {"root/root"}
    assert {row[0] for row in rows if row[5].startswith("./opt")} <= {
        "drwxr-xr-x",
        "-rw-r--r--",
        "-rwxr-xr-x",
        "lrwxrwxrwx",
    }
    assert {"/".join(row[5].split("/")[:3]).rstrip("/") for row in rows} == {
        ".", "./etc", "./etc/knockfirst", "./opt", "./opt/knockfirst", "./usr", "./usr/bin", "./usr/lib", "./usr/share",
    }  # fmt: skip
    for script in ("postinst", "prerm", "postrm"):
        subprocess.run(["sh", "-n", unpacked() / "DEBIAN" / script], check=True)


def test_what_people_read_is_there() -> None:
    shared = unpacked() / "usr/share/knockfirst"
    for place in ("docs/operating.md", "docs/runbook.md", "grafana/rules/knockfirst.alerts.yml", "verify.py"):
        assert (shared / place).is_file()
    for path in Path("grafana").rglob("*.*"):
        assert path.suffix in (".py", ".pyc") or (shared / path).read_bytes() == path.read_bytes()
    for page in ("usr/share/man/man1/knockfirst.1.gz", "usr/share/man/man5/knockfirst.toml.5.gz"):
        assert (unpacked() / page).stat().st_size > 1000


def test_the_changelog_is_in_the_form_of_debian() -> None:
    text = "# Changelog\n\n## Unreleased\n\n- new\n  and more\n- [BUGFIX] old\n\n## 0.1.0 (2026-01-02)\n\n- first\n"
    assert papers.changelog(text, "0.2.0", "me <me@example.org>", 0) == (
        "knockfirst (0.2.0) stable; urgency=medium\n\n  * new\n    and more\n  * [BUGFIX] old\n\n"
        " -- me <me@example.org>  Thu, 01 Jan 1970 00:00:00 -0000\n\n"
        "knockfirst (0.1.0) stable; urgency=medium\n\n  * first\n\n"
        " -- me <me@example.org>  Thu, 01 Jan 1970 00:00:00 -0000\n"
    )


@pytest.mark.parametrize(
    ("number", "said"),
    [(None, None), (0, "stays as it is"), (-1, "brings the store from version"), (1, "it cannot be used")],
)
def test_an_upgrade_says_what_it_means_for_the_store(number: int | None, said: str | None, tmp_path: Path) -> None:
    import sqlite3

    from agent.schema import STEPS

    store = tmp_path / "store.sqlite"
    if number is not None:
        with sqlite3.connect(store) as connection:
            connection.execute(f"PRAGMA user_version = {len(STEPS) + number}")
    first, *more = upgraded.told("0.0.9", store)
    assert "0.0.9 -> " in first
    assert len(more) == (said is not None)
    assert said is None or said in more[0]

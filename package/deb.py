"""``python -m package.deb``: builds ``dist/knockfirst_VERSION_ARCH.deb``, its checksum and its list of contents.

The same sources, lock and interpreter give the same bytes: times are those of SOURCE_DATE_EPOCH (by default the last
commit's), names are sorted, owners are root, and the byte code is compiled in one process with one seed.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from package import completion, defaults, man, papers, wheels

SOURCE = Path(__file__).resolve().parent.parent
MAINTAINER = "knockfirst <knockfirst@example.org>"
PLACE = "/opt/knockfirst"
CONFIGURATION = "/etc/knockfirst/knockfirst.toml"
_BESIDE = ("docs", "pyproject.toml", "README.md", "LICENSE")
_NOT = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info")
_MINOR = f"3.{sys.version_info.minor}"
# The interpreter that will run it: Debian's own, of the version that the locked packages were chosen for.
_PYTHON = Path(f"/usr/bin/python{_MINOR}")
_SITE = f"{PLACE}/lib/python{_MINOR}/site-packages"
_PROGRAM = f"""\
#!{PLACE}/bin/python3 -P
import sys
from agent.__main__ import main
sys.exit(main())
"""
_DESCRIPTION = """\
looks for customers' Exchange servers at an ISP's edge, and tells
 A daemon for edge routers: it looks, passively, for customers' Exchange
 servers in the metadata of handshakes; asks leave; knocks, for consenting
 customers only, with one harmless request that tells the exact build; and
 tells the network engineers and the customer. It never exercises a
 vulnerability, never authenticates, blocks nobody.
 .
 It has an interpreter environment of its own in /opt/knockfirst, a hardened
 unit for each role, dashboards and rules in /usr/share/knockfirst. Nothing
 starts by itself."""


class Made(NamedTuple):
    """The package, its checksum file, and the list of what is inside."""

    package: Path
    checksum: Path
    contents: Path


def build(source: Path, to: Path, kept: Path, epoch: int) -> Made:
    """The package of the sources in ``source``, in the directory ``to``; ``kept`` holds downloaded wheels.

    Raises CalledProcessError where a tool does not do its part.
    """
    said = tomllib.loads((source / "pyproject.toml").read_text())["project"]
    version = re.sub(r"(?<=\d)(a|b|rc|\.dev)(?=\d)", r"~\1", said["version"])
    with tempfile.TemporaryDirectory(prefix="knockfirst-deb-") as name:
        scratch = Path(name)
        root = scratch / "root"
        inside = _program(source, root, scratch, kept, epoch)
        _system(source, root)
        _shared(source, root)
        _papers(source, root, inside, version, epoch)
        _compiled(root, epoch)
        _control(source, root, version, inside)
        architecture = _said("dpkg", "--print-architecture")
        package = to / f"knockfirst_{version}_{architecture}.deb"
        to.mkdir(parents=True, exist_ok=True)
        _packed(root, package, epoch)
    checksum, contents = package.with_suffix(".deb.sha256"), package.with_suffix(".cdx.json")
    checksum.write_text(f"{hashlib.sha256(package.read_bytes()).hexdigest()}  {package.name}\n")
    contents.write_text(papers.inside(inside, version))
    return Made(package, checksum, contents)


def _program(source: Path, root: Path, scratch: Path, kept: Path, epoch: int) -> list[wheels.Wheel]:
    """The environment in its place: interpreter, libraries, the command. Gives what is inside, but for our own."""
    copied = scratch / "source"
    copied.mkdir()
    said = tomllib.loads((source / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    ours = [path.name for pattern in said for path in source.glob(pattern) if path.is_dir()]
    for name in (*ours, *_BESIDE):
        if (source / name).is_dir():
            shutil.copytree(source / name, copied / name, ignore=_NOT)
        else:
            shutil.copy(source / name, copied / name)
    python = Path(sys.executable)
    site = root / _SITE[1:]
    site.mkdir(parents=True)
    locked = wheels.locked(python, source / "lock/runtime.txt", kept, scratch / "locked")
    inside = [wheels.unpacked(one, site) for one in locked]
    os.environ["SOURCE_DATE_EPOCH"] = str(epoch)
    wheels.unpacked(wheels.ours(python, copied, scratch / "ours"), site)
    _write(root, f"{PLACE}/pyvenv.cfg", f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {_MINOR}\n")
    _write(root, f"{PLACE}/bin/knockfirst", _PROGRAM, mode=0o755)
    _link(root, f"{PLACE}/bin/python3", str(_PYTHON))
    _link(root, "/usr/bin/knockfirst", f"{PLACE}/bin/knockfirst")
    # Where the program looks for its verifier, and the units for their page.
    _link(root, f"{PLACE}/share/knockfirst", "/usr/share/knockfirst")
    _link(root, f"{PLACE}/share/doc", "/usr/share/knockfirst/docs")
    return inside


def _system(source: Path, root: Path) -> None:
    """Units, users, directories, the configuration and the completion."""
    for unit in sorted((source / "systemd").glob("*.*")):
        if unit.is_file():
            _write(root, f"/usr/lib/systemd/system/{unit.name}", unit.read_text())
    for what in ("sysusers.d", "tmpfiles.d"):
        for path in sorted((source / "systemd" / what).glob("*.conf")):
            _write(root, f"/usr/lib/{what}/{path.name}", path.read_text())
    _write(root, CONFIGURATION, defaults.text())
    _write(root, "/usr/share/bash-completion/completions/knockfirst", completion.bash())
    _write(root, "/usr/share/zsh/vendor-completions/_knockfirst", completion.zsh())


def _shared(source: Path, root: Path) -> None:
    """What is for people and for their Grafana and Prometheus: beside each other as in the sources, so links hold."""
    shared = root / "usr/share/knockfirst"
    shutil.copytree(source / "docs", shared / "docs", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    shutil.copytree(
        source / "grafana", shared / "grafana", ignore=shutil.ignore_patterns("*.py", "__pycache__", "boards")
    )
    shutil.copy(source / "README.md", shared)
    shutil.copy(source / "docs/verify.py", shared)
    shutil.copy(source / "package/upgraded.py", shared)


def _papers(source: Path, root: Path, inside: list[wheels.Wheel], version: str, epoch: int) -> None:
    doc = "/usr/share/doc/knockfirst"
    _write(root, f"{doc}/copyright", papers.copyright_file(_SITE, inside))
    news = papers.changelog((source / "CHANGELOG.md").read_text(), version, MAINTAINER, epoch)
    day = datetime.fromtimestamp(epoch, UTC).date().isoformat()
    for place, text in (
        (f"{doc}/changelog.gz", news),
        ("/usr/share/man/man1/knockfirst.1.gz", man.command_page(version, day)),
        ("/usr/share/man/man5/knockfirst.toml.5.gz", man.configuration_page(version, day)),
    ):
        path = root / place[1:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def _compiled(root: Path, epoch: int) -> None:
    """Byte code beside every module, which is not held against the time of its source: nobody may write there."""
    for path in (root / PLACE[1:]).rglob("*"):
        os.utime(path, (epoch, epoch), follow_symlinks=False)
    library = root / PLACE[1:] / "lib"
    command = [str(_PYTHON), "-m", "compileall", "-q", "-j", "1", "--invalidation-mode", "unchecked-hash"]
    environment = {"PYTHONHASHSEED": "0", "PATH": os.environ["PATH"], "SOURCE_DATE_EPOCH": str(epoch)}
    # Some libraries carry files for other versions of Python, which this one cannot compile.
    subprocess.run(  # noqa: S603
        [*command, "-s", str(root), "-p", "/", str(library)], check=False, env=environment, stdout=subprocess.DEVNULL
    )


def _control(source: Path, root: Path, version: str, inside: list[wheels.Wheel]) -> None:
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    size = sum(-(-path.stat().st_size // 1024) for path in files)
    nearest = sys.version_info.minor + 1
    libc = wheels.least_libc(one.file for one in inside)
    fields = {
        "Package": "knockfirst",
        "Version": version,
        "Architecture": _said("dpkg", "--print-architecture"),
        "Maintainer": MAINTAINER,
        "Installed-Size": str(size),
        "Depends": f"python3 (>= {_MINOR}), python3 (<< 3.{nearest}), libc6 (>= {libc}), libgcc-s1, systemd (>= 252)",
        "Recommends": "iproute2, prometheus",
        "Suggests": "grafana, prometheus-alertmanager",
        "Section": "net",
        "Priority": "optional",
        "Description": _DESCRIPTION,
    }
    _write(root, "/DEBIAN/control", "".join(f"{name}: {value}\n" for name, value in fields.items()))
    _write(root, "/DEBIAN/conffiles", f"{CONFIGURATION}\n")
    sums = (f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(root)}\n" for path in files)  # noqa: S324
    _write(root, "/DEBIAN/md5sums", "".join(sums))
    users = re.findall(r"^u (\S+)", (source / "systemd/sysusers.d/knockfirst.conf").read_text(), re.M)
    directories = re.findall(r"^d (\S+)", (source / "systemd/tmpfiles.d/knockfirst.conf").read_text(), re.M)
    for script in sorted((source / "package/maintainer").iterdir()):
        text = script.read_text().replace("@USERS@", " ".join(users)).replace("@DIRECTORIES@", " ".join(directories))
        _write(root, f"/DEBIAN/{script.name}", text, mode=0o755)


def _packed(root: Path, package: Path, epoch: int) -> None:
    runs = {root / f"{PLACE[1:]}/bin/knockfirst", *(root / "DEBIAN" / one for one in ("postinst", "prerm", "postrm"))}
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path in runs else 0o644)
        os.utime(path, (epoch, epoch), follow_symlinks=False)
    command = ["dpkg-deb", "--root-owner-group", "-Zzstd", "-z10", "--build", str(root), str(package)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"SOURCE_DATE_EPOCH": str(epoch)})  # noqa: S603


def _write(root: Path, place: str, text: str, mode: int = 0o644) -> None:
    path = root / place[1:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def _link(root: Path, place: str, to: str) -> None:
    path = root / place[1:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(to)


def _said(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603


def last_change(source: Path) -> int:
    """SOURCE_DATE_EPOCH, or else the time of the last commit, or else that of pyproject.toml; in seconds."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    try:
        return int(_said("git", "-C", str(source), "log", "-1", "--format=%ct"))
    except (OSError, ValueError, subprocess.CalledProcessError):
        return int((source / "pyproject.toml").stat().st_mtime)


def main(words: list[str]) -> int:
    """0; 1 where this is no machine to build it on."""
    parser = ArgumentParser(prog="python -m package.deb", description="Builds the Debian package.")
    parser.add_argument("--to", metavar="DIRECTORY", type=Path, default=SOURCE / "dist", help="where to (dist)")
    parser.add_argument("--kept", metavar="DIRECTORY", type=Path, default=SOURCE / ".venv/wheels", help="of wheels")
    options = parser.parse_args(words)
    if lacks := lacking():
        sys.stderr.write(f"{lacks}\n")
        return 1
    made = build(SOURCE, options.to, options.kept, last_change(SOURCE))
    print("\n".join(str(path) for path in made))
    return 0


def lacking() -> str:
    """Why no package can be built here; "" where one can be."""
    missing = [tool for tool in ("dpkg-deb", "dpkg") if shutil.which(tool) is None]
    if not _PYTHON.exists():
        missing.append(f"{_PYTHON} (this is Python {_MINOR}: use the interpreter of the Debian that it is for)")
    return f"building the package needs {', '.join(missing)}" if missing else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

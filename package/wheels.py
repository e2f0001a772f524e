"""The locked packages as wheels, and a wheel as files: what pip would install, without its scripts and its traces."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import zipfile
from email import message_from_bytes
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class Wheel(NamedTuple):
    """One that is inside, by its metadata; its hash is SHA-256 of the file, its places are below site-packages."""

    name: str
    version: str
    licence: str
    file: str
    sha256: str
    places: tuple[str, ...]


def locked(python: Path, lock: Path, kept: Path, to: Path) -> list[Path]:
    """The wheels of a lock file for this machine, by hash, in ``to``; ``kept`` holds them for the next time.

    Raises CalledProcessError where one cannot be had, or is not what the lock says.
    """
    kept.mkdir(parents=True, exist_ok=True)
    pip = [str(python), "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
    wanted = ["--require-hashes", "--requirement", str(lock), "--dest"]
    offline = [*pip, "--no-index", "--find-links", str(kept), *wanted, str(to)]
    if subprocess.run(offline, check=False, capture_output=True).returncode != 0:  # noqa: S603
        shutil.rmtree(to, ignore_errors=True)
        subprocess.run([*pip, *wanted, str(to)], check=True, stderr=subprocess.DEVNULL)  # noqa: S603
        for wheel in to.glob("*.whl"):
            # There whole or not at all: somebody else may be looking, or at the same.
            half = kept / f"{wheel.name}.{os.getpid()}"
            shutil.copy(wheel, half)
            half.replace(kept / wheel.name)
    return sorted(to.glob("*.whl"))


def ours(python: Path, source: Path, to: Path) -> Path:
    """Our own wheel, made without any network."""
    pip = [str(python), "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", "--wheel-dir", str(to), str(source)], check=True)  # noqa: S603
    (made,) = to.glob("knockfirst-*.whl")
    return made


def unpacked(wheel: Path, site: Path) -> Wheel:
    """Put its libraries where Python looks for them; scripts, manual pages and other data of it are left out."""
    with zipfile.ZipFile(wheel) as file:
        names = [name for name in file.namelist() if not name.split("/")[0].endswith(".data")]
        file.extractall(site, names)
        (metadata,) = (name for name in names if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
        said = message_from_bytes(file.read(metadata))
    classified = [one.rpartition(" :: ")[2] for one in said.get_all("Classifier", []) if one.startswith("License ::")]
    licence = said["License-Expression"] or said["License"] or ", ".join(classified) or "unknown"
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    places = tuple(sorted({name.split("/")[0] for name in names}))
    return Wheel(said["Name"], said["Version"], " ".join(licence.split()), wheel.name, digest, places)


def least_libc(wheels: Iterable[str]) -> str:
    """The least glibc that all of them take, from their tags (PEP 600)."""
    tags = [re.findall(r"manylinux_2_(\d+)", name) for name in wheels]
    # A file with several tags takes the oldest of them.
    return f"2.{max((min(map(int, found)) for found in tags if found), default=17)}"

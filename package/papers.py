"""What lies beside the program: copyright, changelog, and the list of what is inside (CycloneDX 1.5)."""

from __future__ import annotations

import json
import re
from email.utils import formatdate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from package.wheels import Wheel


def copyright_file(site: str, wheels: Sequence[Wheel]) -> str:
    """In the machine-readable form of Debian (DEP 5). The texts of the licences lie beside each library."""
    lines = [
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/",
        "Upstream-Name: knockfirst",
        "Comment: The libraries that knockfirst stands on are in the package, each with the text of its licence in",
        f" {site}/NAME.dist-info.",
        "",
        "Files: *",
        "Copyright: the authors of knockfirst",
        "License: Apache-2.0",
        " On Debian systems the full text is in /usr/share/common-licenses/Apache-2.0.",
    ]
    for one in wheels:
        files = "\n ".join(
            f"{site[1:]}/{place}{'/*' if '.py' not in place and '.so' not in place else ''}" for place in one.places
        )
        lines += ["", f"Files: {files}", f"Copyright: the authors of {one.name}"]
        lines += [f"License: {one.licence}", f" {one.name} {one.version}"]
    return "\n".join(lines) + "\n"


def changelog(text: str, version: str, maintainer: str, epoch: int) -> str:
    """CHANGELOG.md in Debian's form. What is unreleased there is of this version."""
    made = []
    for heading, body in re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", text, re.M | re.S):
        of = version if heading == "Unreleased" else heading.split()[0]
        lines = [f"  {line}" for line in re.sub(r"^- ", "* ", body.strip(), flags=re.M).splitlines()]
        made.append(f"knockfirst ({of}) stable; urgency=medium\n\n" + "\n".join(lines))
    end = f"\n\n -- {maintainer}  {formatdate(epoch)}\n"
    return "\n".join(f"{one}{end}" for one in made)


def inside(wheels: Sequence[Wheel], version: str) -> str:
    """The bill of materials: every library, its version, its licence, and the hash of the file that it came as."""
    components = [
        {
            "type": "library", "name": one.name, "version": one.version,
            "licenses": [{"license": {"name": one.licence}}],
            "purl": f"pkg:pypi/{re.sub(r'[-_.]+', '-', one.name).lower()}@{one.version}",
            "hashes": [{"alg": "SHA-256", "content": one.sha256}],
            "properties": [{"name": "file", "value": one.file}],
        }
        for one in wheels
    ]  # fmt: skip
    made = {
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": components,
        "metadata": {"component": {"type": "application", "name": "knockfirst", "version": version}},
    }  # fmt: skip
    return json.dumps(made, indent=1) + "\n"

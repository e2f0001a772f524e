"""``python -m tests.exporters.console.screens [DIRECTORY]``: the pictures of docs/console.md, of made-up data."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.exporters.console.browser import Browser
from tests.exporters.console.world import PASSWORD, VIEWER, fetched, shown

LAPTOP, PHONE = 1280, 390
MOST = 150_000  # bytes of a picture


def main(directory: Path) -> None:
    with tempfile.TemporaryDirectory() as made, shown(Path(made)) as world, Browser() as browser:
        browser.comes_as(VIEWER, PASSWORD)
        server = server_page(fetched(world.url, "/recent")[2])
        for name, path, width, most in (
            ("overview", "/", LAPTOP, 1500), ("overview-phone", "/", PHONE, 1500), ("recent", "/recent", LAPTOP, 1100),
            ("server", server, LAPTOP, 1500),
        ):  # fmt: skip
            browser.seen(width)
            browser.goes(world.url + path)
            written = directory / f"console-{name}.png"
            written.write_bytes(browser.picture(width, most))
            subprocess.run(["pngquant", "--force", "--ext", ".png", "--quality", "60-95", str(written)], check=True)
            subprocess.run(["optipng", "-quiet", "-o5", "-strip", "all", str(written)], check=True)
            size = written.stat().st_size
            print(f"{written}: {size} bytes")
            assert size < MOST, "too large for a page of documentation"


def server_page(recent: str) -> str:
    """The path of the page of the server that was knocked at last."""
    found = re.search(r'href="(/servers/s-[a-z2-7]{16})"', recent)
    assert found, "no server is linked to"
    return found[1]


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))

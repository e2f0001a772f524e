"""A real Chromium without a window, spoken to by its own protocol over two pipes: no driver, no port, nothing listens.

https://chromedevtools.github.io/devtools-protocol/: each message is an object of JSON, and ends with a zero byte.
"""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = "chromium"
SECONDS = 60.0  # for each answer, and for each page


class Browser:
    """``with Browser() as browser:`` one browser with one page in it. ``logged``: what it complains of."""

    def __enter__(self) -> Self:
        self._home = tempfile.mkdtemp(prefix="knockfirst-chromium-")
        # The browser reads at descriptor 3 and writes at 4.
        theirs_in, self._out = _high(os.pipe())
        self._in, theirs_out = _high(os.pipe())
        options = (
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
            "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--remote-debugging-pipe", f"--user-data-dir={self._home}", "about:blank",
        )  # fmt: skip
        words = ["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash", shutil.which(PROGRAM) or PROGRAM]
        self._process = subprocess.Popen(
            [*words, *options], pass_fds=(theirs_in, theirs_out), start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        self._numbers = itertools.count(1)
        self._held = b""
        self._events: list[dict[str, Any]] = []
        self._session = ""
        self._loaded = ""
        self.logged: list[str] = []
        try:
            page = self._say("Target.createTarget", url="about:blank")["targetId"]
            self._session = self._say("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
            for domain in ("Page", "Log", "Network", "Runtime", "Accessibility"):
                self._say(f"{domain}.enable")
            self._say("Page.setLifecycleEventsEnabled", enabled=True)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._out)
        os.close(self._in)
        shutil.rmtree(self._home, ignore_errors=True)

    def comes_as(self, name: str, password: str) -> None:
        """Every request from now on brings these."""
        told = base64.b64encode(f"{name}:{password}".encode()).decode()
        self._say("Network.setExtraHTTPHeaders", headers={"Authorization": f"Basic {told}"} if name else {})

    def seen(self, width: int, *, scheme: str = "light", scripts: bool = True) -> None:
        """Be a screen of this width from now on: a phone where it is narrow."""
        phone = width < 600
        self._say(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=844 if phone else 800, deviceScaleFactor=1, mobile=phone,
        )  # fmt: skip
        self._say("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self._say("Emulation.setScriptExecutionDisabled", value=not scripts)

    def goes(self, url: str) -> list[str]:
        """Open a page and wait until it is all there; the URLs that were fetched for it."""
        self._events.clear()
        self._load(self._say("Page.navigate", url=url)["loaderId"])
        return [
            event["params"]["request"]["url"]
            for event in self._events
            if event["method"] == "Network.requestWillBeSent"
        ]

    def sends(self, expression: str) -> None:
        """What this JavaScript leads to is another page, which is waited for."""
        self._events.clear()
        self.found(expression)
        self._load()

    def presses(self, key: str) -> None:
        """A key, as if it were pressed."""
        for kind in ("rawKeyDown", "keyUp"):
            self._say("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=9)

    def found(self, expression: str) -> Any:
        """What this JavaScript comes to on the page that is open."""
        answer = self._say("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def told(self) -> list[tuple[str, str]]:
        """Role and name of everything that a screen reader is told of."""
        nodes = self._say("Accessibility.getFullAXTree")["nodes"]
        return [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]

    def picture(self, width: int, most: int) -> bytes:
        """The page that is open as PNG, to its end or ``most`` pixels."""
        height = min(most, int(self.found("document.documentElement.scrollHeight")))
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shot = self._say("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        return base64.b64decode(shot["data"])

    def _say(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + SECONDS
        while True:
            heard = self._hear(deadline)
            if heard.get("id") == number:
                assert "error" not in heard, heard
                result: dict[str, Any] = heard["result"]
                return result

    def _load(self, which: str = "") -> None:
        """Wait for the end of this load, or of any but the last; what is said of a page may come late."""
        deadline = time.monotonic() + SECONDS
        while not (ended := [one for one in self._ends() if (one == which if which else one != self._loaded)]):
            self._hear(deadline)
        self._loaded = ended[0]

    def _ends(self) -> Iterator[str]:
        """The loads that have come to their end."""
        for event in self._events:
            if event["method"] == "Page.lifecycleEvent" and event["params"]["name"] == "load":
                yield event["params"]["loaderId"]

    def _hear(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._held:
            ready, _, _ = select.select([self._in], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, "the browser says nothing"
            more = os.read(self._in, 1 << 20)
            assert more, "the browser has gone"
            self._held += more
        line, _, self._held = self._held.partition(b"\0")
        heard: dict[str, Any] = json.loads(line)
        if "method" in heard:
            self._events.append(heard)
            if heard["method"] == "Log.entryAdded":
                self.logged.append(heard["params"]["entry"]["text"])
        return heard


def _high(pair: tuple[int, int]) -> tuple[int, int]:
    """The same pipe at descriptors that are in nobody's way."""
    moved = fcntl.fcntl(pair[0], fcntl.F_DUPFD_CLOEXEC, 30), fcntl.fcntl(pair[1], fcntl.F_DUPFD_CLOEXEC, 30)
    for each in pair:
        os.close(each)
    return moved

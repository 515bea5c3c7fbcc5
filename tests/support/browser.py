"""A real Chromium, driven over a pipe: its DevTools protocol, a JSON object and a zero byte each way, needs no package.

with Browser(folder) as browser:
    browser.open("http://127.0.0.1:9790/", width=360, dark=True)
    browser.value("document.title")
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

import psutil

from embedded_stack.processes import tied

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
ANSWER_SECONDS = 30
WIRE = """
import fcntl, os, sys
reader, writer = (fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3])
os.dup2(reader, 3)
os.dup2(writer, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Chromium reads from 3 and writes to 4, whatever the numbers are here."""


def chromium() -> str | None:
    """Where it is on this machine."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One window, without a screen. It ends with this process, however that ends."""

    def __init__(self, folder: Path) -> None:
        path = chromium()
        assert path is not None
        (theirs_in, self._to), (self._from, theirs_out) = os.pipe(), os.pipe()
        wiring = [sys.executable, "-c", WIRE, str(theirs_in), str(theirs_out)]
        options = ["--headless=new", "--remote-debugging-pipe", "--disable-gpu", "--disable-dev-shm-usage"]
        options += [
            "--no-first-run",
            "--no-proxy-server",
            "--disable-background-networking",
            f"--user-data-dir={folder}",
        ]
        if os.geteuid() == 0:
            options.append("--no-sandbox")
        with (folder.parent / "chromium.log").open("ab") as log:
            self._process = subprocess.Popen(
                tied(*wiring, path, *options, "about:blank"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(theirs_in, theirs_out),
                start_new_session=True,
                env={**os.environ, "HOME": str(folder)},
            )
        os.close(theirs_in)
        os.close(theirs_out)
        self._number, self._heard = 0, b""
        self._session: str | None = None
        self.told: list[str] = []
        """Errors of the page, and requests of it: `error ...`, `request ...`."""

    def __enter__(self) -> Self:
        try:
            pages = self.ask("Target.getTargets")["targetInfos"]
            target = next(each["targetId"] for each in pages if each["type"] == "page")
            self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Network", "Log"):
                self.ask(f"{domain}.enable")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._to)
        os.close(self._from)

    def open(
        self, url: str, width: int = 1000, height: int = 1200, *, dark: bool = False, forced_colors: bool = False
    ) -> None:
        """Args: forced_colors: the colours of the system instead of the page's, as for high contrast."""
        media = {"prefers-color-scheme": "dark" if dark else "light", "prefers-reduced-motion": "reduce"}
        media["forced-colors"] = "active" if forced_colors else "none"
        features = [{"name": name, "value": value} for name, value in media.items()]
        self.ask("Emulation.setEmulatedMedia", features=features)
        self.ask("Emulation.setScrollbarsHidden", hidden=True)
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.ask("Emulation.setDeviceMetricsOverride", **size)
        self.ask("Page.navigate", url=url)

    def value(self, expression: str) -> Any:
        """What this JavaScript gives on the page."""
        got = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in got:
            raise RuntimeError(got["exceptionDetails"]["exception"]["description"])
        return got["result"].get("value")

    def picture(self, clip: tuple[float, float, float, float] | None = None) -> bytes:
        """The window as a PNG. Args: clip: of this part only: x, y, width, height."""
        part = (
            {} if clip is None else {"clip": dict(zip(("x", "y", "width", "height"), clip, strict=True)) | {"scale": 1}}
        )
        return base64.b64decode(self.ask("Page.captureScreenshot", format="png", **part)["data"])

    def move(self, x: float, y: float) -> None:
        """The mouse."""
        self.ask("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click(self, x: float, y: float) -> None:
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def touch(self, x: float, y: float) -> None:
        """With a finger, which is lifted again."""
        self.ask("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        self.ask("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def press(self, key: str, times: int = 1) -> None:
        """A key, by its name in JavaScript: `ArrowLeft`, `n`, `Tab`."""
        text = {"text": key} if len(key) == 1 else {}
        code = {"Tab": 9, "Enter": 13, "Escape": 27, "Home": 36, "End": 35}.get(key, 0)
        for _ in range(times):
            about = {"key": key, "windowsVirtualKeyCode": code, **text}
            self.ask("Input.dispatchKeyEvent", type="keyDown", **about)
            self.ask("Input.dispatchKeyEvent", type="keyUp", key=key)

    def tab_seconds(self) -> float:
        """Processor time of the processes that lay out, draw and run pages."""
        tabs = [
            process
            for process in psutil.Process(self._process.pid).children(recursive=True)
            if "--type=renderer" in process.cmdline()
        ]
        return sum(sum(process.cpu_times()[:2]) for process in tabs)

    def ask(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        asked = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            asked["sessionId"] = self._session
        os.write(self._to, json.dumps(asked).encode() + b"\0")
        until = time.monotonic() + ANSWER_SECONDS
        while True:
            message = self._next(until)
            if message.get("id") == self._number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']['message']}")
                return message["result"]
            self._note(message)

    def _next(self, until: float) -> Any:
        while b"\0" not in self._heard:
            ready, _, _ = select.select([self._from], [], [], max(0.0, until - time.monotonic()))
            some = os.read(self._from, 1 << 20) if ready else b""
            if not some:
                raise RuntimeError("Chromium does not answer" if not ready else "Chromium has ended")
            self._heard += some
        message, _, self._heard = self._heard.partition(b"\0")
        return json.loads(message)

    def _note(self, message: Any) -> None:
        about = message.get("params", {})
        match message.get("method"):
            case "Runtime.exceptionThrown":
                self.told.append(f"error {about['exceptionDetails'].get('exception', {}).get('description')}")
            case "Log.entryAdded" if about["entry"]["level"] == "error":
                self.told.append(f"error {about['entry']['text']} {about['entry'].get('url', '')}")
            case "Network.requestWillBeSent":
                self.told.append(f"request {about['request']['url']}")

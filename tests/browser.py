"""A headless Chromium that tests drive as a person would: keys, text, clicks, light and dark.

It speaks the DevTools protocol over two pipes (`--remote-debugging-pipe`: JSON messages that end in NUL), so
nothing but the browser itself is needed.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NONE_HERE = "no chromium on this machine (apt-get install chromium)"
_FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-component-update
--disable-background-networking --disable-sync --remote-debugging-pipe""".split()
# Chromium reads descriptor 3 and writes descriptor 4; a process of its own puts the pipes there.
_EXEC = """import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])"""
_PATIENCE = 120  # seconds until a browser that says nothing counts as hung
_VIRTUAL_KEYS = {"Backspace": 8, "Escape": 27, "ArrowUp": 38, "ArrowDown": 40, "Enter": 13, "Tab": 9}


class Browser:
    """One browser with one page. `complaints` are errors and warnings of its console, scripts and policy."""

    def __init__(self, profile: Path) -> None:
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        # Above 4, so that neither lies where the other is put.
        passed = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (theirs_in, theirs_out)]
        os.close(theirs_in)
        os.close(theirs_out)
        words = [sys.executable, "-SE", "-c", _EXEC, *map(str, passed), str(CHROMIUM)]
        with (profile.parent / f"{profile.name}.log").open("wb") as log:
            self._process = subprocess.Popen(
                [*words, *_FLAGS, f"--user-data-dir={profile}"], pass_fds=passed, stdout=log, stderr=log
            )
        for fd in passed:
            os.close(fd)
        self._log = Path(log.name)
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self._events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Page.setLifecycleEventsEnabled", enabled=True)
        self.resize(1400, 900)

    def close(self) -> None:
        self._session = None
        with suppress(RuntimeError, OSError):  # it may end before it answers
            self.call("Browser.close")
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._in)
        os.close(self._out)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of a command. Raises RuntimeError when the browser refuses it."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self._events.append(answer)

    def open(self, page: Path | str) -> None:
        """Shows a page, a file or an address, with nothing kept of the last one."""
        self._load("about:blank")
        self._events.clear()
        self._load(page if isinstance(page, str) else page.as_uri())

    def follow(self, act: Callable[[], None]) -> None:
        """Does what leads to another page, and waits until that is there."""
        self._events.clear()
        act()
        while not any(event["params"].get("name") == "load" for event in self._events):
            self._events.append(self._message())

    def _load(self, url: str) -> None:
        loader = self.call("Page.navigate", url=url)["loaderId"]
        # By its own number: the load of the page before may be told late.
        while not any(
            event["params"].get("loaderId") == loader and event["params"].get("name") == "load"
            for event in self._events
        ):
            self._events.append(self._message())

    def resize(self, width: int, height: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def media(self, kind: str = "screen", scheme: str = "light") -> None:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=kind, features=features)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression; of a promise, what it becomes. Raises RuntimeError."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def settle(self) -> None:
        """Lets the page draw, with the events that drawing makes."""
        self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def press(self, *keys: str) -> None:
        for key in keys:
            code = _VIRTUAL_KEYS.get(key)
            what: dict[str, Any] = {"windowsVirtualKeyCode": code} if code else {"text": key}
            if key == "Enter":
                what["text"] = "\r"  # without, no form is sent
            self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **what)
            self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def click(self, selector: str, number: int = 0) -> None:
        """Clicks in the middle of the element, as a mouse does."""
        x, y = self.evaluate(
            f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2])"
            f"(document.querySelectorAll({json.dumps(selector)})[{number}].getBoundingClientRect())"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def texts(self, selector: str) -> list[str]:
        """The text of every element that a selector finds."""
        return self.evaluate(
            f"Array.from(document.querySelectorAll({json.dumps(selector)}), one => one.textContent)"
        )

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def pdf(self) -> bytes:
        return base64.b64decode(self.call("Page.printToPDF")["data"])

    @property
    def complaints(self) -> list[str]:
        kinds = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        self.settle()  # what is on its way has then arrived
        return [json.dumps(event["params"]) for event in self._events if event.get("method") in kinds]

    @property
    def requests(self) -> list[str]:
        """The addresses of all that was asked for since the page was opened, itself included."""
        sent = [event for event in self._events if event.get("method") == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]

    def _message(self) -> dict[str, Any]:
        deadline = time.monotonic() + _PATIENCE
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(0, deadline - time.monotonic()))
            chunk = os.read(self._in, 1 << 20) if ready else b""
            if not chunk:
                said = self._log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"chromium {'ended' if ready else 'hangs'}: {said}")
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(line)

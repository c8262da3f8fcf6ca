"""A headless Chromium, driven over its debugging pipe without any further package."""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import pytest


def chromium() -> str:
    """Return the program; skips where there is none."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium here")
    return program


class Page:
    """One page; `requested` holds the addresses of all that it asked for."""

    def __init__(self, commands: int, messages: int) -> None:
        self._commands = os.fdopen(commands, "wb", buffering=0)
        self._messages = os.fdopen(messages, "rb", buffering=0)
        self._left = b""
        self._number = 0
        self._session: Optional[str] = None
        self.requested: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Network.enable")

    def close(self) -> None:
        self._commands.close()
        self._messages.close()

    def call(self, method: str, **params: Any) -> Any:
        """Send a command of the DevTools protocol and return its result."""
        self._number += 1
        command = {"id": self._number, "method": method, "params": params}
        if self._session:
            command["sessionId"] = self._session
        self._commands.write(json.dumps(command).encode() + b"\0")
        while True:
            message = self._receive()
            if message.get("method") == "Network.requestWillBeSent":
                self.requested.append(message["params"]["request"]["url"])
            if message.get("id") == self._number:
                assert "error" not in message, message["error"]
                return message["result"]

    def _receive(self) -> Any:
        while b"\0" not in self._left:
            chunk = self._messages.read(1 << 16)
            assert chunk, "Chromium ended"
            self._left += chunk
        message, _, self._left = self._left.partition(b"\0")
        return json.loads(message)

    def open(self, address: str, *, width: int, height: int, dark: bool = False) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=address)
        self.wait_for("document.readyState === 'complete'")

    def value(self, expression: str) -> Any:
        """Return what a JavaScript expression comes to."""
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait_for(self, expression: str) -> None:
        """Wait, up to 20 seconds, until a JavaScript expression is true."""
        end = time.monotonic() + 20
        while not self.value(expression):
            assert time.monotonic() < end, f"never became true: {expression}"
            time.sleep(0.05)

    def choose_file(self, selector: str, file: Path) -> None:
        """Choose a file in the input field that a CSS selector names."""
        expression = f"document.querySelector({json.dumps(selector)})"
        field = self.call("Runtime.evaluate", expression=expression)["result"]["objectId"]
        self.call("DOM.setFileInputFiles", files=[str(file)], objectId=field)

    def screenshot(self, file: Path) -> None:
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))


@contextlib.contextmanager
def page(profile: Path) -> Iterator[Page]:
    """Run Chromium, with its files in the folder `profile`, while the `with` block runs."""
    words = [chromium(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    words += ["--no-first-run", "--disable-background-networking", f"--user-data-dir={profile}"]
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    # Chromium reads from descriptor 3 and writes to 4.
    shell = f'exec "$@" --remote-debugging-pipe 3<&{theirs_in} 4>&{theirs_out}'
    process = subprocess.Popen(
        ["bash", "-c", shell, "bash", *words], pass_fds=(theirs_in, theirs_out), stderr=subprocess.DEVNULL
    )
    os.close(theirs_in)
    os.close(theirs_out)
    try:
        with contextlib.closing(Page(ours_out, ours_in)) as opened:
            yield opened
    finally:
        process.terminate()
        process.wait(20)

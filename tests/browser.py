"""A headless Chromium that tests drive by its debugging protocol, over pipes: nothing beside the browser is needed."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import functools
import json
import os
import select
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
ISOLATED = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}


def program() -> str | None:
    """The path of a Chromium: that of ZOO_TEST_BROWSER, or the system's."""
    given = os.environ.get("ZOO_TEST_BROWSER")
    return given or next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """A running browser in a context manager.

    Args:
        path: the program.
        options: further options of its command line.
    """

    def __init__(self, path: str, *options: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="zoo-browser-", ignore_cleanup_errors=True)
        theirs, self._write = os.pipe()
        self._read, theirs_too = os.pipe()
        high = [fcntl.fcntl(each, fcntl.F_DUPFD, 10) for each in (theirs, theirs_too)]  # 3 and 4 become the browser's
        command = [
            path, "--headless=new", "--no-sandbox", "--remote-debugging-pipe", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--disable-dev-shm-usage", f"--user-data-dir={self._folder.name}",
            "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", *options, "about:blank",
        ]  # fmt: skip
        shell = f'exec "$0" "$@" 3<&{high[0]} 4>&{high[1]}'
        self._process = subprocess.Popen(
            ["bash", "-c", shell, *command], pass_fds=high, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": self._folder.name},
        )  # fmt: skip
        for each in (theirs, theirs_too, *high):
            os.close(each)
        self._buffer, self._count = b"", 0
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(Exception):
            self.send("Browser.close", timeout=5)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._process.kill()
        self._process.wait()
        os.close(self._read)
        os.close(self._write)
        self._folder.cleanup()

    def send(self, method: str, session: str = "", timeout: float = 60, **parameters: Any) -> dict[str, Any]:
        """Sends a command and returns its answer; events meanwhile are kept."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        os.write(self._write, json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0")
        end = time.monotonic() + timeout
        while True:
            answer = self._next(end - time.monotonic())
            if answer.get("id") == self._count:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self.events.append(answer)

    def _next(self, timeout: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(timeout, 0))
            if not ready:
                raise TimeoutError("the browser does not answer")
            if not (piece := os.read(self._read, 1 << 20)):
                raise ConnectionError(f"the browser has ended: {self._process.wait(5)}")
            self._buffer += piece
        first, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(first)

    def open(self, address: str, width: int = 1280, height: int = 900) -> Tab:
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = Tab(self, session, target)
        for domain in ("Page", "Runtime", "Network", "Log"):
            tab.send(f"{domain}.enable")
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        tab.send("Emulation.setDeviceMetricsOverride", **size)
        tab.send("Page.navigate", url=address)
        return tab


class Tab:
    """A page of a browser."""

    def __init__(self, browser: Browser, session: str, target: str) -> None:
        self.browser, self.session, self.target = browser, session, target

    def send(self, method: str, timeout: float = 60, **parameters: Any) -> dict[str, Any]:
        return self.browser.send(method, self.session, timeout, **parameters)

    def evaluate(self, expression: str, timeout: float = 60) -> Any:
        """The value of an expression, which may be a promise."""
        found = self.send(
            "Runtime.evaluate", timeout, expression=expression, awaitPromise=True, returnByValue=True, userGesture=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, condition: str, seconds: float = 60) -> None:
        """Waits until an expression is true."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(AssertionError):  # while the page loads
                if self.evaluate(f"Boolean({condition})", timeout=seconds):
                    return
            time.sleep(0.05)
        raise TimeoutError(f"{condition} did not become true; the page says {self.says()!r}")

    def says(self) -> str:
        """What the page says of its state."""
        return self.evaluate("document.querySelector('[role=status]')?.textContent ?? document.body.innerText")

    def give(self, path: Path, slot: int = 0) -> None:
        """Chooses a file, as by a click."""
        root = self.send("DOM.getDocument")["root"]["nodeId"]
        nodes = self.send("DOM.querySelectorAll", nodeId=root, selector="input[type=file]")["nodeIds"]
        self.send("DOM.setFileInputFiles", files=[str(path)], nodeId=nodes[slot])

    def screenshot(self, path: Path) -> None:
        shot = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def troubles(self) -> list[str]:
        """Errors of scripts and of the console so far."""
        found = []
        for event in self.browser.events:
            if event.get("sessionId") == self.session and event["method"] == "Runtime.exceptionThrown":
                found.append(str(event["params"]["exceptionDetails"]))
            if event.get("sessionId") == self.session and event["method"] == "Log.entryAdded":
                entry = event["params"]["entry"]
                found += [f"{entry['text']} {entry.get('url', '')}"] * (entry["level"] == "error")
        return found

    def requested(self) -> set[str]:
        """Addresses that the page asked for."""
        events = (each for each in self.browser.events if each.get("method") == "Network.requestWillBeSent")
        return {each["params"]["request"]["url"] for each in events}

    def close(self) -> None:
        self.browser.send("Target.closeTarget", targetId=self.target)


@contextlib.contextmanager
def served(folder: Path, headers: Mapping[str, str] = ISOLATED) -> Iterator[str]:
    """Serves a folder on loopback; gives its address. A header may be one of a kind of files: {".gz": "gzip"}."""

    class Handler(SimpleHTTPRequestHandler):
        def end_headers(self) -> None:
            for name, value in headers.items():
                if not name.startswith("."):
                    self.send_header(name, value)
                elif self.path.endswith(name):
                    self.send_header("Content-Encoding", value)
            super().end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()

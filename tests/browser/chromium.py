"""Headless Chromium, driven through a pipe by its DevTools protocol: no driver, no port, no package.

Only what the tests need: open a page with headers, look at it in light and dark, click, wait, follow it into a
window that it opens, hear what it fetches and complains about, take a picture.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

_OPTIONS = (
    "--headless",
    "--no-sandbox",  # root may not use the sandbox, and the only page is our own
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--metrics-recording-only",
    "--mute-audio",
    "--no-first-run",
    "--no-default-browser-check",
    # Whatever it still wants of the internet, it finds no name for.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--remote-debugging-pipe",
    "--window-size=1000,1400",
)
# It reads commands from descriptor 3 and writes to 4; what stands there already must not be in the way.
_LAUNCH = """
import os, sys
for number, descriptor in enumerate([os.dup(os.dup(int(name))) for name in sys.argv[1:3]], 3):
    os.dup2(descriptor, number)
os.execv(sys.argv[3], sys.argv[3:])
"""


def find_chromium() -> str | None:
    """Where Chromium is; None if it is not installed."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def chromium(program: str, *, patience: float = 60) -> Iterator[Tab]:
    """A browser with one tab, for as long as the block lasts."""
    to_browser, write = os.pipe()
    read, from_browser = os.pipe()
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [
                *(sys.executable, "-I", "-c", _LAUNCH, str(to_browser), str(from_browser), program),
                *(*_OPTIONS, f"--user-data-dir={profile}", "about:blank"),
            ],
            pass_fds=(to_browser, from_browser),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        try:
            yield Tab(_Pipe(read, write, patience))
        finally:
            os.close(write)  # it ends when nobody can command it any more
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            os.close(read)


class _Pipe:
    """Messages to the browser and from it: JSON, each ended by a null."""

    def __init__(self, read: int, write: int, patience: float) -> None:
        self._read, self._write, self._patience = read, write, patience
        self._buffer = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []
        self.stand_in: Callable[[str], tuple[bytes, str]] | None = None  # see Tab.stand_in_for

    def call(self, method: str, session: str | None = None, /, **parameters: Any) -> Any:
        """Send a command and wait for its result; events that come meanwhile are kept."""
        number = self._send(method, session, parameters)
        until = time.monotonic() + self._patience
        while True:
            answer = self.receive(until)
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def _send(self, method: str, session: str | None, parameters: dict[str, Any]) -> int:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        return self._number

    def receive(self, until: float) -> dict[str, Any]:
        """The next message, kept if it is an event."""
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0.0, until - time.monotonic()))
            data = os.read(self._read, 1 << 16) if ready else b""
            if not data:
                raise RuntimeError("Chromium has ended." if ready else "Chromium does not answer.")
            self._buffer += data
        text, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        if message.get("method") == "Fetch.requestPaused" and self.stand_in is not None:
            body, media_type = self.stand_in(message["params"]["request"]["url"])
            answer = {
                "requestId": message["params"]["requestId"],
                "responseCode": 200,
                "responseHeaders": [{"name": "Content-Type", "value": media_type}],
                "body": base64.b64encode(body).decode(),
            }
            self._send("Fetch.fulfillRequest", message["sessionId"], answer)
        elif "method" in message:
            self.events.append(message)
        return message

    def wait_for(self, event: str) -> None:
        """Wait until an event of that name has come."""
        until = time.monotonic() + self._patience
        while not any(message["method"] == event for message in self.events):
            self.receive(until)

    def wait_until(self, happened: Callable[[], bool], what: str) -> None:
        """Ask again and again; raises RuntimeError if it does not happen in good time."""
        until = time.monotonic() + self._patience
        while not happened():
            if time.monotonic() > until:
                raise RuntimeError(f"It did not come to this: {what}")
            time.sleep(0.02)


class Tab:
    """A page: the one tab, or a window that it has opened."""

    def __init__(self, pipe: _Pipe, target: str | None = None) -> None:
        self._pipe = pipe
        self._target = target or pipe.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = pipe.call("Target.attachToTarget", targetId=self._target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log", "Accessibility"):
            self._call(f"{domain}.enable")

    def _call(self, method: str, **parameters: Any) -> Any:
        return self._pipe.call(method, self._session, **parameters)

    def open(self, url: str, *, headers: Mapping[str, str] | None = None, scheme: str = "light") -> None:
        """Go to a page, with these headers beside the browser's own, under a light or dark scheme."""
        self._call("Network.setExtraHTTPHeaders", headers=dict(headers or {}))
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._call("Emulation.setEmulatedMedia", features=features)
        self._pipe.events.clear()
        self._call("Page.navigate", url=url)
        self._pipe.wait_for("Page.loadEventFired")

    def stand_in_for(self, site: str, answer: Callable[[str], tuple[bytes, str]]) -> None:
        """Answer for a site that can't be reached: `answer` gives body and media type of a URL."""
        self._pipe.stand_in = answer
        self._call("Fetch.enable", patterns=[{"urlPattern": f"{site}/*"}])

    def wait_until(self, expression: str) -> None:
        """Wait until a JavaScript expression is true; pages may come and go meanwhile."""
        self._pipe.wait_until(lambda: self._is_true(expression), expression)

    def _is_true(self, expression: str) -> bool:
        try:
            return bool(self.evaluate(f"!!({expression})"))
        except RuntimeError:  # between two pages there is none, and on a half one not everything is defined
            return False

    def wait_for(self, selector: str) -> None:
        """Wait until there is such an element."""
        self.wait_until(f"document.querySelector({json.dumps(selector)})")

    def click(self, selector: str) -> None:
        """Wait for an element, and click it."""
        self.wait_for(selector)
        self.evaluate(f"document.querySelector({json.dumps(selector)}).click()", by_hand=True)

    def text(self, selector: str) -> str:
        """Wait for an element, and give what can be read in it."""
        self.wait_for(selector)
        return str(self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText"))

    def popup(self) -> Tab:
        """The window that this page has opened; waits for it."""
        found: list[str] = []

        def look() -> bool:
            targets = self._pipe.call("Target.getTargets")["targetInfos"]
            found[:] = [each["targetId"] for each in targets if each.get("openerId") == self._target]
            return bool(found)

        self._pipe.wait_until(look, "a window that the page opens")
        return Tab(self._pipe, found[0])

    def forget(self) -> None:
        """Forget every cookie, so that nobody is signed in anywhere."""
        self._call("Network.clearBrowserCookies")

    def resize(self, width: int, height: int) -> None:
        """Give the page that much room."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", **size)

    def evaluate(self, expression: str, *, by_hand: bool = False) -> Any:
        """The JSON value of a JavaScript expression; `by_hand` lets it open windows, as people may."""
        result = self._call("Runtime.evaluate", expression=expression, returnByValue=True, userGesture=by_hand)
        if "exceptionDetails" in result:
            raise RuntimeError(str(result["exceptionDetails"]))
        return result["result"].get("value")

    def _events(self, name: str) -> list[dict[str, Any]]:
        self.evaluate("1")  # whatever was on its way has come by then
        return [message["params"] for message in self._pipe.events if message["method"] == name]

    @property
    def requests(self) -> list[str]:
        """The URLs that were asked for since the page was opened."""
        return [event["request"]["url"] for event in self._events("Network.requestWillBeSent")]

    @property
    def response(self) -> dict[str, Any]:
        """The answer that brought the page: `status`, `mimeType`, `headers`."""
        found: dict[str, Any] = next(
            event["response"] for event in self._events("Network.responseReceived") if event["type"] == "Document"
        )
        return found

    @property
    def complaints(self) -> list[str]:
        """What stands in the console, but for the line that says that the answer was no 200."""
        said = [event["entry"]["text"] for event in self._events("Log.entryAdded")]
        said += [str(event["args"]) for event in self._events("Runtime.consoleAPICalled")]
        said += [str(event["exceptionDetails"]) for event in self._events("Runtime.exceptionThrown")]
        return [text for text in said if not text.startswith("Failed to load resource: the server responded")]

    @property
    def accessible(self) -> list[tuple[str, str]]:
        """Role and name of everything that a screen reader is told of, in its order."""
        nodes = self._call("Accessibility.getFullAXTree")["nodes"]
        return [
            (node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]
        ]

    def picture(self, path: Path) -> Path:
        """The whole page as a PNG."""
        data = self._call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(data))
        return path

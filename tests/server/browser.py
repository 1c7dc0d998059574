"""A headless Chromium, spoken to over a pipe in its DevTools protocol: no driver, no port, no library."""

from __future__ import annotations

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager

BINARY = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_PATIENCE_S = 120
_AS_THREE_AND_FOUR = """
import fcntl, os, sys
pipes = [fcntl.fcntl(int(each), fcntl.F_DUPFD, 10) for each in sys.argv[1:3]]
for number, pipe in enumerate(pipes, start=3):
    os.dup2(pipe, number)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Where the browser looks for its pipes."""
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-extensions",
    "--disable-sync",
)


class Page:
    """One page of a browser."""

    def __init__(self, browser, session):
        self._browser = browser
        self._session = session

    def send(self, method, **parameters):
        return self._browser.send(method, parameters, self._session)

    @property
    def complaints(self):
        """What the console was told: errors, exceptions, and what the policy refused."""
        self.value("1")  # what was said before is here then
        found = []
        for event in self._browser.events:
            if event["method"] == "Runtime.exceptionThrown":
                found.append(event["params"]["exceptionDetails"]["text"])
            if event["method"] == "Log.entryAdded":
                found.append(event["params"]["entry"]["text"])
        return found

    def value(self, expression):
        """What a JavaScript expression is, awaited if it is a promise."""
        told = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def wait_for(self, expression):
        """Wait until a JavaScript expression is true; returns its value."""
        until = time.monotonic() + _PATIENCE_S
        while not (found := self.value(expression)):
            assert time.monotonic() < until, f"{expression} did not become true: {self.text('body')}"
            time.sleep(0.02)
        return found

    def text(self, selector):
        """The text that a person sees of an element."""
        return self.value(f"document.querySelector({json.dumps(selector)}).innerText")

    def click(self, selector):
        self.value(f"document.querySelector({json.dumps(selector)}).click()")

    def type(self, selector, text):
        """Put text into a field as typing does."""
        chosen = f"document.querySelector({json.dumps(selector)})"
        self.value(
            f"{chosen}.value = {json.dumps(text)}; {chosen}.dispatchEvent(new Event('input', {{bubbles: true}}))"
        )

    def select(self, selector, value):
        """Choose an option of a list."""
        chosen = f"document.querySelector({json.dumps(selector)})"
        self.value(
            f"{chosen}.value = {json.dumps(value)}; {chosen}.dispatchEvent(new Event('change', {{bubbles: true}}))"
        )

    def press(self, key):
        for kind in ("keyDown", "keyUp"):
            self.send(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode={"Tab": 9}.get(key, 13)
            )

    def look(self, *, width=1400, height=1000, scheme="light"):
        """Give it a size, and a preference for light or dark."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self, path):
        told = self.send("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(told["data"]))


class Browser:
    """A running browser."""

    def __init__(self, process, to, of):
        self._process = process
        self._to = to
        self._of = of
        self._numbers = itertools.count(1)
        self._received = b""
        self._target = None
        self.events = []

    def send(self, method, parameters, session=None):
        """Send a command, and wait for its answer; what comes meanwhile is kept in `events`."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            told = self._next()
            if told.get("id") == number:
                assert "error" not in told, told
                return told["result"]
            self.events.append(told)

    def open(self, url):
        """Open a page, in place of the one before."""
        before, self._target = self._target, self.send("Target.createTarget", {"url": "about:blank"})["targetId"]
        if before is not None:
            self.send("Target.closeTarget", {"targetId": before})
        target = self._target
        session = self.send("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        page = Page(self, session)
        for domain in ("Page", "Runtime", "Log"):
            page.send(f"{domain}.enable")
        self.events.clear()
        page.look()
        page.send("Page.navigate", url=url)
        page.wait_for(f"document.readyState == 'complete' && location.href.startsWith({json.dumps(url)})")
        return page

    def _next(self):
        until = time.monotonic() + _PATIENCE_S
        while b"\0" not in self._received:
            ready, _, _ = select.select([self._of], [], [], max(0, until - time.monotonic()))
            assert ready, "the browser says nothing"
            more = os.read(self._of, 1 << 20)
            assert more, f"the browser has ended with {self._process.poll()}"
            self._received += more
        message, _, self._received = self._received.partition(b"\0")
        return json.loads(message)


@contextmanager
def browser(folder):
    """Run a browser whose files are in a folder."""
    its_in, our_out = os.pipe()
    our_in, its_out = os.pipe()
    command = [BINARY, *_OPTIONS, "--remote-debugging-pipe", f"--user-data-dir={folder}", "about:blank"]
    process = subprocess.Popen(
        [sys.executable, "-c", _AS_THREE_AND_FOUR, str(its_in), str(its_out), *command],
        pass_fds=(its_in, its_out),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(its_in)
    os.close(its_out)
    try:
        yield Browser(process, our_out, our_in)
    finally:
        process.terminate()
        try:
            process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(our_out)
        os.close(our_in)

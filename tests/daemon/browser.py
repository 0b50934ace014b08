"""A page in headless Chromium, driven over its DevTools protocol."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from websockets.sync.client import ClientConnection, connect

_SECONDS = 60.0
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_LISTENS = "DevTools listening on "


class Page:
    """One page; whatever it complains about is in `complaints`."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self._session: dict[str, str] = {}
        self.complaints: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = {"sessionId": attached["sessionId"]}
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        request = {"id": number, "method": method, "params": parameters, **self._session}
        self._connection.send(orjson.dumps(request).decode())
        while True:
            told = orjson.loads(self._connection.recv(_SECONDS))
            if told.get("id") == number:
                assert "error" not in told, told["error"]
                result: dict[str, Any] = told["result"]
                return result
            if told["method"] in {"Log.entryAdded", "Runtime.exceptionThrown"}:
                self.complaints.append(str(told["params"]))

    def open(self, url: str, width: int, *, dark: bool = False) -> None:
        self.resize(width, dark=dark)
        self.call("Page.navigate", url=url)

    def resize(self, width: int, *, dark: bool = False) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 700,
        )
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[theme])

    def ask(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, expression: str) -> None:
        """Wait until an expression is true."""
        deadline = time.monotonic() + _SECONDS
        while not self.ask(f"Boolean({expression})"):
            if time.monotonic() > deadline:
                seen = self.text("main")[:500]
                raise AssertionError(f"not {expression}: {seen} {self.complaints}")
            time.sleep(0.05)

    def text(self, selector: str) -> str:
        found: str = self.ask(f"document.querySelector({selector!r}).innerText")
        return found

    def click(self, selector: str) -> None:
        self.until(f"document.querySelector({selector!r}).checkVisibility()")
        self.ask(f"document.querySelector({selector!r}).click()")

    def type(self, selector: str, text: str) -> None:
        self.ask(f"document.querySelector({selector!r}).focus()")
        self.call("Input.insertText", text=text)


@contextmanager
def browsing(directory: Path) -> Iterator[Page]:
    """Open a page; skip the test where there is no browser."""
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip(f"no browser to look at the page with: none of {', '.join(_NAMES)}")
    options = ["--headless=new", "--disable-gpu", "--remote-debugging-port=0", "--no-first-run"]
    # Chromium refuses its sandbox to root.
    options += ["--no-sandbox"] if os.geteuid() == 0 else []
    process = subprocess.Popen(
        [program, *options, f"--user-data-dir={directory}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        said = next((line for line in process.stderr if line.startswith(_LISTENS)), "")
        assert said, "the browser did not start"
        # It says much more, for which nobody may keep it waiting.
        threading.Thread(target=process.stderr.read, daemon=True).start()
        with connect(said.removeprefix(_LISTENS).strip(), max_size=None) as connection:
            yield Page(connection)
    finally:
        process.terminate()
        process.wait(_SECONDS)
        process.stderr.close()

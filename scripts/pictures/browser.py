"""A headless Chromium, told what to do by the protocol of its developer tools."""

import asyncio
import base64
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

from tests.helpers import until

WIDTH, HEIGHT = 760, 1400
"""Of the window; no picture is larger."""
SCALE = 1.75
"""Sharp on any screen, and below 150 kB."""


class Page:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = count(1)
        self._loaded = 0

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command, and its result."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while (told := await self._hear()).get("id") != number:
            pass
        assert "error" not in told, (method, told["error"])
        return told["result"]

    async def load(self, url: str) -> None:
        """Show this address, afresh."""
        before = self._loaded
        await self.call("Page.navigate", url=url)
        while self._loaded == before:
            await self._hear()

    async def run(self, script: str) -> Any:
        """The value of an expression of JavaScript on the page."""
        done = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]["exception"].get("description")
        return done["result"].get("value")

    async def until(self, script: str) -> None:
        """Wait until that expression is true."""
        await until(lambda: self.run(f"!!({script})"))

    async def picture(self, selector: str, margin: int) -> bytes:
        """A PNG of one element, and so much around it."""
        r = await self.run(f"document.querySelector({json.dumps(selector)}).getBoundingClientRect().toJSON()")
        clip = {"x": r["x"] - margin, "y": r["y"] - margin, "scale": 1}
        clip |= {"width": r["width"] + 2 * margin, "height": r["height"] + 2 * margin}
        return base64.b64decode((await self.call("Page.captureScreenshot", clip=clip))["data"])

    async def _hear(self) -> dict[str, Any]:
        told = await self._socket.receive_json()
        self._loaded += told.get("method") == "Page.loadEventFired"
        return told


@asynccontextmanager
async def browsing(folder: Path, zone: str) -> AsyncIterator[Page]:
    """A tab of somebody in that time zone; `folder` is there, for their profile."""
    program = shutil.which("chromium")
    assert program is not None, "chromium is missing: apt-get install chromium"
    # Root may not use its sandbox; it only sees our own page, and no network.
    words = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
    words += ["--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"]
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(program, *words, stdout=log, stderr=log)
    try:
        port = folder / "DevToolsActivePort"
        await until(lambda: process.returncode is not None or (port.exists() and "\n" in port.read_text()), 30)
        assert process.returncode is None, (folder / "log").read_text()
        base = f"http://127.0.0.1:{port.read_text().splitlines()[0]}"
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{base}/json/list") as answer:
                [tab, *_] = [one for one in json.loads(await answer.text()) if one["type"] == "page"]
            async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                page = Page(socket)
                size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": SCALE, "mobile": False}
                await page.call("Emulation.setDeviceMetricsOverride", **size)
                await page.call("Emulation.setTimezoneOverride", timezoneId=zone)
                await page.call("Emulation.setLocaleOverride", locale="en-GB")
                await page.call("Page.enable")
                yield page
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()

"""A headless Chromium, driven through its own protocol (Chrome DevTools) on aiohttp's web socket."""

import asyncio
import base64
import itertools
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--remote-debugging-port=0", "--remote-debugging-address=127.0.0.1", "about:blank"),
)


class Page:
    """One tab. `errors` are what its console complained of, and requests that were refused by a policy."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._events: list[dict[str, Any]] = []

    @property
    def errors(self) -> list[str]:
        told = [e["params"] for e in self._events if e["method"] == "Runtime.exceptionThrown"]
        logged = [e["params"]["entry"] for e in self._events if e["method"] == "Log.entryAdded"]
        return [str(each) for each in told] + [e["text"] for e in logged if e["level"] == "error"]

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._ids)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while True:
            told = await self._socket.receive_json(timeout=60)
            if told.get("id") == number:
                assert "error" not in told, told["error"]
                return dict(told["result"])
            self._events.append(told)

    async def open(self, url: str) -> None:
        """Goes there, and waits until it is loaded."""
        await self.call("Page.navigate", url=url)
        await self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    async def value(self, script: str) -> Any:
        """What an expression gives, a promise's value too."""
        told = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    async def until(self, script: str, tries: int = 200) -> None:
        """Waits until an expression is true; each look gives the page's own events a turn."""
        for _ in range(tries):
            if await self.value(f"Boolean({script})"):
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"never came: {script}")

    async def resize(self, width: int, height: int) -> None:
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 500,
        )

    async def screenshot(self, path: Path) -> None:
        told = await self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(told["data"]))


@asynccontextmanager
async def browser(profile: Path) -> AsyncIterator[Page]:
    """A browser with one tab; at the end its process is gone."""
    assert BROWSER is not None
    process = await asyncio.create_subprocess_exec(
        *(BROWSER, *FLAGS[:-1], f"--user-data-dir={profile}", FLAGS[-1]),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(120):
            while (line := await process.stderr.readline()) and b"DevTools listening on" not in line:
                pass
        found = re.search(r"ws://(127\.0\.0\.1:\d+)/", line.decode())
        assert found, "the browser did not start"
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://{found[1]}/json/list") as answer:
                tabs = [tab for tab in await answer.json() if tab["type"] == "page"]
            async with session.ws_connect(tabs[0]["webSocketDebuggerUrl"], max_msg_size=1 << 26) as socket:
                page = Page(socket)
                for domain in ("Page", "Runtime", "Log"):
                    await page.call(f"{domain}.enable")
                yield page
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()

"""A registry whose blobs wait until they are let go: a proxy in front of a real one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from tests.helpers import free_port
from tests.parts import Registry

_PASSED = ("content-type", "docker-content-digest", "docker-distribution-api-version", "etag")


class SlowRegistry:
    """Passes everything on; blobs only after `release`."""

    def __init__(self, behind: Registry) -> None:
        self.host = f"127.0.0.1:{free_port()}"
        self.asked = asyncio.Event()
        """Somebody waits for a blob."""
        self.release = asyncio.Event()
        self._behind = behind
        self.name = ""
        """The image that waits here."""

    def image(self, name: str) -> str:
        return f"{self.host}/{name}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._pass)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        host, _, port = self.host.partition(":")
        async with aiohttp.ClientSession(auto_decompress=False) as self._session:
            await web.TCPSite(runner, host, int(port)).start()
            try:
                yield
            finally:
                await runner.cleanup()

    async def _pass(self, request: web.Request) -> web.Response:
        if "/blobs/" in request.path:
            self.asked.set()
            await self.release.wait()
        headers = {"Accept": ", ".join(request.headers.getall("Accept", []))}
        url = f"http://{self._behind.host}{request.raw_path}"
        async with self._session.request(request.method, url, headers=headers) as answer:
            kept = {name: answer.headers[name] for name in _PASSED if name in answer.headers}
            if request.method == "HEAD":
                kept["Content-Length"] = answer.headers.get("Content-Length", "0")
            return web.Response(status=answer.status, headers=kept, body=await answer.read())

"""The web application of the service: health, MCP, and Slack's door, composed."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

import bot
import mcp_server
from bot import SlackFace
from core.app import House


class Faces:
    """The faces on one house; `app` answers while `running()` is entered."""

    def __init__(self, house: House, token: str) -> None:
        self._house = house
        self._mcp = mcp_server.face(house.services, house.settings, token)
        self.slack: SlackFace | None = bot.face(house.services, house.settings)
        self.app = Starlette(
            routes=[
                Route("/healthz", self._alive),
                Route("/readyz", self._ready),
                *(self.slack.routes if self.slack is not None else []),
                Mount("/", app=self._mcp.app),
            ]
        )

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Enter around serving."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._mcp.running())
            if self.slack is not None:
                await stack.enter_async_context(self.slack.running())
            yield

    async def _alive(self, _: Request) -> JSONResponse:
        return JSONResponse({"status": "alive"})

    async def _ready(self, _: Request) -> JSONResponse:
        missing = await self._house.missing()
        return JSONResponse({"ready": not missing, "missing": missing}, status_code=503 if missing else 200)

"""The web service: health, MCP, and Slack's door, composed, and the socket and server that they answer on."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

import api
import bot
import mcp_server
from bot import SlackFace
from cli.client import is_ours
from core.app import House
from core.errors import AlreadyRunning, Unavailable
from core.settings import Settings

READY_WITHIN = 5
"""Seconds after which a part that does not answer counts as missing."""


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
                *api.face(house.services, token, urlsplit(house.settings.service_url).path),
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
        try:
            async with asyncio.timeout(READY_WITHIN):
                missing = await self._house.missing()
        except TimeoutError:
            missing = [f"The engine, the gateway or the database did not answer within {READY_WITHIN} seconds."]
        return JSONResponse({"ready": not missing, "missing": missing}, status_code=503 if missing else 200)


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handling: ours stops everything in order."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield


@asynccontextmanager
async def answering(faces: Faces, listener: socket.socket) -> AsyncGenerator[None]:
    """Answer on the socket until the body ends; open answers get two seconds then."""
    config = uvicorn.Config(
        faces.app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2, ws="none"
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="web server")
    try:
        yield
    finally:
        server.should_exit = True
        await serving


async def listen(settings: Settings) -> socket.socket:
    """Our own socket, taken before anything is started, so that a taken port is told in a sentence.

    AlreadyRunning when a Podkeeper has it, Unavailable otherwise. TCP_NODELAY needs the protocol to be named.
    """
    host, port = settings.listen
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        here = settings.model_copy(update={"url": None}).service_url
        if await is_ours(here):
            raise AlreadyRunning(
                f"A Podkeeper is already running at {here}. Use that one, stop it first, or give this one another "
                f"PODKEEPER_LISTEN, PODKEEPER_GATEWAY_LISTEN and PODKEEPER_DATA_DIR."
            ) from None
        raise Unavailable(
            f"The service cannot listen on {host}:{port}: {(error.strerror or str(error)).lower()}. Stop what uses "
            f"that address, or set PODKEEPER_LISTEN to another one, for example 127.0.0.1:8701."
        ) from None
    return listener

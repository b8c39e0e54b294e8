"""The MCP face on a whole house with a fake engine: in this process, and over a real port."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import httpx2
import pytest
import uvicorn
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, ElicitRequestParams, ElicitResult, Implementation
from starlette.applications import Starlette
from starlette.routing import Mount

from mcp_server import face
from mcp_server.server import build
from tests.helpers import free_port, until
from tests.houses import FakeHouse
from tests.houses import home as home

TOKEN = "pk_the-token-of-these-tests"
ERAS = {"modern": "auto", "handshake": "legacy"}

Opener = Callable[..., AbstractAsyncContextManager[Client]]


class Person:
    """Who sits before a program that can ask: says yes, or not, and remembers what they were asked."""

    def __init__(self, action: Literal["accept", "decline", "cancel"] = "accept", *, ticks: bool = True) -> None:
        self._said = ElicitResult(action=action, content={"confirm": ticks} if action == "accept" else None)
        self.heard: list[str] = []

    async def __call__(self, context: object, params: ElicitRequestParams) -> ElicitResult:
        self.heard.append(params.message)
        return self._said


@dataclass(frozen=True)
class Served:
    """The face on a port."""

    url: str

    @property
    def endpoint(self) -> str:
        return f"{self.url}/mcp"

    @asynccontextmanager
    async def client(
        self, mode: str, name: str = "tests", token: str = TOKEN, asked: "Person | None" = None
    ) -> AsyncIterator[Client]:
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(headers=headers, timeout=30, trust_env=False) as http:
            transport = streamable_http_client(self.endpoint, http_client=http)
            info = Implementation(name=name, version="1")
            async with Client(transport, mode=mode, client_info=info, elicitation_callback=asked) as client:
                yield client


@asynccontextmanager
async def serving(home: FakeHouse, port: int, **more: Any) -> AsyncIterator[Served]:
    """The face of this house on a port, under an application of ours as in `podkeeper up`."""
    settings = home.house.settings.model_copy(update={"listen": ("127.0.0.1", port), **more})
    mcp = face(home.house.services, settings, TOKEN)
    app = Starlette(routes=[Mount("/", app=mcp.app)])
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    async with mcp.running():
        task = asyncio.create_task(server.serve())
        try:
            await until(lambda: _started(server))
            yield Served(f"http://127.0.0.1:{port}")
        finally:
            server.should_exit = True
            await task


async def _started(server: uvicorn.Server) -> bool:
    return server.started


@pytest.fixture
async def served(home: FakeHouse) -> AsyncIterator[Served]:
    """The face of `home` on a free port."""
    ready: asyncio.Future[Served] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def serve() -> None:
        # One task opens and closes the face: pytest gives a fixture's two halves to two.
        async with serving(home, free_port()) as served:
            ready.set_result(served)
            await over.wait()

    task = asyncio.create_task(serve())
    await asyncio.wait({ready, task}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task
    yield await ready
    over.set()
    await task


@pytest.fixture(params=ERAS)
def mode(request: pytest.FixtureRequest) -> str:
    """Both protocol eras: requests that stand alone (2026-07-28), and the handshake before."""
    return ERAS[request.param]


@pytest.fixture
def opened(home: FakeHouse, mode: str) -> Opener:
    """Opens a client in this process, in the era of the test."""

    def open_client(name: str = "tests", asked: Person | None = None) -> Client:
        info = Implementation(name=name, version="1")
        return Client(build(home.house.services), mode=mode, client_info=info, elicitation_callback=asked)

    return open_client


async def last(notes: list[tuple[float, float | None, str | None]]) -> tuple[float, float | None, str | None]:
    """The note that says the end; a client may hear it a moment after the result."""

    async def heard() -> tuple[float, float | None, str | None] | None:
        return notes[-1] if notes and notes[-1][0] == 1.0 else None

    found = await until(heard)
    assert found is not None
    return found


def data(result: CallToolResult) -> dict[str, Any]:
    """The structured content of a call that worked."""
    assert not result.is_error, text(result)
    assert result.structured_content is not None
    return result.structured_content


def text(result: CallToolResult) -> str:
    """The text of a result."""
    [block] = result.content
    assert block.type == "text"
    return block.text


def refusal(result: CallToolResult) -> str:
    """The text of a call that was refused."""
    assert result.is_error, text(result)
    return text(result)

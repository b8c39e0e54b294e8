"""The product's own MCP server on a fake house, with the suite's fixtures beside our tools, on a port.

Without tokens, since the suite sends none; the guard against rebound host names is the product's.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from mcp.server.context import ServerRequestContext
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp_types import (
    EmptyResult,
    JSONRPCMessage,
    SetLevelRequestParams,
    SubscribeRequestParams,
    UnsubscribeRequestParams,
)

from mcp_server.server import build, guard
from tests.conformance import fixtures, rounds
from tests.helpers import free_port, until
from tests.houses import fake_house


class Events(EventStore):
    """Keeps what was sent to clients of 2025-11-25, for those that come back for it."""

    def __init__(self) -> None:
        self._sent: list[tuple[str, JSONRPCMessage | None]] = []

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        """Keep one; its number."""
        self._sent.append((stream_id, message))
        return str(len(self._sent))

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        """Send what came after it on the same stream."""
        last = int(last_event_id)
        if not 0 < last <= len(self._sent):
            return None
        stream = self._sent[last - 1][0]
        for number, (found, message) in enumerate(self._sent[last:], last + 1):
            if found == stream and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream


def everything(server: fixtures.Server) -> None:
    """Register all that the suite asks for and the product has not."""
    fixtures.register(server)
    rounds.register(server)

    async def nothing(_context: ServerRequestContext[Any], _params: Any) -> EmptyResult:
        return EmptyResult()

    # Only its constructor takes these, and the product has called it.
    within = server._lowlevel_server
    within.add_request_handler("logging/setLevel", SetLevelRequestParams, nothing)
    within.add_request_handler("resources/subscribe", SubscribeRequestParams, nothing)
    within.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, nothing)


@asynccontextmanager
async def serving(data: Path) -> AsyncIterator[str]:
    """Serve until it is left; the address."""
    port = free_port()
    async with fake_house(data, listen=("127.0.0.1", port)) as home:
        server = build(home.house.services)
        everything(server)
        app = server.streamable_http_app(
            event_store=Events(), retry_interval=100, transport_security=guard(home.house.settings)
        )
        config = uvicorn.Config(
            app, host="127.0.0.1", port=port, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1
        )
        uvicorn_server = uvicorn.Server(config)
        async with server.session_manager.run():
            task = asyncio.create_task(uvicorn_server.serve())
            try:
                await until(lambda: uvicorn_server.started or task.done())
                yield f"http://127.0.0.1:{port}/mcp"
            finally:
                uvicorn_server.should_exit = True
                await task

"""The bench's baseline for Slack: `python -m scripts.bench.slack_bare TOKENS`, a Bolt app that only acknowledges."""

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from typing import Any

from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.adapter.starlette.async_handler import AsyncSlackRequestHandler
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient
from starlette.applications import Starlette
from starlette.routing import Route

from scripts.bench.apart import stay
from tests.web import served


async def _main(given: dict[str, Any]) -> None:
    """By Socket Mode where there is an app token, by signed HTTP otherwise."""
    app_token, api_url = given["slack_app_token"], given["slack_api_url"]
    web = AsyncWebClient(given["slack_bot_token"], base_url=api_url)
    app = AsyncApp(client=web, signing_secret=given["slack_signing_secret"] or "no route leads here")
    app.command("/pod")(_only_ack)
    async with AsyncExitStack() as stack:
        if app_token:
            handler = AsyncSocketModeHandler(app, app_token, web_client=AsyncWebClient(app_token, base_url=api_url))
            await handler.connect_async()
            stack.push_async_callback(handler.close_async)
            url = ""
        else:
            route = Route("/slack/events", AsyncSlackRequestHandler(app).handle, methods=["POST"])
            url = await stack.enter_async_context(served(Starlette(routes=[route])))
        await stay(url)


async def _only_ack(ack: AsyncAck) -> None:
    await ack()


if __name__ == "__main__":
    asyncio.run(_main(json.loads(sys.argv[1])))

"""Socket Mode: the connection that we open to Slack, so that Slack needs no way in to us."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError

from bot.post import UNREACHABLE, client, quiet, refusal

log = logging.getLogger("podkeeper.slack")

PATIENCE = 10.0
"""Seconds that one attempt may take; also how long the service's start waits for the first one."""

_MEND = {
    "invalid_auth": "SLACK_APP_TOKEN is not a valid app-level token (xapp-…)",
    "not_allowed_token_type": "SLACK_APP_TOKEN must be an app-level token (xapp-…), not the bot token",
    "missing_scope": "the app-level token needs the scope connections:write",
    "token_revoked": "SLACK_APP_TOKEN was revoked; make a new one",
}


CONNECTIONS = 2
"""Slack renews each every few hours, and hands each envelope to one that stands: with two there is no gap."""


class SocketMode:
    """Keeps the connections; Bolt's own client takes over once one stands, reconnecting by itself."""

    def __init__(self, app: AsyncApp, app_token: str, api_url: str) -> None:
        self._app = app
        self._token = app_token
        self._api_url = api_url
        self.trouble: str | None = "not connected yet"
        """Why there is no connection; None once there was one."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Connected, or trying: waits for the first attempt only, `PATIENCE` seconds at most, and never fails."""
        async with AsyncExitStack() as stack:
            for number in range(CONNECTIONS):
                await stack.enter_async_context(self._connection(number))
            yield

    @asynccontextmanager
    async def _connection(self, number: int) -> AsyncIterator[None]:
        web = client(self._token, self._api_url)
        handler = AsyncSocketModeHandler(self._app, self._token, logger=quiet, web_client=web)
        tried = asyncio.Event()
        connecting = asyncio.create_task(self._connect(handler, tried), name=f"slack: connecting {number}")
        try:
            if number == 0:
                await tried.wait()
            yield
        finally:
            connecting.cancel()
            await asyncio.wait([connecting])
            await _close(handler)

    async def _connect(self, handler: AsyncSocketModeHandler, tried: asyncio.Event) -> None:
        """Until it stands. The library's own loop would try one used-up address for ever, so each attempt is ours."""
        delay = 1.0
        while True:
            try:
                async with asyncio.timeout(PATIENCE):
                    handler.client.wss_uri = await handler.client.issue_new_wss_url()
                    await handler.client.connect()
                self.trouble = None
                log.info("connected to Slack by Socket Mode")
                return
            except SlackApiError as error:
                trouble = _MEND.get(refusal(error), f"Slack says {refusal(error)}")
            except UNREACHABLE as error:
                trouble = f"Slack does not answer ({type(error).__name__})"
            finally:
                tried.set()
            self.trouble = self.trouble and trouble
            log.warning("no connection to Slack: %s. Trying again in %d s.", trouble, delay)
            await asyncio.sleep(delay)
            delay = min(60.0, delay * 2)


async def _close(handler: AsyncSocketModeHandler) -> None:
    """Close it, and wait for the tasks that the library only cancels (one that is reconnecting swallows the first)."""
    socket = handler.client
    socket.closed, socket.auto_reconnect_enabled = True, False
    tasks = {t for t in (socket.message_processor, socket.current_session_monitor, socket.message_receiver) if t}
    while tasks:
        for task in tasks:
            task.cancel()
        _, tasks = await asyncio.wait(tasks, timeout=0.1)
    await handler.close_async()

"""The bench's acks: a slash command to its ack, over the Slack double, against a Bolt app that only acks."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.adapter.starlette.async_handler import AsyncSlackRequestHandler
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient
from starlette.applications import Starlette
from starlette.routing import Route

from scripts.bench.figures import Row, Samples, Section
from scripts.bench.serve import served
from tests.bot.conftest import ANA, GENERAL, populate, staged
from tests.slack_double import SlackDouble

LIMIT = 100.0
"""Milliseconds; Slack waits 3,000, and a person notices 100."""
_NOTE = """
Over our double of Slack, so without the way to Slack and back. The baseline is a Bolt app whose only handler
acknowledges.
"""
_WAYS = {"socket": "Socket Mode", "http": "signed HTTP"}


async def measure(times: int) -> list[Section]:
    """Both ways; ours and the empty app take turns, each with a double of its own."""
    rows: list[Row] = []
    for way, name in _WAYS.items():
        async with _ours(way) as ours, _empty(way) as empty:
            await _ask(ours, answers=True)  # the first of each is not counted
            await _ask(empty, answers=False)
            pairs = [(await _ask(ours, answers=True), await _ask(empty, answers=False)) for _ in range(times)]
        measured = Samples.of_seconds(f"`/pod list` to its acknowledgement, {name}", [pair[0] for pair in pairs])
        baseline = Samples.of_seconds("a Bolt app that only acknowledges", [pair[1] for pair in pairs])
        rows.append(Row(measured, baseline, limits={90: LIMIT}))
    return [Section.of_rows("Slash command", rows, _NOTE)]


async def _ask(slack: SlackDouble, *, answers: bool) -> float:
    """Seconds. Waits for the answer too, where one comes, so that its work is not left over for the next one."""
    before = len(slack.ephemerals(ANA))
    ack = await slack.command(ANA, GENERAL, "/pod", "list")
    assert ack.ok, ack.error
    if answers:
        await slack.until(lambda: len(slack.ephemerals(ANA)) > before)
    return ack.seconds


@asynccontextmanager
async def _double() -> AsyncIterator[SlackDouble]:
    async with SlackDouble(burst=20) as slack:
        populate(slack)
        yield slack


@asynccontextmanager
async def _ours(way: str) -> AsyncIterator[SlackDouble]:
    with tempfile.TemporaryDirectory(prefix="pk-bench-") as folder:
        async with _double() as slack, staged(way, Path(folder), slack):
            yield slack


@asynccontextmanager
async def _empty(way: str) -> AsyncIterator[SlackDouble]:
    async with _double() as slack, AsyncExitStack() as stack:
        web = AsyncWebClient(slack.bot_token, base_url=slack.api_url)
        app = AsyncApp(client=web, signing_secret=slack.signing_secret)
        app.command("/pod")(_only_ack)
        if way == "socket":
            socket_web = AsyncWebClient(slack.app_token, base_url=slack.api_url)
            handler = AsyncSocketModeHandler(app, slack.app_token, web_client=socket_web)
            await handler.connect_async()
            stack.push_async_callback(handler.close_async)
        else:
            route = Route("/slack/events", AsyncSlackRequestHandler(app).handle, methods=["POST"])
            url = await stack.enter_async_context(served(Starlette(routes=[route])))
            slack.deliver_to(f"{url}/slack/events")
        yield slack


async def _only_ack(ack: AsyncAck) -> None:
    await ack()

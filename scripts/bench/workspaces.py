"""The bench's Slack workspaces: a double each, and an app in a process of its own, ours or a bare one."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from scripts.bench.apart import apart
from tests.bot.conftest import ANA, GENERAL, populate
from tests.slack_double import SlackDouble

SOCKET, HTTP = "Socket Mode", "signed HTTP"
WAYS = (SOCKET, HTTP)


@dataclass(frozen=True)
class Workspace:
    """The double, and the process of its app. `answers`: more comes than acknowledgements."""

    slack: SlackDouble
    pid: int
    answers: bool

    async def ask(self, at_once: int) -> list[float]:
        """`/pod list` so many times in one go: seconds to each acknowledgement.

        Waits for the answers too, so that their work is not left over for the next ones.
        """
        before = len(self.slack.ephemerals(ANA))
        acks = await asyncio.gather(*(self.slack.command(ANA, GENERAL, "/pod", "list") for _ in range(at_once)))
        errors = [ack.error for ack in acks if not ack.ok]
        assert not errors, errors
        if self.answers:
            await self.slack.until(lambda: len(self.slack.ephemerals(ANA)) >= before + at_once)
        return [ack.seconds for ack in acks]


@asynccontextmanager
async def ours(way: str) -> AsyncIterator[Workspace]:
    """A house with Slack, once it has introduced itself."""
    with tempfile.TemporaryDirectory(prefix="pk-bench-") as folder:
        async with _workspace(way, "scripts.bench.slack_house", answers=True, **house(folder)) as made:
            await made.slack.until(lambda: "auth.test" in dict(made.slack.calls))
            yield made


@asynccontextmanager
async def bare(way: str) -> AsyncIterator[Workspace]:
    """A Bolt app that only acknowledges."""
    async with _workspace(way, "scripts.bench.slack_bare", answers=False) as made:
        yield made


def house(folder: str) -> dict[str, Any]:
    """The settings of a house in which nothing happens by itself."""
    return {"data_dir": folder, "reaper_interval": "1d", "slack_bot_token": None}


@asynccontextmanager
async def _workspace(way: str, module: str, *, answers: bool, **more: Any) -> AsyncIterator[Workspace]:
    async with SlackDouble() as slack:
        populate(slack)
        # What is not given is named too, or it would be taken from the environment.
        given = {
            "slack_bot_token": slack.bot_token,
            "slack_api_url": slack.api_url,
            "slack_app_token": slack.app_token if way == SOCKET else None,
            "slack_signing_secret": slack.signing_secret if way == HTTP else None,
        }
        async with apart(module, {**more, **given}) as app:
            if way == HTTP:
                slack.deliver_to(f"{app.url}/slack/events")
            yield Workspace(slack, app.pid, answers)

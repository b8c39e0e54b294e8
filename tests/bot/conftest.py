"""The Slack face on a whole house with a fake engine, reached by the double in either of Slack's two ways."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette

from bot.face import SlackFace
from core.engines.fake import FakeEngine
from core.gateway.fake import FakeGateway
from core.model import Pod
from tests.helpers import free_port, until
from tests.houses import FakeHouse, fake_house
from tests.slack_double import Post, SlackDouble

ANA, BOB, EVE = "UANA", "UBOB", "UEVE"
GENERAL, PRIVATE = "CGENERAL", "CPRIVATE"


@dataclass
class Stage:
    """Everything a flow needs."""

    slack: SlackDouble
    home: FakeHouse
    pace: float
    life: AsyncExitStack

    async def open(self) -> None:
        """Let the Slack face come up on the house."""
        self.face = SlackFace(self.home.house.services, self.home.house.settings, self.slack.bot_token, self.pace)
        if self.face.routes:
            self.slack.deliver_to(await self.life.enter_async_context(serving(self.face)))
        await self.life.enter_async_context(self.face.running())

    async def restart(self) -> None:
        """End the face in the middle of everything, and let another one come up."""
        await self.life.aclose()
        await self.open()

    async def pod(self, text: str, user: str = ANA, channel: str = GENERAL) -> Any:
        """Type `/pod …` and see it acknowledged."""
        ack = await self.slack.command(user, channel, "/pod", text)
        assert ack.ok, ack.error
        return ack

    async def told(self, text: str, user: str = ANA) -> Post:
        """Type `/pod …` and wait for what only this person sees."""
        before = len(self.slack.ephemerals(user))
        await self.pod(text, user)
        new = await self.slack.until(lambda: self.slack.ephemerals(user)[before:], what=f"for {text!r}")
        return new[-1]

    async def shows(self, post: Post, words: str) -> Post:
        """Wait until a message says so."""
        await self.slack.until(lambda: words in post.screen, what=f"for {words!r}")
        return post

    async def started(self, text: str = "start hello", user: str = ANA) -> Post:
        """Start a pod and wait until its live message says that it runs."""
        before = len(self.slack.messages(GENERAL))
        await self.pod(text, user)
        await self.slack.until(lambda: len(self.slack.messages(GENERAL)) > before, what=f"for {text!r}")
        return await self.shows(self.slack.messages(GENERAL)[before], "is running")

    async def warned(self) -> Post:
        """Let 26 of 30 minutes pass in silence, and wait for the warning to ana."""
        before = len(self.slack.directs(ANA))
        self.home.clock.forward(minutes=26)
        await self.home.tick()
        posts = await self.slack.until(lambda: self.slack.directs(ANA)[before:], what="for a warning")
        return await self.shows(posts[-1], "will be")

    async def idle(self) -> Post:
        """Let silence end a pod of ana's, its warning first; the message that says so."""
        post = await self.warned()
        self.home.clock.forward(minutes=5)
        await self.home.tick()
        return await self.shows(post, "nobody used it for 31m")

    async def only_pod(self) -> Pod:
        """The one pod there is."""
        [pod] = await self.home.pods.list(await self.home.local(), everyone=True, ended=True)
        return pod


@asynccontextmanager
async def serving(face: SlackFace) -> AsyncIterator[str]:
    """The face's routes on a port."""
    port = free_port()
    config = uvicorn.Config(
        Starlette(routes=face.routes),
        port=port,
        log_config=None,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    try:
        await until(lambda: server.started)
        yield f"http://127.0.0.1:{port}/slack/events"
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def staged(
    mode: str, data_dir: Path, slack: SlackDouble, *, engine: FakeEngine | None = None, pace: float = 0.05, **more: Any
) -> AsyncIterator[Stage]:
    """A house, its Slack face, and the double that speaks to it by `socket` or `http`."""
    given: dict[str, Any] = {"slack_bot_token": SecretStr(slack.bot_token), "slack_api_url": slack.api_url, **more}
    if mode == "socket":
        given.setdefault("slack_app_token", SecretStr(slack.app_token))
    else:
        given.setdefault("slack_signing_secret", SecretStr(slack.signing_secret))
    async with AsyncExitStack() as stack:
        home = await stack.enter_async_context(fake_house(data_dir, engine, FakeGateway(), **given))
        stage = Stage(slack, home, pace, await stack.enter_async_context(AsyncExitStack()))
        await stage.open()
        yield stage


def populate(slack: SlackDouble) -> None:
    """Three people; one channel with the bot and one without."""
    for user, name in ((ANA, "ana"), (BOB, "bob"), (EVE, "eve")):
        slack.user(user, name)
    slack.channel(GENERAL, "general")
    slack.channel(PRIVATE, "private", bot=False)


@pytest.fixture
async def slack() -> AsyncIterator[SlackDouble]:
    """The double, with people in it; at the end nothing was sent that Slack would complain of."""
    async with SlackDouble(burst=20) as double:
        populate(double)
        yield double
        assert double.complaints == []


@pytest.fixture(params=["socket", "http"])
async def stage(request: pytest.FixtureRequest, tmp_path: Path, slack: SlackDouble) -> AsyncIterator[Stage]:
    """The whole thing, in both of Slack's ways; eve is an admin."""
    async with staged(request.param, tmp_path / "data", slack, admins=frozenset({EVE})) as made:
        yield made


@pytest.fixture
async def connected(tmp_path: Path, slack: SlackDouble) -> AsyncIterator[Stage]:
    """By Socket Mode only, where the test is about that."""
    async with staged("socket", tmp_path / "data", slack, admins=frozenset({EVE})) as made:
        yield made

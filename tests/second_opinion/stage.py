"""The Slack face on a fake house, in front of local-slack by Socket Mode; a window on what people see of it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from bot.face import SlackFace
from core.engines.fake import FakeEngine
from core.gateway.fake import FakeGateway
from tests.houses import FakeHouse, fake_house
from tests.second_opinion.emulator import ANA, APP_TOKEN, BOT_TOKEN, GENERAL, serving
from tests.second_opinion.window import Seen, Window, opened


@dataclass
class Stage:
    """Everything a walk needs."""

    base: str
    """local-slack's address."""
    window: Window
    home: FakeHouse

    async def ask(self, text: str) -> Seen:
        """Ana types it; what she is answered."""
        return await self.window.ask(ANA, GENERAL, text)

    async def begun(self, text: str, user: str = ANA) -> Seen:
        """Somebody types it; the message of a start, as soon as there is one."""
        before = len(self.window.messages(GENERAL))
        await self.window.type(user, GENERAL, text)
        return (await self.window.until(lambda: self.window.messages(GENERAL)[before:], f"a message for {text!r}"))[0]

    async def started(self, text: str) -> Seen:
        """Ana types it; the message once it says that the pod runs."""
        seen = await self.begun(text)
        await self.window.shows(seen, "is running")
        return seen

    async def warned(self) -> Seen:
        """Let 26 of 30 minutes pass in silence; the warning to Ana."""
        before = len(self.window.directs(ANA))
        self.home.clock.forward(minutes=26)
        await self.home.tick()
        return (await self.window.until(lambda: self.window.directs(ANA)[before:], "a warning"))[0]


@asynccontextmanager
async def staged(
    program: Path, folder: Path, engine: FakeEngine | None = None, gateway: FakeGateway | None = None, **settings: Any
) -> AsyncIterator[Stage]:
    """All of it running, with its files in `folder`."""
    async with AsyncExitStack() as stack:
        base = await stack.enter_async_context(serving(program, folder))
        given = {"slack_app_token": SecretStr(APP_TOKEN), "slack_api_url": f"{base}/api/", **settings}
        home = await stack.enter_async_context(fake_house(folder / "data", engine, gateway, **given))
        window = await stack.enter_async_context(opened(base))
        face = SlackFace(home.house.services, home.house.settings, BOT_TOKEN, pace=0.05)
        await stack.enter_async_context(face.running())
        assert "by Socket Mode" in face.describe()
        yield Stage(base, window, home)

"""The bench's house with Slack: `python -m scripts.bench.slack_house SETTINGS`, started by `apart`.

The house is real but for engine and gateway. Without a bot token nothing of Slack is even imported.
"""

import asyncio
import json
import logging
import sys
from contextlib import AsyncExitStack
from typing import Any

from starlette.applications import Starlette

from core.app import House, running, spare_the_collector
from core.engines.fake import FakeEngine
from core.gateway.fake import FakeGateway
from core.settings import Settings
from scripts.bench.apart import stay
from tests.web import served


async def _main(given: dict[str, Any]) -> None:
    settings = Settings.load(**given)
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(running(settings, engine=FakeEngine(), gateway=FakeGateway()))
        url = await _slack(house, stack) if settings.slack_bot_token is not None else ""
        spare_the_collector()  # as `podkeeper up` does
        await stay(url)


async def _slack(house: House, stack: AsyncExitStack) -> str:
    """Open the face; where it answers, when it is to be reached by HTTP."""
    import bot  # here: the memory of a house without Slack must be without its modules

    face = bot.face(house.services, house.settings)
    assert face is not None
    url = await stack.enter_async_context(served(Starlette(routes=face.routes))) if face.routes else ""
    await stack.enter_async_context(face.running())
    return url


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(_main(json.loads(sys.argv[1])))

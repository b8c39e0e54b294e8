"""local-slack running: one workspace with two people and a channel. Only for the inside of `enclosed`."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.helpers import until

ANA, BOB = "U01ANA", "U02BOB"
TEAM, GENERAL = "T01ACME", "C01GENERAL"
APP, BOT = "A01APP", "U00BOT"
ZONE = "Europe/Berlin"
BOT_TOKEN, APP_TOKEN = "xoxb-test-token", "xapp-test-token"
_HOST, _PORT = "127.0.0.1", 4820
_WORKSPACE = {
    "workspace": {"name": "Acme", "domain": "acme", "teamId": TEAM},
    "apps": [
        {"appId": APP, "botUserId": BOT, "botName": "Podkeeper", "botToken": BOT_TOKEN, "appToken": APP_TOKEN},
    ],
    "users": [
        {"id": ANA, "name": "ana", "real_name": "Ana", "tz": ZONE},
        {"id": BOB, "name": "bob", "real_name": "Bob", "tz": ZONE},
    ],
    "channels": [{"id": GENERAL, "name": "general", "members": [ANA, BOB, BOT]}],
}


@asynccontextmanager
async def serving(program: Path, folder: Path) -> AsyncIterator[str]:
    """Start it; its address."""
    config = folder / "local-slack.yaml"
    config.write_text(json.dumps(_WORKSPACE))  # which is YAML, too
    words = ["--config", str(config), "--port", str(_PORT), "--base-host", _HOST]
    with (folder / "local-slack.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(program, *words, stdout=log, stderr=log)
    try:
        await until(lambda: process.returncode is not None or _listens())
        assert process.returncode is None, (folder / "local-slack.log").read_text()
        yield f"http://{_HOST}:{_PORT}"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _listens() -> bool:
    try:
        _, writer = await asyncio.open_connection(_HOST, _PORT)
    except OSError:
        return False
    writer.close()
    return True

"""The official TypeScript client walks through our tools, and the person before it is asked."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from core.engines.fake import Script
from core.model import Status
from mcp_server.server import tools
from tests.helpers import until
from tests.houses import FakeHouse
from tests.mcp_server.conftest import TOKEN, Served
from tests.mcp_server.test_bridge import bridge
from tests.outsiders.conftest import Node

WALK = Path(__file__).with_name("walk.mjs")
ERAS = {"2025-11-25": "legacy", "2026-07-28": "2026-07-28"}
YES = {"action": "accept", "content": {"confirm": True}}
NO = {"action": "decline"}

Walk = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def walk(home: FakeHouse, outsiders: Path, node: Node, tmp_path: Path) -> Walk:
    """Sends it out; the start that it asks for goes on once it has heard of it."""

    async def out(**given: Any) -> dict[str, Any]:
        home.engine.script, bell = Script.SLOW_PULL, tmp_path / "bell"
        walking = asyncio.create_task(node(WALK, outsiders, json.dumps({**given, "bell": str(bell)})))
        try:
            await until(lambda: walking.done() or bell.exists(), 30)
            home.engine.proceed.set()
            said = await walking
        finally:
            walking.cancel()
            await asyncio.wait([walking])
        assert said.code == 0, said.err
        return json.loads(said.out)

    return out


def over_http(served: Served, era: str) -> dict[str, Any]:
    return {"url": served.endpoint, "token": TOKEN, "era": ERAS[era]}


def over_stdio(served: Served, era: str) -> dict[str, Any]:
    way = bridge(served.url)
    return {"command": {"command": way.command, "args": way.args, "cwd": str(way.cwd)}, "era": ERAS[era]}


@pytest.mark.parametrize(
    ("way", "era"), [(over_http, "2025-11-25"), (over_http, "2026-07-28"), (over_stdio, "2025-11-25")]
)
async def test_it_starts_looks_and_terminates_when_the_person_says_yes(
    walk: Walk, served: Served, home: FakeHouse, era: str, way: Any
) -> None:
    walked = await walk(**way(served, era), answer=YES)
    assert walked["version"] == era
    assert walked["tools"] == [tool.name for tool in tools(home.house.services)]
    steps = [progress for progress, _ in walked["heard"]]
    assert steps
    assert steps == sorted(set(steps))
    started, got, ended = (walked[name]["structuredContent"] for name in ("started", "got", "ended"))
    assert started["status"] == got["status"] == "RUNNING"
    assert started["id"] == got["id"] == ended["id"]
    [question] = walked["questions"]
    assert question["message"].startswith("Terminate hello-1 ")
    [(field, schema)] = question["requestedSchema"]["properties"].items()
    assert (field, schema["type"]) == ("confirm", "boolean")
    assert ended["status"] == "TERMINATED"
    assert not await home.pods.list(await home.local())


@pytest.mark.parametrize("era", ERAS)
async def test_the_pod_stays_when_the_person_says_no(walk: Walk, served: Served, home: FakeHouse, era: str) -> None:
    walked = await walk(**over_http(served, era), answer=NO)
    assert len(walked["questions"]) == 1
    assert walked["ended"]["isError"]
    assert "did not confirm" in walked["ended"]["content"][0]["text"]
    [pod] = await home.pods.list(await home.local())
    assert pod.status is Status.RUNNING

"""Ten thousand calls with whatever arguments: each is answered in words, none crashes, and nothing is left behind.

The arguments are hypothesis', made by schemathesis from the schema of each tool: what it allows, and what it does not.
"""

import asyncio
import json
import logging
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp import Client
from mcp_types import Tool

from mcp_server.bridge import own_tools
from mcp_server.server import build
from tests.houses import FakeHouse
from tests.mcp_server.conftest import Person

CALLS = 10_000
_TEXTS = (
    "", " ", "hello", "hello-1", "hello-2", "nope", "0", "-1", "30m", "8g", "22/tcp", "any", "A100:2", "x" * 64,
    "x" * 10_000, "../../etc", "\0", "\ud7ff", "💥", "'; DROP TABLE pods; --", "%s%n", "{}", "\x1b[31m", "K7QM-3XTP",
    "NaN",
)  # fmt: skip
"""What is there in the house, what was there elsewhere, and what others stumble over: chance would not find it."""


def _known(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, in which each free text may also be one of ours."""
    free = schema.get("type") == "string" and "enum" not in schema
    return {"anyOf": [schema, {"enum": list(_TEXTS)}]} if free else schema


def arguments(tool: Tool) -> st.SearchStrategy[dict[str, Any]]:
    """What the tool may be called with, and as often what it may not."""
    given = tool.input_schema
    body = given | {"properties": {name: _known(part) for name, part in given["properties"].items()}}
    operation = {
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {"default": {"description": "Of no interest here."}},
    }
    head = {"openapi": "3.1.0", "info": {"title": tool.name, "version": "1"}}
    read = schemathesis.openapi.from_dict({**head, "paths": {"/": {"post": operation}}})["/"]["POST"]
    cases = (read.as_strategy(generation_mode=mode) for mode in schemathesis.GenerationMode)
    return st.one_of(*cases).map(lambda case: _sendable(case.body)).filter(_is_json)


def _sendable(body: Any) -> dict[str, Any]:
    """The protocol takes an object only. Nothing is waited for: what a call begins ends on its own."""
    made = body if isinstance(body, dict) else {"pod": body}
    return {
        key: 0 if key in ("wait_seconds", "timeout") and value in range(301) else value for key, value in made.items()
    }


def _is_json(made: dict[str, Any]) -> bool:
    """Bytes are no JSON, and would not come as far as us."""
    try:
        json.dumps(made)
    except TypeError:
        return False
    return True


class _Asked:
    """Calls tools and looks at each answer."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.calls = 0
        self.refused = 0

    async def call(self, tool: str, made: dict[str, Any]) -> None:
        result = await self._client.session.call_tool(tool, made, allow_input_required=True)
        said = "".join(getattr(block, "text", "") for block in getattr(result, "content", ()))
        self.calls += 1
        assert "Something went wrong" not in said, said
        assert "Traceback" not in said
        if getattr(result, "is_error", False):
            self.refused += 1
            assert len(said) < 1_500, len(said)

    def all_of(self, tool: Tool, loop: asyncio.AbstractEventLoop) -> None:
        """A share of the calls, from a thread beside the loop: hypothesis knows no coroutines."""

        # The same calls each time, so that one that fails is made again; however slow the machine.
        @settings(
            max_examples=_share(), deadline=None, database=None, derandomize=True,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(arguments(tool))
        def ask(made: dict[str, Any]) -> None:
            asyncio.run_coroutine_threadsafe(self.call(tool.name, made), loop).result(60)

        ask()


def _share() -> int:
    return -(-CALLS // len(own_tools()))


async def test_whatever_comes_is_answered(home: FakeHouse, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    loop = asyncio.get_running_loop()
    async with Client(build(home.house.services), elicitation_callback=Person()) as client:
        asked = _Asked(client)
        for tool in own_tools():
            await asyncio.to_thread(asked.all_of, tool, loop)
    assert asked.calls >= CALLS
    assert CALLS // 3 < asked.refused < asked.calls
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    await home.house.launcher.idle()
    for pod in await home.pods.list(await home.local(), everyone=True):
        assert not pod.status.under_way

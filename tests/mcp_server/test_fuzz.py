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
    "", " ", "hello", "hello-1", "hello-2", "hello-3", "models", "9000", "0", "-1", "30m", "8g", "22/tcp", "any",
    "A100:2", "x" * 64, "x", "../../etc", "\0", "\ud7ff", "💥", "'; DROP TABLE pods; --", "%s%n", "{}",
    "\x1b[31m", "K7QM-3XTP", "NaN",
)  # fmt: skip
"""What is there in the house, and what others stumble over: chance would not find it."""
_RIGHT = {
    "template": ("hello",),
    "pod": ("hello-1", "hello-2"),
    "duration": ("30m", "any"),
    "port": ("9000", "8888"),
    "name": ("fresh", "models"),
    "volume": ("models",),
}
"""For what a tool must be told, what it can do something with."""


def arguments(tool: Tool) -> st.SearchStrategy[dict[str, Any]]:
    """In thirds: what its schema allows, what it does not, what is right; with our texts here and there in all."""
    schema = tool.input_schema
    operation = {
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {"default": {"description": "Of no interest here."}},
    }
    head = {"openapi": "3.1.0", "info": {"title": tool.name, "version": "1"}}
    read = schemathesis.openapi.from_dict({**head, "paths": {"/": {"post": operation}}})["/"]["POST"]
    cases = [
        read.as_strategy(generation_mode=mode).map(lambda case: _sendable(case.body))
        for mode in schemathesis.GenerationMode
    ]
    right = st.fixed_dictionaries({name: st.sampled_from(_RIGHT[name]) for name in schema.get("required", ())})
    free = [name for name, part in schema["properties"].items() if part.get("type") == "string" and "enum" not in part]
    # Long only once it is drawn: hypothesis warns where it would have to print it with the strategy.
    text = st.sampled_from(_TEXTS).map(lambda one: one * 10_000 if one == "x" else one)
    texts = st.fixed_dictionaries({}, optional=dict.fromkeys(free, text))
    return st.builds(lambda made, ours: made | ours, st.one_of(*cases, right), texts).filter(_is_json)


def _sendable(body: Any) -> dict[str, Any]:
    """The protocol takes an object only. Nothing is waited for: what a call begins ends on its own."""
    made = dict(body) if isinstance(body, dict) else {"pod": body}
    for key in ("wait_seconds", "timeout"):
        if isinstance(made.get(key), int | float):
            made[key] = min(made[key], 0)
    return made


def _is_json(made: dict[str, Any]) -> bool:
    """Bytes are no JSON, and would not come as far as us."""
    try:
        json.dumps(made)
    except TypeError:
        return False
    return True


@pytest.mark.parametrize("tool", own_tools(), ids=lambda tool: tool.name)
async def test_whatever_comes_is_answered(tool: Tool, home: FakeHouse, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    loop = asyncio.get_running_loop()
    who = await home.local()
    await home.started()
    await home.pods.stop(who, (await home.started()).id)
    await home.house.services.ports.expose(who, "hello-1", "9000")
    await home.house.services.volumes.create(who, "models")
    await home.house.launcher.idle()
    refused: list[bool] = []

    async def call(client: Client, made: dict[str, Any]) -> None:
        result = await client.session.call_tool(tool.name, made, allow_input_required=True)
        said = "".join(getattr(block, "text", "") for block in getattr(result, "content", ()))
        assert "Something went wrong" not in said, said
        assert "Traceback" not in said
        refused.append(getattr(result, "is_error", False))
        assert not refused[-1] or len(said) < 1_500, len(said)

    async with Client(build(home.house.services), elicitation_callback=Person()) as client:

        @settings(
            max_examples=CALLS // len(own_tools()),
            deadline=None,
            database=None,
            derandomize=True,  # the same calls when the same tests are run, so that one that fails is made again
            suppress_health_check=list(HealthCheck),
        )
        @given(arguments(tool))
        def ask(made: dict[str, Any]) -> None:
            asyncio.run_coroutine_threadsafe(call(client, made), loop).result(60)

        # Hypothesis knows no coroutines, so it asks from a thread beside the loop.
        await asyncio.to_thread(ask)
    assert len(refused) >= CALLS // len(own_tools())
    assert 0 < sum(refused) < len(refused)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    await home.house.launcher.idle()
    for pod in await home.pods.list(await home.local(), everyone=True):
        assert not pod.status.under_way

"""Ten thousand calls with whatever arguments: each is answered in words, none crashes, and nothing is left behind."""

import logging
import random
import string
from typing import Any

import pytest
from mcp import Client

from mcp_server.bridge import own_tools
from mcp_server.server import build
from tests.houses import FakeHouse
from tests.mcp_server.conftest import Person

CALLS = 10_000
_TEXTS = (
    "", " ", "hello", "hello-1", "nope", "0", "-1", "30m", "8g", "22/tcp", "any", "A100:2", "x" * 64, "x" * 10_000,
    "../../etc", "\0", "\ud7ff", "💥", "'; DROP TABLE pods; --", "%s%n", "{}", "\x1b[31m", "K7QM-3XTP", "NaN",
)  # fmt: skip
_OTHER: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    45,
    2**63,
    1e308,
    -0.5,
    [],
    {},
    ["x"],
    {"A": "1"},
    {"A B": 1},
    [[]],
)


def value(dice: random.Random, schema: dict[str, Any], depth: int = 0) -> Any:
    """Often of the kind that the schema wants, otherwise of any."""
    kinds = {"integer": (0, 1, 20, 300), "number": (0.5, 2), "boolean": (True, False)}
    kind = schema.get("type")
    if dice.random() < 0.3 or depth > 2:
        return dice.choice(_OTHER)
    if "enum" in schema:
        return dice.choice(schema["enum"])
    if kind in kinds:
        return dice.choice(kinds[kind])
    if kind == "object":
        return {dice.choice(_TEXTS): dice.choice(_TEXTS) for _ in range(dice.randrange(3))}
    if kind == "array":
        return [value(dice, schema.get("items", {}), depth + 1) for _ in range(dice.randrange(3))]
    letters = "".join(dice.choice(string.printable) for _ in range(dice.randrange(12)))
    return dice.choice((*_TEXTS, letters, *schema.get("examples", ())))


def arguments(dice: random.Random, schema: dict[str, Any]) -> dict[str, Any]:
    """Some of what a tool takes, and now and then what it does not."""
    known = schema["properties"]
    wanted = [name for name in known if name in schema.get("required", ()) or dice.random() < 0.35]
    made = {name: value(dice, known[name]) for name in wanted if dice.random() > 0.05}
    for name in ("wait_seconds", "timeout"):
        # Nothing of ours is waited for: what a call begins ends on its own.
        if name in known:
            made[name] = dice.choice((0, 0, 0, -1, "x"))
    return made | ({dice.choice(_TEXTS): 1} if dice.random() < 0.05 else {})


async def test_whatever_comes_is_answered(home: FakeHouse, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    dice = random.Random(20261128)  # the same calls each time, so that one that fails can be made again
    tools = own_tools()
    refused = 0
    async with Client(build(home.house.services), elicitation_callback=Person()) as client:
        for number in range(CALLS):
            tool = tools[number % len(tools)]
            given = arguments(dice, tool.input_schema)
            result = await client.session.call_tool(tool.name, given, allow_input_required=True)
            said = "".join(getattr(block, "text", "") for block in getattr(result, "content", ()))
            assert "Something went wrong" not in said, (tool.name, given, said)
            assert "Traceback" not in said
            if getattr(result, "is_error", False):
                refused += 1
                assert len(said) < 1_500, (tool.name, given, len(said))
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert CALLS // 3 < refused < CALLS
    await home.house.launcher.idle()
    for pod in await home.pods.list(await home.local(), everyone=True):
        assert not pod.status.under_way

"""What an assistant is told about the tools: a snapshot of each, a budget for all, and hints that are all said."""

import json
import logging
import os
from pathlib import Path

import pytest
from mcp_types import Tool

from mcp_server.bridge import own_tools
from mcp_server.server import build
from tests.houses import FakeHouse
from tests.mcp_server.conftest import Opener

SNAPSHOTS = Path(__file__).parent / "snapshots"
BUDGET = 16_000
READERS = {"pod_list", "pod_get", "pod_logs", "pod_why", "template_list", "volume_list"}
LOSING = {"pod_stop", "pod_restart", "pod_terminate", "pod_unexpose", "volume_delete"}
ADDING_UP = {"pod_start", "pod_restart", "pod_keep"}
"""A second call does something again."""
TOOLS = own_tools()


def wire(tool: Tool) -> str:
    return json.dumps(tool.model_dump(by_alias=True, exclude_none=True, mode="json"), separators=(",", ":"))


def test_all_tools_are_there_in_order() -> None:
    assert [tool.name for tool in TOOLS] == [
        "pod_start",
        "pod_list",
        "pod_get",
        "pod_stop",
        "pod_resume",
        "pod_restart",
        "pod_terminate",
        "pod_logs",
        "pod_why",
        "pod_keep",
        "pod_expose",
        "pod_unexpose",
        "template_list",
        "volume_list",
        "volume_create",
        "volume_delete",
    ]


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_a_changed_tool_is_a_reviewed_change(tool: Tool) -> None:
    path = SNAPSHOTS / f"{tool.name}.json"
    shown = json.dumps(json.loads(wire(tool)), indent=1) + "\n"
    if os.environ.get("UPDATE_SNAPSHOTS") == "1":
        path.write_text(shown)
    assert path.read_text() == shown, "run with UPDATE_SNAPSHOTS=1 and review the difference"


def test_no_snapshot_is_left_over() -> None:
    assert {path.stem for path in SNAPSHOTS.glob("*.json")} == {tool.name for tool in TOOLS}


def test_the_list_stays_within_its_budget() -> None:
    assert sum(len(wire(tool)) + 1 for tool in TOOLS) < BUDGET


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_every_tool_is_fully_described(tool: Tool) -> None:
    hints = tool.annotations
    assert hints is not None
    assert None not in (hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint, hints.open_world_hint)
    assert hints.read_only_hint == (tool.name in READERS)
    assert hints.destructive_hint == (tool.name in LOSING)
    assert hints.idempotent_hint == (tool.name not in ADDING_UP)
    assert hints.open_world_hint == (tool.name in {"pod_start", "pod_resume"})
    assert tool.title
    assert tool.description
    assert tool.output_schema is not None
    assert tool.input_schema["additionalProperties"] is False
    for name, schema in tool.input_schema["properties"].items():
        assert schema["description"], name
        bounded = {"maxLength", "maximum", "maxItems", "enum"} & set(schema) or schema["type"] in ("boolean", "object")
        assert bounded, name


async def test_the_service_lists_the_same(opened: Opener) -> None:
    async with opened() as client:
        listed = (await client.list_tools()).tools
        assert [json.loads(wire(tool)) for tool in listed] == [json.loads(wire(tool)) for tool in TOOLS]
        assert client.instructions is not None
        assert "template_list" in client.instructions


def test_building_the_server_leaves_logging_alone(home: FakeHouse) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    try:
        build(home.house.services)
        assert root.handlers == []
        assert root.level == level
    finally:
        root.handlers[:] = handlers

"""The Inspector's command line lists and calls our tools, through the bridge and over HTTP, in both protocol eras."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from core.model import Status
from mcp_server.server import tools
from tests.houses import FakeHouse
from tests.mcp_server.conftest import TOKEN, Served
from tests.mcp_server.test_bridge import bridge
from tests.outsiders.conftest import Node

PROGRAM = "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"
FAILED_TOOL, NO_RIGHT = 5, 3
"""How it ends when a tool says that it failed, and when the server wants another token."""

ERAS = ("legacy", "modern")
"""The two protocol eras as the Inspector calls them; it takes the first when it is not told."""

Ended = tuple[int, Any]
Inspect = Callable[..., Awaitable[Ended]]


@pytest.fixture
def inspect(outsiders: Path, node: Node) -> Inspect:
    """Asks; the exit code, and the result or else the error."""

    async def ask(*words: str) -> Ended:
        said = await node(outsiders / PROGRAM, "--cli", *words, "--quiet", "--format", "json")
        told = said.out or said.err
        assert told.startswith("{"), said
        return said.code, json.loads(told)

    return ask


async def both(inspect: Inspect, *words: str) -> list[Ended]:
    """The same in both eras, at once."""
    return await asyncio.gather(*(inspect(*words, "--protocol-era", era) for era in ERAS))


@pytest.fixture(params=["stdio", "http"])
def way(request: pytest.FixtureRequest, served: Served) -> list[str]:
    """Where the Inspector finds us: behind the bridge or on the port."""
    if request.param == "http":
        return over_http(served, TOKEN)
    started = bridge(served.url)
    return [started.command, *started.args]


def over_http(served: Served, *tokens: str) -> list[str]:
    headers = [word for token in tokens for word in ("--header", f"Authorization: Bearer {token}")]
    return [served.endpoint, "--transport", "http", "--stored-auth-only", *headers]


def tool(name: str, **arguments: str) -> list[str]:
    return ["--method", "tools/call", "--tool-name", name, "--tool-args-json", json.dumps(arguments)]


async def test_it_lists_our_tools_and_finds_no_error_in_their_schemas(
    inspect: Inspect, way: list[str], home: FakeHouse
) -> None:
    ours = [found.name for found in tools(home.house.services)]
    for code, told in await both(inspect, *way, "--method", "tools/list", "--strict"):
        assert code == 0
        assert [found["name"] for found in told["result"]["tools"]] == ours


async def test_it_starts_pods(inspect: Inspect, way: list[str], home: FakeHouse) -> None:
    started: set[str] = set()
    for code, told in await both(inspect, *way, *tool("pod_start", template="hello")):
        pod = told["result"]["structuredContent"]
        assert (code, pod["status"]) == (0, "RUNNING")
        started.add(pod["id"])
    pods = await home.pods.list(await home.local())
    assert ({pod.id for pod in pods}, {pod.via for pod in pods}) == (started, {"mcp"})


async def test_it_lists_pods(inspect: Inspect, way: list[str], home: FakeHouse) -> None:
    pods = [await home.started() for _ in range(2)]
    code, told = await inspect(*way, *tool("pod_list"))
    assert code == 0
    assert {found["id"] for found in told["result"]["structuredContent"]["pods"]} == {pod.id for pod in pods}


async def test_a_wrong_call_ends_with_the_code_of_a_failed_tool(inspect: Inspect, way: list[str]) -> None:
    code, told = await inspect(*way, *tool("pod_get", pod="nope"))
    assert code == FAILED_TOOL
    assert "pod_list" in told["result"]["content"][0]["text"]


async def test_it_cannot_ask_its_user_so_nothing_is_deleted(inspect: Inspect, served: Served, home: FakeHouse) -> None:
    pod = await home.started()
    for code, told in await both(inspect, *over_http(served, TOKEN), *tool("pod_terminate", pod=pod.name)):
        assert code == FAILED_TOOL
        assert "podkeeper confirm" in told["result"]["content"][0]["text"]
    assert (await home.after(pod)).status is Status.RUNNING


async def test_it_learns_that_a_token_is_wanted(inspect: Inspect, served: Served) -> None:
    for tokens in ([], ["wrong"]):
        code, told = await inspect(*over_http(served, *tokens), "--method", "tools/list")
        assert (code, told["error"]["code"]) == (NO_RIGHT, "auth_required")

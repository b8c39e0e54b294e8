"""The bench's MCP: `pod_list` and `pod_get` over HTTP of both eras and stdio, against a tool that does nothing.

`python -m scripts.bench.lists` is that tool's server on stdio.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.server import MCPServer
from mcp.server.auth.settings import AuthSettings
from mcp_types import ToolAnnotations
from pydantic import AnyHttpUrl, BaseModel

from core.model import Scope
from mcp_server.auth import HouseTokens
from mcp_server.bridge import own_tools
from mcp_server.server import guard
from scripts.bench.figures import Row, Samples, Section, table
from tests.helpers import free_port
from tests.houses import FakeHouse, fake_house
from tests.mcp_server.conftest import TOKEN, serving
from tests.web import served

ROOT = Path(__file__).parents[2]
COUNTS = (1, 100, 1_000)
AIM = 2.0
"""Of `pod_list` with 100 pods, and of `pod_get`, against the tool that does nothing."""
RUNPOD_LIST = 123_664
"""Bytes of `tools/list` of the official RunPod MCP server 4.0.0, as JSON; measured on 2026-11-24."""
_ERAS = {"HTTP, 2026-07-28": "auto", "HTTP, 2025-11-25": "legacy"}
_BRIDGE = "import asyncio, sys; from mcp_server.bridge import serve_stdio; asyncio.run(serve_stdio(*sys.argv[1:]))"
_NOTE = """
One call at a time, by the SDK's own client, on SQLite, with engine and gateway faked; a list is a page of 20 in brief.
The baseline is a tool without arguments that answers one field, behind the same token and over the same transport (over
stdio, the SDK's server itself, where ours is the bridge, which connects to the running service for each call). Client
and service share a process.
"""


class Nothing(BaseModel):
    """What the empty tool answers."""

    ok: bool = True


async def measure(times: int) -> list[Section]:
    """Each in turn with the empty tool."""
    rows: list[Row] = []
    for count in COUNTS:
        with tempfile.TemporaryDirectory(prefix="pk-bench-") as folder:
            async with fake_house(Path(folder), max_pods_per_user=count) as home:
                await asyncio.gather(*(home.started() for _ in range(count)))
                rows += await _rows(home, count, times)
    size = len(_listed())
    line = ("tools/list", f"{size:,}", f"{RUNPOD_LIST:,}", f"{size / RUNPOD_LIST:.2f}")
    sizes = table(("what", "bytes", "the official RunPod MCP server's", "ratio"), [line])
    return [Section.of_rows("Calls over MCP", rows, _NOTE), Section("The list of tools", sizes, "\nAs JSON.\n")]


def _listed() -> str:
    return "[" + ",".join(tool.model_dump_json(by_alias=True, exclude_none=True) for tool in own_tools()) + "]"


async def _rows(home: FakeHouse, count: int, times: int) -> list[Row]:
    rows: list[Row] = []
    async with serving(home, free_port()) as place, _empty(home) as base:
        program = ["-c", _BRIDGE, place.url, TOKEN]
        ways = {name: (_http(place.url, mode), _http(base, mode)) for name, mode in _ERAS.items()}
        ways["stdio"] = (_stdio(program), _stdio(["-m", "scripts.bench.lists"]))
        for name, (our_way, empty_way) in ways.items():
            async with our_way as ours, empty_way as empty:
                aim = AIM if count == 100 else None
                said = f"`pod_list`, {count:,} pods, {name}"
                rows.append(await _compare(said, ours, "pod_list", {}, empty, times, aim))
                if count == 100:
                    said = f"`pod_get` of {count} pods, {name}"
                    rows.append(await _compare(said, ours, "pod_get", {"pod": "hello-7"}, empty, times, AIM))
    return rows


async def _compare(
    name: str, ours: Client, tool: str, arguments: Mapping[str, Any], empty: Client, times: int, aim: float | None
) -> Row:
    found: list[float] = []
    nothings: list[float] = []
    for _ in range(times):
        found.append(await _timed(ours, tool, arguments))
        nothings.append(await _timed(empty, "nothing", {}))
    return Row(Samples.of_seconds(name, found), Samples.of_seconds("an empty tool", nothings), aim=aim)


async def _timed(client: Client, tool: str, arguments: Mapping[str, Any]) -> float:
    begun = time.perf_counter()
    result = await client.call_tool(tool, dict(arguments))
    took = time.perf_counter() - begun
    assert not result.is_error, result
    return took


@asynccontextmanager
async def _http(url: str, mode: Any) -> AsyncIterator[Client]:
    async with AsyncExitStack() as stack:
        http = httpx2.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30, trust_env=False)
        await stack.enter_async_context(http)
        transport = streamable_http_client(f"{url}/mcp", http_client=http)
        yield await stack.enter_async_context(Client(transport, mode=mode))


@asynccontextmanager
async def _stdio(words: list[str]) -> AsyncIterator[Client]:
    async with Client(StdioServerParameters(command=sys.executable, args=words, cwd=ROOT)) as client:
        yield client


@asynccontextmanager
async def _empty(home: FakeHouse) -> AsyncIterator[str]:
    """A server of one tool with the same doors before it: the bearer token, Host and Origin."""
    port = free_port()
    url = AnyHttpUrl(f"http://127.0.0.1:{port}/mcp")
    auth = AuthSettings(
        issuer_url=url, resource_server_url=url, required_scopes=[Scope.READ], validate_token_resource=True
    )
    server = _of_nothing(auth=auth, token_verifier=HouseTokens(home.house.services, TOKEN, str(url)))
    settings = home.house.settings.model_copy(update={"listen": ("127.0.0.1", port)})
    app = server.streamable_http_app(transport_security=guard(settings))
    async with server.session_manager.run(), served(app, port) as base:
        yield base


def _of_nothing(**given: Any) -> MCPServer[dict[str, object]]:
    server: MCPServer[dict[str, object]] = MCPServer("empty", subscriptions=False, log_level="WARNING", **given)
    server.add_tool(_nothing, name="nothing", annotations=ToolAnnotations(read_only_hint=True))
    return server


async def _nothing() -> Nothing:
    """Nothing."""
    return Nothing()


if __name__ == "__main__":
    _of_nothing().run("stdio")

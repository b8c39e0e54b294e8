"""The bench's lists: `pod_list` over MCP on 100 pods, against a tool that does nothing, served in the same way."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from mcp.server import MCPServer
from mcp.server.auth.settings import AuthSettings
from mcp_types import ToolAnnotations
from pydantic import AnyHttpUrl, BaseModel

from core.model import Scope
from mcp_server.auth import HouseTokens
from mcp_server.client import PodClient, connect
from mcp_server.server import guard
from scripts.bench.figures import Row, Samples, Section
from scripts.bench.serve import served
from tests.helpers import free_port
from tests.houses import FakeHouse, fake_house
from tests.mcp_server.conftest import TOKEN, serving

PODS = 100
_NOTE = """
Over streamable HTTP, with our own client, on SQLite, with engine and gateway faked. The baseline is a tool without
arguments that answers one field, behind the same token.
"""


class Nothing(BaseModel):
    """What the empty tool answers."""

    ok: bool = True


async def measure(times: int) -> list[Section]:
    """The default page of 20, and all 100 in one; each in turn with the empty tool."""
    with tempfile.TemporaryDirectory(prefix="pk-bench-") as folder:
        async with (
            fake_house(Path(folder), max_pods_per_user=PODS) as home,
            _ours(home) as ours,
            _empty(home) as empty,
        ):
            await asyncio.gather(*(home.started() for _ in range(PODS)))
            assert len((await ours.call("pod_list", {"limit": PODS}))["pods"]) == PODS
            rows = [await _compare(ours, empty, limit, times) for limit in (20, PODS)]
    return [Section.of_rows("List over MCP", rows, _NOTE)]


async def _compare(ours: PodClient, empty: PodClient, limit: int, times: int) -> Row:
    lists: list[float] = []
    nothings: list[float] = []
    for _ in range(times):
        lists.append(await _timed(ours, "pod_list", {"limit": limit}))
        nothings.append(await _timed(empty, "nothing", {}))
    name = f"`pod_list` over HTTP, {PODS} pods, {limit} on the page"
    return Row(Samples.of_seconds(name, lists), Samples.of_seconds("an empty tool of the same SDK", nothings))


async def _timed(client: PodClient, tool: str, arguments: dict[str, int]) -> float:
    begun = time.perf_counter()
    await client.call(tool, arguments)
    return time.perf_counter() - begun


@asynccontextmanager
async def _ours(home: FakeHouse) -> AsyncIterator[PodClient]:
    async with serving(home, free_port()) as place, connect(place.url, TOKEN) as client:
        yield client


@asynccontextmanager
async def _empty(home: FakeHouse) -> AsyncIterator[PodClient]:
    """A server of one tool with the same doors before it: the bearer token, Host and Origin."""
    port = free_port()
    url = AnyHttpUrl(f"http://127.0.0.1:{port}/mcp")
    server: MCPServer[dict[str, object]] = MCPServer(
        "empty",
        auth=AuthSettings(
            issuer_url=url, resource_server_url=url, required_scopes=[Scope.READ], validate_token_resource=True
        ),
        token_verifier=HouseTokens(home.house.services, TOKEN, str(url)),
        subscriptions=False,
    )
    server.add_tool(_nothing, name="nothing", annotations=ToolAnnotations(read_only_hint=True))
    settings = home.house.settings.model_copy(update={"listen": ("127.0.0.1", port)})
    app = server.streamable_http_app(transport_security=guard(settings))
    async with server.session_manager.run(), served(app, port) as base, connect(base, TOKEN) as client:
        yield client


async def _nothing() -> Nothing:
    """Nothing."""
    return Nothing()

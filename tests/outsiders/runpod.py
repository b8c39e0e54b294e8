"""RunPod's own MCP server, unmodified, with its base URL at us."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters

from tests.outsiders.package import NODE

PROGRAM = "node_modules/@runpod/mcp-server/dist/stdio.mjs"


class Runpod:
    """Its tools. What they answer is one text that holds JSON."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def call(self, tool: str, **arguments: Any) -> Any:
        """What it found."""
        result = await self._client.call_tool(tool, arguments)
        said = "\n".join(block.text for block in result.content if block.type == "text")
        assert not result.is_error, said
        return json.loads(said)

    async def refused(self, tool: str, **arguments: Any) -> str:
        """What it says when we refuse."""
        result = await self._client.call_tool(tool, arguments)
        assert result.is_error
        return "\n".join(block.text for block in result.content if block.type == "text")


@asynccontextmanager
async def runpod(folder: Path, url: str, token: str, home: Path) -> AsyncIterator[Runpod]:
    """The program, started as its documentation says."""
    env = {"RUNPOD_API_BASE_URL": url, "RUNPOD_API_KEY": token, "HOME": str(home)}
    program = StdioServerParameters(command=str(NODE), args=[str(folder / PROGRAM)], env=env)
    async with Client(program, mode="legacy") as client:
        yield Runpod(client)

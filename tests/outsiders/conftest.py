"""Our face on a port for programs of other people, and those programs."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.houses import home as home
from tests.mcp_server.conftest import served as served
from tests.outsiders.package import NODE, fetch
from tests.second_opinion.package import NotAsked

ROOT = Path(__file__).parents[2]
_PATIENCE = 60


@dataclass(frozen=True)
class Said:
    """How a program ended, and what it wrote."""

    code: int
    out: str
    err: str


Node = Callable[..., Awaitable[Said]]


@pytest.fixture(scope="session")
def outsiders(pytestconfig: pytest.Config) -> Path:
    """The folder with their node_modules; without a network, and nothing kept, a skip that says so."""
    try:
        return fetch()
    except NotAsked as reason:
        said = f"{reason}, so the Inspector and the TypeScript client were not asked"
        capture: Any = pytestconfig.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            print(f"\nMCP: {said}.")
        pytest.skip(said)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """Runs Node, with a home of its own, for the Inspector writes into it."""
    environment = {"HOME": str(tmp_path / "home"), "PATH": os.environ.get("PATH", os.defpath)}

    async def run(*words: str | Path) -> Said:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            NODE, *words, cwd=ROOT, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
        )
        try:
            async with asyncio.timeout(_PATIENCE):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        return Said(process.returncode, out.decode(), err.decode())

    return run

"""The bench's processes apart: a module that runs in a process of its own until it is let go.

What is measured there shares no loop and no memory with the double and the clock, which are here.
"""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Apart:
    """A process that has opened. `url`: where it answers, or nothing."""

    pid: int
    url: str


@asynccontextmanager
async def apart(module: str, given: dict[str, Any]) -> AsyncIterator[Apart]:
    """Run it with `given` as its only word, in JSON."""
    words = (sys.executable, "-m", module, json.dumps(given))
    process = await asyncio.create_subprocess_exec(*words, stdin=PIPE, stdout=PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        opened = await process.stdout.readline()
        assert opened, f"{module} did not open"
        yield Apart(process.pid, json.loads(opened))
    finally:
        process.stdin.close()
        await process.wait()


async def stay(url: str = "") -> None:
    """In that process: say that all is open, and return when it is to end, which is the end of its standard input."""
    print(json.dumps(url), flush=True)
    await asyncio.to_thread(sys.stdin.read)

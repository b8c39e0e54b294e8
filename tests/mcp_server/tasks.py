"""The office of the MCP house: what a task of a person is, and the assistant who does it by its tools' outputs alone.

The tasks themselves are in `tasks_starts.py` and `tasks_running.py`.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from mcp import Client
from mcp_types import CallToolResult

from core.model import Gpu, Pod
from tests.houses import FakeHouse
from tests.mcp_server.conftest import Person, data, refusal, text

PRICES = {"llama-large": 0.9, "llama-small": 0.35, "llama-huge": 2.5, "web": 0.05}
"""Templates of the house besides the built-in ones, with dollars an hour."""
GPUS = [Gpu(uuid=f"GPU-{n}", type="NVIDIA L4", memory=24 * 2**30) for n in range(2)]


def templates(folder: Path) -> Path:
    """A folder with a template for each of PRICES."""
    folder.mkdir()
    for name, price in PRICES.items():
        what = "A web page." if name == "web" else f"llama.cpp server with OpenAI's API, the {name[6:]} model."
        made = {"name": name, "description": what, "image": name, "ports": ["8080/http"], "price_per_hour": price}
        (folder / f"{name}.yaml").write_text(json.dumps(made))
    return folder


class Assistant:
    """Calls tools, and keeps what it read. It knows its user's words, and neither the hour nor the house."""

    def __init__(self, client: Client, meanwhile: Callable[[], Awaitable[None]]) -> None:
        self._client = client
        self.meanwhile = meanwhile
        """Time passes, and others do what they do."""
        self.calls: list[str] = []
        self.read: list[CallToolResult] = []

    @property
    def size(self) -> int:
        """Bytes of all results, the copy in text and the one in data, as they go over the wire."""
        return sum(len(one.model_dump_json(by_alias=True, exclude_none=True).encode()) for one in self.read)

    @property
    def seen(self) -> str:
        """All text of the results: there are clients that read nothing else."""
        return "\n".join(text(one) for one in self.read)

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The data of a call that works."""
        return data(await self._call(tool, arguments))

    async def refused(self, tool: str, **arguments: Any) -> str:
        """The words of a call that is refused."""
        return refusal(await self._call(tool, arguments))

    async def told(self, tool: str, **arguments: Any) -> str:
        """The text of a call that works."""
        result = await self._call(tool, arguments)
        data(result)
        return text(result)

    async def _call(self, tool: str, arguments: dict[str, Any]) -> CallToolResult:
        result = await self._client.call_tool(tool, arguments)
        self.calls.append(tool)
        self.read.append(result)
        return result


class Task(ABC):
    """What a person says, how their house is then, what a good assistant does, and what it must be able to say."""

    title: ClassVar[str]
    calls: ClassVar[tuple[str, ...]]
    """The tools, in the order of the calls."""
    budget: ClassVar[int]
    """Bytes of output at most."""
    can_ask: ClassVar[bool] = True
    """Whether the assistant's program can ask its person, who says yes."""

    def __init__(self) -> None:
        self.person = Person()

    async def prepare(self, home: FakeHouse) -> None:  # noqa: B027 a hook, and most need none
        """What there is before the first call."""

    async def meanwhile(self, home: FakeHouse) -> None:  # noqa: B027 a hook, and most need none
        """What others do when the assistant lets time pass."""

    @abstractmethod
    async def script(self, assistant: Assistant) -> str:
        """The calls; gives back what the assistant tells its person, taken from the outputs only."""

    @abstractmethod
    async def facts(self, home: FakeHouse) -> list[str]:
        """What the person needs, as the house knows it: all of it stands in the outputs and in the answer."""


def stamp(at: datetime) -> str:
    """A time as the tools write it."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


async def named(home: FakeHouse, name: str) -> Pod:
    """The pod of this name, from the house itself."""
    return await home.pods.get(await home.local(), name)


async def url(home: FakeHouse, name: str) -> str:
    """The first address of the pod of this name, from the house itself."""
    found = home.pods.urls(await named(home, name))[0].url
    assert found is not None
    return found


async def visit(home: FakeHouse, pod: Pod, port: int = 8080, **figures: int) -> None:
    """Somebody uses the pod now."""
    home.gateway.count(pod.id, port, **(figures or {"completed": 1, "succeeded": 1}))
    await home.tick()

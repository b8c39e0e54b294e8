"""The SDK's server with our services at hand, so that what the SDK calls by itself reaches them."""

from collections.abc import Awaitable, Callable
from typing import Any

from mcp import MCPError
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp_types import INVALID_PARAMS, GetPromptResult, InputRequiredResult, Resource

from core.service import Services
from core.units import shorten
from mcp_server.bus import OwnersBus


class HouseServer(MCPServer[dict[str, object]]):
    """One for each face. `services` is what all its tools, resources and questions work on."""

    def __init__(self, services: Services, **given: Any) -> None:
        self.services = services
        self.listed: Callable[[], Awaitable[list[Resource]]] | None = None
        """What is there to be read, for who asks."""
        self.bus = OwnersBus(services)
        super().__init__("podkeeper", subscriptions=self.bus, middleware=[self.bus.gate], **given)

    async def get_prompt(
        self, name: str, arguments: dict[str, Any] | None = None, context: Context[Any, Any] | None = None
    ) -> GetPromptResult | InputRequiredResult:
        """As the SDK's, which takes an unknown name, and arguments that are missing, for a bug of ours."""
        known = {prompt.name: prompt for prompt in await self.list_prompts()}
        if name not in known:
            raise MCPError(INVALID_PARAMS, f"There is no prompt {shorten(name, 60)!r}. There are: {', '.join(known)}.")
        needed = [one.name for one in known[name].arguments or [] if one.required and one.name not in (arguments or {})]
        if needed:
            raise MCPError(INVALID_PARAMS, f"The prompt {name} needs {', '.join(needed)}.")
        return await super().get_prompt(name, arguments, context)

    async def list_resources(self) -> list[Resource]:
        """The SDK's list is the same for everybody; ours is not."""
        own = await self.listed() if self.listed is not None else []
        return [*own, *await super().list_resources()]


def house(context: Context[Any, Any]) -> HouseServer:
    """The server behind a call."""
    server = context.mcp_server
    assert isinstance(server, HouseServer)
    return server

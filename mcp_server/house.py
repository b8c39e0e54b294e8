"""The SDK's server with our services at hand, so that what the SDK calls by itself reaches them."""

from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context

from core.service import Services


class HouseServer(MCPServer[dict[str, object]]):
    """One for each face. `services` is what all its tools, resources and questions work on."""

    def __init__(self, services: Services, **given: Any) -> None:
        self.services = services
        super().__init__("podkeeper", **given)


def house(context: Context[Any, Any]) -> HouseServer:
    """The server behind a call."""
    server = context.mcp_server
    assert isinstance(server, HouseServer)
    return server

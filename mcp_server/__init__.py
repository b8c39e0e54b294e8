"""The MCP face: what an AI assistant, the terminal and the stdio bridge speak to (the only importer of `mcp`).

Importing this package is cheap; the SDK, which takes 0.6 s, is imported by the functions that need it.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.service import Services
    from core.settings import Settings
    from mcp_server.server import McpFace


def face(services: "Services", settings: "Settings", token: str) -> "McpFace":
    """The face on these services, open to whoever holds `token`; InvalidInput when PODKEEPER_URL is no address."""
    from mcp_server.server import McpFace

    return McpFace(services, settings, token)

"""The MCP server: the tools on streamable HTTP, behind tokens and a guard against rebound host names."""

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from urllib.parse import urlsplit

from mcp.server import MCPServer
from mcp.server.auth.settings import AuthSettings
from mcp.server.transport_security import TransportSecuritySettings
from pydantic import AnyHttpUrl, ValidationError
from starlette.types import ASGIApp

from core.errors import InvalidInput
from core.service import Services
from core.settings import Settings
from core.units import shorten
from mcp_server.auth import SCOPE, HouseTokens
from mcp_server.tool import HouseTool
from mcp_server.tools_pods import PodTools
from mcp_server.tools_stock import StockTools
from mcp_server.tools_use import UseTools
from mcp_server.words import INSTRUCTIONS


class McpFace:
    """`app` answers at `/mcp` and `/.well-known/…` while `running()` is entered."""

    def __init__(self, services: Services, settings: Settings, token: str) -> None:
        url = f"{settings.service_url}/mcp"
        try:
            resource, issuer = AnyHttpUrl(url), AnyHttpUrl(settings.service_url)
        except ValidationError:
            raise InvalidInput(
                f"PODKEEPER_URL: {shorten(settings.service_url)!r} is not an address such as https://pods.example.org."
            ) from None
        self._server = build(
            services,
            AuthSettings(
                issuer_url=issuer, resource_server_url=resource, required_scopes=[SCOPE], validate_token_resource=True
            ),
            HouseTokens(services, token, url),
        )
        self._app = self._server.streamable_http_app(transport_security=guard(settings))

    @property
    def app(self) -> ASGIApp:
        """The ASGI application; mount it at `/`, after the service's own routes."""
        return self._app

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the sessions while serving. Once per face; leaving ends every open call, and no pod."""
        async with self._server.session_manager.run():
            yield


def tools(services: Services) -> list[HouseTool]:
    """All tools, in the order they are listed."""
    return [*PodTools(services).tools(), *UseTools(services).tools(), *StockTools(services).tools()]


def build(
    services: Services, auth: AuthSettings | None = None, verifier: HouseTokens | None = None
) -> MCPServer[dict[str, object]]:
    """The server; without `auth` for a client in this process only."""
    with _logging_untouched():
        return MCPServer(
            "podkeeper",
            title="Podkeeper",
            version=version("podkeeper"),
            instructions=INSTRUCTIONS,
            tools=[*tools(services)],
            auth=auth,
            token_verifier=verifier,
            subscriptions=False,
        )


def guard(settings: Settings) -> TransportSecuritySettings:
    """Which Host and Origin headers may come: loopback, what we listen on, and what PODKEEPER_URL says."""
    listening = settings.listen[0]
    hosts = dict.fromkeys(["127.0.0.1", "localhost", "[::1]", f"[{listening}]" if ":" in listening else listening])
    allowed = [f"{host}:*" for host in hosts]
    if settings.url is not None:
        said = urlsplit(settings.url).netloc.rpartition("@")[2].lower()
        # A default port is left out of the header, any other one is in it.
        allowed += [said, f"{urlsplit(settings.url).hostname}:*"]
    allowed = list(dict.fromkeys(allowed))
    return TransportSecuritySettings(
        allowed_hosts=allowed,
        allowed_origins=[f"{scheme}://{host}" for host in allowed for scheme in ("http", "https")],
    )


@contextmanager
def _logging_untouched() -> Iterator[None]:
    """MCPServer() sets the root logger up; how this program logs is not its to say."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)

"""The MCP server: the tools on streamable HTTP, behind tokens and a guard against rebound host names."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from urllib.parse import urlsplit

from mcp.server.auth.middleware.bearer_auth import RequireAuthMiddleware
from mcp.server.auth.routes import build_resource_metadata_url, create_protected_resource_routes
from mcp.server.auth.settings import AuthSettings
from mcp.server.request_state import RequestStateSecurity
from mcp.server.transport_security import TransportSecuritySettings
from pydantic import AnyHttpUrl, ValidationError
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from core.errors import InvalidInput
from core.model import Scope
from core.service import Services
from core.settings import Settings
from core.units import shorten
from mcp_server.auth import HouseTokens
from mcp_server.desk import Desk
from mcp_server.gate import ScopeGate
from mcp_server.house import HouseServer
from mcp_server.prompts import prompts
from mcp_server.resources import Shelf
from mcp_server.tool import HouseTool
from mcp_server.tools_pods import PodTools
from mcp_server.tools_stock import StockTools
from mcp_server.tools_use import UseTools
from mcp_server.words import INSTRUCTIONS

MOST = 1024 * 1024
"""Bytes of a request; the largest that makes sense is a start with 32 kB of variables."""


class McpFace:
    """`app` answers at `/mcp`, `/confirmations` and `/.well-known/…` while `running()` is entered.

    Where PODKEEPER_URL has a path, it answers below that as well, for a proxy that leaves the path as it is.
    """

    def __init__(self, services: Services, settings: Settings, token: str) -> None:
        url = f"{settings.service_url}/mcp"
        resource = _address(url, settings.service_url, "PODKEEPER_URL")
        # Where a program gets a login by itself; an issuer that is no address is none that it could go to.
        said = settings.login_issuer or ""
        issuer = _address(said, said, "PODKEEPER_LOGIN_ISSUER") if said.startswith(("http://", "https://")) else None
        issuer = issuer or _address(settings.service_url, settings.service_url, "PODKEEPER_URL")
        verifier = HouseTokens(services, token, url)
        self._server = build(
            services,
            AuthSettings(
                issuer_url=issuer,
                resource_server_url=resource,
                required_scopes=[Scope.READ],
                validate_token_resource=True,
            ),
            verifier,
            state_key(token),
        )
        app = self._server.streamable_http_app(
            transport_security=guard(settings),
            max_request_body_size=MOST,
            max_sessions=settings.mcp_max_sessions,
            session_idle_timeout=settings.mcp_idle_timeout.total_seconds(),
        )
        _refine(app, changing(services), resource, issuer)
        app.routes.extend(Desk(services, verifier).routes())
        below = urlsplit(settings.service_url).path
        # The document about `/below/mcp` belongs to the root of the host, as RFC 9728 has it.
        self._app = Starlette(routes=[Mount(below, app), Mount("/", app)]) if below else app

    @property
    def app(self) -> ASGIApp:
        """The ASGI application; mount it at `/`, after the service's own routes."""
        return self._app

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the sessions while serving. Once per face; leaving ends every open call, and no pod."""
        telling = asyncio.create_task(self._server.bus.run(), name="notes about changed pods")
        try:
            async with self._server.session_manager.run():
                yield
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)


def _address(url: str, said: str, variable: str) -> AnyHttpUrl:
    try:
        return AnyHttpUrl(url)
    except ValidationError:
        raise InvalidInput(
            f"{variable}: {shorten(said)!r} is not an address such as https://pods.example.org."
        ) from None


def tools(services: Services) -> list[HouseTool]:
    """All tools, in the order they are listed."""
    return [*PodTools(services).tools(), *UseTools(services).tools(), *StockTools(services).tools()]


def changing(services: Services) -> list[str]:
    """Names of the tools that need more than a token for looking."""
    return [tool.name for tool in tools(services) if tool.annotations and not tool.annotations.read_only_hint]


def state_key(token: str) -> bytes:
    """32 bytes that sign what a client holds between two rounds of a call.

    Made of the local token, so that after a restart, and behind another process with the same PODKEEPER_TOKEN, an
    answer to a question still counts.
    """
    return hashlib.blake2b(b"request state", key=hashlib.sha256(token.encode()).digest(), digest_size=32).digest()


def build(
    services: Services,
    auth: AuthSettings | None = None,
    verifier: HouseTokens | None = None,
    key: bytes | None = None,
) -> HouseServer:
    """The server; without `auth` for a client in this process only. `key`: see `state_key`; else one of its own."""
    with _logging_untouched():
        server = HouseServer(
            services,
            title="Podkeeper",
            version=version("podkeeper"),
            instructions=INSTRUCTIONS,
            tools=[*tools(services)],
            auth=auth,
            token_verifier=verifier,
            request_state_security=RequestStateSecurity(keys=[key]) if key is not None else None,
        )
    shelf = Shelf(server)
    shelf.fill()
    server.listed = shelf.listed
    for prompt in prompts():
        server.add_prompt(prompt)
    return server


def _refine(app: Starlette, changing: list[str], resource: AnyHttpUrl, issuer: AnyHttpUrl) -> None:
    """Put the gate between the SDK's check of the token and its answer, and all scopes into its document."""
    for index, route in enumerate(app.routes):
        if isinstance(route, Route) and isinstance(route.endpoint, RequireAuthMiddleware):
            guarded = route.endpoint
            guarded.app = ScopeGate(guarded.app, changing, build_resource_metadata_url(resource), MOST)
        elif isinstance(route, Route) and route.path.startswith("/.well-known/"):
            [app.routes[index]] = create_protected_resource_routes(
                resource_url=resource, authorization_servers=[issuer], scopes_supported=[*Scope]
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

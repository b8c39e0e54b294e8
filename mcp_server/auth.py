"""Who is calling over MCP: the bearer of the local token, a personal one or a company login becomes a Caller."""

import hmac
from typing import Any

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken, TokenVerifier
from mcp.server.mcpserver import Context

from core.errors import Forbidden, PodError
from core.model import Caller, Scope
from core.service import Services
from mcp_server.client import CLI

_LOCAL = "local"
_LOGIN = "login"
_LONGEST_NAME = 60


class HouseTokens(TokenVerifier):
    """Knows the token of `core.parts.local_token`, everybody's personal ones, and company logins (JWTs)."""

    def __init__(self, services: Services, token: str, resource: str) -> None:
        self._services = services
        self._token = token.encode()
        self._resource = resource

    async def verify_token(self, token: str) -> AccessToken | None:
        """The bearer; None when it is no token of ours, or one that is no longer good."""
        if hmac.compare_digest(token.encode(), self._token):
            return self._access(token, _LOCAL, _LOCAL, Scope.ADMIN)
        try:
            found = await self._services.tokens.caller(token, "mcp")
            login = await self._services.logins.caller(token, "mcp") if found is None else None
        except PodError:
            return None  # without its database nobody can be known; the call would fail all the same
        if login is not None:
            return self._access(token, _LOGIN, login.person, login.scope)
        return None if found is None else self._access(token, found[0].id, found[1].person, found[1].scope)

    def _access(self, token: str, client: str, subject: str, scope: Scope) -> AccessToken:
        scopes = [str(known) for known in Scope if scope.allows(known)]
        return AccessToken(token=token, client_id=client, scopes=scopes, subject=subject, resource=self._resource)


def via(context: Context[Any, Any]) -> str:
    """`terminal` when our own command line calls, `mcp` otherwise. A label for people, no permission hangs on it."""
    client = context.session.client_params
    return "terminal" if client is not None and client.client_info.name == CLI else "mcp"


async def caller(services: Services, context: Context[Any, Any]) -> Caller:
    """The person behind this call, by their rights of now. Over HTTP nobody comes this far without a token of ours."""
    who = await bearer(services, get_access_token(), via(context))
    return who.model_copy(update={"client": _program(context)})


async def bearer(services: Services, access: AccessToken | None, via: str) -> Caller:
    """The person of a token that was found good; without one (a client in this process) the local admin."""
    if access is None or access.subject == _LOCAL:
        return await services.people.local(via)
    found = await services.tokens.caller(access.token, via)
    if found is not None:
        return found[1]
    login = await services.logins.caller(access.token, via)
    if login is None:
        raise Forbidden("This token opens nothing any more. Make a new one with /pod token in Slack.")
    return login


def _program(context: Context[Any, Any]) -> str | None:
    """What the program calls itself, in so few characters that it does no harm; None for our own terminal."""
    client = context.session.client_params
    name = "".join(c for c in client.client_info.name if c.isprintable()) if client is not None else ""
    return name[:_LONGEST_NAME].strip() or None if name != CLI else None
